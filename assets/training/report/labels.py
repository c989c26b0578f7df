"""What the probe learns: the exact truth of composed scenes as arrays."""

from dataclasses import dataclass

import numpy as np
import torch

from probe_net import GRID, MAX_COUNT


@dataclass
class Names:
    """The probe's answers by number."""

    concepts: list
    colours: list
    backgrounds: list

    @classmethod
    def of(cls, index):
        shown = sorted({row["concept"] for row in index["sprites"]})
        return cls(shown, list(index["named_colours"]), list(index["backgrounds"]))

    def __post_init__(self):
        self.concept = {n: i for i, n in enumerate(self.concepts)}
        self.colour = {n: i for i, n in enumerate(self.colours)}
        self.background = {n: i for i, n in enumerate(self.backgrounds)}

    def plain(self):
        return {"concepts": self.concepts, "colours": self.colours, "backgrounds": self.backgrounds}


def truth(scenes, sprites, names):
    """Arrays of the scenes. things [n, 4, 5]: concept, colour (-1: not known), cx, cy, size; concept -1: no thing."""
    things = np.full((len(scenes), MAX_COUNT, 5), -1, np.float32)
    back = np.zeros((len(scenes), len(names.backgrounds)), np.float32)
    for i, scene in enumerate(scenes):
        for k, o in enumerate(scene.objects):
            row = sprites[o["sprite"]]
            colour = o["recolour"] or row["colour"]
            things[i, k] = names.concept[row["concept"]], names.colour.get(colour, -1), o["cx"], o["cy"], o["size"]
        for name in scene.background["colours"]:
            back[i, names.background[name]] = 1
    return {
        "things": torch.from_numpy(things),
        "background": torch.from_numpy(back),
        "count": torch.tensor([len(s.objects) - 1 for s in scenes]),
    }


def grids(things):
    """things [B, 4, 5] -> hills [B, 16, 16] that peak at 1 in the middles, and per cell the thing it belongs to [B, 16,
    16] (-1: none).
    """
    cells = (torch.arange(GRID, device=things.device) + 0.5) / GRID
    dx = cells[None, None, None, :] - things[:, :, 2, None, None]
    dy = cells[None, None, :, None] - things[:, :, 3, None, None]
    alive = (things[:, :, 0] >= 0)[:, :, None, None]
    size = things[:, :, 4, None, None].clamp(min=0.05)
    distance = dx.square() + dy.square()
    width = (0.10 * size).clamp(min=0.6 / GRID)
    hills = (torch.exp(-distance / (2 * width.square())) * alive).amax(1)
    near = torch.where(alive & (torch.maximum(dx.abs(), dy.abs()) < (0.22 * size).clamp(min=0.8 / GRID)), distance, torch.inf)
    best, owner = near.min(1)
    return hills, torch.where(best.isfinite(), owner, -1)
