"""Packs the drawings into DIR/pack (small enough to be carried to another machine) and makes banks of pixels from it there.

    python sprites.py pack [--data DIR]                  # needs what fetch.py fetched, and DIR/pack/renders where rendered
    python sprites.py rasterise [--data DIR] [--jobs N]  # needs DIR/pack only

A bank holds every sprite cropped to what is visible, its longest side filling a square of 128 (for pictures of 64), 256 (256) or 768 pixels
(1024; drawings of a part of the concepts only): `DIR/banks/SIDE.npy`, uint8 RGBA with straight alpha, and `SIDE.ids.npy`, the sprite of each row.
"""
import argparse
import colorsys
import io
import json
import lzma
import math
import random
import re
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

import vocabulary

SPRITE = {64: 128, 256: 256, 1024: 768}  # side of the picture -> side of the sprites in its bank
HELDOUT = 0.03
LARGE_CONCEPTS = 300
PROBE = 128  # a drawing is measured at this size


# ---------------------------------------------------------------- measuring

def draw(svg, side):
    """The drawing as RGBA, its longest side `side` pixels."""
    import resvg_py

    w, h = (float(v) for v in re.search(r'viewBox="\S+ \S+ (\S+) (\S+)"', svg).groups())
    width = max(1, round(side * min(1.0, w / h)))
    png = resvg_py.svg_to_bytes(svg_string=svg, width=width, skip_system_fonts=True)
    return Image.open(io.BytesIO(bytes(png))).convert("RGBA")


def visible(image, least=24):
    """(left, top, right, bottom) of what is not transparent, or None."""
    return image.getchannel("A").point(lambda a: 255 if a >= least else 0).getbbox()


def main_colour(rgba):
    """([hue, saturation, value] of the fullest hue, its share of the visible area, share of grey) of an RGBA array."""
    solid = rgba[..., 3] > 128
    hsv = np.asarray(Image.fromarray(rgba[..., :3]).convert("HSV"), np.float32)[solid] / 255
    if len(hsv) == 0:
        return [0.0, 0.0, 0.0], 0.0, 1.0
    coloured = hsv[(hsv[:, 1] > 0.25) & (hsv[:, 2] > 0.25)]
    grey = 1 - len(coloured) / len(hsv)
    if grey > 0.75 or len(coloured) < 8:
        plain = hsv[(hsv[:, 1] <= 0.25) | (hsv[:, 2] <= 0.25)]
        return [0.0, 0.0, float(np.median(plain[:, 2]))], 0.0, grey
    bins = np.bincount((coloured[:, 0] * 36).astype(int) % 36, minlength=36)
    smooth = bins + np.roll(bins, 1) + np.roll(bins, -1)
    centre = (np.argmax(smooth) + 0.5) / 36
    near = coloured[np.abs((coloured[:, 0] - centre + 0.5) % 1 - 0.5) < 0.08]
    offset = np.median((near[:, 0] - centre + 0.5) % 1 - 0.5)
    return [float((centre + offset) % 1), *map(float, np.median(near[:, 1:], axis=0))], len(near) / len(hsv), grey


def colour_name(hsv, share, grey):
    """The word for a sprite's colour where one is clear, else None."""
    hue, s, v = hsv
    if grey > 0.75:
        return "white" if v > 0.88 else "black" if v < 0.25 else "gray" if 0.4 < v < 0.8 else None
    if share < 0.6:
        return None
    degrees = hue * 360
    if v < 0.62 and 12 <= degrees < 45 or (v < 0.75 and s < 0.65 and 12 <= degrees < 40):
        return "brown"
    for limit, name in ((12, "red"), (17, None), (38, "orange"), (43, None), (60, "yellow"), (75, None), (165, "green"), (190, None), (245, "blue"),
                        (258, None), (292, "purple"), (305, None), (342, "pink"), (350, None), (361, "red")):
        if degrees < limit:
            break
    if name == "red" and s < 0.55:
        return "pink" if v > 0.8 else None
    return name if s > 0.35 and v > 0.35 else None


def sayable(concept, colour):
    """A colour is said only where it was looked at: of what is recoloured, and of what the table gives a colour of its own."""
    return colour if concept.get("recolour") or colour in concept.get("own", []) else None


def recolourable(concept, share, hsv):
    """Whether turning the main hue gives a sensible thing: the concept allows it, and one hue rules the drawing."""
    return bool(concept.get("recolour")) and share > 0.4 and hsv[1] > 0.3


# ---------------------------------------------------------------- packing

def describe(icon, concept):
    """The index's row for one drawing, or None if nothing of it is visible."""
    try:
        image = draw(icon.svg, PROBE)
    except ValueError:
        return None
    box = visible(image)
    if box is None or max(box[2] - box[0], box[3] - box[1]) < PROBE // 4:
        return None
    hsv, share, grey = main_colour(np.asarray(image.crop(box)))
    w, h = box[2] - box[0], box[3] - box[1]
    return {"concept": icon.concept, "set": icon.set, "kind": "flat", "style": icon.set, "svg": icon.key, "webp": None, "shade": None, "light": None,
            "colour": sayable(concept, colour_name(hsv, share, grey)), "recolour": recolourable(concept, share, hsv), "hsv": [round(c, 4) for c in hsv],
            "rect": square_rect(w / max(w, h), h / max(w, h)), "view": view(box, image.size)}


def square_rect(w, h):
    """Where the visible part lies in its square of side 1: [left, top, right, bottom]."""
    return [round(v, 4) for v in ((1 - w) / 2, (1 - h) / 2, (1 + w) / 2, (1 + h) / 2)]


def view(box, size):
    """The visible part in units of the drawing's longest side, for cropping at any size."""
    return [round(v / max(size), 4) for v in box]


def hold_out(rows, seed=4):
    """Marks about 3 % of the drawings, never the last one left of a concept, as never trained on."""
    rng = random.Random(seed)
    left = {}
    for row in rows:
        left[row["concept"]] = left.get(row["concept"], 0) + 1
    for row in rows:
        row["heldout"] = left[row["concept"]] > 2 and rng.random() < HELDOUT
        left[row["concept"]] -= row["heldout"]


def merge_renders(folder, rows):
    """Adds the path-traced sprites that the index fragment `renders.json` lists -> its other fields."""
    path = folder / "renders.json"
    if not path.exists():
        return {}
    fragment = json.loads(path.read_text())
    for row in fragment["sprites"]:
        image = Image.open(folder / row["webp"]).convert("RGBA")
        box = visible(image)
        hsv, share, grey = main_colour(np.asarray(image.crop(box)))
        row = {**row, "hsv": [round(c, 4) for c in hsv], "rect": view(box, image.size)}
        row.setdefault("colour", colour_name(hsv, share, grey))
        rows.append(row)
    return {k: v for k, v in fragment.items() if k != "sprites"}


def minified(svg):
    """The same drawing in fewer characters: no spaces between tags, coordinates to three decimals."""
    svg = re.sub(r">\s+<", "><", svg)
    return re.sub(r"\d+\.\d{4,}", lambda m: f"{float(m[0]):.3f}".rstrip("0").rstrip("."), svg)


def pack(data):
    folder = data / "pack"
    folder.mkdir(parents=True, exist_ok=True)
    words = vocabulary.table()
    by_name = {c["name"]: c for c in words["concepts"]}
    icons = vocabulary.icons(data, words)
    rows = [r for r in (describe(i, by_name[i.concept]) for i in icons) if r]
    hold_out(rows)
    extra = merge_renders(folder, rows)
    rows = [{"id": k, **row} for k, row in enumerate(rows)]
    wanted = {row["svg"] for row in rows}
    with lzma.open(folder / "svg.jsonl.xz", "wt", preset=9 | lzma.PRESET_EXTREME) as f:
        for icon in icons:
            if icon.key in wanted:
                f.write(json.dumps([icon.key, minified(icon.svg)], ensure_ascii=False) + "\n")
    index = index_of(words, rows, extra)
    (folder / "index.json").write_text(json.dumps(index, separators=(",", ":"), ensure_ascii=False))
    size = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
    print(f"{len(rows)} sprites of {len(index['concepts'])} concepts, pack of {size / 1e6:.1f} MB")


def index_of(words, rows, extra):
    shown = {row["concept"] for row in rows}
    concepts = [concept_row(c, words) for c in words["concepts"] if c["name"] in shown]
    styles = {name: s["styles"] for name, s in words["sets"].items()}
    return {"version": 1, "sprites": rows, "concepts": concepts, "styles": {**styles, **extra.get("styles", {})},
            "weights": {name: s["weight"] for name, s in words["sets"].items()}, "lights": extra.get("lights", {}), "base_y": extra.get("base_y"),
            "named_colours": words["named_colours"], "backgrounds": words["backgrounds"]}


def concept_row(c, words):
    plurals = c.get("plurals") or [vocabulary.plural(w) for w in c["words"]]
    colours = c.get("recolour") or []
    return {"name": c["name"], "words": c["words"], "group": c["group"], "plural": plurals[0], "plurals": plurals, "weight": c.get("weight", 1),
            "colours": list(words["named_colours"]) if colours is True else colours, "own_colour": c["own"][0] if c.get("own") else None}


# ---------------------------------------------------------------- banks

def fitted(image, side):
    """The image shrunk (premultiplied, by area) so that it fills a transparent square of this side."""
    scale = side / max(image.size)
    size = tuple(max(1, round(v * scale)) for v in image.size)
    small = image.convert("RGBa").resize(size, Image.BOX if scale <= 0.5 else Image.HAMMING).convert("RGBA")
    out = Image.new("RGBA", (side, side))
    out.paste(small, ((side - size[0]) // 2, (side - size[1]) // 2))
    return out


def drawing_pixels(row, svg, sides):
    """One drawing for several banks: rendered once at twice the largest size wanted (resvg's edges are coarse), then shrunk."""
    box = row["view"]
    span = max(box[2] - box[0], box[3] - box[1])
    full = math.ceil(min(2048, max(sides) * (2 if max(sides) < 512 else 1) / span))
    image = draw(svg, full)
    image = image.crop([round(v * full) for v in box])
    return [np.asarray(fitted(image, s)) for s in sides]


def render_pixels(row, folder, sides):
    """A path-traced sprite keeps its canvas: its shade map has the same frame."""
    image = Image.open(folder / row["webp"]).convert("RGBA")
    return [np.asarray(fitted(image, s)) for s in sides]


def _work(task):
    row, svg, folder, sides = task
    return row["id"], (drawing_pixels(row, svg, sides) if svg else render_pixels(row, folder, sides))


def large_ids(rows, count=LARGE_CONCEPTS, seed=5):
    """Drawings for pictures of 1024: one of each of `count` concepts."""
    rng = random.Random(seed)
    groups = {}
    for row in rows:
        if row["kind"] == "flat" and not row["heldout"]:
            groups.setdefault(row["concept"], []).append(row["id"])
    names = sorted(groups)
    rng.shuffle(names)
    return sorted(rng.choice(groups[n]) for n in names[:count])


def rasterise(data, jobs=1, sides=(64, 256, 1024), limit=None):
    folder, out = data / "pack", data / "banks"
    out.mkdir(parents=True, exist_ok=True)
    rows = json.loads((folder / "index.json").read_text())["sprites"][:limit]
    with lzma.open(folder / "svg.jsonl.xz", "rt") as f:
        svgs = dict(json.loads(line) for line in f)
    small = [s for s in sides if s < 1024]
    plans = [(small, [r["id"] for r in rows])] if small else []
    plans += [([1024], large_ids(rows))] if 1024 in sides else []
    by_id = {r["id"]: r for r in rows}
    with ProcessPoolExecutor(jobs) as pool:
        for group, ids in plans:
            banks = [np.lib.format.open_memmap(out / f"{s}.npy", "w+", np.uint8, (len(ids), SPRITE[s], SPRITE[s], 4)) for s in group]
            place = {k: j for j, k in enumerate(ids)}
            tasks = [(by_id[k], svgs.get(by_id[k]["svg"]), folder, [SPRITE[s] for s in group]) for k in ids]
            for k, pictures in pool.map(_work, tasks, chunksize=8):
                for bank, picture in zip(banks, pictures):
                    bank[place[k]] = picture
            for s in group:
                np.save(out / f"{s}.ids.npy", np.array(ids, np.int64))
    write_shades(folder, rows, out)


def write_shades(folder, rows, out):
    """shade.npy: [n, 64, 64] uint8, and the sprite of each row."""
    rows = [r for r in rows if r["shade"]]
    shades = [np.asarray(Image.open(folder / r["shade"]).convert("L").resize((64, 64), Image.BOX)) for r in rows]
    np.save(out / "shade.npy", np.stack(shades) if shades else np.zeros((0, 64, 64), np.uint8))
    np.save(out / "shade.ids.npy", np.array([r["id"] for r in rows], np.int64))


def main():
    import time

    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("what", choices=["pack", "rasterise"])
    ap.add_argument("--data", type=Path, default=Path("/work/data4"))
    ap.add_argument("--jobs", type=int, default=1)
    ap.add_argument("--sides", type=int, nargs="+", default=[64, 256, 1024])
    a = ap.parse_args()
    start = time.time()
    pack(a.data) if a.what == "pack" else rasterise(a.data, a.jobs, a.sides)
    print(f"{a.what}: {time.time() - start:.0f} s")


if __name__ == "__main__":
    main()
