"""Alignment against Frechet distance as guidance grows, for each way of thresholding: the paper's figure A.8 on this model."""

import numpy as np

import worlds
from draw import Ask
from frechet import Normal, bootstrap, distance
from probe import aligned
from questions import answer, mixed
from stats import read_curve

MODES = ("none", "static", "dynamic")
HIGH = 5  # the bar speaks of weights from here on
CHECKED = 48  # pictures drawn by both painters where PyTorch draws the curves


class Truth:
    """Composed pictures of one kind, never trained on: the reference of the distances,
    and how far two halves of the truth are apart.
    """

    def __init__(self, tools, kind, sizes):
        vocabulary = tools.world.vocabulary("all", tools.concepts, kind)
        found = mixed(worlds.generator("reference"), vocabulary, sizes.reference)
        self.features = tools.features(tools.world.bytes(found, vocabulary))
        self.normal = Normal(self.features)

    def apart(self, n, times):
        """Distance of n true pictures to the rest of them: what a perfect model would reach with n samples."""
        rng, found = np.random.default_rng(0), []
        n = min(n, len(self.features) // 2)
        for _ in range(max(2, times // 4)):
            order = rng.permutation(len(self.features))
            found.append(distance(Normal(self.features[order[n:]]), Normal(self.features[order[:n]])))
        return {"n": n, "mean": float(np.mean(found)), "deviation": float(np.std(found, ddof=1))}


def point(tools, painter, truth, scenes, sizes, guidance=None, mode=None):
    """One point of a curve: the same prompts and seeds at every setting."""
    pictures = painter.draw([Ask(s.caption, 1 + i, guidance=guidance, threshold=mode) for i, s in enumerate(scenes)])
    features = tools.features(pictures)
    right = [aligned(a) for a in answer(tools.probe, worlds.to_signed(pictures), scenes)]
    means = pictures.reshape(len(pictures), -1)
    return {
        "guidance": guidance,
        "threshold": mode,
        "n": len(scenes),
        "distance": distance(truth.normal, Normal(features)),
        "distance_deviation": bootstrap(truth.normal, features, sizes.bootstrap),
        "alignment": float(np.mean(right)),
        "right": right,
        "saturated": float(((means < 3) | (means > 252)).mean()),
    }


def curve_kind(tools, painter, kind, sizes):
    vocabulary = tools.world.vocabulary("trained", tools.concepts, kind)
    scenes = mixed(worlds.generator("prompts", 100), vocabulary, sizes.curve)
    truth = Truth(tools, kind, sizes)
    points = []
    for mode in MODES:
        for guidance in sizes.guidance:
            points.append(point(tools, painter, truth, scenes, sizes, float(guidance), mode))
            p = points[-1]
            tools.log(f"  {kind}, {mode}, w = {guidance}: distance {p['distance']:.1f}, alignment {p['alignment']:.3f}")
    true = worlds.to_signed(tools.world.bytes(scenes, vocabulary))
    found = {
        "points": points,
        "floor": truth.apart(sizes.curve, sizes.bootstrap),
        "reference": len(truth.features),
        "ceiling": float(np.mean([aligned(a) for a in answer(tools.probe, true, scenes)])),
        "verdict": verdict(points),
    }
    painters = [p for p in (tools.app, painter) if p is not None]
    found["default"] = [{"painter": p.name, **point(tools, p, truth, scenes[:CHECKED], sizes)} for p in dict.fromkeys(painters)]
    for p in points + found["default"]:
        del p["right"]
    return found


def measure(tools, sizes, painter):
    kinds = [k for k in tools.world.kinds() if tools.world.vocabulary("trained", tools.concepts, k)]
    return {
        "kinds": {k: curve_kind(tools, painter, k, sizes) for k in kinds},
        "painter": painter.name,
        "clock": tools.app.clock.line() if tools.app else None,
    }


# ---------------------------------------------------------------- dynamic against static


def path(points, mode, right=None):
    """[(distance, alignment)] by growing guidance; `right`: rows of pictures to average in place of all."""
    chosen = sorted((p for p in points if p["threshold"] == mode), key=lambda p: p["guidance"])
    return [(p["distance"], height_of(p, right)) for p in chosen]


def height_of(p, right=None):
    return p["alignment"] if right is None else float(np.mean(np.asarray(p["right"])[right]))


def static_at(points, height, right=None):
    """Static's alignment at this distance; where no static point is as near to the truth, that of its nearest one (said so)."""
    line = path(points, "static", right)
    found = read_curve(line, height)
    if found is not None:
        return found, "on the curve"
    nearest = min(line) if height < min(line)[0] else max(line)
    return nearest[1], "static never comes as near" if height < min(line)[0] else "static never strays as far"


def gains(points, right=None):
    """(guidance, dynamic's alignment less static's at dynamic's distance) for the high weights."""
    found = []
    for p in sorted((p for p in points if p["threshold"] == "dynamic"), key=lambda p: p["guidance"]):
        if p["guidance"] >= HIGH:
            own = height_of(p, right)
            other, how = static_at(points, p["distance"], right)
            found.append({"guidance": p["guidance"], "distance": p["distance"], "dynamic": own, "static": other, "how": how})
    return found


def verdict(points, times=400):
    """Whether dynamic beats static at equal distance for w >= 5: the mean gain and its 95 % interval over drawn-again prompts."""
    rows = gains(points)
    if not rows:
        return None
    rng, n = np.random.default_rng(0), points[0]["n"]
    again = [np.mean([g["dynamic"] - g["static"] for g in gains(points, rng.integers(0, n, n))]) for _ in range(times)]
    mean = float(np.mean([g["dynamic"] - g["static"] for g in rows]))
    low, high = (float(v) for v in np.percentile(again, (2.5, 97.5)))
    said = "yes" if low > 0 else "no" if high < 0 else "not shown either way"
    return {"answer": said, "gain": mean, "low": low, "high": high, "rows": rows}
