"""Writes golden.safetensors and golden.json beside a model: inputs and outputs that the Rust engine must reproduce.

    python golden.py [model folder]        # without it assets/models/default

Weights are the shipped f16 values, computed in float32.
"""

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from model import build
from text import TextEncoder

OUT = Path(__file__).resolve().parent.parent / "models" / "default"
TEXTS = [
    "",
    "a red apple",
    "a Green  car, flat icon, on a blue-to-white gradient background!",
    "café crème brûlée, naïve Ångström ÜBER",
    "a dog 🐶 and 日本 rocket 🚀",
    "a very long caption " + "about a small red house near the old castle with a yellow tree, " * 8,
]
SIZES = {"base": 64, "sr256": 32, "sr1024": 64}  # small: the networks are convolutional


def text_tensors(encoder):
    """Ids and states of TEXTS, each by itself: no padding."""
    tensors = {}
    for i, (t, row) in enumerate(zip(TEXTS, encoder.tokens(TEXTS))):
        tensors[f"text.{i}.ids"], tensors[f"text.{i}.states"] = torch.tensor(row, dtype=torch.int32), encoder([t])[0][0]
    return tensors


def stage_tensors(name, stage, folder, text, mask):
    """Inputs of one network and what it makes of them."""
    g, n = torch.Generator().manual_seed(len(name)), SIZES[name]
    net = build(stage["unet"]).eval()
    net.load_state_dict({k: v.float() for k, v in load_file(folder / stage["weights"]).items()})
    inputs = {"x": torch.randn(2, 3, n, n, generator=g), "time": torch.tensor([37.0, 812.0]), "text": text, "mask": mask}
    if stage["unet"]["low_res"]:
        inputs |= {"low_res": torch.randn(2, 3, n, n, generator=g), "aug_level": torch.tensor([0.1, 0.45])}
    with torch.no_grad():
        out = net(**inputs)
    print(f"{name}: mean {out.mean():.5f}, standard deviation {out.std():.5f}")
    return {f"{name}.{k}": v for k, v in {**inputs, "mask": mask.to(torch.uint8), "out": out}.items()}


def write(folder):
    card = json.loads((folder / "card.json").read_text())
    encoder = TextEncoder(folder / "text_encoder")
    tensors = text_tensors(encoder)
    text, mask = encoder([TEXTS[1], TEXTS[2]])
    for name, stage in zip(SIZES, card["stages"]):
        tensors |= stage_tensors(name, stage, folder, text, mask)
    path = folder / "golden.safetensors"
    save_file({k: v.contiguous().clone() for k, v in tensors.items()}, path)
    path.chmod(0o644)
    path.with_suffix(".json").write_text(json.dumps({"texts": TEXTS}, indent=1, ensure_ascii=False) + "\n")
    return path.stat().st_size


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("folder", type=Path, nargs="?", default=OUT)
    torch.set_num_threads(1)
    print(f"{write(ap.parse_args().folder) / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
