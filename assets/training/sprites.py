"""Packs the drawings into DIR/pack (small enough to be carried to another machine) and makes banks of pixels from it there.

    python sprites.py pack [--data DIR]                  # needs what fetch.py fetched, and DIR/pack/renders where rendered
    python sprites.py merge [--data DIR]                 # takes new renders into that pack
    python sprites.py rasterise [--data DIR] [--jobs N]  # needs DIR/pack only

A bank holds every sprite cropped to what is visible, its longest side filling a square of 128 (for pictures of 64), 256 (256) or 768 pixels
(1024; drawings of a part of the concepts only): `DIR/banks/SIDE.npy`, uint8 RGBA with straight alpha, and `SIDE.ids.npy`, the sprite of each row.
"""
import argparse
import io
import json
import lzma
import math
import random
import re
import shutil
from concurrent.futures import ProcessPoolExecutor
from itertools import count
from pathlib import Path

import numpy as np
from PIL import Image

import scenes
import vocabulary

SPRITE = {64: 128, 256: 256, 1024: 768}  # side of the picture -> side of the sprites in its bank
FINER = {128: 2.0, 256: 1.25, 768: 1.0}  # drawings are rendered by so much larger; at 256 twice the size would take four times as long
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
        return [0.0, *map(float, np.median(plain[:, 1:], axis=0))], 0.0, grey
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
        return "white" if v > 0.88 and s < 0.08 else "black" if v < 0.25 else "gray" if 0.4 < v < 0.8 and s < 0.12 else None
    if share < 0.6:
        return None
    degrees = hue * 360
    if v < 0.62 and 12 <= degrees < 45 or (v < 0.75 and s < 0.65 and 12 <= degrees < 40):
        return "brown"
    for limit, name in ((12, "red"), (17, None), (38, "orange"), (43, None), (60, "yellow"), (75, None), (165, "green"), (190, None), (245, "blue"),
                        (258, None), (292, "purple"), (305, None), (342, "pink"), (350, None), (361, "red")):
        if degrees < limit:
            break
    if name == "red" and s < 0.55 or name == "pink" and (s > 0.75 or v < 0.75):
        return "pink" if v > 0.85 and s < 0.55 else None
    if name == "orange" and (s < 0.6 or v < 0.8):
        return None
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
        image = draw(icon.svg, PROBE) if icon.svg else Image.open(icon.file).convert("RGBA")
    except ValueError:
        return None
    box = visible(image)
    if box is None or max(box[2] - box[0], box[3] - box[1]) < max(image.size) // 4:
        return None
    pixels = np.asarray(image.crop(box))
    hsv, share, grey = main_colour(pixels)
    w, h = box[2] - box[0], box[3] - box[1]
    if framed(pixels, concept):
        return None
    return {"concept": icon.concept, "set": icon.set, "kind": "flat", "style": icon.set, "svg": icon.key if icon.svg else None,
            "webp": None if icon.svg else f"{icon.set}/{icon.file.name}", "shade": None, "light": None,
            "colour": sayable(concept, colour_name(hsv, share, grey)), "recolour": icon.set not in vocabulary.BY_HAND and recolourable(concept, share, hsv), "hsv": [round(c, 4) for c in hsv],
            "rect": square_rect(w / max(w, h), h / max(w, h)), "view": view(box, image.size)}


def framed(pixels, concept):
    """Whether a drawing of something outdoors is a whole picture with a background of its own."""
    h, w = pixels.shape[:2]
    return concept["group"] in ("place", "vehicle", "sky", "plant") and abs(w - h) < 0.06 * w and (pixels[..., 3] > 128).mean() > 0.94


def square_rect(w, h):
    """Where the visible part lies in its square of side 1: [left, top, right, bottom]."""
    return [round(v, 4) for v in ((1 - w) / 2, (1 - h) / 2, (1 + w) / 2, (1 + h) / 2)]


def view(box, size):
    """The visible part in units of the drawing's longest side, for cropping at any size."""
    return [round(v / max(size), 4) for v in box]


def well_shown(rows, words, least=0.7):
    """Leaves out what only the line drawings show."""
    good = {r["concept"] for r in rows if words["sets"][r["set"]]["weight"] > least}
    return [r for r in rows if r["concept"] in good]


def hold_out(rows, seed=4):
    """Marks about 3 % of the drawings, never the last one left of a concept, as never trained on."""
    rng = random.Random(seed)
    left = {}
    for row in rows:
        left[row["concept"]] = left.get(row["concept"], 0) + 1
    for row in rows:
        row["heldout"] = left[row["concept"]] > 2 and rng.random() < HELDOUT
        left[row["concept"]] -= row["heldout"]


def merge_renders(folder, rows, words):
    """Adds the path-traced sprites that the index fragment `renders.json` lists, and the concepts that only they show -> its other fields."""
    path = folder / "renders.json"
    if not path.exists():
        return {}
    fragment = json.loads(path.read_text())
    own = {c["name"]: c for c in fragment["concepts"]}
    drawn = {r["concept"] for r in rows}
    for row in fragment["sprites"]:
        if not (folder / row["webp"]).exists():
            print(f"{row['webp']}: listed in renders.json, but not there; left out")
            continue
        image = Image.open(folder / row["webp"]).convert("RGBA")
        hsv, share, grey = main_colour(np.asarray(image))
        concept = same_concept(row["concept"], words)
        if concept not in drawn and row["concept"] in own:
            concept = adopt(own[row["concept"]], concept, words)
            drawn.add(concept)
        row = {**row, "concept": concept, "hsv": [round(c, 4) for c in hsv], "rect": view(visible(image), image.size)}
        rows.append({**row, "colour": row["colour"] if row["recolour"] else None})
    return {k: v for k, v in fragment.items() if k != "sprites"}


def same_concept(name, words):
    """The table's name for what the renders call `name`: by its own list, by name, or by synonym."""
    name = words["renders"].get(name, name)
    names = {c["name"] for c in words["concepts"]}
    return name if name in names else next((c["name"] for c in words["concepts"] if name in c["words"]), name)


def adopt(concept, name, words):
    """Puts a concept of the renders into the table (or over one there that no drawing shows)."""
    words["concepts"] = [c for c in words["concepts"] if c["name"] != name]
    plurals = concept.get("plurals") or [concept["plural"]] + [vocabulary.plural(w) for w in concept["words"][1:]]
    taken = {w for c in words["concepts"] for w in c["words"]}
    keep = [k for k, w in enumerate(concept["words"]) if w not in taken] or [0]
    words["concepts"].append({"name": name, "group": concept["group"], "words": [concept["words"][k] for k in keep], "plurals": [plurals[k] for k in keep],
                              "recolour": concept["recolour"], "weight": 1})
    return name


def minified(svg):
    """The same drawing in fewer characters: no spaces between tags, coordinates to three decimals."""
    svg = re.sub(r">\s+<", "><", svg)
    return re.sub(r"\d+\.\d{4,}", lambda m: f"{float(m[0]):.3f}".rstrip("0").rstrip("."), svg)


def _describe(task):
    return describe(*task)


def pack(data, jobs=1):
    """Measures every drawing and writes DIR/pack."""
    folder = data / "pack"
    folder.mkdir(parents=True, exist_ok=True)
    words = vocabulary.table()
    by_name = {c["name"]: c for c in words["concepts"]}
    icons = vocabulary.icons(data, words)
    with ProcessPoolExecutor(jobs) as pool:
        rows = [r for r in pool.map(_describe, [(i, by_name[i.concept]) for i in icons], chunksize=64) if r]
    rows = well_shown(rows, words)
    hold_out(rows)
    write_drawings(folder, icons, {key(row) for row in rows})
    write_index(folder, words, rows)


def write_drawings(folder, icons, wanted):
    with lzma.open(folder / "svg.jsonl.xz", "wt", preset=9 | lzma.PRESET_EXTREME) as f:
        for icon in icons:
            if icon.svg and icon.key in wanted:
                f.write(json.dumps([icon.key, minified(icon.svg)], ensure_ascii=False) + "\n")
    for icon in (i for i in icons if i.file):
        target = folder / icon.set / icon.file.name
        target.parent.mkdir(exist_ok=True)
        if f"{icon.set}/{icon.file.name}" in wanted:
            shutil.copyfile(icon.file, target)


def merge(data, words=None):
    """Takes renders made since into a pack that is there, without measuring the drawings again."""
    index = json.loads((data / "pack" / "index.json").read_text())
    write_index(data / "pack", words or vocabulary.table(), [r for r in index["sprites"] if r["kind"] == "flat"])


def numbered(path, rows):
    """Gives every sprite its number; a sprite keeps the one it had, so that banks made before still fit."""
    old = {key(r): r["id"] for r in json.loads(path.read_text())["sprites"]} if path.exists() else {}
    fresh = count(max(old.values(), default=-1) + 1)
    return [{**row, "id": old[key(row)] if key(row) in old else next(fresh)} for row in rows]


def write_index(folder, words, rows):
    extra = merge_renders(folder, rows, words)
    rows = numbered(folder / "index.json", rows)
    index = index_of(words, rows, extra)
    (folder / "index.json").write_text(json.dumps(index, separators=(",", ":"), ensure_ascii=False))
    size = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
    renders = sum(r["kind"] == "render" for r in rows)
    print(f"{len(rows)} sprites ({renders} rendered) of {len(index['concepts'])} concepts, pack of {size / 1e6:.1f} MB")


def index_of(words, rows, extra):
    shown = {row["concept"] for row in rows}
    concepts = [concept_row(c, words, rows) for c in words["concepts"] if c["name"] in shown]
    styles = {name: s["styles"] for name, s in words["sets"].items()}
    return {"version": 1, "sprites": rows, "concepts": concepts, "styles": {**styles, **extra.get("styles", {})},
            "weights": {name: s["weight"] for name, s in words["sets"].items()}, "lights": extra.get("lights", {}), "base_y": extra.get("base_y"),
            "named_colours": words["named_colours"], "backgrounds": words["backgrounds"]}


def concept_row(c, words, rows):
    plurals = c.get("plurals") or [vocabulary.plural(w) for w in c["words"]]
    colours = c.get("recolour") or any(r["recolour"] for r in rows if r["concept"] == c["name"]) or []
    return {"name": c["name"], "words": c["words"], "group": c["group"], "plural": plurals[0], "plurals": plurals, "weight": c.get("weight", 1),
            "colours": list(words["named_colours"]) if colours is True else colours, "own_colour": c["own"][0] if c.get("own") else None, "flip": c.get("flip", True)}


# ---------------------------------------------------------------- banks

def fitted(image, side):
    """The image shrunk (premultiplied, by area) so that it fills a transparent square of this side."""
    scale = side / max(image.size)
    size = tuple(max(1, round(v * scale)) for v in image.size)
    small = image.convert("RGBa").resize(size, Image.BOX if scale <= 0.5 else Image.HAMMING).convert("RGBA")
    out = Image.new("RGBA", (side, side))
    out.paste(small, ((side - size[0]) // 2, (side - size[1]) // 2))
    return out


def drawing_pixels(row, svg, side):
    """One drawing, rendered larger than wanted (resvg's edges are coarse, most so where they are small), then shrunk."""
    box = row["view"]
    span = max(box[2] - box[0], box[3] - box[1])
    full = math.ceil(min(2048, side * FINER[side] / span))
    image = draw(svg, full)
    return np.asarray(fitted(image.crop([round(v * full) for v in box]), side))


def picture_pixels(row, folder, side):
    """A drawing that comes as pixels."""
    image = Image.open(folder / row["webp"]).convert("RGBA")
    return np.asarray(fitted(image.crop([round(v * max(image.size)) for v in row["view"]]), side))


def render_pixels(row, folder, side):
    """A path-traced sprite keeps its canvas: its shade map has the same frame."""
    return np.asarray(fitted(Image.open(folder / row["webp"]).convert("RGBA"), side))


def _work(task):
    j, row, svg, folder, side = task
    if svg:
        return j, drawing_pixels(row, svg, side)
    return j, (render_pixels if row["kind"] == "render" else picture_pixels)(row, folder, side)


def large_ids(rows, most=LARGE_CONCEPTS, seed=5):
    """Drawings for pictures of 1024: one of each of `most` concepts."""
    rng = random.Random(seed)
    groups = {}
    for row in rows:
        if row["svg"] and not row["heldout"]:
            groups.setdefault(row["concept"], []).append(row["id"])
    names = sorted(groups)
    rng.shuffle(names)
    return sorted(rng.choice(groups[n]) for n in names[:most])


def key(row):
    return row["svg"] or row["webp"]


def old_rows(out, side):
    """The bank that is there already and where in it each drawing lies: a grown pack needs only its new drawings rendered."""
    names = out / f"{side}.keys.json"
    if not names.exists():
        return None, {}
    return np.load(out / f"{side}.npy"), {k: j for j, k in enumerate(json.loads(names.read_text()))}


def rasterise(data, jobs=1, sides=(64, 256, 1024), part=1, world=None):
    """Makes the banks of these sides from DIR/pack; drawings of a bank already there are kept (delete it where a drawing itself changed).
    part: only every part-th sprite, for trials on a slow machine; world: only the sprites of a file of worlds/."""
    folder, out = data / "pack", data / "banks"
    out.mkdir(parents=True, exist_ok=True)
    rows = scenes.limited(json.loads((folder / "index.json").read_text()), world)["sprites"]
    gone = {r["id"] for r in rows if r["webp"] and not (folder / r["webp"]).exists()}
    if gone:
        print(f"{len(gone)} pictures of the index are not in the pack: left out; `sprites.py merge` takes the newer ones")
    rows = [r for r in rows if r["id"] not in gone]
    with lzma.open(folder / "svg.jsonl.xz", "rt") as f:
        svgs = dict(json.loads(line) for line in f)
    with ProcessPoolExecutor(jobs) as pool:
        for side in sides:
            ids = set(large_ids(rows)) if side == 1024 else {r["id"] for r in rows[::part]}
            fill(pool, [r for r in rows if r["id"] in ids], svgs, folder, out, side)
    write_shades(folder, rows, out)


def fill(pool, rows, svgs, folder, out, side):
    """One bank: what the old one has is copied, the rest rendered; written beside and moved into place, so that it is never half new."""
    old, place = old_rows(out, side)
    path = out / f"{side}.new.npy"
    bank = np.lib.format.open_memmap(path, "w+", np.uint8, (len(rows), SPRITE[side], SPRITE[side], 4))
    todo = []
    for j, row in enumerate(rows):
        if key(row) in place:
            bank[j] = old[place[key(row)]]
        else:
            todo.append((j, row, svgs.get(row["svg"]), folder, SPRITE[side]))
    for j, picture in pool.map(_work, todo, chunksize=8):
        bank[j] = picture
    bank.flush()
    path.replace(out / f"{side}.npy")
    np.save(out / f"{side}.ids.npy", np.array([r["id"] for r in rows], np.int64))
    (out / f"{side}.keys.json").write_text(json.dumps([key(r) for r in rows]))


def write_shades(folder, rows, out):
    """shade.npy: [n, 64, 64] uint8, and the sprite of each row."""
    rows = [r for r in rows if r["shade"]]
    shades = [np.asarray(Image.open(folder / r["shade"]).convert("L").resize((64, 64), Image.BOX)) for r in rows]
    np.save(out / "shade.npy", np.stack(shades) if shades else np.zeros((0, 64, 64), np.uint8))
    np.save(out / "shade.ids.npy", np.array([r["id"] for r in rows], np.int64))


def main():
    import time

    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("what", choices=["pack", "merge", "rasterise"])
    ap.add_argument("--data", type=Path, default=Path("/work/data4"))
    ap.add_argument("--jobs", type=int, default=1)
    ap.add_argument("--sides", type=int, nargs="+", default=[64, 256, 1024])
    ap.add_argument("--world", type=Path, help="only the sprites of this file of worlds/")
    ap.add_argument("--part", type=int, default=1, help="only every N-th sprite (a trial on a slow machine); the whole bank later keeps them")
    a = ap.parse_args()
    start = time.time()
    {"pack": lambda: pack(a.data, a.jobs), "merge": lambda: merge(a.data), "rasterise": lambda: rasterise(a.data, a.jobs, a.sides, a.part, a.world)}[a.what]()
    print(f"{a.what}: {time.time() - start:.0f} s")


if __name__ == "__main__":
    main()
