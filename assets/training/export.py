"""Writes assets/models/default: card.json, the three stages in f16, the text encoder in f16.

    python export.py --runs /work/train_runs --data /work/train_data          # the trained averages (EMA)
    python export.py --random                                                 # same shapes, random weights, for the engine's authors
"""
import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

import data
from model import build

HERE = Path(__file__).resolve().parent
OUT = HERE.parent / "models" / "default"
NAMES = ["base", "sr256", "sr1024"]


def random_state(card, seed):
    """Random weights whose zero-initialised layers are small but not zero, so that every tensor matters to a comparison."""
    torch.manual_seed(seed)
    net = build(card)
    with torch.no_grad():
        for p in net.parameters():
            if not p.any():
                p.normal_(std=0.02)
    return net.state_dict()


def half(state):
    return {k: v.detach().half().contiguous() for k, v in state.items()}


def save(state, path):
    save_file(half(state), path, metadata={"format": "pt"})
    path.chmod(0o644)  # safetensors writes for the owner alone


def write_text_encoder(source, out):
    """BERT in f16 with its own tensor names; the tokenizer truncates at 64 tokens and never pads."""
    out.mkdir(parents=True, exist_ok=True)
    state = {k: v for k, v in load_file(source / "model.safetensors").items() if v.is_floating_point()}
    save(state, out / "model.safetensors")
    tok = json.loads((source / "tokenizer.json").read_text())
    tok["padding"] = None
    tok["truncation"] = {"direction": "Right", "max_length": 64, "strategy": "LongestFirst", "stride": 0}
    (out / "tokenizer.json").write_text(json.dumps(tok, ensure_ascii=False))
    (out / "config.json").write_text((source / "config.json").read_text())


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--runs", type=Path, default=Path("/work/train_runs"))
    ap.add_argument("--data", type=Path, default=Path("/work/train_data"))
    ap.add_argument("--out", type=Path, default=OUT)
    ap.add_argument("--random", action="store_true")
    ap.add_argument("--stages", default=",".join(NAMES))
    a = ap.parse_args()
    card = json.loads((HERE / "stages.json").read_text())
    card["concepts"] = [c["name"] for c in data.concepts()]
    card["backgrounds"] = list(data.COLOURS)
    a.out.mkdir(parents=True, exist_ok=True)
    for i, (name, stage) in enumerate(zip(NAMES, card["stages"])):
        if name not in a.stages.split(","):
            continue
        if a.random:
            state = random_state(stage["unet"], i)
        else:
            state = torch.load(a.runs / name / "checkpoint.pt", weights_only=False)["ema"]
        build(stage["unet"]).load_state_dict(state)  # refuses wrong names and shapes
        save(state, a.out / stage["weights"])
    if not (a.out / "text_encoder" / "model.safetensors").exists():
        write_text_encoder(a.data / data.MINILM, a.out / "text_encoder")
    (a.out / "card.json").write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n")
    for f in sorted(a.out.rglob("*")):
        if f.is_file():
            print(f"{f.stat().st_size / 1e6:8.2f} MB  {f.relative_to(a.out)}")


if __name__ == "__main__":
    main()
