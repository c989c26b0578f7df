"""Two numbers for the 64-pixel stage, from pictures of the app or of PyTorch.

    python evaluate.py --prompts                       # rewrites evaluate_prompts.json (fixed: no randomness)
    python evaluate.py --sample OUT                    # draws every metric prompt with the shipped weights in PyTorch
    python evaluate.py FOLDER                          # measures FOLDER/index.json: [{"file", "prompt", "concept", "background"}, ..]

Concepts: features of EfficientNet-Lite0 (ImageNet; 1280 numbers after the global average), cosine distance. A sample counts when it is
closer to its own concept's icon than at least 90 % of the other concepts' icons are; icons stand on the prompt's background and are
prepared exactly like the samples (64 px, bicubic to 224). Backgrounds: the median colour of the outer 3 pixels must be nearest to the
named colour among all the named ones. Bars: 80 % and 90 %.
"""
import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "report")]  # networks, text and features are those of every recipe

import data
import diffusion
from features import Features
from model import build
from sheets import sheet
from text import TextEncoder

MODEL = HERE.parents[1] / "models" / "default"
PROMPTS = HERE / "evaluate_prompts.json"


# ---------------------------------------------------------------- prompts

def make_prompts():
    """Everything is fixed and nothing is picked: the contact sheet takes concepts in the table's order, backgrounds in turn."""
    cs, backs = data.concepts(), list(data.COLOURS)
    said = lambda c, b: f"{data.article(c)} on a {b} background"  # noqa: E731
    concept = [{"prompt": said(c["name"], b), "concept": c["name"], "background": b} for c in cs for b in ("white", "light blue")]
    things = ["red apple", "cat", "house", "car", "rocket", "penguin"]
    background = [{"prompt": said(t, b), "concept": t, "background": b} for b in backs for t in things]
    shown = [data.article(c["name"]) for c in cs[::4]]
    shown += [said(c["name"], backs[i % len(backs)]) for i, c in enumerate(cs[1::4])]
    shown += ["a green car", "a blue balloon", "a purple heart on a yellow background", "an orange umbrella", "a yellow t-shirt",
              "a red book on a white background", "a dog with light blue sky and green ground", "a rocket on a purple to black gradient background"]
    PROMPTS.write_text(json.dumps({"contact_sheet": shown, "concept": concept, "background": background}, indent=1) + "\n")
    print(len(shown), "sheet", len(concept), "concept", len(background), "background prompts")


def load_stage(folder, i):
    from safetensors.torch import load_file

    stage = json.loads((folder / "card.json").read_text())["stages"][i]
    net = build(stage["unet"]).eval()
    net.load_state_dict({k: v.float() for k, v in load_file(folder / stage["weights"]).items()})
    return net.to(memory_format=torch.channels_last), stage


def draw(net, stage, encoder, prompts, seed=7, **change):
    """The 64-pixel pictures of the prompts, each from its own noise."""
    d = {**stage["defaults"], **change}
    d = {"mode": d["threshold"], **{k: d[k] for k in ("steps", "guidance", "percentile", "cap")}}
    out = []
    null = encoder([""])
    for k in range(0, len(prompts), 32):
        part = prompts[k:k + 32]
        noise = torch.stack([torch.randn(3, 64, 64, generator=torch.Generator().manual_seed(seed + k + i)) for i in range(len(part))])
        empty = [t.expand(len(part), *t.shape[1:]) for t in null]
        out.append(diffusion.ddim(net, diffusion.schedule(stage["schedule"]), noise, encoder(part), empty, **d))
    return torch.cat(out)


def sample(folder, model, **change):
    folder.mkdir(parents=True, exist_ok=True)
    sets = json.loads(PROMPTS.read_text())
    rows = sets["concept"] + sets["background"]
    net, stage = load_stage(model, 0)
    pictures = draw(net, stage, TextEncoder(model / "text_encoder"), [r["prompt"] for r in rows], **change)
    for i, (row, p) in enumerate(zip(rows, pictures)):
        row["file"] = f"{i:03}.png"
        sheet(p[None], 1).crop((1, 1, 65, 65)).save(folder / row["file"])
    (folder / "index.json").write_text(json.dumps(rows, indent=1) + "\n")


# ---------------------------------------------------------------- measures

def icon_pictures(sprites, background):
    """Every sprite in the middle of a plain background: {concept index: [pictures]}"""
    out = {}
    size = sprites.shape[1]
    o = (64 - size) // 2
    for (i, _), s in zip(data.variants(), sprites.astype(np.float32)):
        p = np.tile(data.COLOURS[background], (64, 64, 1))
        a = s[..., 3:] / 255
        p[o:o + size, o:o + size] += (s[..., :3] - p[o:o + size, o:o + size]) * a
        out.setdefault(i, []).append((p + 0.5).astype(np.uint8))
    return out


def border(picture):
    edge = np.concatenate([picture[:3].reshape(-1, 3), picture[-3:].reshape(-1, 3), picture[3:-3, :3].reshape(-1, 3), picture[3:-3, -3:].reshape(-1, 3)])
    return np.median(edge, axis=0)


def measure(folder, data_folder):
    rows = json.loads((folder / "index.json").read_text())
    pictures = [np.asarray(Image.open(folder / r["file"]).convert("RGB").resize((64, 64), Image.BOX)) for r in rows]
    read, names = Features(data_folder), [c["name"] for c in data.concepts()]
    sprites = np.load(data_folder / data.SPRITES)

    def features(pictures):
        return F.normalize(read(np.stack(pictures)), dim=1)

    own = features(pictures)
    concept_rows = {}
    for back in {r["background"] for r in rows}:
        icons = icon_pictures(sprites, back)
        table = {i: features(p) for i, p in icons.items()}
        for r, f in zip(rows, own):
            if r["background"] == back:
                # nearest of the concept's icons (recoloured ones included)
                near = torch.stack([1 - (table[i] @ f).max() for i in sorted(table)])
                k = names.index(r["concept"])
                concept_rows.setdefault(r["concept"], []).append(((near > near[k]).float().sum() / (len(near) - 1)).item())
    beaten = [v for vs in concept_rows.values() for v in vs]
    share = np.mean([np.mean(v) >= 0.9 for v in concept_rows.values()])
    right = {}
    for r, p in zip(rows, pictures):
        said = min(data.COLOURS, key=lambda k: np.abs(border(p) - data.COLOURS[k]).sum())
        right.setdefault(r["background"], []).append(said == r["background"])
    result = {
        "samples": len(rows),
        "concepts_recognised": float(share),
        "samples_recognised": float(np.mean([v >= 0.9 for v in beaten])),
        "samples_nearest_to_own": float(np.mean([v >= 1 for v in beaten])),
        "backgrounds_right": float(np.mean([v for vs in right.values() for v in vs])),
        "backgrounds": {k: float(np.mean(v)) for k, v in right.items()},
        "weak_concepts": {k: round(float(np.mean(v)), 3) for k, v in concept_rows.items() if np.mean(v) < 0.9},
    }
    print(json.dumps(result, indent=1))
    return result


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("folder", nargs="?", type=Path)
    ap.add_argument("--prompts", action="store_true")
    ap.add_argument("--sample", type=Path)
    ap.add_argument("--model", type=Path, default=MODEL)
    ap.add_argument("--data", type=Path, default=Path("/work/data4"))
    ap.add_argument("--guidance", type=float)
    ap.add_argument("--threads", type=int, default=1)
    a = ap.parse_args()
    torch.set_num_threads(a.threads)
    if a.prompts:
        make_prompts()
    if a.sample:
        sample(a.sample, a.model, **({"guidance": a.guidance} if a.guidance else {}))
    if a.folder or a.sample:
        measure(a.folder or a.sample, a.data)


if __name__ == "__main__":
    main()
