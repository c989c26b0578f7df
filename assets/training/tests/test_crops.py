"""The low-resolution pictures of super-resolution: python -m unittest tests.test_crops (in assets/training)."""
import sys
import unittest
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import crops


class Soft(unittest.TestCase):
    def test_what_the_base_draws_wrong_is_not_learned_from(self):
        soft, low = crops.Soft(torch.nn.Identity(), "x0"), torch.zeros(2, 3, 4, 4)
        own = torch.stack([torch.full((3, 4, 4), 0.1), torch.full((3, 4, 4), 0.5)])
        kept = soft.where_right(own, low)
        self.assertTrue(torch.equal(kept[0], own[0]))
        self.assertTrue(torch.equal(kept[1], low[1]))


if __name__ == "__main__":
    unittest.main()
