"""Checks of the report's own arithmetic, in seconds and without data: python checks.py"""

import sys
from pathlib import Path

import numpy as np
import torch

sys.path.append(str(Path(__file__).resolve().parent.parent))

from curves import verdict  # noqa: E402
from enlarge import measures, shrunk  # noqa: E402
from frechet import Normal, distance  # noqa: E402
from labels import Names, grids  # noqa: E402
from probe import Reading, Seen, aligned, judge  # noqa: E402
from probe_train import compressed, moved  # noqa: E402
from stats import read_curve, wilson  # noqa: E402

NAMES = Names(["apple", "cat"], ["red", "blue"], ["white"])


def frechet_of_known_normals():
    """N(0, 1) against N(1, 4) in 8 dimensions: 8 (1 + (2 - 1)^2) = 16;
    few samples of more dimensions agree with the full matrix square root.
    """
    rng = np.random.default_rng(0)
    found = distance(Normal(rng.normal(size=(20000, 8))), Normal(1 + 2 * rng.normal(size=(20000, 8))))
    assert abs(found - 16) < 0.5, found
    a, b = rng.normal(size=(10, 30)), rng.normal(size=(300, 30))
    root = np.linalg.eigvals(np.cov(a.T) @ np.cov(b.T)).real.clip(0)
    plain = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(np.cov(a.T) + np.cov(b.T)) - 2 * np.sqrt(root).sum()
    assert abs(distance(Normal(a), Normal(b)) - plain) < 1e-3, plain


def shares_and_curves():
    low, high = wilson(9, 10)
    assert 0.59 < low < 0.61 and 0.98 < high < 0.99, (low, high)
    assert read_curve([(0, 0), (2, 1), (4, 0)], 1) == 0.5 and read_curve([(0, 0), (2, 1)], 3) is None


def facts_are_judged():
    reading = Reading([Seen(0, 0, 0.2, 0.5, 0.9), Seen(1, 1, 0.8, 0.5, 0.8)], 2, [0.9])
    facts = {
        "objects": ["cat", "apple"],
        "colours": [None, "red"],
        "count": 2,
        "relation": "right of",
        "size": None,
        "background": ["white"],
    }
    assert all(judge(reading, facts, NAMES).values()) and aligned(judge(reading, facts, NAMES)) == 1
    wrong = judge(reading, {**facts, "relation": "left of", "colours": ["red", None]}, NAMES)
    assert not wrong["position"] and not wrong["colour"] and wrong["all objects"], wrong
    two = judge(reading, {**facts, "objects": ["cat"], "colours": ["blue"], "relation": None}, NAMES)
    assert not two["object"] and not two["colour"] and two["count"], two


def truth_moves_with_the_picture():
    """A white square on black: after any move its truth still points at it."""
    torch.manual_seed(0)
    x = torch.full((16, 3, 64, 64), -1.0)
    x[:, :, 8:24, 32:48] = 1
    things = torch.full((16, 4, 5), -1.0)
    things[:, 0] = torch.tensor([1.0, 0, 40 / 64, 16 / 64, 0.25])
    x, aim = moved(x, {"things": things})
    light = (x[:, 0] + 1).clamp(min=0)
    at = torch.arange(64) / 64 + 0.5 / 64
    middle = torch.stack([(light.sum(1) * at).sum(1), (light.sum(2) * at).sum(1)], 1) / light.sum((1, 2))[:, None]
    assert (middle - aim["things"][:, 0, 2:4]).abs().max() < 0.01, middle - aim["things"][:, 0, 2:4]
    hills, owner = grids(aim["things"])
    assert hills.flatten(1).amax(1).min() > 0.5 and ((owner == 0).sum((1, 2)) >= 1).all() and (aim["things"][:, 1:] == -1).all()


def spoiling_and_enlarging():
    x = torch.rand(2, 3, 64, 64) * 2 - 1
    assert (compressed(x) - x).abs().mean() < 0.3 and compressed(torch.zeros(1, 3, 64, 64)).abs().max() < 1e-5
    truth = (np.indices((64, 64)).sum(0)[..., None] // 16 % 2 * 255).astype(np.uint8).repeat(3, 2)
    same, flat = measures(truth, truth), measures(np.full_like(truth, 128), truth)
    assert same["detail"] == 1 and same["edges"] == 1 and same["psnr"] > 90 and flat["detail"] < 0.01 and flat["psnr"] < 7
    assert shrunk(truth, True).std() < shrunk(truth, False).std() and shrunk(truth, False).shape == (16, 16, 3)


def dynamic_against_static():
    def point(mode, w, d, a):
        return {"threshold": mode, "guidance": w, "distance": d, "alignment": a, "right": [a] * 20, "n": 20}

    points = [
        point("static", 1, 20, 0.5),
        point("static", 5, 10, 0.6),
        point("static", 8, 20, 0.8),
        point("dynamic", 5, 10, 0.7),
        point("dynamic", 8, 15, 0.9),
    ]
    found = verdict(points)
    assert found["answer"] == "yes" and abs(found["gain"] - 0.15) < 1e-6, found


def main():
    for check in (
        frechet_of_known_normals,
        shares_and_curves,
        facts_are_judged,
        truth_moves_with_the_picture,
        spoiling_and_enlarging,
        dynamic_against_static,
    ):
        check()
        print("ok", check.__name__)


if __name__ == "__main__":
    main()
