"""The probe: a small convolutional network that says what is where in a picture of 64 pixels.

On a grid of 16 x 16 cells: is a thing's middle here, which concept, which colour. For the whole picture: how many things, which
background colours. So a colour is asked of the right thing, and left and right are read from places.
"""

import torch
import torch.nn as nn
import torch.nn.functional as F

SIDE = 64
GRID = 16
MAX_COUNT = 4
COARSE = 8  # the picture at this size goes straight to what judges the background


def conv(c_in, c_out, kernel=3, stride=1):
    return nn.Sequential(
        nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(c_out), nn.ReLU(inplace=True)
    )


class Residual(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.a, self.b = conv(c, c), nn.Sequential(nn.Conv2d(c, c, 3, padding=1, bias=False), nn.BatchNorm2d(c))

    def forward(self, x):
        return F.relu(x + self.b(self.a(x)))


class ProbeNet(nn.Module):
    """x [B, 3, 64, 64] in [-1, 1] -> logits: middle [B, 1, 16, 16], concept [B, C, 16, 16], colour [B, K, 16, 16], count [B,
    4], background [B, G].
    """

    def __init__(self, concepts, colours, backgrounds, width=1.0):
        super().__init__()
        c0, c1, c2, c3 = (8 * round(w * width / 8) for w in (48, 80, 144, 224))
        self.stem = nn.Sequential(nn.PixelUnshuffle(2), conv(12, c0), conv(c0, c1, stride=2), Residual(c1))
        self.middle = nn.Sequential(conv(c1, c2, stride=2), Residual(c2), Residual(c2))
        self.deep = nn.Sequential(conv(c2, c3, stride=2), Residual(c3), Residual(c3))
        self.up2, self.up1 = conv(c3, c2, 1), conv(c2, c1, 1)
        self.fuse2, self.fuse1 = conv(c2, c2), Residual(c1)
        self.place = nn.Conv2d(c1, 1, 1)
        self.hidden = conv(c1 + c2, c2, 1)
        self.concept, self.colour = nn.Conv2d(c2, concepts, 1), nn.Conv2d(c2, colours, 1)
        self.whole = nn.Sequential(nn.Linear(2 * c1 + c3 + 1 + 3 * COARSE**2, 192), nn.ReLU(inplace=True))
        self.count, self.background = nn.Linear(192, MAX_COUNT), nn.Linear(192, backgrounds)

    def forward(self, x):
        f1 = self.stem(x)
        f2 = self.middle(f1)
        f3 = self.deep(f2)
        f2 = self.fuse2(f2 + F.interpolate(self.up2(f3), scale_factor=2.0, mode="nearest"))
        wide = F.interpolate(f2, scale_factor=2.0, mode="nearest")
        f1 = self.fuse1(f1 + self.up1(wide))
        middle = self.place(f1)
        cells = self.hidden(torch.cat([f1, wide], dim=1))
        heat = middle.sigmoid().sum((2, 3))  # about the number of things: the middles are drawn as small hills
        coarse = F.adaptive_avg_pool2d(x, COARSE).flatten(1)
        whole = self.whole(torch.cat([f1.mean((2, 3)), f1.amax((2, 3)), f3.mean((2, 3)), heat, coarse], dim=1))
        return {
            "middle": middle,
            "concept": self.concept(cells),
            "colour": self.colour(cells),
            "count": self.count(whole),
            "background": self.background(whole),
        }
