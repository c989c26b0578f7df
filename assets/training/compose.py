"""Scenes to pixels on any torch device, a batch at once, with no loop over pictures.

    banks = Banks.load(data, 64, device)               # the sprites of pictures of this side, with their smaller versions
    x = compose(collate(scenes, vocabulary), banks, 64, device)                    # [n, 3, 64, 64] in [-1, 1]
    x = compose(batch, banks, 1024, device, crop=(top, left, 128))                 # top, left: [n] in pixels; only the crop is computed

Each pixel is the mean of 2 x 2 samples; each sample reads the version of the sprite (halved as often as needed) whose pixels are about as large.
"""
import json
import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

TAPS = 2  # samples along each side of a pixel


class Banks:
    """All sprites in one flat buffer of RGBA pixels, versions halved down to 16 pixels after each other; shade maps beside."""

    def __init__(self, levels, rows, shade, shade_rows, floors=None):
        self.sides = [level.shape[1] for level in levels]
        sizes = [level.numel() // 4 for level in levels]
        self.starts = [sum(sizes[:k]) for k in range(len(sizes))]
        self.pixels = torch.cat([level.reshape(-1, 4) for level in levels]).contiguous().view(torch.int32).reshape(-1)
        self.rows, self.shade, self.shade_rows, self.floors = rows, shade, shade_rows, floors or {}
        self.device = self.pixels.device
        self.start_of = torch.tensor(self.starts, device=self.device)
        self.side_of = torch.tensor(self.sides, device=self.device)

    @classmethod
    def load(cls, data, side, device="cpu", chunk=256):
        folder = Path(data) / "banks"
        top = np.load(folder / f"{side}.npy", mmap_mode="r")
        ids = torch.from_numpy(np.load(folder / f"{side}.ids.npy"))
        shade = torch.from_numpy(np.load(folder / "shade.npy")).to(device)
        return cls.of(top, ids, device, shade, torch.from_numpy(np.load(folder / "shade.ids.npy")), chunk)

    @classmethod
    def of(cls, top, ids, device="cpu", shade=None, shade_ids=None, chunk=256):
        """From uint8 [n, s, s, 4] (straight alpha) and the sprite of each row."""
        parts = [halved(torch.from_numpy(np.array(top[k:k + chunk])).to(device)) for k in range(0, len(top), chunk)]
        levels = [torch.cat(level) for level in zip(*parts)]
        shade = torch.zeros((0, 64, 64), dtype=torch.uint8, device=device) if shade is None else shade
        return cls(levels, lookup(ids, device), shade, lookup(shade_ids if shade_ids is not None else ids[:0], device, len(ids)))


def lookup(ids, device, least=0):
    """Sprite -> row, or -1."""
    rows = torch.full((max(int(ids.max()) + 1 if len(ids) else 0, least),), -1, dtype=torch.int64)
    rows[ids] = torch.arange(len(ids))
    return rows.to(device)


def halved(level, least=16):
    """[this, half, quarter, ...] of a batch of RGBA squares: alpha-weighted means."""
    levels = [level]
    while level.shape[1] % 2 == 0 and level.shape[1] // 2 >= least:
        x = level.permute(0, 3, 1, 2).float()
        alpha = F.avg_pool2d(x[:, 3:], 2)
        rgb = F.avg_pool2d(x[:, :3] * x[:, 3:], 2) / alpha.clamp_min(1e-3)
        level = torch.cat([rgb, alpha], 1).add_(0.5).clamp_(0, 255).byte().permute(0, 2, 3, 1).contiguous()
        levels.append(level)
    return levels


# ---------------------------------------------------------------- colour

def to_hsv(rgb):
    """[..., 3] in [0, 1] -> hue, saturation, value in [0, 1]."""
    high, _ = rgb.max(-1)
    low, _ = rgb.min(-1)
    span = (high - low).clamp_min(1e-6)
    r, g, b = rgb.unbind(-1)
    hue = torch.where(high == r, (g - b) / span, torch.where(high == g, 2 + (b - r) / span, 4 + (r - g) / span))
    return torch.stack([(hue / 6) % 1, (high - low) / high.clamp_min(1e-6), high], -1)


def to_rgb(hsv):
    h, s, v = hsv.unbind(-1)
    k = torch.stack([(n + h * 6) % 6 for n in (5, 3, 1)], -1)
    ramp = torch.minimum(k, 4 - k).clamp(0, 1)
    return v[..., None] * (1 - s[..., None] * ramp)


def recolour(rgb, main, target):
    """Turns the main hue of a sprite into a named colour; its shading and other hues stay. rgb [..., 3]; main, target [..., 3] as HSV."""
    hsv = to_hsv(rgb)
    off = (hsv[..., 0] - main[..., 0] + 0.5) % 1 - 0.5
    part = smooth((0.15 - off.abs()) / 0.05) * smooth((hsv[..., 1] - 0.12) / 0.15)
    h = (target[..., 0] + 0.35 * off) % 1
    s = (hsv[..., 1] * target[..., 1] / main[..., 1].clamp_min(0.05)).clamp(0, 1)
    v = (hsv[..., 2] * target[..., 2] / main[..., 2].clamp_min(0.05)).clamp(0, 1)
    return rgb + part[..., None] * (to_rgb(torch.stack([h, s, v], -1)) - rgb)


def smooth(t):
    t = t.clamp(0, 1)
    return t * t * (3 - 2 * t)


def to_linear(c):
    return torch.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def from_linear(c):
    return torch.where(c <= 0.0031308, c * 12.92, 1.055 * c.clamp_min(1e-8) ** (1 / 2.4) - 0.055)


# ---------------------------------------------------------------- samples

def positions(n, side, crop, device):
    """x and y of every sample in units of the picture: [n, m] each (m = samples along a side)."""
    top, left, size = crop if crop is not None else (0, 0, side)
    steps = (torch.arange(size * TAPS, device=device, dtype=torch.float32) + 0.5) / TAPS
    edge = [torch.as_tensor(e, dtype=torch.float32, device=device).reshape(-1, 1).expand(n, 1) for e in (left, top)]
    return (edge[0] + steps) / side, (edge[1] + steps) / side


def local(objects, x, y):
    """Sample places in the frames of the objects' canvases, 0 to 1: u, v [n, m, m]."""
    cx, cy, size, flip, angle = (objects[:, k, None, None] for k in range(1, 6))
    dx, dy = x[:, None, :] - cx, y[:, :, None] - cy
    cos, sin = torch.cos(angle), torch.sin(angle)
    u = (dx * cos + dy * sin) / size
    v = (dy * cos - dx * sin) / size
    return torch.where(flip > 0.5, -u, u) + 0.5, v + 0.5


def read(banks, rows, size_px, u, v):
    """Bilinear samples of sprites: colour times alpha and alpha, [n, m, m, 4] in [0, 1]. size_px: canvas side in samples."""
    level = torch.zeros_like(rows)
    for k in range(1, len(banks.sides)):
        level = torch.where(size_px <= banks.sides[k] * 1.42, torch.full_like(level, k), level)
    side = banks.side_of[level][:, None, None]
    base = (banks.start_of[level] + rows * banks.side_of[level] ** 2)[:, None, None]
    fx, fy = u * side - 0.5, v * side - 0.5
    x0, y0 = fx.floor(), fy.floor()
    wx, wy = fx - x0, fy - y0
    out = 0
    for dy in (0, 1):
        for dx in (0, 1):
            ix, iy = (x0 + dx).long(), (y0 + dy).long()
            inside = (ix >= 0) & (ix < side) & (iy >= 0) & (iy < side)
            packed = banks.pixels[torch.where(inside, base + iy * side + ix, 0)]
            rgba = packed.view(torch.uint8).reshape(*packed.shape, 4).float() * (1 / 255)
            weight = (wx if dx else 1 - wx) * (wy if dy else 1 - wy) * inside
            alpha = rgba[..., 3:] * weight[..., None]
            out = out + torch.cat([rgba[..., :3] * alpha, alpha], -1)
    return out


def read_shade(banks, rows, u, v):
    """What the objects' shadows leave of the light, [n, m, m] in [0, 1]; 1 outside of the canvas."""
    side = banks.shade.shape[-1]
    fx, fy = (u * side - 0.5).clamp(0, side - 1), (v * side - 0.5).clamp(0, side - 1)
    x0, y0 = fx.floor().long().clamp_max(side - 2), fy.floor().long().clamp_max(side - 2)
    wx, wy = fx - x0, fy - y0
    flat, base = banks.shade.reshape(-1), rows[:, None, None] * side * side
    at = [flat[base + (y0 + j) * side + x0 + i].float() for j in (0, 1) for i in (0, 1)]
    value = (at[0] * (1 - wx) + at[1] * wx) * (1 - wy) + (at[2] * (1 - wx) + at[3] * wx) * wy
    inside = (u >= 0) & (u <= 1) & (v >= 0) & (v <= 1)
    return torch.where(inside, value / 255, 1.0)


# ---------------------------------------------------------------- pictures

def backgrounds(back, x, y, side):
    """[n, m, m, 3] in [0, 1]: plain, from top to bottom, or two parts with an edge; rendered ones with light that falls off."""
    a, b = back[:, None, :3] / 255, back[:, None, 3:6] / 255
    kind, horizon = back[:, 6, None], back[:, 7, None]
    render = kind >= 3
    kind = kind - 3 * render
    t = torch.where(kind == 1, y, ((y - horizon) * side + 0.5).clamp(0, 1)) * (kind > 0)
    rows = a + (b - a) * t[..., None]
    out = rows[:, :, None].expand(-1, -1, x.shape[1], -1)
    if not bool(render.any()):
        return out
    away = ((x[:, None, :] - 0.5) ** 2 + (y[:, :, None] - 0.62) ** 2)
    floor = smooth((y - horizon) / 0.2)[:, :, None]
    light = 1 - 0.35 * away - 0.06 * (1 - floor)
    lit = from_linear(to_linear(out) * light[..., None])
    return torch.where(render[:, :, None, None], lit, out)


def paint(picture, banks, objects, target, x, y, samples):
    """Puts one object over each picture of a part of the batch."""
    u, v = local(objects, x, y)
    rows = banks.rows[objects[:, 0].long()]
    rgba = read(banks, rows, objects[:, 3] * samples, u, v)
    alpha = rgba[..., 3:]
    rgb = rgba[..., :3] / alpha.clamp_min(1e-4)
    turned = target[:, 0] >= 0
    if bool(turned.any()):
        main, new = objects[turned, None, None, 8:11], target[turned, None, None]
        rgb = rgb.index_put((turned.nonzero()[:, 0],), recolour(rgb[turned], main, new))
    rgb = (rgb * objects[:, 6, None, None, None]).clamp(0, 1)
    return picture + (rgb - picture) * alpha


def shaded(picture, banks, objects, alive, x, y):
    """The background in the shadows of the rendered objects: linear light times every shade."""
    light = torch.ones_like(picture[..., 0])
    for k in range(objects.shape[1]):
        ids = objects[:, k, 0].long().clamp_max(len(banks.shade_rows) - 1)
        rows = torch.where(alive[:, k] & (objects[:, k, 0] < len(banks.shade_rows)), banks.shade_rows[ids], -1)
        pick = (rows >= 0).nonzero()[:, 0]
        if len(pick):
            u, v = local(objects[pick, k], x[pick], y[pick])
            light[pick] = light[pick] * read_shade(banks, rows[pick], u, v)
    return from_linear(to_linear(picture) * light[..., None])


def compose(batch, banks, side, device="cpu", crop=None):
    """Pictures of a batch of `scenes.collate`: [n, 3, side, side] in [-1, 1], or the crops (top, left, size), top and left in pixels, one each."""
    objects, target, back = (torch.as_tensor(batch[k], device=device) for k in ("objects", "target", "back"))
    x, y = positions(len(objects), side, crop, device)
    picture = backgrounds(back, x, y, side).contiguous()
    alive = objects[:, :, 7] > 0
    if len(banks.shade):
        picture = shaded(picture, banks, objects, alive, x, y)
    for k in range(objects.shape[1]):
        pick = alive[:, k].nonzero()[:, 0]
        if len(pick):
            picture[pick] = paint(picture[pick], banks, objects[pick, k], target[pick, k], x[pick], y[pick], side * TAPS)
    return F.avg_pool2d(picture.permute(0, 3, 1, 2), TAPS) * 2 - 1


class LargePictures:
    """Whole path-traced pictures of 1024 (`pack/large`), for crops: pixels uint8 [k, 1024, 1024, 3] and their captions."""

    def __init__(self, pixels, captions):
        self.pixels, self.captions = pixels, captions

    @classmethod
    def load(cls, data, device="cpu", heldout=False):
        """Those trained on, or those held out; None where there are none."""
        folder = Path(data) / "pack"
        listed = json.loads((folder / "large.json").read_text())["pictures"] if (folder / "large.json").exists() else []
        listed = [p for p in listed if bool(p.get("heldout")) == heldout and (folder / p["webp"]).exists()]
        if not listed:
            return None
        pixels = np.stack([np.asarray(Image.open(folder / p["webp"]).convert("RGB")) for p in listed])
        return cls(torch.from_numpy(pixels).to(device), [p["caption"] for p in listed])

    def crops(self, rng, n, size):
        """n crops, most of them picked for having edges (the busiest of three): [n, 3, size, size] in [-1, 1], and their captions."""
        k, side = len(self.captions), self.pixels.shape[1]
        which = torch.tensor([rng.randrange(k) for _ in range(n)], device=self.pixels.device)
        steps = torch.arange(size, device=self.pixels.device)
        tries = []
        for _ in range(3):
            top, left = (torch.tensor([rng.randrange(side - size + 1) for _ in range(n)], device=self.pixels.device) for _ in range(2))
            rows, columns = top[:, None, None] + steps[:, None], left[:, None, None] + steps
            tries.append(self.pixels[which[:, None, None], rows, columns].permute(0, 3, 1, 2).float() / 127.5 - 1)
        tries = torch.stack(tries, 1)
        best = tries.std((-2, -1)).mean(-1).argmax(1)
        return tries[torch.arange(n, device=best.device), best], [self.captions[i] for i in which.tolist()]


def main():
    import argparse
    import random
    import time

    from scenes import Vocabulary, collate, sample_scene

    ap = argparse.ArgumentParser(description="Writes sheets of composed pictures and prints the speed.")
    ap.add_argument("--data", type=Path, default=Path("/work/data4"))
    ap.add_argument("--device", default="cpu")
    ap.add_argument("--batch", type=int, default=64)
    a = ap.parse_args()
    torch.set_num_threads(1)
    (a.data / "look").mkdir(exist_ok=True)
    for side, count, columns, zoom in ((64, 64, 8, 3), (256, 16, 4, 1), (1024, 4, 2, 1)):
        vocabulary, rng = Vocabulary.load(a.data, side), random.Random(3)
        banks = Banks.load(a.data, side, a.device)
        scenes = [sample_scene(rng, vocabulary) for _ in range(count)]
        start = time.time()
        x = compose(collate(scenes, vocabulary), banks, side, a.device)
        print(f"{side}: {count / (time.time() - start):.1f} pictures/s")
        sheet(x, [s.caption for s in scenes], columns, zoom).save(a.data / "look" / f"scenes_{side}.png")


def sheet(pictures, captions, columns, zoom=1):
    """Pictures with their captions under them."""
    from PIL import ImageDraw

    p = ((pictures.clamp(-1, 1) + 1) * 127.5 + 0.5).byte().permute(0, 2, 3, 1).cpu().numpy()
    side, text = p.shape[1] * zoom, 36
    out = Image.new("RGB", (columns * (side + 4), math.ceil(len(p) / columns) * (side + text)), "white")
    pen = ImageDraw.Draw(out)
    for k, (picture, caption) in enumerate(zip(p, captions)):
        left, top = k % columns * (side + 4), k // columns * (side + text)
        out.paste(Image.fromarray(picture).resize((side, side), Image.NEAREST), (left, top))
        width = max(10, side // 6)
        for j in range(3):
            pen.text((left + 2, top + side + 11 * j), caption[j * width:(j + 1) * width], fill="black")
    return out


if __name__ == "__main__":
    main()
