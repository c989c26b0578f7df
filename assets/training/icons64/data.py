"""The icons that today's model was trained on: names, colours, and the sprites that its samples are compared with.

    python data.py [--data DATA]     # renders the icons (resvg), recolours some: DATA/sprites_64_48.npy
"""
import argparse
import colorsys
import io
import json
from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).resolve().parent
TABLE = json.loads((HERE / "concepts.json").read_text())
COLOURS = {k: np.array(v, np.float32) for k, v in TABLE["backgrounds"].items()}
ICONS = "src/fluent-emoji-flat/package/icons.json"
SPRITES = "sprites_64_48.npy"
SIZE = 48  # of an icon in a picture of 64 pixels


def concepts():
    return [{"name": c["words"][0], **c} for c in TABLE["concepts"]]


def variants():
    """(index of the concept, colour or None): every sprite that exists, originals first."""
    cs = concepts()
    return [(i, None) for i in range(len(cs))] + [(i, k) for i, c in enumerate(cs) for k in c.get("colours", [])]


def article(noun):
    return ("an " if noun[0] in "aeiou" else "a ") + noun


# ---------------------------------------------------------------- sprites

def render(icon_set, name, size):
    import resvg_py

    icon = icon_set["icons"][name]
    w, h = icon.get("width", icon_set["width"]), icon.get("height", icon_set.get("height", icon_set["width"]))
    svg = (f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 {w} {h}" '
           f'width="{w}" height="{h}">{icon["body"]}</svg>')
    return Image.open(io.BytesIO(bytes(resvg_py.svg_to_bytes(svg_string=svg, width=size)))).convert("RGBA").resize((size, size))


def hsv(rgb):
    return np.asarray(Image.fromarray(rgb).convert("HSV"), np.float32) / 255


def main_hue(rgba):
    """Hue, saturation and value of the icon's main colour: the fullest of 36 hue bins."""
    c = hsv(rgba[..., :3])[(rgba[..., 3] > 200)]
    c = c[(c[:, 1] > 0.35) & (c[:, 2] > 0.3)]
    h = np.argmax(np.bincount((c[:, 0] * 36).astype(int) % 36, minlength=36)) / 36 + 1 / 72
    near = np.abs((c[:, 0] - h + 0.5) % 1 - 0.5) < 0.06
    return np.median(c[near], axis=0)


def recolour(rgba, reference, colour):
    """Turns the main hue of an icon into a named colour; shading and the other hues stay."""
    target = np.array(colorsys.rgb_to_hsv(*(np.array(TABLE["colours"][colour]) / 255.0)), np.float32)
    c = hsv(np.ascontiguousarray(rgba[..., :3]))
    off = (c[..., 0] - reference[0] + 0.5) % 1 - 0.5
    pick = (np.abs(off) < 0.11) & (c[..., 1] > 0.25)
    new = np.stack([(target[0] + 0.4 * off) % 1, np.clip(c[..., 1] * target[1] / reference[1], 0, 1),
                    np.clip(c[..., 2] * target[2] / reference[2], 0, 1)], axis=-1)
    c = np.where(pick[..., None], new, c)
    rgb = np.asarray(Image.fromarray((c * 255 + 0.5).astype(np.uint8), "HSV").convert("RGB"))
    return np.concatenate([rgb, rgba[..., 3:]], axis=-1)


def write_sprites(folder):
    """uint8 [variants, SIZE, SIZE, 4], straight alpha."""
    icon_set, cs = json.loads((folder / ICONS).read_text()), concepts()
    # shrunk from a large rendering: a better average over the pixel than the renderer's
    big = [render(icon_set, c["icon"], 512) for c in cs]
    out = []
    for i, colour in variants():
        picture = big[i]
        if colour is not None:
            reference = main_hue(np.asarray(render(icon_set, cs[i]["icon"], 256)))
            picture = Image.fromarray(recolour(np.asarray(picture), reference, colour))
        out.append(np.asarray(picture.resize((SIZE, SIZE), Image.HAMMING)))
    np.save(folder / SPRITES, np.stack(out))


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--data", type=Path, default=Path("/work/data4"))
    write_sprites(ap.parse_args().data)


if __name__ == "__main__":
    main()
