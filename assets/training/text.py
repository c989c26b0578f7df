"""The frozen text encoder: all-MiniLM-L6-v2 (BERT, six layers), states of every token, computed in batches on any device.

    python text.py prune --data DATA --out FOLDER    # with the words of the captions alone: half the size, the same states

Texts have at most 64 tokens, [CLS] and [SEP] with them; a batch is padded and masked, which changes a text's states by rounding
alone.
"""

import argparse
import json
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

from tokens import ENCODER, Tokens

TOLERANCE = 1e-2  # largest deviation of a state that a lower precision may bring; states are of the order of 1
WORDS = "embeddings.word_embeddings.weight"
IDS = "kept_ids"  # of a pruned encoder: the id of each row that is left


class TextEncoder:
    """ids -> states. `dtype` is the precision of the layers; float16 is taken on CUDA where it stays within TOLERANCE."""

    def __init__(self, folder=ENCODER, device="cpu", dtype=torch.float32):
        config = json.loads((Path(folder) / "config.json").read_text())
        self.heads, self.layers, self.eps = config["num_attention_heads"], config["num_hidden_layers"], config["layer_norm_eps"]
        self.tokens, self.device, self.dtype = Tokens(folder), torch.device(device), dtype
        state = load_file(Path(folder) / "model.safetensors")
        self.row = self._rows(state.pop(IDS, None), config["vocab_size"])
        self.unchecked = 20  # batches that are looked through for words the encoder lacks: it makes a GPU wait
        self.w = {k.removeprefix("bert."): v.to(self.device, dtype) for k, v in state.items() if v.is_floating_point()}

    def _rows(self, kept, size):
        """The row of each id in the word embeddings; -1: pruned away."""
        if kept is None:
            return torch.arange(size, device=self.device)
        row = torch.full((size,), -1, dtype=torch.long)
        row[kept.long()] = torch.arange(len(kept))
        return row.to(self.device)

    def _linear(self, x, name):
        return F.linear(x, self.w[name + ".weight"], self.w[name + ".bias"])

    def _norm(self, x, name):
        return F.layer_norm(x, x.shape[-1:], self.w[name + ".weight"], self.w[name + ".bias"], self.eps)

    def _layer(self, x, mask, at):
        b, n, c = x.shape
        q, k, v = (
            self._linear(x, f"{at}.attention.self.{part}").view(b, n, self.heads, -1).transpose(1, 2)
            for part in ("query", "key", "value")
        )
        h = F.scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None, None, :]).transpose(1, 2).reshape(b, n, c)
        x = self._norm(x + self._linear(h, f"{at}.attention.output.dense"), f"{at}.attention.output.LayerNorm")
        h = self._linear(F.gelu(self._linear(x, f"{at}.intermediate.dense")), f"{at}.output.dense")
        return self._norm(x + h, f"{at}.output.LayerNorm")

    @torch.no_grad()
    def states(self, ids, counts):
        """ids [B, L], counts [B] (numpy or tensors) -> states [B, L, 384], zero after a text's end, and the mask [B, L]."""
        ids, counts = (torch.as_tensor(v).to(self.device, torch.long, non_blocking=True) for v in (ids, counts))
        mask = torch.arange(ids.shape[1], device=self.device)[None] < counts[:, None]
        rows = self.row[ids]
        self.unchecked -= self.unchecked > 0
        if self.unchecked and (rows[mask] < 0).any():
            raise ValueError("a caption has a word that the pruned text encoder lacks; prune it again with this data")
        x = self.w[WORDS][rows.clamp(min=0)] + self.w["embeddings.position_embeddings.weight"][: ids.shape[1]]
        x = self._norm(x + self.w["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
        for i in range(self.layers):
            x = self._layer(x, mask, f"encoder.layer.{i}")
        return x * mask[..., None], mask

    def __call__(self, texts):
        """texts -> (states [B, L, 384] float32, mask), L the longest text's."""
        states, mask = self.states(*self.tokens.table(texts))
        return states.float(), mask


def deviation(encoder, golden):
    """Largest difference to the states that the engine itself is tested with; golden: golden.safetensors and its texts."""
    tensors, texts = load_file(golden), json.loads(Path(golden).with_suffix(".json").read_text())["texts"]
    worst = 0.0
    for i, text in enumerate(texts):
        ids = tensors[f"text.{i}.ids"].tolist()
        if [ids] != encoder.tokens([text]):
            raise ValueError(f"other tokens than the engine's for {text!r}")
        if (encoder.row[torch.tensor(ids, device=encoder.device)] >= 0).all():
            worst = max(worst, (encoder([text])[0][0].cpu() - tensors[f"text.{i}.states"]).abs().max().item())
    return worst


def fastest(folder, device):
    """The encoder in float16 on CUDA, where its states are near enough to float32's, and how far they are off."""
    plain = TextEncoder(folder, device)
    if torch.device(device).type != "cuda":
        return plain, 0.0
    half = TextEncoder(folder, device, torch.float16)
    texts = ["", "a red apple", "two blue cars on a light yellow background, cartoon sticker"]
    off = (half(texts)[0] - plain(texts)[0]).abs().max().item()
    return (half, off) if off < TOLERANCE else (plain, off)


def prune(folder, texts, out):
    """Writes the encoder with the word embeddings of these texts alone (and the special tokens)."""
    out.mkdir(parents=True, exist_ok=True)
    kept = sorted({0, 100, 101, 102} | {i for row in Tokens(folder)(texts) for i in row})
    state = load_file(Path(folder) / "model.safetensors")
    word = next(k for k in state if k.endswith(WORDS))
    state[word] = state[word][torch.tensor(kept)].contiguous()
    state[IDS] = torch.tensor(kept, dtype=torch.int32)
    save_file(state, out / "model.safetensors")
    for name in ("config.json", "tokenizer.json"):
        (out / name).write_bytes((Path(folder) / name).read_bytes())
    return len(kept)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("what", choices=("prune", "check"))
    ap.add_argument("--data", type=Path, default=Path("/work/data4"))
    ap.add_argument("--encoder", type=Path, default=ENCODER)
    ap.add_argument("--captions", type=int, default=200_000, help="captions drawn to see which words they use")
    ap.add_argument("--out", type=Path)
    a = ap.parse_args()
    if a.what == "check":
        off = deviation(TextEncoder(a.encoder), ENCODER.parent / "golden.safetensors")
        print(f"largest deviation from the engine's states: {off:.1e}")
        return
    import feed
    import sheets

    texts = feed.captions(a.data, a.captions) + feed.words(a.data) + sheets.PROMPTS
    print(f"{prune(a.encoder, texts, a.out)} of 30522 words kept")


if __name__ == "__main__":
    main()
