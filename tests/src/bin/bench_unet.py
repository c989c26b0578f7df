"""The same passes as bench_unet.rs in PyTorch, two threads.

    python bench_unet.py [batch] [tokens] [pixels a side of the one network to run]
"""
import json
import sys
import time
from pathlib import Path

import torch
from safetensors.torch import load_file

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "assets" / "training"))
from model import build  # noqa: E402

torch.set_num_threads(2)
batch, tokens, only = (int(sys.argv[i]) if len(sys.argv) > i else d for i, d in ((1, 2), (2, 16), (3, 0)))
folder = ROOT / "assets" / "models" / "default"
for stage in json.loads((folder / "card.json").read_text())["stages"]:
    if only not in (0, stage["size"]):
        continue
    c = stage["unet"]
    net = build(c).eval()
    net.load_state_dict({k: v.float() for k, v in load_file(folder / stage["weights"]).items()})
    b, n = (1 if c["low_res"] else batch), c["image_size"]
    picture = lambda s: ((torch.arange(b * 3 * n * n).float() * 0.37).sin() * s).reshape(b, 3, n, n)  # noqa: E731
    text = ((torch.arange(b * tokens * c["text_dim"]).float() * 0.73).sin() * 0.4).reshape(b, tokens, c["text_dim"])
    inputs = {"time": torch.full((b,), 500.0), "text": text, "mask": torch.ones(b, tokens, dtype=torch.bool)}
    if c["low_res"]:
        inputs |= {"low_res": picture(0.5), "aug_level": torch.full((b,), 0.1)}
    with torch.inference_mode():
        total = net(x=picture(1.0), **inputs).abs().sum().item()
        times = []
        for _ in range(15):
            x = picture(1.0)
            start = time.perf_counter()
            net(x=x, **inputs)
            times.append((time.perf_counter() - start) * 1e3)
    times.sort()
    print(f"{n}: batch {b}, median {times[7]:.1f} ms, best {times[0]:.1f} ms, |out| sum {total:.3f}")
