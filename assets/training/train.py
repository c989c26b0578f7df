"""Trains one stage for a given wall-clock time; run it again with more --minutes to go on.

    python train.py base   --minutes 75
    python train.py sr256  --minutes 35
    python train.py sr1024 --minutes 25
    python train.py --dry-run            # every step of the recipe on two concepts, under a minute

Writes RUNS/STAGE/: log.txt, checkpoint.pt (network, EMA, optimiser, step, clock, random states), grid_*.png.
"""
import argparse
import copy
import json
import math
import os
import random
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

import data
import diffusion
from model import build

HERE = Path(__file__).resolve().parent
STAGES = ["base", "sr256", "sr1024"]
CROP = {"sr256": 64, "sr1024": 128}
BATCH = {"base": 32, "sr256": 16, "sr1024": 8}
PROMPTS = ["a red apple", "a dog", "a house on a light blue background", "a green car on a white background", "a blue balloon", "a cat, orange background",
           "a rocket on a black background", "a sunflower, flat icon, on a blue background", "a purple heart on a yellow background", "a penguin",
           "a tree with light blue sky and green ground", "a pizza on a green background", "a lion", "a yellow star on a purple background",
           "a bicycle", "a robot, flat icon, on a pink to white gradient background"]


def smooth(x, sigma):
    """Gaussian blur of each picture by its own sigma (in pixels)."""
    r = torch.arange(-3, 4, dtype=torch.float32)
    k = torch.exp(-0.5 * (r[None] / sigma.clamp(min=1e-3)[:, None]) ** 2)
    k = k / k.sum(1, keepdim=True)
    b, c, h, w = x.shape
    k = k.repeat_interleave(c, 0)
    y = F.pad(x, (3, 3, 3, 3), mode="replicate").reshape(1, b * c, h + 6, w + 6)
    y = F.conv2d(y, k[:, None, None, :], groups=b * c)
    return F.conv2d(y, k[:, None, :, None], groups=b * c).reshape(b, c, h, w)


def degrade(x):
    """The picture as the stage before would deliver it: shrunk to a quarter, sometimes soft, enlarged again."""
    n = x.shape[-1]
    if random.random() < 0.7:
        low = F.avg_pool2d(x, 4)
    else:
        low = F.interpolate(x, size=(n // 4, n // 4), mode="bicubic", align_corners=False, antialias=True).clamp(-1, 1)
    low = smooth(low, torch.rand(len(x)) * (torch.rand(len(x)) < 0.7) * 0.9)
    return diffusion.enlarge(low, n)


class Trainer:
    def __init__(self, a, stage):
        self.a, self.name = a, stage
        self.card = json.loads((HERE / "stages.json").read_text())["stages"][STAGES.index(stage)]
        self.folder = a.runs / stage
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log = open(self.folder / "log.txt", "a", buffering=1)
        torch.manual_seed(a.seed)
        random.seed(a.seed)
        self.schedule = diffusion.schedule(self.card["schedule"])
        self.net = build(self.card["unet"]).to(memory_format=torch.channels_last)
        self.ema = copy.deepcopy(self.net).eval().requires_grad_(False)
        self.optimiser = torch.optim.AdamW(self.net.parameters(), a.lr, betas=(0.9, 0.99), weight_decay=0.01, fused=True)
        self.step, self.clock = 0, 0.0
        self.data = data.Scenes(a.data, self.card["size"], a.seed)
        if a.emphasise:
            self.data.emphasise(json.loads(a.emphasise.read_text())["weak_concepts"])
        if (self.folder / "checkpoint.pt").exists():
            self.resume()
        elif a.weights:
            self.start_from(a.weights)
        self.say(f"{stage}: {sum(p.numel() for p in self.net.parameters()) / 1e6:.2f} M parameters, from step {self.step}, {vars(a)}")

    def say(self, text):
        print(text, flush=True)
        print(text, file=self.log)

    def save(self):
        state = {"net": self.net.state_dict(), "ema": self.ema.state_dict(), "optimiser": self.optimiser.state_dict(), "step": self.step,
                 "clock": self.clock, "torch_rng": torch.get_rng_state(), "python_rng": random.getstate(), "data_rng": self.data.rng.getstate()}
        torch.save(state, self.folder / "checkpoint.tmp")
        os.replace(self.folder / "checkpoint.tmp", self.folder / "checkpoint.pt")

    def resume(self):
        s = torch.load(self.folder / "checkpoint.pt", weights_only=False)
        self.net.load_state_dict(s["net"])
        self.ema.load_state_dict(s["ema"])
        self.optimiser.load_state_dict(s["optimiser"])
        self.step, self.clock = s["step"], s["clock"]
        torch.set_rng_state(s["torch_rng"])
        random.setstate(s["python_rng"])
        self.data.rng.setstate(s["data_rng"])

    def start_from(self, path):
        """Shipped weights (the averages, in f16) as the start of network and averages; the optimiser begins anew."""
        from safetensors.torch import load_file

        state = {k: v.float() for k, v in load_file(path).items()}
        self.net.load_state_dict(state)
        self.ema.load_state_dict(state)

    def examples(self):
        """-> clean pictures, (text, mask), extra inputs"""
        n = self.a.batch or BATCH[self.name]
        if self.name == "base":
            x, text = self.data.batch(n)
            return x, text, {}
        margin = 16
        x, text = self.data.crops(n, CROP[self.name], margin)
        low = degrade(x)[..., margin:-margin, margin:-margin]
        x = x[..., margin:-margin, margin:-margin]
        level = torch.rand(n) ** 2 * 0.35  # mostly small: what the app uses
        low = diffusion.augment(low, level, torch.randn_like(low), diffusion.schedule(self.card["augmentation"]))
        return x, text, {"low_res": low.contiguous(memory_format=torch.channels_last), "aug_level": level}

    def update(self, lr):
        x, text, extra = self.examples()
        t = self.schedule.draw(len(x))
        log_snr = self.schedule.log_snr(t)
        alpha, sigma = diffusion.alpha_sigma(log_snr)
        noisy = (alpha * x + sigma * torch.randn_like(x)).contiguous(memory_format=torch.channels_last)
        out = self.net(noisy, self.schedule.network_time(t), *text, **extra)
        error = (out - x).square().mean((1, 2, 3))
        loss = (error * diffusion.weight(log_snr)).mean()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        for g in self.optimiser.param_groups:
            g["lr"] = lr
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        keep = min(self.a.ema, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.ema.parameters()), list(self.net.parameters()), 1 - keep)
        self.step += 1
        return loss.item(), norm.item()

    @torch.no_grad()
    def grid(self, label):
        g = torch.Generator().manual_seed(7)
        d = self.card["defaults"]
        if self.name == "base":
            cond = data.pad_text([self.prompts[p] for p in PROMPTS])
            null = [t.expand(len(PROMPTS), *t.shape[1:]) for t in data.pad_text([self.data.null])]
            noise = torch.randn(len(PROMPTS), 3, 64, 64, generator=g)
            x = diffusion.ddim(self.ema, self.schedule, noise, cond, null, 15, d["guidance"], d["threshold"])
            data.sheet(x, 8, 2).save(self.folder / f"grid_{label}.png")
            return
        n, size = 4, CROP[self.name]
        x, text, _ = *self.fixed, None
        low = diffusion.enlarge(smooth(F.avg_pool2d(x, 4), torch.full((n,), 0.5)), size)
        rows = [low]
        for level in (0.05, 0.15):
            aug = torch.full((n,), level)
            noisy = diffusion.augment(low, aug, torch.randn(low.shape, generator=g), diffusion.schedule(self.card["augmentation"]))
            y = diffusion.ddim(self.ema, self.schedule, torch.randn(x.shape, generator=g), text, None, d["steps"], low_res=noisy, aug_level=aug)
            rows.append(y)
        psnr = ["%.2f" % (-10 * math.log10((r.clamp(-1, 1) - x).square().mean().item() / 4)) for r in rows]
        self.say(f"PSNR dB of crops: bicubic {psnr[0]}, aug .05 {psnr[1]}, aug .15 {psnr[2]}")
        data.sheet(torch.cat(rows + [x]), n, 2 if size < 128 else 1).save(self.folder / f"grid_{label}.png")

    def prepare_grid(self):
        if self.name == "base":
            self.prompts = dict(zip(PROMPTS, data.TextEncoder(self.a.data / data.MINILM)(PROMPTS)))
        else:
            self.fixed = data.Scenes(self.a.data, self.card["size"], 99).crops(4, CROP[self.name], 4, 1, drop=0.0)
            self.fixed = (self.fixed[0][..., 4:-4, 4:-4].contiguous(), self.fixed[1])

    def run(self):
        if self.a.grid_minutes > 0:
            self.prepare_grid()
        total, last = self.a.minutes * 60, time.time()
        saved = shown = self.clock
        start, first, losses = self.clock, self.step, []
        while self.clock < total:
            f = self.clock / total
            lr = self.a.lr * min(1.0, f / 0.02 + 1e-3) * max(0.02, 0.5 + 0.5 * math.cos(math.pi * f))
            loss, norm = self.update(lr)
            losses.append(loss)
            self.clock += min(time.time() - last, 15.0)  # a paused process does not use up its time
            last = time.time()
            if self.step % 100 == 0 or self.step == 10:
                rate = (self.step - first) * (self.a.batch or BATCH[self.name]) / max(1e-9, self.clock - start)
                self.say(f"{self.clock / 60:6.1f} min  step {self.step}  {rate:.1f} samples/s  loss {np.mean(losses[-100:]):.4f}  grad {norm:.2f}  lr {lr:.1e}")
            if self.clock - saved > 300:
                self.save()
                saved = self.clock
            if 0 < self.a.grid_minutes * 60 < self.clock - shown:
                self.grid(f"{self.clock / 60:03.0f}")
                shown, last = self.clock, time.time()
        self.save()
        if self.a.grid_minutes > 0:
            self.grid("end")
        self.say(f"END {self.clock / 60:.1f} min  step {self.step}  loss of the last 200 steps {np.mean(losses[-200:] or [0]):.4f}")


def parser():
    ap = argparse.ArgumentParser()
    ap.add_argument("stage", nargs="?", choices=STAGES)
    ap.add_argument("--minutes", type=float, default=60)
    ap.add_argument("--lr", type=float, default=1e-3)
    ap.add_argument("--ema", type=float, default=0.999)
    ap.add_argument("--batch", type=int)
    ap.add_argument("--weights", type=Path, help="start from these shipped weights, where there is no checkpoint")
    ap.add_argument("--emphasise", type=Path, help="evaluate.py's result: draw its weak concepts twice as often")
    ap.add_argument("--threads", type=int, default=1)
    ap.add_argument("--seed", type=int, default=0)
    ap.add_argument("--grid-minutes", type=float, default=10, help="sample pictures this often; 0: never")
    ap.add_argument("--data", type=Path, default=Path("/work/train_data"))
    ap.add_argument("--runs", type=Path, default=Path("/work/train_runs"))
    ap.add_argument("--dry-run", action="store_true")
    return ap


def main():
    a = parser().parse_args()
    torch.set_num_threads(a.threads)
    if a.dry_run:
        import dry_run

        dry_run.main(a)
    else:
        Trainer(a, a.stage).run()


if __name__ == "__main__":
    main()
