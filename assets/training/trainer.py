"""Training of one stage: updates, schedule by the clock, averages, guards, logs, checkpoints."""

import copy
import json
import math
import random
import signal
import time
from contextlib import contextmanager, nullcontext

import torch

import checkpoints
import diffusion
import sheets
from learners import Learners
from model import build, count
from source import Source

BF16_RATE = 790e12  # measured on one H200 (8192^3 matrix product, random data): what shares of the card's rate refer to
LEAST_LR = 0.02  # of the peak, at the end
WARM_UP = 0.02  # share of the whole clock
REWARM_STEPS = 100  # after a start from weights alone: the optimiser knows nothing
BINS = (-8.0, -4.0, 0.0, 4.0)  # of log SNR, for the losses in the log
PAUSE = 15.0  # longest second count of one update: a paused process does not use up its time


class TrainingError(Exception):
    """One line: what was wrong, what to do."""


@contextmanager
def limited(seconds):
    """Raises TimeoutError in the main thread after so many seconds."""

    def stop(*_):
        raise TimeoutError(f"longer than {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(int(seconds))
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def fast_in_bf16(device):
    """CUDA, and CPUs with matrix units for it: twice the samples a second there."""
    return device.type == "cuda" or getattr(torch.cpu, "_is_amx_tile_supported", bool)()


def rate(f, hold):
    """The learning rate's factor at a share f of the whole clock: warm-up, level until `hold`, then a cosine down."""
    fall = max(0.0, min(1.0, (f - hold) / (1 - hold)))
    return min(1.0, f / WARM_UP + 1e-3) * (LEAST_LR + (1 - LEAST_LR) * (0.5 + 0.5 * math.cos(math.pi * fall)))


class Trainer:
    """One stage's run in RUNS/STAGE (or `folder`)."""

    def __init__(self, options, cards, stage, folder=None, prediction=None):
        self.o, self.stage, self.card = options, stage, cards.stages[stage]
        self.device, self.folder = torch.device(options.device), folder or options.runs / stage
        self.folder.mkdir(parents=True, exist_ok=True)
        kind = self.device.type
        self.batch = options.batch or cards.setting(stage, "batch", kind)
        self.lr = options.lr or cards.setting(stage, "lr", kind)
        self.keep = options.ema or cards.setting(stage, "ema", kind)
        self.prediction = prediction or options.prediction or self.card["prediction"]
        self.bf16 = options.precision == "bf16" or options.precision == "auto" and fast_in_bf16(self.device)
        torch.manual_seed(options.seed)  # the same start for every trial
        self.schedule = diffusion.schedule(self.card["schedule"])
        self.net = build(self.card["unet"]).to(self.device, memory_format=torch.channels_last)
        self.ema = copy.deepcopy(self.net).eval().requires_grad_(False)
        self.optimiser = torch.optim.AdamW(self.net.parameters(), self.lr, betas=(0.9, 0.99), weight_decay=0.01, fused=True)
        self.step, self.samples, self.clock, self.rewarm_from, self.stopped = 0, 0, 0.0, None, False
        self.open_log()
        self.resume()
        torch.manual_seed(options.seed + self.step)  # going on must not draw the same noise again
        random.seed(options.seed + self.step)
        self.source = Source(options, cards, stage, self.batch, options.seed + self.step, workers=options.workers)
        self.parameters, self.flops = count(self.card["unet"], self.source.crop or self.card["size"], options.tokens)
        self.forward, self.edges = self.net, torch.tensor(BINS, device=self.device)
        self.learners = Learners(options.threads) if self.device.type == "cpu" and options.threads > 1 else None
        self.reset_interval()
        self.say(
            "start",
            parameters=self.parameters,
            gflop=self.flops / 1e9,
            batch=self.batch,
            lr=self.lr,
            prediction=self.prediction,
            device=self.device_name(),
            precision="bf16" if self.bf16 else "f32",
            workers=options.workers,
            text_deviation=self.source.deviation,
            soft=bool(self.source.soft),
            large=self.source.large_share,
        )

    # -------------------------------------------------------------- log

    def open_log(self):
        self.log = open(self.folder / "log.jsonl", "a", buffering=1)

    def say(self, event, **facts):
        """One JSON line in the log; the same on the screen, shorter."""
        row = {"event": event, "step": self.step, "samples": self.samples, "minutes": round(self.clock / 60, 3), **facts}
        print(json.dumps(row), file=self.log)
        short = " ".join(
            f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items() if not isinstance(v, (dict, list))
        )
        print(f"{self.stage}: {short}", flush=True)

    def device_name(self):
        return torch.cuda.get_device_name() if self.device.type == "cuda" else f"cpu, {torch.get_num_threads()} threads"

    # -------------------------------------------------------------- state

    def about(self):
        """What the weights are: travels with them."""
        return {
            "stage": self.stage,
            "prediction": self.prediction,
            "step": self.step,
            "samples": self.samples,
            "clock": self.clock,
            "card": self.card["unet"],
        }

    def save(self):
        state = {
            "net": self.net.state_dict(),
            "ema": self.ema.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "about": self.about(),
        }
        checkpoints.save_state(self.folder, state)

    def resume(self):
        """From the full state; else from float16 weights, here or named by --weights; else from nothing."""
        state = checkpoints.load_state(self.folder, self.device)
        if state is not None:
            self.adopt(state["net"], state["ema"], state["about"], str(self.folder))
            self.optimiser.load_state_dict(state["optimiser"])
            return
        path = self.o.weights or self.folder / checkpoints.WEIGHTS
        if path.exists():
            ema, net, about = checkpoints.load_weights(path)
            self.adopt(net or ema, ema, about, str(path))
            self.rewarm_from = self.step
        elif self.o.weights:
            raise TrainingError(f"{path} does not exist; name the weights to start from or leave --weights out")

    def adopt(self, net, ema, about, path):
        if about.get("prediction", self.prediction) != self.prediction:
            raise TrainingError(
                f"{path} predicts {about['prediction']}, not {self.prediction}; give --prediction {about['prediction']}"
            )
        try:
            self.net.load_state_dict(net)
            self.ema.load_state_dict(ema)
        except RuntimeError as e:
            raise TrainingError(
                f"{path} is of another network ({str(e).splitlines()[-1].strip()}); move it away or train in other --runs"
            ) from e
        self.step, self.samples, self.clock = (about.get(k, 0) for k in ("step", "samples", "clock"))

    # -------------------------------------------------------------- updates

    def precision(self):
        return torch.autocast(self.device.type, torch.bfloat16) if self.bf16 else nullcontext()

    def noised(self, examples):
        """(x_t, time, condition, x0 or eps or v, log SNR) of a batch: what `errors` takes, whole or in parts."""
        t = self.schedule.draw(len(examples), self.device, self.o.lean)
        log_snr = self.schedule.log_snr(t)
        alpha, sigma = diffusion.alpha_sigma(log_snr)
        eps = torch.randn_like(examples.x)
        noisy = (alpha * examples.x + sigma * eps).contiguous(memory_format=torch.channels_last)
        target = diffusion.target(self.prediction, examples.x, eps, alpha, sigma)
        return [noisy, self.schedule.network_time(t), *examples.cond, *examples.extra.values(), target, log_snr]

    def errors(self, x, time, text, mask, *rest):
        """Weighted loss of each picture. rest: low_res and aug_level of super-resolution, what is to be said, log SNR."""
        *extra, target, log_snr = rest
        with self.precision():
            out = self.forward(x, time, text, mask, *extra)
        return (out.float() - target).square().mean((1, 2, 3)) * diffusion.weight(log_snr, self.prediction)

    def learn(self, examples):
        """Gradients of the batch's mean loss -> weighted loss of each picture, log SNR."""
        inputs = self.noised(examples)
        if self.learners:
            each = self.learners.gradients(self.net, self.errors, inputs)
        else:
            each = self.errors(*inputs)
            each.mean().backward()
        return each.detach(), inputs[-1]

    def update(self, examples, lr):
        each, log_snr = self.learn(examples)
        norm = torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0, foreach=True)
        # the fused optimiser leaves parameters and moments alone where found_inf is 1: no wait for the device
        bad = (~torch.isfinite(norm)).float()
        self.optimiser.found_inf = bad
        for group in self.optimiser.param_groups:
            group["lr"] = lr
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        keep = min(self.keep, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.ema.parameters()), list(self.net.parameters()), 1 - keep)
        self.step += 1
        self.samples += len(examples)
        self.note(each.mean(), each, log_snr, norm, bad)

    def reset_interval(self):
        """What the log's next line adds up, on the device."""
        self.sums = torch.zeros(4, device=self.device)  # loss, norm, good steps, bad steps
        self.bins = torch.zeros(2, len(BINS) + 1, device=self.device)
        self.interval = (time.perf_counter(), self.step, self.samples, self.source.waited)

    def note(self, loss, each, log_snr, norm, bad):
        good = 1 - bad
        zero = torch.zeros((), device=self.device)
        self.sums += torch.stack([torch.where(bad > 0, zero, loss), torch.where(bad > 0, zero, norm), good, bad])
        where = torch.bucketize(log_snr, self.edges)
        self.bins.index_add_(1, where, torch.stack([torch.nan_to_num(each, 0, 0, 0), torch.ones_like(each)]))

    def report(self, lr):
        """A line of the log; waits for the device."""
        if self.step == self.interval[1]:
            return
        loss, norm, good, bad = self.sums.tolist()
        each, number = self.bins.tolist()
        start, step, samples, waited = self.interval
        seconds = time.perf_counter() - start
        speed = (self.samples - samples) / seconds
        flops = 3 * self.flops * speed
        device = {"share_of_bf16": flops / BF16_RATE} if self.device.type == "cuda" else {}
        self.say(
            "train",
            loss=loss / max(good, 1),
            norm=norm / max(good, 1),
            lr=lr,
            samples_per_s=speed,
            skipped=int(bad),
            waited=(self.source.waited - waited) / seconds,
            tflops=flops / 1e12,
            **device,
            loss_by_log_snr=[e / max(n, 1) for e, n in zip(each, number)],
        )
        self.reset_interval()
        if bad > good:
            raise TrainingError(
                f"{int(bad)} of {int(good + bad)} updates were not finite; take a lower --lr, or an older checkpoint"
            )

    # -------------------------------------------------------------- the device's speed

    def prepare(self):
        """Compiles the network, forwards and backwards, on a batch of its own; goes on without where that fails or takes too
        long."""
        if self.o.compile == "off" or (self.o.compile == "auto" and self.device.type != "cuda"):
            return
        start = time.perf_counter()
        try:
            with limited(self.o.compile_seconds):
                self.forward = torch.compile(self.net, dynamic=False)
                self.learn(self.source.examples())
                self.synchronise()
            self.say("compiled", seconds=time.perf_counter() - start)
        except Exception as e:  # whatever the compiler throws: training goes on without it
            torch._dynamo.reset()
            self.forward = self.net
            self.say("not compiled", seconds=time.perf_counter() - start, reason=f"{type(e).__name__}: {str(e)[:200]}")
        self.optimiser.zero_grad(set_to_none=True)

    def synchronise(self):
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def measure_shares(self):
        """How an update's time divides into making the batch and learning from it, measured with the device emptied in
        between."""
        if self.device.type != "cuda":
            return
        self.source.ahead.settle()
        times = []
        for _ in range(3):
            self.synchronise()
            start = time.perf_counter()
            examples = self.source.make()
            self.synchronise()
            made = time.perf_counter()
            self.learn(examples)
            self.synchronise()
            times.append((made - start, time.perf_counter() - made))
            self.optimiser.zero_grad(set_to_none=True)
        make, learn = (sorted(t)[1] for t in zip(*times))
        self.say("shares", make_batch_s=make, forward_backward_s=learn, share_making=make / (make + learn))

    # -------------------------------------------------------------- the loop

    def total(self):
        """Seconds of the whole clock. --finish: this call is the last, the rate falls to its end within it."""
        whole = self.o.minutes * 60
        if self.o.finish and self.o.call_seconds:
            left = self.o.call_seconds - self.o.reserve_seconds - (time.perf_counter() - self.o.began)
            whole = min(whole, self.clock + left)
        return whole

    def out_of_time(self):
        used = time.perf_counter() - self.o.began
        return self.o.call_seconds and used > self.o.call_seconds - self.o.reserve_seconds

    def learning_rate(self, total):
        lr = self.lr * rate(min(1.0, self.clock / total), self.o.hold)
        if self.rewarm_from is not None:
            lr *= min(1.0, (self.step - self.rewarm_from + 1) / REWARM_STEPS)
        return lr

    def run(self):
        """Trains until the clock, the call's time or a signal ends it; always leaves a checkpoint."""
        before = {s: signal.signal(s, self.stop) for s in (signal.SIGTERM, signal.SIGINT)}
        try:
            self.prepare()
            self.measure_shares()
            self.loop(self.total())
        finally:
            self.source.close()
            for number, handler in before.items():
                signal.signal(number, handler)
        self.save()
        about = self.about()
        checkpoints.save_weights(self.folder, self.ema.state_dict(), about)
        self.say("end", seconds=time.perf_counter() - self.o.began, by="signal" if self.stopped else "clock")

    def stop(self, *_):
        self.stopped = True

    def loop(self, total):
        self.reset_interval()
        last = logged = time.perf_counter()
        saved = drawn = self.clock
        end = min(total, (self.o.stop_minutes or math.inf) * 60)
        while self.clock < end and not self.stopped and not self.out_of_time():
            lr = self.learning_rate(total)
            self.update(self.source.examples(), lr)
            now = time.perf_counter()
            self.clock += min(now - last, PAUSE)
            last = now
            if now - logged > self.o.log_seconds:
                self.report(lr)
                logged = time.perf_counter()
            if self.clock - saved > self.o.save_minutes * 60:
                self.save()
                saved = self.clock
            if 0 < self.o.grid_minutes * 60 < self.clock - drawn:
                self.draw(f"{self.clock / 60:05.1f}")
                drawn, last = self.clock, time.perf_counter()
                self.reset_interval()
        self.report(self.learning_rate(total))
        if self.o.grid_minutes > 0 and not self.stopped:
            self.draw("end")

    def draw(self, label):
        start = time.perf_counter()
        facts = sheets.draw(self, self.folder / f"grid_{label}.png")
        self.say("grid", file=f"grid_{label}.png", seconds=time.perf_counter() - start, **facts)
