"""Frechet distance between two sets of features, each seen as one normal distribution (Dowson & Landau 1982).

d^2 = |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)). With S = A A^T the last trace is the nuclear norm of A1^T A2: exact,
and cheap for few samples.
On EfficientNet-Lite0 features, with far fewer pictures than 50,000: never to be compared with a published FID.
"""

import numpy as np
import torch


class Normal:
    """Mean and a factor of the covariance: S = factor factor^T."""

    def __init__(self, features):
        x = torch.as_tensor(features, dtype=torch.float64)
        if len(x) < 2:
            raise SystemExit("a Frechet distance needs two pictures at least: ask for more")
        self.mean = x.mean(0)
        rows = (x - self.mean) / (len(x) - 1) ** 0.5
        self.factor = rows.T if len(rows) <= rows.shape[1] else self._root(rows.T @ rows)
        self.trace = float(rows.square().sum())

    @staticmethod
    def _root(covariance):
        values, vectors = torch.linalg.eigh(covariance)
        return vectors * values.clamp(min=0).sqrt()


def distance(a, b):
    """d^2 of two Normals, as the literature reports it."""
    cross = float(torch.linalg.svdvals(a.factor.T @ b.factor).sum())
    return max(0.0, float((a.mean - b.mean).square().sum()) + a.trace + b.trace - 2 * cross)


def bootstrap(reference, features, times, seed=0):
    """Standard deviation of the distance when the samples are drawn again with replacement."""
    if times < 2:
        return None
    rng = np.random.default_rng(seed)
    found = [distance(reference, Normal(features[rng.integers(0, len(features), len(features))])) for _ in range(times)]
    return float(np.std(found, ddof=1))
