"""REPORT.md out of the parts that were measured: numbers from report/*.json, reasons from notes.md, nothing else."""

import json

import plots
from bars import BARS, MORE
from curves import MODES

KINDS = {"flat": "flat art", "render": "path-traced", "path-traced whole": "path-traced, whole pictures"}
PARTS = ("bars", "curves", "sheets", "enlarge", "probes")
TRUE = {"trained": "new scenes", "softened": "the same, blurred", "heldout": "held-out sprites"}


def percent(v):
    return "-" if v is None else f"{100 * v:.0f} %"


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(c) for c in row) + " |" for row in lines) + "\n"


def source(part):
    m = part["made"]
    return f"Measured {m['date']} on {m['machine']}; [command](#how-it-was-made).\n"


def made_text(parts):
    rows = [
        [name, f"`{p['made']['command']}`", p["made"]["machine"], p["made"]["date"], f"{p['made']['seconds'] / 60:.1f} min"]
        for name, p in parts.items()
    ]
    return "## How it was made\n\n" + table(["part", "command", "machine", "date", "clock"], rows)


# ---------------------------------------------------------------- parts


def bar_rows(found, names):
    rows = []
    for kind, measured in found["kinds"].items():
        for name, group, fact, *bar in names:
            got = measured["sets"].get(group, {}).get(fact)
            if not got or not got["n"]:
                continue
            ceilings = [found["ceiling"].get(t, {}).get(kind, {}).get(group, {}).get(fact, {}).get("share") for t in TRUE]
            row = [
                name,
                KINDS[kind],
                f"**{percent(got['share'])}**",
                f"{100 * got['low']:.0f}-{percent(got['high'])}",
                got["n"],
                " / ".join(percent(c) for c in ceilings),
            ]
            rows.append(row + ([percent(bar[0]), "pass" if got["share"] >= bar[0] else "**missed**"] if bar else []))
    return rows


def missed(rows):
    """One line: which bars are missed, by how much."""
    gone = [f"{r[0].split(' (')[0]} ({r[1]}): {r[2].strip('*')}, bar {r[-2]}" for r in rows if r[-1] != "pass"]
    return f"{len(rows) - len(gone)} of {len(rows)} bars are passed." + (f" Missed: {'; '.join(gone)}." if gone else "")


def bars_text(part):
    found, model = part["found"], part["model"]
    head = ["asked", "prompts", "right", "95 %", "n", "the probe itself: " + " / ".join(TRUE.values())]
    concepts = ", ".join(f"{v['concepts']} {KINDS[k]}" for k, v in found["kinds"].items())
    rows = bar_rows(found, BARS)
    return f"""## Bars, at the default settings

Prompts are captions of the training grammar, unseen scenes, one picture each, seeds 1, 2, 3, ...;
only concepts that the model was trained on ({concepts};
the probe answers out of all {model["vocabulary"]}). Its own answers to true pictures are the ceiling:
no model can be shown to be better.

{table(head + ["bar", ""], rows)}
{missed(rows)}

Also asked:

{table(head, bar_rows(found, MORE))}
{source(part)}{drawn_by(found)}
"""


def drawn_by(found):
    """Who drew, and what a picture cost where it was the app."""
    return f"Drawn by {found['painter']}" + (f": {found['clock']}." if found.get("clock") else ".")


def verdict_text(kind, v):
    if not v:
        return f"- **{KINDS[kind]}**: no weight of 5 or more was drawn.\n"
    rows = "; ".join(
        f"w = {r['guidance']:g}: {percent(r['dynamic'])} against {percent(r['static'])} ({r['how']})" for r in v["rows"]
    )
    return (
        f"- **{KINDS[kind]}: {v['answer']}**: {100 * v['gain']:+.1f} points of alignment on average "
        f"(95 % of drawings of the prompts: "
        f"{100 * v['low']:+.1f} to {100 * v['high']:+.1f}). {rows}.\n"
    )


def curve_table(found):
    weights = sorted({p["guidance"] for p in found["points"]})
    at = {(p["threshold"], p["guidance"]): p for p in found["points"]}
    rows = [
        [f"{w:g}"]
        + [
            f"{at[m, w]['distance']:.0f} ± {at[m, w]['distance_deviation'] or 0:.0f} / {percent(at[m, w]['alignment'])} / "
            f"{percent(at[m, w]['saturated'])}"
            for m in MODES
        ]
        for w in weights
    ]
    return table(["w", *MODES], rows)


def default_text(found):
    return "; ".join(
        f"{p['painter']} {p['distance']:.0f} ± {p['distance_deviation'] or 0:.0f} and {percent(p['alignment'])} (n = {p['n']})"
        for p in found["default"]
    )


def curves_text(part, folder):
    found = part["found"]
    plots.curves(found["kinds"], folder / "curves.png")
    plots.by_weight(found["kinds"], folder / "curves_by_weight.png")
    text = """## Guidance and thresholding (the paper's figure A.8)

Alignment: share of what the caption says (object, colour, count, position, background) that the probe finds. Distance:
Frechet distance (squared, as usual)
on the 1280 features of EfficientNet-Lite0; it falls with the number of pictures, so compare it only within this table,
and with no published FID.
Same prompts and seeds at every point.

![Frechet distance over alignment](report/curves.png)

Does dynamic beat static on alignment at equal distance for w >= 5? Static's alignment is read off its curve at dynamic's
distance.

"""
    text += "".join(verdict_text(kind, k["verdict"]) for kind, k in found["kinds"].items())
    for kind, k in found["kinds"].items():
        floor = k["floor"]
        text += f"""
**{KINDS[kind]}**, n = {k["points"][0]["n"]} a point, {k["reference"]} true pictures; each cell:
distance ± bootstrap / alignment / channel values at 0 or 255

{curve_table(k)}
True pictures against the rest of them (n = {floor["n"]}): {floor["mean"]:.0f} ± {floor["deviation"]:.0f};
the probe's alignment on the true pictures of these prompts:
{percent(k["ceiling"])}. At the default settings: {default_text(k)}.
"""
    return text + f"\n![The same over the weight](report/curves_by_weight.png)\n\n{source(part)}{drawn_by(found)}\n"


def sheets_text(part):
    found = part["found"]
    text = "## Sheets, not picked\n\n"
    for name, said in (
        ("compositions", "captions of the training grammar, new scenes"),
        ("parti", "of the 1,632 of PartiPrompts (google-research/parti)"),
    ):
        s = found[name]
        if "missing" in s:
            text += f"PartiPrompts: not drawn, the file is not here ({s['missing']}). Name it with `--prompts`.\n\n"
            continue
        text += f"{s['n']} {said}, drawn by a fixed seed ({found['seed']}); each at "
        text += f"{', '.join(map(str, s['sizes']))} pixels, seeds 1, 2, 3, ...\n\n"
        text += f"![{name}](report/{s['file']})\n\n"
    return text + f"{source(part)}Drawn by the app: {found['clock']}.\n"


def quality(m):
    return f"{m['psnr']:.1f} / {percent(m['edges'])} / {percent(m['detail'])} / {m['grain']:.1f}"


def enlarge_text(part):
    found = part["found"]
    text = f"""## Super-resolution

Truth, and what comes of it when it is shrunk to a fourth and enlarged again: by the app's stage at its default settings with
the picture's caption, by bicubic, and by Real-ESRGAN. Cells: PSNR in dB / edges / detail / grain. Edges: how steep they are,
100 % as in the truth. Detail: energy above the small picture's Nyquist frequency, as a share of the truth's. Grain: mean
slope in grey levels where the truth is flat; 0 is clean. At 1024 the busiest 512 pixels of each picture are measured. "Soft"
inputs are blurred by {found["soft"]} of their pixels, as a base model's pictures are.

"""
    for size, s in found["sizes"].items():
        ways = s["ways"]
        rows = []
        for kind, k in s["kinds"].items():
            for label, means in k["means"].items():
                cells = [quality(means[w]) for w in ways]
                rows.append([KINDS[kind], label, k["n"], *cells])
        sources = "; ".join(f"{KINDS[kind]}: {k['source']}" for kind, k in s["kinds"].items())
        text += f"**To {size} pixels** ({sources})\n\n"
        text += f"{table(['pictures', 'input', 'n', *ways], rows)}\n![{size}](report/{s['sheet']})\n\n"
    for line in found["missing"]:
        text += f"Not compared: {line}.\n\n"
    return text + source(part)


def probes_text(part, bars):
    p, m = part["found"], part["model"]
    text = f"""## The probe

A convolutional network of {p["parameters"] / 1e6:.1f} M parameters at 64 pixels,
trained for {p["seconds"] / 60:.1f} min ({p["device"]}) on {p["pictures"]:,} composed pictures
of {p["sprites"]} sprites ({p["concepts"]} concepts; {m["heldout"]} of {m["sprites"]} sprites held out), blurred, noised,
compressed and pushed in contrast; seed {p["seed"]}. On a grid it says
where things are, what they are and which colour they have; of the whole picture, how many things and which background colours.

"""
    if bars:
        rows = []
        for label, said in TRUE.items():
            for kind, sets in bars["found"]["ceiling"].get(label, {}).items():
                cells = [sets.get(g, {}).get(f, {}) for _, g, f, *_ in BARS + MORE[:4]]
                rows.append([said, KINDS[kind], *[f"{percent(c.get('share'))} ({c.get('n', 0)})" for c in cells]])
        text += "Right on true pictures, of the model's concepts (n):\n\n"
        text += table(["pictures", "kind", *[name.split(" (")[0] for name, *_ in BARS + MORE[:4]]], rows) + "\n"
    return text + source(part)


# ---------------------------------------------------------------- the page


def head(parts):
    m = next(iter(parts.values()))["model"]
    stages = "; ".join(
        f"{s['size']}: {s['defaults']['steps']} steps, w = {s['defaults']['guidance']:g}, {s['defaults']['threshold']}"
        for s in m["stages"]
    )
    text = f"# Report on {m['name']}\n\nDefault settings: {stages}."
    if m["claimed"]:
        text += f" {m['known']} of the {m['claimed']} concepts of its card are in today's data "
        text += f"({m['vocabulary']} concepts, {m['sprites']} sprites)."
    missing = [p for p in PARTS if p not in parts]
    return text + (f"\n\nNot measured: {', '.join(missing)}." if missing else "") + "\n"


def write(out, notes):
    """OUT/REPORT.md of the parts under OUT/report."""
    folder = out / "report"
    parts = {p: json.loads((folder / f"{p}.json").read_text()) for p in PARTS if (folder / f"{p}.json").exists()}
    if not parts:
        raise SystemExit(f"nothing was measured in {folder}: run bars, curves, sheets or enlarge first")
    texts = [head(parts)]
    if "bars" in parts:
        texts.append(bars_text(parts["bars"]))
    if notes.exists():
        texts.append(notes.read_text().strip() + "\n")
    if "curves" in parts:
        texts.append(curves_text(parts["curves"], folder))
    if "enlarge" in parts:
        texts.append(enlarge_text(parts["enlarge"]))
    if "sheets" in parts:
        texts.append(sheets_text(parts["sheets"]))
    if "probes" in parts:
        texts.append(probes_text(parts["probes"], parts.get("bars")))
    texts.append(made_text(parts))
    (out / "REPORT.md").write_text("\n".join(texts))
    print(out / "REPORT.md")
