"""Asks the probe: what it reads in pictures, and whether that is what a caption said."""
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from probe_net import GRID, MAX_COUNT, SIDE, ProbeNet

LEAST = 0.25    # height of a hill that counts as a thing
APART = 0.06    # in widths of the picture: how far apart left and right must be
FAR = 5         # cells: two middles are not nearer than half of this
BACK = 0.5      # probability from which a background colour counts as seen


@dataclass
class Seen:
    """One thing in a picture."""
    concept: int
    colour: int
    x: float
    y: float
    height: float


@dataclass
class Reading:
    things: list      # Seen, the surest first
    count: int
    backgrounds: list  # probabilities by name


class Probe:
    def __init__(self, net, names, device="cpu"):
        self.net, self.names, self.device = net, names, torch.device(device)

    @classmethod
    def of(cls, state, names, device):
        if state["names"] != names.plain():
            raise SystemExit("the kept probe knows other names than the data; delete it and train it again")
        net = ProbeNet(len(names.concepts), len(names.colours), len(names.backgrounds), state["width"])
        net.load_state_dict(state["net"])
        return cls(net.eval().to(device, memory_format=torch.channels_last), names, device)

    @torch.no_grad()
    def read(self, x, batch=128):
        """x [N, 3, H, W] in [-1, 1] -> a Reading each."""
        found = []
        for part in x.split(batch):
            part = part.to(self.device).float()
            if part.shape[-1] != SIDE:
                part = F.interpolate(part, size=(SIDE, SIDE), mode="area")
            out = {k: v.float().cpu() for k, v in self.net(part.contiguous(memory_format=torch.channels_last)).items()}
            found += self._readings(out)
        return found

    @staticmethod
    def _readings(out):
        hills = out["middle"].sigmoid()
        tops = torch.where(hills == F.max_pool2d(hills, FAR, 1, FAR // 2), hills, 0).flatten(1)
        height, cell = tops.topk(MAX_COUNT)
        count, backs = out["count"].argmax(1) + 1, out["background"].sigmoid()
        readings = []
        for i in range(len(hills)):
            things = []
            for h, c in zip(height[i].tolist(), cell[i].tolist()):
                if h >= LEAST or not things:
                    row, column = divmod(c, GRID)
                    things.append(Seen(int(out["concept"][i, :, row, column].argmax()), int(out["colour"][i, :, row, column].argmax()),
                                       (column + 0.5) / GRID, (row + 0.5) / GRID, h))
            readings.append(Reading(things, int(count[i]), backs[i].tolist()))
        return readings


def judge(reading, facts, names):
    """{fact: right?} for what the caption said and nothing else.

    object: the surest thing is it (one or several of one kind); objects: each of several different things is seen, as a share of pictures
    where all are; colour: where it is said, the thing is seen and has it; count; position: both are seen and stand as said; background: all
    named colours are seen. A colour counts only with its thing, a position only with both."""
    wanted = [names.concept[c] for c in facts["objects"]]
    seen = {t.concept: t for t in reversed(reading.things)}  # the surest of each concept
    answers = {}
    if len(wanted) == 1:
        answers["object" if facts["count"] == 1 else "object of several"] = reading.things[0].concept == wanted[0]
    else:
        answers["objects (all of 2)" if len(wanted) == 2 else "objects (all of 3-4)"] = all(w in seen for w in wanted)
    said = [(w, names.colour[c]) for w, c in zip(wanted, facts["colours"]) if c]
    if said:
        answers["colour"] = all(w in seen and seen[w].colour == c for w, c in said) if len(wanted) > 1 else reading.things[0].colour == said[0][1]
    if facts["count"] > 1 and len(wanted) == 1:
        answers["count"] = reading.count == facts["count"]
    elif facts["count"] == 1:
        answers["count of one"] = reading.count == 1
    if facts["relation"]:
        answers["position"] = all(w in seen for w in wanted) and stands(seen[wanted[0]], seen[wanted[1]], facts["relation"])
    if facts["background"]:
        answers["background"] = all(reading.backgrounds[names.background[b]] > BACK for b in facts["background"])
    return answers


def stands(a, b, relation):
    along = {"left of": b.x - a.x, "right of": a.x - b.x, "above": b.y - a.y, "below": a.y - b.y}[relation]
    return along > APART


def alignment(answers):
    """Share of the facts that were asked and are right, each picture weighing the same."""
    shares = [sum(a.values()) / len(a) for a in answers]
    return sum(shares) / len(shares)
