"""Pictures by the app itself: what `evaluate.py` measures, and the contact sheet of the README. Nothing is picked.

    python pictures.py metrics OUT      # every metric prompt at 64 pixels, and OUT/index.json for evaluate.py
    python pictures.py sheet OUT.png    # the 40 prompts at 64, 256 and 1024 pixels

Takes the release build of this repository, or the binary that --imagen names. Seeds are 1, 2, 3, ... in the order of the prompts.
"""
import argparse
import json
import subprocess
import tempfile
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

HERE = Path(__file__).resolve().parent
PROMPTS = json.loads((HERE / "evaluate_prompts.json").read_text())
SIZES = (64, 256, 1024)
TILE, GAP, CAPTION, PER_ROW = 150, 10, 18, 4


def generate(imagen, prompt, seed, name, until):
    command = [imagen, "generate", prompt, "--seed", str(seed), "--until", str(until), "--out", str(name), "--force"]
    subprocess.run(command, check=True, capture_output=True)


def metrics(imagen, out):
    out.mkdir(parents=True, exist_ok=True)
    seen, index = {}, []
    for row in PROMPTS["concept"] + PROMPTS["background"]:
        key = row["prompt"]
        if key not in seen:
            seen[key] = f"{len(seen):03}"
            generate(imagen, key, len(seen), out / seen[key], 64)
            index.append({"file": f"{seen[key]}-64.png", **row})
    (out / "index.json").write_text(json.dumps(index, indent=1) + "\n")
    print(f"{len(index)} pictures in {out}")


def sheet(imagen, out):
    prompts = PROMPTS["contact_sheet"]
    cell = len(SIZES) * TILE, TILE + CAPTION
    rows = -(-len(prompts) // PER_ROW)
    page = Image.new("RGB", (PER_ROW * (cell[0] + GAP) + GAP, rows * (cell[1] + GAP) + GAP), (246, 247, 249))
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(12)
    with tempfile.TemporaryDirectory() as folder:
        for i, prompt in enumerate(prompts):
            generate(imagen, prompt, i + 1, Path(folder) / str(i), SIZES[-1])
            x, y = GAP + (i % PER_ROW) * (cell[0] + GAP), GAP + (i // PER_ROW) * (cell[1] + GAP)
            for k, size in enumerate(SIZES):
                picture = Image.open(Path(folder) / f"{i}-{size}.png").convert("RGB")
                how = Image.Resampling.NEAREST if size < TILE else Image.Resampling.LANCZOS
                page.paste(picture.resize((TILE, TILE), how), (x + k * TILE, y))
            draw.text((x, y + TILE + 2), prompt, (28, 32, 40), font)
    page.save(out, optimize=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("metrics", "sheet"))
    parser.add_argument("out", type=Path)
    parser.add_argument("--imagen", default=str(HERE.parents[2] / "target" / "release" / "imagen"))
    args = parser.parse_args()
    {"metrics": metrics, "sheet": sheet}[args.what](args.imagen, args.out)


if __name__ == "__main__":
    main()
