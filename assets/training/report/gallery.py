"""Contact sheets of prompts that nobody picked: PartiPrompts and compositions of the grammar,
each at every size of the cascade.
"""

import csv
import random
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

import worlds
from draw import SIZES, Ask
from questions import mixed

SEED = 11
TILE, GAP, COLUMNS, LINES = 116, 10, 5, 3
PAPER, INK = (250, 250, 251), (28, 32, 40)


def letters(size):
    """DejaVu Sans, which matplotlib brings along: it has the accents of the prompts."""
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"), size)


def parti(path, n):
    """n rows drawn by a fixed seed: (prompt, category)."""
    with path.open(newline="", encoding="utf-8") as f:
        rows = list(csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [(r["Prompt"].strip().strip('"'), r["Category"]) for r in random.Random(SEED).sample(rows, min(n, len(rows)))]


def compositions(tools, n):
    vocabulary = tools.world.vocabulary("trained", tools.concepts)
    return [(s.caption, s.kind) for s in mixed(worlds.generator("sheet"), vocabulary, n)]


def wrapped(text, font, width):
    """At most LINES lines that fit; what does not is cut with an ellipsis."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    if len(lines) > LINES:
        lines = lines[: LINES - 1] + [lines[LINES - 1] + " ..."]
    for i, line in enumerate(lines):
        while font.getlength(line) > width:
            line = line[:-5] + " ..." if line.endswith(" ...") else line[:-1] + " ..."
        lines[i] = line
    return lines


def cell(page, pen, font, corner, text, pictures):
    x, y = corner
    for k, picture in enumerate(pictures):
        how = Image.Resampling.NEAREST if picture.width < TILE else Image.Resampling.LANCZOS
        page.paste(picture.resize((TILE, TILE), how), (x + k * (TILE + 1), y))
    width = len(pictures) * (TILE + 1)
    for i, line in enumerate(wrapped(text, font, width)):
        pen.text((x, y + TILE + 3 + 14 * i), line, INK, font)


def sheet(prompts, pictures, columns=COLUMNS):
    """A page of the prompts, numbered, each under its pictures (PIL, smallest first)."""
    font = letters(11)
    width, height = len(pictures[0]) * (TILE + 1) + GAP, TILE + 3 + 14 * LINES + GAP
    columns = min(columns, len(prompts))
    page = Image.new("RGB", (columns * width + GAP, -(-len(prompts) // columns) * height + GAP), PAPER)
    pen = ImageDraw.Draw(page)
    for i, (prompt, found) in enumerate(zip(prompts, pictures)):
        cell(page, pen, font, (GAP + i % columns * width, GAP + i // columns * height), f"{i + 1}. {prompt}", found)
    return page


def drawn(app, prompts, until):
    """Pictures of every prompt at every size up to `until`, smallest first; seeds 1, 2, 3, ... in the order of the prompts."""
    asks = [Ask(prompt, 1 + i, until=until) for i, prompt in enumerate(prompts)]
    app.draw(asks)
    return [[Image.open(app.path(a, s)).convert("RGB") for s in SIZES if s <= until] for a in asks]


def draw(tools, rows, out, until):
    """rows: (prompt, what kind)."""
    prompts = [prompt for prompt, _ in rows]
    page = sheet(prompts, drawn(tools.app, prompts, until))
    page.save(out, quality=80, method=6)
    return {"file": out.name, "n": len(rows), "sizes": [s for s in SIZES if s <= until], "pixels": list(page.size)}


def measure(tools, sizes):
    found = {
        "compositions": draw(tools, compositions(tools, sizes.sheet), tools.out / "sheet_compositions.webp", sizes.sheet_until)
    }
    if tools.prompts is None or not tools.prompts.exists():
        found["parti"] = {"missing": str(tools.prompts or "no file was named by --prompts")}
    else:
        rows = parti(tools.prompts, sizes.sheet)
        found["parti"] = draw(tools, rows, tools.out / "sheet_partiprompts.webp", sizes.sheet_until)
        kinds = [k for _, k in rows]
        found["parti"]["categories"] = {k: kinds.count(k) for k in sorted(set(kinds))}
    return {**found, "seed": SEED, "clock": tools.app.clock.line()}


def tiles(columns, heads, out, tile=192):
    """A sheet of rows of equal pictures (uint8 arrays) under column heads."""
    font = letters(12)
    page = Image.new("RGB", (len(heads) * (tile + 4) + 4, len(columns) * (tile + 4) + 26), PAPER)
    pen = ImageDraw.Draw(page)
    for k, head in enumerate(heads):
        pen.text((6 + k * (tile + 4), 5), head, INK, font)
    for i, row in enumerate(columns):
        for k, picture in enumerate(row):
            im = Image.fromarray(np.asarray(picture)).resize((tile, tile), Image.Resampling.NEAREST)
            page.paste(im, (4 + k * (tile + 4), 26 + i * (tile + 4)))
    page.save(out, quality=88, method=6)
