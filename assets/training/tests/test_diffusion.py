"""The times that training draws: python -m unittest tests.test_diffusion (in assets/training)."""
import sys
import unittest
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import diffusion

N = 4096


class Times(unittest.TestCase):
    def test_even_without_a_lean(self):
        t = diffusion.Cosine().draw(N)
        self.assertAlmostEqual((t < 0.25).float().mean().item(), 0.25, delta=2 / N)
        self.assertAlmostEqual(t.mean().item(), 0.5, delta=2 / N)

    def test_a_lean_of_one_has_a_density_of_2t(self):
        t = diffusion.Cosine().draw(N, lean=1.0)
        self.assertAlmostEqual((t < 0.5).float().mean().item(), 0.25, delta=2 / N)
        self.assertLess(t.max().item(), 1.0)

    def test_timesteps_stay_in_the_table(self):
        linear = diffusion.Linear(timesteps=100)
        t = linear.draw(N, lean=3.0)
        self.assertTrue(0 <= t.min() and t.max() < 100)
        self.assertTrue(torch.isfinite(linear.log_snr(t)).all())


if __name__ == "__main__":
    unittest.main()
