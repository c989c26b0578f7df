"""Batches on the device: pictures composed, captions encoded, and for super-resolution the low-resolution picture that is handed over."""
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


@dataclass
class Examples:
    """x [B, 3, H, W] clean, cond: (text, mask), extra: low_res and aug_level of super-resolution."""

    x: torch.Tensor
    cond: tuple
    extra: dict

    def __len__(self):
        return len(self.x)


class Source:
    """`examples()` draws a batch; feed.waited is the time stood still for scenes."""

    def __init__(self, options, cards, stage, batch, seed, drop=0.1, workers=0):
        self.stage, self.card, self.side, self.device = stage, cards.stages[stage], SIDES[stage], torch.device(options.device)
        self.crop = cards.training[stage].get("crop")
        order = feed.Order(options.data, self.side, batch, self.crop, options.tokens, drop, seed, options.encoder)
        self.feed = feed.Feed(order, workers)
        self.banks = compose.Banks.load(options.data, self.side, self.device)
        self.encoder, self.deviation = text.fastest(options.encoder, self.device)
        self.soft = self.open_soft(options, cards)

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

    def examples(self):
        batch = next(self.feed)
        states, mask = self.encoder.states(batch.ids, batch.counts)
        cond = states.float(), mask
        if self.crop is None:
            x = compose.compose(batch.scenes, self.banks, self.side, self.device)
            return Examples(x.contiguous(memory_format=torch.channels_last), cond, {})
        return self.crop_examples(batch, cond)

    def crop_examples(self, batch, cond):
        full = compose.compose(batch.scenes, self.banks, self.side, self.device, crop=batch.crops)
        low = self.low_res(full, batch, cond)
        level = crops.levels(len(low), self.device)
        low = diffusion.augment(low, level, torch.randn_like(low), diffusion.schedule(self.card["augmentation"]))
        x, low = (v.contiguous(memory_format=torch.channels_last) for v in (crops.inner(full), low))
        return Examples(x, cond, {"low_res": low, "aug_level": level})

    def low_res(self, full, batch, cond):
        """What the stage below hands over, enlarged: shrunk pictures, and for a share the base's own."""
        low = crops.degrade(full)
        n = int(self.share * len(full)) if self.soft else 0
        if n:
            some = {k: v[:n] for k, v in batch.scenes.items()}
            whole = compose.compose(some, self.small, SIDES["base"], self.device)
            places = torch.from_numpy(batch.crops[:n])
            own = self.soft(whole, self.soft_time, cond[0][:n], cond[1][:n], places, self.side)
            low = torch.cat([own, low[n:]])
        return crops.inner(low)

    def soft_time(self, log_snr):
        return self.base_schedule.network_time(self.base_schedule.time(log_snr).clamp(0, 1))

    def close(self):
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
