"""Sample sheets at checkpoints, loss plots, and the numbers beside them. Prompts and crops are fixed: nothing is picked."""

import json
import math
import random
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

import compose
import crops
import diffusion
import feed

# one thing, colours, counts, relations, sizes, places, both styles
PROMPTS = [
    "a red apple",
    "a dog",
    "a green car on a white background",
    "a blue balloon",
    "a cat on an orange background",
    "a rocket on a black background",
    "a purple heart on a yellow background",
    "a pizza, cartoon sticker",
    "two apples",
    "three stars on a blue background",
    "four balloons",
    "two dogs on a light blue background",
    "a cat to the left of a dog",
    "an apple above a banana",
    "a red book to the right of a yellow star",
    "a car below a rocket",
    "a small fish on a pink background",
    "a big tree with light blue sky and green ground",
    "a house, soft 3D illustration",
    "an apple, a banana and a cup",
    "a chair, photo-like 3D render",
    "a studio photograph of a cup on a yellow floor with a light blue wall",
    "two bananas, photo-like 3D render",
    "a photo-like 3D render of an apple to the left of a pear",
]
SAMPLER_STEPS = 15
SR_LEVELS = (0.02, 0.05, 0.15)
SR_CROPS = 8


def sheet(pictures, columns, zoom=1):
    """[N, 3, H, W] in [-1, 1] -> one PIL picture."""
    p = ((pictures.float().clamp(-1, 1) + 1) * 127.5 + 0.5).byte().permute(0, 2, 3, 1).cpu().numpy()
    p = np.pad(p, ((0, -len(p) % columns), (1, 1), (1, 1), (0, 0)), constant_values=128)
    im = np.concatenate([np.concatenate(list(p[r : r + columns]), 1) for r in range(0, len(p), columns)], 0)
    return Image.fromarray(im).resize((im.shape[1] * zoom, im.shape[0] * zoom), Image.NEAREST)


def psnr(a, b):
    """dB, of pictures in [-1, 1]."""
    return -10 * math.log10(max((a.clamp(-1, 1) - b).square().mean().item() / 4, 1e-12))


def grain(picture, truth):
    """Mean standard deviation of the error where the true picture is flat, in grey levels of 255: the faint grain and grid of a
    weak network."""
    flat = (F.max_pool2d(truth, 9, 1, 4) + F.max_pool2d(-truth, 9, 1, 4)).amax(1, keepdim=True) < 0.04
    error = (picture.clamp(-1, 1) - truth) * 127.5
    error = error - F.avg_pool2d(error, 9, 1, 4, count_include_pad=False)
    chosen = error.square().mean(1, keepdim=True)[flat]
    return chosen.mean().sqrt().item() if len(chosen) else float("nan")


def noise(trainer, shape, seed=7):
    """The same on every device."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(trainer.device)


def draw_prompts(trainer, prompts=PROMPTS):
    """What the averages draw for fixed prompts and noise."""
    d, source = trainer.card["defaults"], trainer.source
    cond, null = source.encode(prompts), source.encode([""] * len(prompts))
    side = trainer.card["size"]
    with trainer.precision():
        return diffusion.ddim(
            trainer.ema,
            trainer.schedule,
            noise(trainer, (len(prompts), 3, side, side)),
            cond,
            null,
            min(SAMPLER_STEPS, d["steps"]),
            d["guidance"],
            d["threshold"],
            prediction=trainer.prediction,
        )


def fixed_batch(trainer, count, seed=99):
    """(clean, low-resolution enlarged, text): the same crops for every run on the same data."""
    source = trainer.source
    order = feed.Order(**{**vars(source.feed.order), "batch": count, "drop": 0.0, "seed": seed})
    held_out = compose.LargePictures.load(order.data, trainer.device, heldout=True) if source.large else None
    full, cond = source.pixels_and_text(feed.Maker(order).batch(), held_out, random.Random(seed))
    if source.crop is None:
        return full, None, cond
    small = crops.smooth(F.avg_pool2d(full, crops.SCALE), torch.full((count,), 0.5, device=trainer.device))
    return crops.inner(full), crops.inner(diffusion.enlarge(small, full.shape[-1])), cond


def draw_crops(trainer):
    """Rows: the input enlarged by bicubic, the network at each augmentation level, the truth. -> (pictures, facts)"""
    x, low, cond = fixed_batch(trainer, SR_CROPS)
    aug = diffusion.schedule(trainer.card["augmentation"])
    rows, facts = [low], {"psnr_bicubic": psnr(low, x), "grain_bicubic": grain(low, x)}
    for level in SR_LEVELS:
        levels = torch.full((len(x),), level, device=trainer.device)
        noisy = diffusion.augment(low, levels, noise(trainer, low.shape, 8), aug)
        with trainer.precision():
            y = diffusion.ddim(
                trainer.ema,
                trainer.schedule,
                noise(trainer, x.shape),
                cond,
                None,
                trainer.card["defaults"]["steps"],
                prediction=trainer.prediction,
                low_res=noisy,
                aug_level=levels,
            )
        rows.append(y)
        facts |= {f"psnr_{level}": psnr(y, x), f"grain_{level}": grain(y, x)}
    return torch.cat(rows + [x]), facts


def draw(trainer, path):
    """Writes the sheet of a checkpoint. -> facts for the log."""
    if trainer.stage == "base":
        sheet(draw_prompts(trainer), 8, 2).save(path)
        return {}
    pictures, facts = draw_crops(trainer)
    sheet(pictures, SR_CROPS, 2 if pictures.shape[-1] < 128 else 1).save(path)
    return facts


def rows_of(log, event):
    """The lines of one kind of a log.jsonl."""
    rows = (json.loads(line) for line in Path(log).read_text().splitlines() if line.startswith("{"))
    return [r for r in rows if r["event"] == event]


def plot(logs, path):
    """Loss, learning rate and speed of several logs against the clock. logs: {name: log.jsonl}."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 3, figsize=(15, 4.2))
    for name, log in logs.items():
        rows = rows_of(log, "train")
        for axis, key in zip(axes, ("loss", "lr", "samples_per_s")):
            axis.plot([r["minutes"] for r in rows], [r[key] for r in rows], label=name)
    for axis, title in zip(axes, ("weighted loss", "learning rate", "samples a second")):
        axis.set(title=title, xlabel="minutes of training")
        axis.grid(alpha=0.3)
    axes[0].set_yscale("log")
    axes[0].legend()
    figure.tight_layout()
    figure.savefig(path, dpi=80)
    pyplot.close(figure)


def labelled(parts, path, width=140):
    """Sheets under each other, each with a name at its left. parts: [(name, PIL picture)]."""
    from PIL import ImageDraw

    page = Image.new("RGB", (width + max(p.width for _, p in parts), sum(p.height + 6 for _, p in parts)), "white")
    y = 0
    for name, picture in parts:
        ImageDraw.Draw(page).text((6, y + 6), name, "black")
        page.paste(picture, (width, y))
        y += picture.height + 6
    page.save(path)
