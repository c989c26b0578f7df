"""The first stage in PyTorch, in batches: for sweeps of many settings on a GPU. The pictures that users get are the app's;
this draws from
the same weights with other noise, always with DDIM (eta 0).
"""

import hashlib
import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

import diffusion
import model as networks
from draw import model_key
from text import TextEncoder


class Base:
    """The 64-pixel stage of a model folder."""

    def __init__(self, folder, device="cpu"):
        card = json.loads((folder / "card.json").read_text())
        self.stage, self.device = card["stages"][0], torch.device(device)
        self.size = self.stage["size"]
        self.net = networks.build(self.stage["unet"]).eval()
        self.net.load_state_dict({k: v.float() for k, v in load_file(folder / self.stage["weights"]).items()})
        self.net.to(self.device, memory_format=torch.channels_last)
        self.text = TextEncoder(folder / card["text_encoder"]["path"], self.device)

    @torch.no_grad()
    def sample(self, prompts, seeds, guidance=None, threshold=None):
        """[N, 3, size, size] in [-1, 1]; guidance and threshold: None is the card's default."""
        d = self.stage["defaults"]
        noise = [torch.randn(3, self.size, self.size, generator=torch.Generator().manual_seed(int(s))) for s in seeds]
        how = {
            "steps": d["steps"],
            "percentile": d["percentile"],
            "cap": d["cap"],
            "prediction": self.stage["prediction"],
            "guidance": d["guidance"] if guidance is None else guidance,
            "mode": threshold or d["threshold"],
        }
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            cond, null = self.text(prompts), self.text([""] * len(prompts))
            schedule = diffusion.schedule(self.stage["schedule"])
            return diffusion.ddim(self.net, schedule, torch.stack(noise).to(self.device), cond, null, **how)


class Torch:
    """The same face as draw.App for pictures of the first stage; one .npy a call is kept."""

    name = "PyTorch (DDIM)"

    def __init__(self, model, work, device="cpu", batch=32):
        self.base, self.batch = Base(Path(model), device), batch
        self.folder = Path(work) / f"{model_key(Path(model))}-torch"
        self.folder.mkdir(parents=True, exist_ok=True)

    def draw(self, asks, size=None):
        if size not in (None, self.base.size) or any(a.source or a.until != self.base.size for a in asks):
            raise SystemExit("--sampler torch draws the first stage only: use the app for the others")
        kept = self.folder / (hashlib.sha256("".join(a.key() for a in asks).encode()).hexdigest()[:20] + ".npy")
        if kept.exists():
            return np.load(kept)
        parts = []
        for k in range(0, len(asks), self.batch):
            part = asks[k : k + self.batch]
            x = self.base.sample([a.prompt for a in part], [a.seed for a in part], part[0].guidance, part[0].threshold)
            parts.append(((x.float() + 1) * 127.5 + 0.5).byte().permute(0, 2, 3, 1).cpu().numpy())
        np.save(kept, np.concatenate(parts))
        return np.load(kept)
