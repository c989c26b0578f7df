"""What a super-resolution network is trained on: crops of pictures, and the low-resolution picture that the stage before would
hand over."""

import random

import torch
import torch.nn.functional as F

import diffusion
from feed import MARGIN, SCALE

AUG_MOST = 0.35  # most augmentation levels are AUG_MOST u^2, the rest spread evenly up to AUG_WIDE: what people try in the app
AUG_WIDE = 0.6


def smooth(x, sigma):
    """Gaussian blur of each picture by its own sigma (in pixels)."""
    r = torch.arange(-3, 4, dtype=torch.float32, device=x.device)
    k = torch.exp(-0.5 * (r[None] / sigma.clamp(min=1e-3)[:, None]) ** 2)
    k = k / k.sum(1, keepdim=True)
    b, c, h, w = x.shape
    k = k.repeat_interleave(c, 0)
    y = F.pad(x, (3, 3, 3, 3), mode="replicate").reshape(1, b * c, h + 6, w + 6)
    y = F.conv2d(y, k[:, None, None, :], groups=b * c)
    return F.conv2d(y, k[:, None, :, None], groups=b * c).reshape(b, c, h, w)


def degrade(x):
    """The picture as the stage before would deliver it: shrunk to a quarter, sometimes soft, enlarged again."""
    n, device = x.shape[-1], x.device
    if random.random() < 0.7:
        low = F.avg_pool2d(x, SCALE)
    else:
        low = F.interpolate(x, size=(n // SCALE, n // SCALE), mode="bicubic", align_corners=False, antialias=True).clamp(-1, 1)
    blurred = (torch.rand(len(x), device=device) < 0.7).float()
    low = smooth(low, torch.rand(len(x), device=device) * blurred * 0.9)
    return diffusion.enlarge(low, n)


def levels(n, device):
    """Augmentation levels of a batch."""
    u = torch.rand(n, device=device)
    wide = torch.rand(n, device=device) < 0.15
    return torch.where(wide, u * AUG_WIDE, u.square() * AUG_MOST)


def inner(x):
    return x[..., MARGIN:-MARGIN, MARGIN:-MARGIN]


def cut(x, places):
    """x [B, C, H, W], places [B, 3] (top, left, size; one size) -> each picture's own crop."""
    size = int(places[0, 2])
    at = torch.arange(size, device=x.device)
    rows, columns = (places[:, i].to(x.device)[:, None] + at for i in (0, 1))
    batch = torch.arange(len(x), device=x.device)[:, None, None]
    return x.permute(0, 2, 3, 1)[batch, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


class Soft:
    """Low-resolution pictures as the base really draws them: its own x0_hat of a noised picture. One pass, no sampling."""

    LOG_SNR = (0.0, 4.0)
    # Mean squared error up to which x0_hat shows the same thing: what is wrong instead of soft teaches the network to invent.
    WRONG = 0.02

    def __init__(self, net, prediction):
        self.net, self.prediction = net.eval().requires_grad_(False), prediction

    @torch.no_grad()
    def __call__(self, x, log_snr_to_time, text, mask, places, side):
        """x: whole pictures of the stage below -> the enlarged crops of its x0_hat."""
        log_snr = torch.empty(len(x), device=x.device).uniform_(*self.LOG_SNR)
        a, s = diffusion.alpha_sigma(log_snr)
        x_t = a * x + s * torch.randn_like(x)
        out = self.net(x_t, log_snr_to_time(log_snr), text, mask).float()
        x0 = diffusion.to_x0(self.prediction, x_t, out, a, s).clamp(-1, 1)
        return cut(diffusion.enlarge(x0, side), places)

    def where_right(self, own, low):
        """`own` where it is near the shrunk and enlarged truth, else that. [n, 3, h, w] each."""
        wrong = (own - low).square().mean((1, 2, 3), keepdim=True) > self.WRONG
        return torch.where(wrong, low, own)
