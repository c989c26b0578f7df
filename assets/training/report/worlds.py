"""Composed scenes for the report: never seen in training (own seeds), of sprites that were trained on or held out,
of all concepts or a model's.
"""

import hashlib
import json
import random
from pathlib import Path

import numpy as np
import torch

import compose
import scenes
from labels import Names

# seeds of the report's scenes: far from the trainer's, one range a purpose
SEEDS = {
    "probe": 0x5EED_0000,
    "ceiling": 0x5EED_1000,
    "reference": 0x5EED_2000,
    "prompts": 0x5EED_3000,
    "enlarge": 0x5EED_4000,
    "sheet": 0x5EED_5000,
}
FEWEST = 4  # concepts that a vocabulary needs: a list may name four things


def generator(purpose, offset=0):
    return random.Random(SEEDS[purpose] + offset)


class World:
    """The packed data, or the part of it that a file of ../worlds names, and its pixels. `side` of the banks: 64, 256 or 1024."""

    def __init__(self, data, device="cpu", part=None):
        self.data, self.device = Path(data), device
        path = self.data / "pack" / "index.json"
        if not path.exists():
            raise SystemExit(f"{path} is missing: make it with sprites.py pack and sprites.py rasterise")
        self.index = scenes.limited(json.loads(path.read_text()), part)
        self.names, self.banks = Names.of(self.index), {}

    def key(self):
        """Names the data: an index that changes makes new probes."""
        return hashlib.sha256(json.dumps(self.index).encode()).hexdigest()[:12]

    def bank(self, side):
        if side not in self.banks:
            self.banks[side] = compose.Banks.load(self.data, side, self.device)
        return self.banks[side]

    def kinds(self):
        return sorted({row["kind"] for row in self.index["sprites"]})

    def vocabulary(self, part="trained", concepts=None, kind=None, side=64):
        """The sampler's vocabulary of the sprites that are "trained", "heldout" or "all",
        or None where too few concepts are left.
        """
        known = None if side != 1024 else set(np.load(self.data / "banks" / "1024.ids.npy").tolist())
        rows = [
            r
            for r in self.index["sprites"]
            if (part == "all" or r["heldout"] == (part == "heldout"))
            and (concepts is None or r["concept"] in concepts)
            and (kind is None or r["kind"] == kind)
            and (known is None or r["id"] in known)
        ]
        shown = {k: {r["concept"] for r in rows if r["kind"] == k} for k in {r["kind"] for r in rows}}
        rows = [r for r in rows if len(shown[r["kind"]]) >= FEWEST]
        return scenes.Vocabulary.of(self.index, rows) if rows else None

    def pictures(self, found, vocabulary, side=64, crop=None):
        """[n, 3, side, side] in [-1, 1]."""
        with torch.no_grad():
            return compose.compose(scenes.collate(found, vocabulary), self.bank(side), side, self.device, crop)

    def bytes(self, found, vocabulary, side=64, crop=None):
        """uint8 [n, side, side, 3], in small batches."""
        step = max(1, 64 * 64 * 64 // (crop[2] if crop else side) ** 2)
        cut = [
            (found[k : k + step], crop and (crop[0][k : k + step], crop[1][k : k + step], crop[2]))
            for k in range(0, len(found), step)
        ]
        return np.concatenate([to_bytes(self.pictures(f, vocabulary, side, c)) for f, c in cut])


def to_bytes(x):
    return ((x.clamp(-1, 1) + 1) * 127.5 + 0.5).byte().permute(0, 2, 3, 1).cpu().numpy()


def to_signed(pictures):
    """uint8 [n, h, w, 3] -> [n, 3, h, w] in [-1, 1]"""
    return torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1


def sample(rng, vocabulary, n, **choices):
    """n scenes; a choice that cannot be met for one concept is tried with others."""
    if len(vocabulary.groups) == 1:
        choices = {"kind": next(iter(vocabulary.groups)), **choices}
    found = []
    for _ in range(20 * n):
        if len(found) == n:
            break
        try:
            found.append(scenes.sample_scene(rng, vocabulary, **choices))
        except ValueError:
            continue
    if len(found) < n:
        raise SystemExit(f"only {len(found)} of {n} scenes can be made with {choices}; the vocabulary lacks such things")
    return found


def model_concepts(card, index):
    """Names of the vocabulary's concepts that a model card claims (by any of their words);
    all of them where the card lists none.
    """
    claimed = card.get("concepts")
    if not claimed:
        return None
    words = {w: c["name"] for c in index["concepts"] for w in [c["name"], *c["words"]]}
    colours = tuple(f"{c} " for c in index["named_colours"])
    plain = [w.split(" ", 1)[1] if w not in words and w.startswith(colours) else w for w in claimed]
    return {words[w] for w in plain if w in words}
