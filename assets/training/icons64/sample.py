"""Draws prompts through the whole cascade in PyTorch, to judge a model without the app.

    python sample.py OUT "a red apple" "a dog on a blue background" [--seed 7] [--last 1024] [--set 0.guidance=4 1.aug_level=0.2]
"""
import argparse
import time
from pathlib import Path

import torch

import evaluate
from evaluate import TextEncoder, diffusion, sheet


def settings(stage, changes, i):
    d = dict(stage["defaults"])
    for c in changes:
        where, value = c.split("=")
        k, name = where.split(".", 1)
        if int(k) == i:
            d[name] = type(d[name])(value)
    return d


def stage_pictures(model, i, encoder, prompts, below, seed, changes):
    net, stage = evaluate.load_stage(model, i)
    d, n = settings(stage, changes, i), stage["size"]
    null = encoder([""])
    out = []
    for k, prompt in enumerate(prompts):
        g = torch.Generator().manual_seed(seed + k + 1000 * i)
        extra = {}
        if below is not None:
            level = torch.tensor([d["aug_level"]])
            up = diffusion.enlarge(below[k:k + 1], n)
            low = diffusion.augment(up, level, torch.randn(up.shape, generator=g), diffusion.schedule(stage["augmentation"]))
            extra = {"low_res": low, "aug_level": level}
        noise = torch.randn(1, 3, n, n, generator=g)
        out.append(diffusion.ddim(net, diffusion.schedule(stage["schedule"]), noise, encoder([prompt]), null, d["steps"],
                                  d["guidance"], d["threshold"], d["percentile"], d["cap"], **extra))
    return torch.cat(out)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("out", type=Path)
    ap.add_argument("prompts", nargs="+")
    ap.add_argument("--seed", type=int, default=7)
    ap.add_argument("--last", type=int, default=1024)
    ap.add_argument("--set", nargs="*", default=[])
    ap.add_argument("--model", type=Path, default=evaluate.MODEL)
    ap.add_argument("--threads", type=int, default=1)
    a = ap.parse_args()
    torch.set_num_threads(a.threads)
    a.out.mkdir(parents=True, exist_ok=True)
    encoder = TextEncoder(a.model / "text_encoder")
    pictures = None
    for i, size in enumerate((64, 256, 1024)):
        if size > a.last:
            break
        start = time.time()
        pictures = stage_pictures(a.model, i, encoder, a.prompts, pictures, a.seed, a.set)
        print(f"{size}: {(time.time() - start) / len(a.prompts):.1f} s a picture", flush=True)
        for prompt, p in zip(a.prompts, pictures):
            sheet(p[None], 1).crop((1, 1, size + 1, size + 1)).save(a.out / f"{prompt.replace(' ', '_')[:60]}_{size}.png")


if __name__ == "__main__":
    main()
