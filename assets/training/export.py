"""Writes a model folder for the app: card.json, the stages' averages in float16, the text encoder.

    python export.py --runs RUNS --out FOLDER                # what was trained; a stage without a run stays as the folder has it
    python export.py --random --out FOLDER                   # the same shapes with random weights, for the engine's authors

A run's `prediction` is written into the card. Without --out it is assets/models/default, the model that ships.
"""

import argparse
import copy
import json
import shutil
from pathlib import Path

import torch

import checkpoints
from cards import DEFAULT, STAGES, Cards
from model import build
from scenes import WorldError, limited
from tokens import ENCODER

OUT = Path(__file__).resolve().parent.parent / "models" / "default"
ENCODER_FILES = ("model.safetensors", "tokenizer.json", "config.json")


class ExportError(Exception):
    """One line: what was wrong, what to do."""


def random_state(card, seed):
    """Random weights whose zero-initialised layers are small but not zero, so that every tensor matters to a comparison."""
    torch.manual_seed(seed)
    net = build(card)
    with torch.no_grad():
        for p in net.parameters():
            if not p.any():
                p.normal_(std=0.02)
    return net.state_dict()


def trained(runs, stage):
    """(averages, about) of a run, or None."""
    state = checkpoints.load_state(runs / stage)
    if state is not None:
        return state["ema"], state["about"]
    path = runs / stage / checkpoints.WEIGHTS
    if not path.exists():
        return None
    ema, _, about = checkpoints.load_weights(path)
    return ema, about


def write_weights(state, path):
    from safetensors.torch import save

    data = save(checkpoints.half(state), metadata={"format": "pt"})
    checkpoints.write_atomically(path, lambda p: p.write_bytes(data))
    path.chmod(0o644)


def write_stage(stage, name, found, out):
    """The weights of one stage, checked against its card."""
    weights, about = found
    stage["prediction"] = about.get("prediction", stage["prediction"])
    try:
        build(stage["unet"]).load_state_dict(weights)
    except RuntimeError as e:
        raise ExportError(
            f"the run of {name} is of another network than the card; export with the --cards that it was trained with"
        ) from e
    write_weights(weights, out / stage["weights"])


def write_encoder(source, out):
    folder = out / "text_encoder"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ENCODER_FILES:
        if not (folder / name).exists():
            shutil.copyfile(source / name, folder / name)


def add_words(card, data, world):
    """What the model was trained on, for people and for the evaluation."""
    path = data / "pack" / "index.json"
    if path.exists():
        index = limited(json.loads(path.read_text()), world)
        card["concepts"], card["backgrounds"] = [c["name"] for c in index["concepts"]], list(index["backgrounds"])


def export(runs, out, cards, data=None, random=False, encoder=ENCODER, world=None):
    """-> names of the stages that were written."""
    card, written = copy.deepcopy(cards.card), []
    out.mkdir(parents=True, exist_ok=True)
    for i, (name, stage) in enumerate(zip(STAGES, card["stages"])):
        found = (random_state(stage["unet"], i), {}) if random else trained(runs, name)
        if found is None:
            if not (out / stage["weights"]).exists():
                raise ExportError(f"{runs / name} has no weights and {out} has no {stage['weights']}; train {name} first")
            continue
        write_stage(stage, name, found, out)
        written.append(name)
    if data is not None:
        add_words(card, data, world)
    write_encoder(encoder, out)
    checkpoints.write_atomically(out / "card.json", lambda p: p.write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n"))
    return written


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--runs", type=Path, default=Path("/work/runs4"))
    ap.add_argument("--data", type=Path, default=Path("/work/data4"))
    ap.add_argument("--out", type=Path, default=OUT)
    ap.add_argument("--cards", type=Path, default=DEFAULT)
    ap.add_argument("--world", type=Path, help="the file of worlds/ that was trained on")
    ap.add_argument("--random", action="store_true")
    a = ap.parse_args()
    try:
        print("written:", *export(a.runs, a.out, Cards(a.cards), a.data, a.random, world=a.world))
    except (ExportError, WorldError, checkpoints.CheckpointError) as e:
        raise SystemExit(f"export.py: {e}") from e
    for f in sorted(f for f in a.out.rglob("*") if f.is_file()):
        print(f"{f.stat().st_size / 1e6:8.2f} MB  {f.relative_to(a.out)}")


if __name__ == "__main__":
    main()
