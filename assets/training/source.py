"""Batches on the device: pictures composed, captions encoded, and for super-resolution the low-resolution picture that is
handed over."""

import queue
import random
import threading
import time
from dataclasses import dataclass

import torch

import compose
import crops
import diffusion
import feed
import text
from checkpoints import STATE, WEIGHTS, load_state, load_weights
from model import build

SIDES = {"base": 64, "sr256": 256, "sr1024": 1024}


AHEAD = 3  # batches that wait on the device
POOL = 64  # composed batches that are kept for --reuse


@dataclass
class Examples:
    """x [B, 3, H, W] clean, cond: (text, mask), extra: low_res and aug_level of super-resolution."""

    x: torch.Tensor
    cond: tuple
    extra: dict

    def __len__(self):
        return len(self.x)

    def tensors(self):
        return [self.x, *self.cond, *self.extra.values()]


class Ahead:
    """Makes batches on a CUDA stream of their own, in a thread: composing waits for the device here and there, and must not
    make the network wait. On a CPU it makes them when they are asked for."""

    def __init__(self, make, device):
        self.make, self.device, self.waited, self.ended = make, device, 0.0, False
        if device.type == "cuda":
            self.queue = queue.Queue(maxsize=AHEAD)
            self.thread = threading.Thread(target=self.work, daemon=True)
            self.thread.start()

    def work(self):
        stream = torch.cuda.Stream(self.device)
        try:
            with torch.cuda.device(self.device), torch.cuda.stream(stream):
                while not self.ended:
                    examples = self.make()
                    done = torch.cuda.Event()
                    done.record(stream)
                    self.queue.put((examples, done))
        except Exception as e:  # told in the trainer's thread
            self.queue.put((e, None))

    def settle(self, seconds=20.0):
        """Waits until the queue is full and the thread stands still."""
        end = time.perf_counter() + seconds
        while not self.queue.full() and time.perf_counter() < end:
            time.sleep(0.01)

    def __next__(self):
        start = time.perf_counter()
        if self.device.type != "cuda":
            examples = self.make()
        else:
            examples, done = self.queue.get()
            if done is None:
                raise examples
            done.wait()  # the network's stream waits, not this thread
            for t in examples.tensors():
                t.record_stream(torch.cuda.current_stream())
        self.waited += time.perf_counter() - start
        return examples

    def close(self):
        self.ended = True
        if self.device.type == "cuda":
            while self.thread.is_alive():
                while not self.queue.empty():
                    self.queue.get_nowait()
                self.thread.join(0.05)


class Source:
    """`examples()` draws a batch; `waited` is the time that the trainer stood still for one (on a CPU: the time of making
    them)."""

    def __init__(self, options, cards, stage, batch, seed, drop=0.1, workers=0):
        self.stage, self.card, self.side, self.device = stage, cards.stages[stage], SIDES[stage], torch.device(options.device)
        self.crop = cards.training[stage].get("crop")
        order = feed.Order(options.data, self.side, batch, self.crop, options.tokens, drop, seed, options.encoder, options.world)
        self.feed = feed.Feed(order, workers)
        self.banks = compose.Banks.load(options.data, self.side, self.device)
        self.encoder, self.deviation = text.fastest(options.encoder, self.device)
        self.soft = self.open_soft(options, cards)
        self.large, self.large_share = self.open_large(options.data, cards)
        self.reuse = options.reuse or (4 if self.crop and self.device.type == "cpu" else 1)
        self.made, self.pool = 0, []
        if self.device.type == "cuda":
            torch.cuda.synchronize()  # the other stream must find banks and weights finished
        self.ahead = Ahead(self.make, self.device)

    def examples(self):
        return next(self.ahead)

    @property
    def waited(self):
        return self.ahead.waited

    def open_large(self, data, cards):
        """(whole path-traced pictures, the share of crops that comes from them): tones that no drawing has."""
        share = cards.training[self.stage].get("large", 0.0)
        large = compose.LargePictures.load(data, self.device) if share else None
        return large, share if large is not None else 0.0

    def open_soft(self, options, cards):
        """sr256 learns a share of its crops from what the base itself makes of the picture, where a base is at hand."""
        share = cards.training[self.stage].get("soft", 0.0)
        if self.stage != "sr256" or not share:
            return None
        found = base_network(options.runs / "base", cards)
        if found is None:
            return None
        net, prediction = found
        self.share, self.small = share, compose.Banks.load(options.data, SIDES["base"], self.device)
        self.base_schedule = diffusion.schedule(cards.stages["base"]["schedule"])
        return crops.Soft(net.to(self.device, memory_format=torch.channels_last), prediction)

    def encode(self, texts):
        """Texts -> (states, mask), padded to the length that batches have."""
        states, mask = self.encoder.states(*self.encoder.tokens.table(texts, self.feed.order.tokens))
        return states.float(), mask

    @torch.no_grad()
    def make(self):
        batch, full, cond = self.clean()
        if self.crop is None:
            return Examples(full.contiguous(memory_format=torch.channels_last), cond, {})
        low = self.low_res(full, batch, cond)
        level = crops.levels(len(low), self.device)
        low = diffusion.augment(low, level, torch.randn_like(low), diffusion.schedule(self.card["augmentation"]))
        x, low = (v.contiguous(memory_format=torch.channels_last) for v in (crops.inner(full), low))
        return Examples(x, cond, {"low_res": low, "aug_level": level})

    def clean(self):
        """(batch, pictures or crops with their margins, text). They come back a few times with other noise and another
        low-resolution picture, where composing costs more than learning (--reuse, for CPUs)."""
        self.made += 1
        if self.pool and (self.made - 1) % self.reuse:
            return random.choice(self.pool)
        batch = next(self.feed)
        found = batch, *self.pixels_and_text(batch, self.large, random)
        if self.reuse > 1:
            self.pool = [*self.pool[-POOL + 1 :], found]
        return found

    def pixels_and_text(self, batch, large, rng):
        """Composed pictures or crops and their text; the last of the crops from large pictures, where there are some."""
        states, mask = self.encoder.states(batch.ids, batch.counts)
        cond = states.float(), mask
        if self.crop is None:
            return compose.compose(batch.scenes, self.banks, self.side, self.device), cond
        n = int(len(batch.ids) * self.large_share) if large is not None else 0
        some = slice(0, len(batch.ids) - n)
        top, left, size = batch.crops[some].T
        scenes = {k: v[some] for k, v in batch.scenes.items()}
        full = compose.compose(scenes, self.banks, self.side, self.device, crop=(top, left, int(size[0])))
        if n == 0:
            return full, cond
        crops_, captions = large.crops(rng, n, int(size[0]))
        told = self.encode(["" if rng.random() < self.feed.order.drop else c for c in captions])
        return torch.cat([full, crops_]), tuple(torch.cat([a[some], b]) for a, b in zip(cond, told))

    def low_res(self, full, batch, cond):
        """What the stage below hands over, enlarged: shrunk pictures, and for a share the base's own."""
        low = crops.degrade(full)
        n = int(self.share * len(full)) if self.soft else 0
        if n:
            some = {k: v[:n] for k, v in batch.scenes.items()}
            whole = compose.compose(some, self.small, SIDES["base"], self.device)
            places = torch.from_numpy(batch.crops[:n])
            own = self.soft(whole, self.soft_time, cond[0][:n], cond[1][:n], places, self.side)
            low = torch.cat([self.soft.where_right(own, low[:n]), low[n:]])
        return crops.inner(low)

    def soft_time(self, log_snr):
        return self.base_schedule.network_time(self.base_schedule.time(log_snr).clamp(0, 1))

    def close(self):
        self.ahead.close()
        self.feed.close()


def base_network(folder, cards):
    """(averaged network, prediction) of a run of the base, or None."""
    if (folder / STATE).exists():
        state = load_state(folder)
        weights, about = state["ema"], state["about"]
    elif (folder / WEIGHTS).exists():
        weights, _, about = load_weights(folder / WEIGHTS)
    else:
        return None
    net = build(cards.stages["base"]["unet"])
    net.load_state_dict(weights)
    return net, about.get("prediction", cards.stages["base"]["prediction"])
