"""Gradients in parts: python -m unittest tests.test_learners (in assets/training)."""
import sys
import unittest
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from learners import Learners


class Parts(unittest.TestCase):
    def test_parts_of_a_batch_teach_what_the_whole_batch_does(self):
        torch.manual_seed(1)
        net = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.SiLU(), torch.nn.Conv2d(8, 1, 3))
        x, weight = torch.randn(7, 3, 9, 9), torch.rand(7)

        def errors(x, weight):
            return net(x).square().mean((1, 2, 3)) * weight

        whole = errors(x, weight)
        whole.mean().backward()
        wanted = [p.grad.clone() for p in net.parameters()]
        each = Learners(3).gradients(net, errors, [x, weight])
        self.assertTrue(torch.allclose(each, whole, atol=1e-6))
        for p, gradient in zip(net.parameters(), wanted):
            self.assertTrue(torch.allclose(p.grad, gradient, atol=1e-6))


if __name__ == "__main__":
    unittest.main()
