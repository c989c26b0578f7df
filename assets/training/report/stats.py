"""Shares with their uncertainty, and curves read at a given height."""

import math

import numpy as np


def wilson(hits, n, z=1.96):
    """95 % interval of a share (Wilson): holds for small n and for shares near 0 and 1."""
    if n == 0:
        return 0.0, 1.0
    p = hits / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(0.0, middle - half), min(1.0, middle + half)


def share(answers):
    """[True, False, None, ..] -> {"n", "hits", "share", "low", "high"}; None (not asked) is left out."""
    asked = [bool(a) for a in answers if a is not None]
    low, high = wilson(sum(asked), len(asked))
    return {"n": len(asked), "hits": sum(asked), "share": sum(asked) / len(asked) if asked else None, "low": low, "high": high}


def read_curve(points, height):
    """y of the polyline `points` [(x, y), ..] in its own order where it passes x = height, or None;
    the largest y where it does so twice.
    """
    found = []
    for (x0, y0), (x1, y1) in zip(points, points[1:]):
        if min(x0, x1) <= height <= max(x0, x1):
            found.append(max(y0, y1) if x0 == x1 else y0 + (y1 - y0) * (height - x0) / (x1 - x0))
    return max(found) if found else None


def mean_and_spread(values):
    values = np.asarray(values, np.float64)
    return float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else 0.0
