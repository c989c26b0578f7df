"""Asks the probe: what it reads in pictures, and whether that is what a caption said."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from probe_net import GRID, MAX_COUNT, SIDE, ProbeNet

LEAST = 0.25  # height of a hill that counts as a thing
APART = 0.06  # in widths of the picture: how far apart left and right must be
FAR = 5  # cells: two middles are not nearer than half of this
BACK = 0.5  # probability from which a background colour counts as seen


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
    things: list  # Seen, the surest first
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
                    things.append(
                        Seen(
                            int(out["concept"][i, :, row, column].argmax()),
                            int(out["colour"][i, :, row, column].argmax()),
                            (column + 0.5) / GRID,
                            (row + 0.5) / GRID,
                            h,
                        )
                    )
            readings.append(Reading(things, int(count[i]), backs[i].tolist()))
        return readings


def judge(reading, facts, names):
    """{fact: right?} for what the caption said and nothing else.

    object: the surest thing is it (one, or several of one kind); all objects: each of several different things is seen;
    colour: every thing
    that has a colour word is seen with that colour; count: of one kind of thing, 1 to 4; position:
    both are seen and stand as said; background:
    all named colours are seen. `position if seen` is asked only where both are seen."""
    wanted = [names.concept[c] for c in facts["objects"]]
    seen = {t.concept: t for t in reversed(reading.things)}  # the surest of each concept
    here = [seen.get(w) for w in wanted]
    alone = len(wanted) == 1
    answers = {"object" if alone else "all objects": reading.things[0].concept == wanted[0] if alone else all(here)}
    colours = [names.colour[c] if c else None for c in facts["colours"]]
    if any(c is not None for c in colours):
        things = reading.things[:1] if alone else here
        answers["colour"] = all(c is None or t is not None and t.colour == c for c, t in zip(colours, things))
    if alone:
        answers["count"] = reading.count == facts["count"]
    if facts["relation"]:
        answers["position"] = all(here) and stands(*here, facts["relation"])
        answers["position if seen"] = answers["position"] if all(here) else None
    if facts["background"]:
        answers["background"] = all(reading.backgrounds[names.background[b]] > BACK for b in facts["background"])
    return answers


ALIGNED = ("object", "all objects", "colour", "count", "position", "background")


def aligned(answers):
    """Share of the asked facts that are right in one picture."""
    asked = [answers[f] for f in ALIGNED if f in answers]
    return sum(asked) / len(asked)


def stands(a, b, relation):
    along = {"left of": b.x - a.x, "right of": a.x - b.x, "above": b.y - a.y, "below": a.y - b.y}[relation]
    return along > APART
