"""Writes golden.safetensors and golden.json beside the shipped model: inputs and outputs that the Rust engine must reproduce.

    python golden.py [model folder]

Weights are the shipped f16 values, computed in float32.
"""
import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from data import TextEncoder, pad_text
from model import build

OUT = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent / "models" / "default"
TEXTS = [
    "",
    "a red apple",
    "a Green  car, flat icon, on a blue-to-white gradient background!",
    "café crème brûlée, naïve Ångström ÜBER",
    "a dog 🐶 and 日本 rocket 🚀",
    "a very long caption " + "about a small red house near the old castle with a yellow tree, " * 8,
]
SIZES = {"base": 64, "sr256": 32, "sr1024": 64}  # small: the networks are convolutional


def main():
    torch.set_num_threads(1)
    card = json.loads((OUT / "card.json").read_text())
    encoder = TextEncoder(OUT / "text_encoder")
    tensors = {}
    ids, states = encoder.ids(TEXTS), encoder(TEXTS)
    for i, (t, s) in enumerate(zip(ids, states)):
        tensors[f"text.{i}.ids"], tensors[f"text.{i}.states"] = torch.tensor(t, dtype=torch.int32), s
    text, mask = pad_text([states[1], states[2]])
    for name, stage in zip(SIZES, card["stages"]):
        g = torch.Generator().manual_seed(len(name))
        n = SIZES[name]
        net = build(stage["unet"]).eval()
        net.load_state_dict({k: v.float() for k, v in load_file(OUT / stage["weights"]).items()})
        inputs = {"x": torch.randn(2, 3, n, n, generator=g), "time": torch.tensor([37.0, 812.0]), "text": text, "mask": mask}
        if stage["unet"]["low_res"]:
            inputs["low_res"], inputs["aug_level"] = torch.randn(2, 3, n, n, generator=g), torch.tensor([0.1, 0.45])
        with torch.no_grad():
            out = net(**inputs)
        inputs["mask"] = mask.to(torch.uint8)
        for key, value in {**inputs, "out": out}.items():
            tensors[f"{name}.{key}"] = value.contiguous().clone()
        print(name, "out mean %.5f std %.5f" % (out.mean(), out.std()))
    save_file(tensors, OUT / "golden.safetensors")
    (OUT / "golden.safetensors").chmod(0o644)
    (OUT / "golden.json").write_text(json.dumps({"texts": TEXTS}, indent=1, ensure_ascii=False) + "\n")
    print((OUT / "golden.safetensors").stat().st_size / 1e6, "MB")


if __name__ == "__main__":
    main()
