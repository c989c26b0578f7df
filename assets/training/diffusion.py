"""The diffusion of the cascade: schedules, noise, loss weights, thresholding and the DDIM sampler.

x_t = alpha x0 + sigma eps with alpha^2 + sigma^2 = 1 and log_snr = ln(alpha^2 / sigma^2). A network predicts x0, v = alpha eps
- sigma x0, or eps, as the `prediction` of its card says.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F

PREDICTIONS = ("x0", "v", "eps")


def stratified(n, device, lean):
    """n numbers in [0, 1) of density (1 + lean) t^lean, evenly spread: a steadier loss. lean > 0: more of the noisy times, where the
    layout is settled."""
    u = (torch.rand(1, device=device) + torch.arange(n, device=device) / n) % 1
    return u ** (1 / (1 + lean)) if lean else u


class Cosine:
    """Continuous schedule, t in [0, 1], 0 = clean. shift < 0 puts more noise at every t."""

    def __init__(self, log_snr_min=-12.0, log_snr_max=12.0, shift=0.0, **_):
        self.lo, self.hi, self.shift = math.atan(math.exp(-0.5 * log_snr_max)), math.atan(math.exp(-0.5 * log_snr_min)), shift

    def log_snr(self, t):
        return -2 * torch.log(torch.tan(self.lo + t * (self.hi - self.lo))) + self.shift

    def time(self, log_snr):
        """The inverse of `log_snr`."""
        return (torch.atan(torch.exp(-0.5 * (log_snr - self.shift))) - self.lo) / (self.hi - self.lo)

    def draw(self, n, device="cpu", lean=0.0):
        """Times of a batch: see `stratified`."""
        return stratified(n, device, lean)

    def grid(self, steps):
        """The times of a sampler: steps times, and the one after each (None: the last step returns x0)."""
        t = torch.linspace(1, 0, steps + 1)
        return list(t[:-1]), list(t[1:-1]) + [None]

    @staticmethod
    def network_time(t):
        return 1000.0 * t


class Linear:
    """The paper's discrete schedule for 256 -> 1024: timestep n in 0 .. timesteps - 1."""

    def __init__(self, timesteps=1000, beta_start=1e-4, beta_end=0.02, **_):
        bar = np.cumprod(1.0 - np.linspace(beta_start, beta_end, timesteps, dtype=np.float64))
        self.table, self.n = torch.from_numpy(np.log(bar) - np.log1p(-bar)).float(), timesteps

    def log_snr(self, t):
        self.table = self.table.to(t.device)
        return self.table[t.long()]

    def draw(self, n, device="cpu", lean=0.0):
        return (stratified(n, device, lean) * self.n).long().clamp(max=self.n - 1)

    def grid(self, steps):
        t = [torch.tensor(v) for v in np.linspace(0, self.n - 1, steps).round()[::-1].astype(np.int64)]
        return t, t[1:] + [None]

    @staticmethod
    def network_time(t):
        return t.float()


def schedule(card):
    return {"cosine": Cosine, "linear": Linear}[card["kind"]](**{k: v for k, v in card.items() if k != "kind"})


def alpha_sigma(log_snr):
    """Two [B, 1, 1, 1] factors."""
    return torch.sigmoid(log_snr).sqrt()[:, None, None, None], torch.sigmoid(-log_snr).sqrt()[:, None, None, None]


def weight(log_snr, prediction="x0", limit=5.0):
    """Weight of the squared error of what is predicted. x0: min(1 + SNR, limit), the v loss limited so that nearly clean
    pictures do not rule. v: the same weight of the same x0 error. eps: min-SNR, which is the weight min(SNR, limit) of the x0
    error: 1 + SNR would grow without bound towards pure noise, where eps is known and x0 is not."""
    snr = log_snr.exp()
    if prediction == "x0":
        return (1 + snr).clamp(max=limit)
    if prediction == "v":
        return (limit / (1 + snr)).clamp(max=1.0)
    return (limit / snr).clamp(max=1.0)


def target(prediction, x0, eps, alpha, sigma):
    """What the network is to say."""
    if prediction == "x0":
        return x0
    return eps if prediction == "eps" else alpha * eps - sigma * x0


def to_x0(prediction, x_t, out, alpha, sigma):
    """x0_hat of what the network said."""
    if prediction == "x0":
        return out
    return (x_t - sigma * out) / alpha if prediction == "eps" else alpha * x_t - sigma * out


def enlarge(picture, size):
    return F.interpolate(picture, size=(size, size), mode="bicubic", align_corners=False)


def augment(picture, level, noise, sched):
    """Noise conditioning augmentation of an already enlarged low-resolution picture."""
    a, s = alpha_sigma(sched.log_snr(level))
    return a * picture + s * noise


def threshold(x0, mode, percentile=0.995, cap=None):
    """The x0 that the next step starts from: static or dynamic thresholding of the paper, or none."""
    if mode == "none":
        return x0
    if mode == "static":
        return x0.clamp(-1, 1)
    q = torch.quantile(x0.flatten(1).abs(), percentile, dim=1).clamp(min=1.0, max=cap)[:, None, None, None]
    return x0.clamp(-q, q) / q


@torch.no_grad()
def ddim(net, sched, noise, cond, null, steps, guidance=1.0, mode="static", percentile=0.995, cap=None, prediction="x0", **extra):
    """cond, null: (text, mask). extra: low_res and aug_level of the super-resolution networks."""
    x = noise
    for t, t_next in zip(*sched.grid(steps)):
        t = t.to(x.device).expand(len(x))
        a, s = alpha_sigma(sched.log_snr(t))
        time = sched.network_time(t)
        out = net(x, time, *cond, **extra).float()
        if guidance != 1.0:
            free = net(x, time, *null, **extra).float()
            out = free + guidance * (out - free)
        x0 = threshold(to_x0(prediction, x, out, a, s), mode, percentile, cap)
        if t_next is None:
            return x0.clamp(-1, 1)
        eps = (x - a * x0) / s  # recomputed: it must agree with the thresholded x0
        a, s = alpha_sigma(sched.log_snr(t_next.to(x.device).expand(len(x))))
        x = a * x0 + s * eps
