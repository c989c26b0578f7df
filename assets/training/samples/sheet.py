"""The contact sheet of the README: the prompts of prompts.json at every size, drawn by the app, nothing picked.

    python sheet.py OUT.png [--imagen target/release/imagen] [--model FOLDER]

Seeds are 1, 2, 3, ... in the order of the prompts.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "report"))  # draw

from draw import SIZES, App, Ask  # noqa: E402

TILE, GAP, CAPTION, PER_ROW = 150, 10, 18, 4
PAPER, INK = (246, 247, 249), (28, 32, 40)


def tile(picture):
    how = Image.Resampling.NEAREST if picture.width < TILE else Image.Resampling.LANCZOS
    return picture.convert("RGB").resize((TILE, TILE), how)


def page(app, prompts):
    asks = [Ask(prompt, 1 + i, until=SIZES[-1]) for i, prompt in enumerate(prompts)]
    app.draw(asks)
    width, height = len(SIZES) * TILE + GAP, TILE + CAPTION + GAP
    out = Image.new("RGB", (PER_ROW * width + GAP, -(-len(asks) // PER_ROW) * height + GAP), PAPER)
    pen, font = ImageDraw.Draw(out), ImageFont.load_default(12)
    for i, ask in enumerate(asks):
        x, y = GAP + i % PER_ROW * width, GAP + i // PER_ROW * height
        for k, size in enumerate(SIZES):
            out.paste(tile(Image.open(app.path(ask, size))), (x + k * TILE, y))
        pen.text((x, y + TILE + 2), ask.prompt, INK, font)
    return out


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("out", type=Path)
    ap.add_argument("--imagen", type=Path, default=HERE.parents[2] / "target" / "release" / "imagen")
    ap.add_argument("--model", type=Path, default=HERE.parents[1] / "models" / "default")
    a = ap.parse_args()
    with tempfile.TemporaryDirectory() as work:
        page(App(a.imagen, a.model, work), json.loads((HERE / "prompts.json").read_text())).save(a.out, optimize=True)


if __name__ == "__main__":
    main()
