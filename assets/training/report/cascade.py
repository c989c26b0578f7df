"""The first stage in PyTorch, in batches: for sweeps of many settings on a GPU. The pictures that users get are the app's; this draws from
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


class TextStates:
    """The frozen BERT of the model folder: texts -> (states [N, L, D], mask [N, L])."""

    def __init__(self, folder, device, max_tokens):
        from tokenizers import Tokenizer
        from transformers import BertConfig, BertModel

        self.device = device
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.enable_truncation(max_tokens)
        self.tokenizer.no_padding()
        self.net = BertModel(BertConfig.from_json_file(str(folder / "config.json")), add_pooling_layer=False)
        state = {k: v.float() for k, v in load_file(folder / "model.safetensors").items() if v.is_floating_point()}
        missing, _ = self.net.load_state_dict(state, strict=False)
        if missing:
            raise SystemExit(f"{folder}: the text encoder lacks {missing[0]}; export the model again")
        self.net.eval().to(device)

    @torch.no_grad()
    def __call__(self, texts):
        ids = [e.ids for e in self.tokenizer.encode_batch(list(texts))]
        length = max(map(len, ids))
        table = torch.tensor([i + [0] * (length - len(i)) for i in ids], device=self.device)
        mask = torch.tensor([[k < len(i) for k in range(length)] for i in ids], device=self.device)
        states = self.net(input_ids=table, attention_mask=mask.long()).last_hidden_state
        return states * mask[..., None], mask


def to_x0(prediction, out, x, alpha, sigma):
    if prediction == "x0":
        return out
    return (x - sigma * out) / alpha if prediction == "eps" else alpha * x - sigma * out


def keep_in_range(x0, mode, percentile, cap):
    """none, static or dynamic thresholding (section 2.3 of the paper)."""
    if mode == "none":
        return x0
    if mode == "static":
        return x0.clamp(-1, 1)
    s = torch.quantile(x0.flatten(1).abs(), percentile, dim=1).clamp(min=1.0, max=cap)[:, None, None, None]
    return x0.clamp(-s, s) / s


class Base:
    """The 64-pixel stage of a model folder."""
    name = "PyTorch"

    def __init__(self, folder, device="cpu"):
        card = json.loads((folder / "card.json").read_text())
        self.stage, self.device = card["stages"][0], torch.device(device)
        self.defaults, self.size = self.stage["defaults"], self.stage["size"]
        self.net = networks.build(self.stage["unet"]).eval()
        self.net.load_state_dict({k: v.float() for k, v in load_file(folder / self.stage["weights"]).items()})
        self.net.to(self.device, memory_format=torch.channels_last)
        self.schedule = diffusion.schedule(self.stage["schedule"])
        text = card["text_encoder"]
        self.text = TextStates(folder / text["path"], self.device, text.get("max_tokens", 64))

    def predict(self, x, time, log_snr, cond, null, guidance):
        """Guided x0_hat."""
        alpha, sigma = (v.sqrt()[:, None, None, None] for v in (torch.sigmoid(log_snr), torch.sigmoid(-log_snr)))
        out = self.net(x, time, *cond)
        if guidance != 1.0:
            free = self.net(x, time, *null)
            out = free + guidance * (out - free)  # the same for x0, eps and v: all are linear in x0 at a given x_t
        x0 = to_x0(self.stage["prediction"], out[:, :3].float(), x, alpha, sigma)
        return x0, alpha, sigma

    @torch.no_grad()
    def sample(self, prompts, seeds, guidance=None, threshold=None):
        d = self.defaults
        guidance, mode = d["guidance"] if guidance is None else guidance, threshold or d["threshold"]
        cond, null = self.text(prompts), self.text([""] * len(prompts))
        noise = [torch.randn(3, self.size, self.size, generator=torch.Generator().manual_seed(int(s))) for s in seeds]
        x = torch.stack(noise).to(self.device)
        for t, t_next in zip(*self.schedule.grid(d["steps"])):
            time = t.expand(len(x))
            log_snr = self.schedule.log_snr(time).to(self.device)
            x0, alpha, sigma = self.predict(x, self.schedule.network_time(time).to(self.device), log_snr, cond, null, guidance)
            x0 = keep_in_range(x0, mode, d["percentile"], d["cap"])
            if t_next is None:
                return x0.clamp(-1, 1)
            eps = (x - alpha * x0) / sigma
            log_snr = self.schedule.log_snr(t_next.expand(len(x))).to(self.device)[:, None, None, None]
            x = torch.sigmoid(log_snr).sqrt() * x0 + torch.sigmoid(-log_snr).sqrt() * eps
        raise AssertionError("a schedule's grid ends with None")


class Torch:
    """The same face as draw.App for 64-pixel asks; kept in one .npy a picture list."""
    name = "PyTorch (DDIM)"

    def __init__(self, model, work, device="cpu", batch=32):
        from draw import model_key

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
            part = asks[k:k + self.batch]
            x = self.base.sample([a.prompt for a in part], [a.seed for a in part], part[0].guidance, part[0].threshold)
            parts.append(((x + 1) * 127.5 + 0.5).byte().permute(0, 2, 3, 1).cpu().numpy())
        pictures = np.concatenate(parts)
        np.save(kept, pictures)
        return pictures
