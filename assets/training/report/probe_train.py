"""Training of the probe on composed scenes of the sprites that are trained on."""

import dataclasses
import json
import time

import numpy as np
import torch
import torch.nn.functional as F

import worlds
from labels import grids, truth
from probe import Probe
from probe_net import ProbeNet
from trainer import fast_in_bf16

SEED = 4
VERSION = 2  # of the network and its training: an older kept probe is not taken for a newer one
PLAIN_COLOURS = 2.0  # weights of the losses
COUNT = 0.5
BACKGROUND = 2.0
MIDDLE = 8.0


# ---------------------------------------------------------------- spoiling, so that no answer leans on sharp edges


def some(x, share):
    return torch.rand(len(x), 1, 1, 1, device=x.device) < share


def blurred(x):
    """Gaussian blur, another width for each picture: up to 1.3 pixels."""
    sigma = 0.3 + torch.rand(len(x), 1, device=x.device)
    taps = torch.arange(-3, 4, device=x.device)[None]
    kernel = torch.exp(-taps.square() / (2 * sigma.square()))
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(3, 0)
    flat = F.pad(x, (3, 3, 3, 3), mode="replicate").reshape(1, -1, x.shape[2] + 6, x.shape[3] + 6)
    flat = F.conv2d(flat, kernel[:, None, :, None], groups=len(kernel))
    return F.conv2d(flat, kernel[:, None, None, :], groups=len(kernel)).reshape(x.shape)


def coarse(x):
    """Shrunk to 40-63 pixels and enlarged again, one size a batch."""
    side = int(torch.randint(40, 64, (1,)))
    small = F.interpolate(x, size=(side, side), mode="bilinear", antialias=True)
    return F.interpolate(small, size=x.shape[-2:], mode="bicubic", align_corners=False)


def cosines(device):
    k = torch.arange(8, device=device, dtype=torch.float32)
    table = torch.cos((2 * k[None] + 1) * k[:, None] * torch.pi / 16) / 2
    table[0] /= 2**0.5
    return table


def compressed(x):
    """As by JPEG: the cosine coefficients of 8 x 8 blocks rounded to steps that grow with the frequency."""
    b, c, h, w = x.shape
    table = cosines(x.device)
    step = (0.01 + 0.05 * torch.rand(b, 1, 1, 1, 1, 1, device=x.device)) * (
        1 + torch.arange(8, device=x.device)[:, None] + torch.arange(8, device=x.device)
    )
    blocks = x.reshape(b, c, h // 8, 8, w // 8, 8).transpose(3, 4)
    found = table @ blocks @ table.T
    found = (found / step).round() * step
    return (table.T @ found @ table).transpose(3, 4).reshape(b, c, h, w)


def spoiled(x):
    """What a sampler or a file may do to a picture, in random shares; the rest stays clean."""
    for change, share in ((blurred, 0.4), (coarse, 0.2), (compressed, 0.2)):
        x = torch.where(some(x, share), change(x), x)
    gain = torch.where(
        some(x, 0.4), 1 + 0.3 * (torch.rand(len(x), 1, 1, 1, device=x.device) - 0.4), torch.ones(len(x), 1, 1, 1, device=x.device)
    )
    shift = 0.06 * torch.randn(len(x), 1, 1, 1, device=x.device) * some(x, 0.4)
    noise = 0.12 * torch.rand(len(x), 1, 1, 1, device=x.device) * some(x, 0.4)
    return (x * gain + shift + noise * torch.randn_like(x)).clamp(-1, 1)


# ---------------------------------------------------------------- learning


def losses(out, aim):
    hills, owner = grids(aim["things"])
    middle = out["middle"][:, 0]
    pixel = F.binary_cross_entropy_with_logits(middle, hills, reduction="none") * (1 + 4 * hills)
    cells = (owner >= 0).nonzero(as_tuple=True)
    thing = aim["things"][cells[0], owner[cells]]
    at = (cells[0], slice(None), cells[1], cells[2])
    named = thing[:, 1] >= 0
    return {
        "middle": MIDDLE * pixel.mean(),
        "concept": F.cross_entropy(out["concept"][at], thing[:, 0].long(), label_smoothing=0.02),
        "colour": PLAIN_COLOURS * F.cross_entropy(out["colour"][at][named], thing[named, 1].long()),
        "count": COUNT * F.cross_entropy(out["count"], aim["count"]),
        "background": BACKGROUND * F.binary_cross_entropy_with_logits(out["background"], aim["background"]),
    }


def fresh(world, vocabulary, rng, size):
    """Every batch composed anew: for devices that compose faster than they learn."""
    while True:
        found = worlds.sample(rng, vocabulary, size)
        x = world.pictures(found, vocabulary)
        yield x, {k: v.to(x.device) for k, v in truth(found, vocabulary.sprites, world.names).items()}


def pooled(world, vocabulary, rng, size, n):
    """Batches out of n pictures composed once (kept beside the probe), mirrored, moved and zoomed on every draw: for a CPU."""
    kept = folder(world) / f"pool-{world.key()}-{n}.pt"
    if not kept.exists():
        found = worlds.sample(rng, vocabulary, n)
        torch.save((torch.from_numpy(world.bytes(found, vocabulary)), truth(found, vocabulary.sprites, world.names)), kept)
    pictures, aim = torch.load(kept)
    while True:
        for ids in torch.randperm(n).split(size):
            yield moved(worlds.to_signed(pictures[ids].numpy()), {k: v[ids] for k, v in aim.items()})


def moved(x, aim):
    """Mirrored in half of the cases, zoomed by up to 8 % and moved by up to 4 pixels; the truth moves along."""
    n, things = len(x), aim["things"].clone()
    flip = torch.where(torch.rand(n) < 0.5, -1.0, 1.0)
    zoom, shift = 1 + 0.16 * (torch.rand(n) - 0.5), (torch.rand(n, 2) - 0.5) / 8
    frame = torch.zeros(n, 2, 3)
    frame[:, 0, 0], frame[:, 1, 1], frame[:, :, 2] = flip / zoom, 1 / zoom, 2 * shift
    x = F.grid_sample(x, F.affine_grid(frame, list(x.shape), align_corners=False), padding_mode="border", align_corners=False)
    alive = things[:, :, 0] >= 0
    for axis, turn in ((2, flip), (3, torch.ones(n))):
        middle = (things[:, :, axis] - 0.5 - shift[:, axis - 2, None]) * (zoom * turn)[:, None] + 0.5
        things[:, :, axis] = torch.where(alive, middle, things[:, :, axis])
    things[:, :, 4] = torch.where(alive, things[:, :, 4] * zoom[:, None], things[:, :, 4])
    return x, {**aim, "things": things}


def batches(world, vocabulary, sizes):
    rng = worlds.generator("probe")
    if sizes.pool:
        return pooled(world, vocabulary, rng, sizes.batch, sizes.pool)
    return fresh(world, vocabulary, rng, sizes.batch)


def rate(progress, peak):
    return peak * (min(1.0, progress / 0.03) * 0.5 * (1 + np.cos(np.pi * progress)) + 0.002)


def follow(mean, new, n):
    """A moving mean that forgets its first steps."""
    return mean + (new - mean) * max(0.002, 9 / (10 + float(n))) if mean.is_floating_point() else new


def train(world, sizes, log=print, weights=None):
    """A probe of the whole vocabulary (training sprites only), for sizes.minutes of the clock;
    from `weights` where it goes on.
    """
    torch.manual_seed(SEED if weights is None else SEED + 1)
    device = torch.device(world.device)
    names, vocabulary = world.names, world.vocabulary("trained")
    net = ProbeNet(len(names.concepts), len(names.colours), len(names.backgrounds), sizes.width).to(
        device, memory_format=torch.channels_last
    )
    if weights:
        net.load_state_dict(weights)
    optimiser = torch.optim.AdamW(net.parameters(), 1e-3, weight_decay=0.02)
    mean = torch.optim.swa_utils.AveragedModel(net, avg_fn=follow, use_buffers=True)
    feed = batches(world, vocabulary, sizes)
    next(feed)  # a pool is made before the clock starts
    start, updates, told, limit = time.time(), 0, 0.0, 60 * sizes.minutes
    for x, aim in feed:
        progress = (time.time() - start) / limit if sizes.updates is None else updates / sizes.updates
        if progress >= 1:
            break
        for group in optimiser.param_groups:
            group["lr"] = rate(progress, sizes.rate)
        x = spoiled(x).contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16, enabled=fast_in_bf16(device)):
            out = net(x)
        parts = losses({k: v.float() for k, v in out.items()}, aim)
        optimiser.zero_grad(set_to_none=True)
        sum(parts.values()).backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimiser.step()
        mean.update_parameters(net)
        updates += 1
        if time.time() - told > 60:
            told = time.time()
            log(
                f"  probe {updates} x {sizes.batch}, {progress:.0%}: "
                + ", ".join(f"{k} {v.item():.3f}" for k, v in parts.items())
            )
    made = {"pictures": updates * sizes.batch, "updates": updates, "seconds": round(time.time() - start), "device": str(device)}
    return Probe(mean.module.eval(), names, device), made


# ---------------------------------------------------------------- kept


def folder(world):
    path = world.data / "report" / "probe"
    path.mkdir(parents=True, exist_ok=True)
    return path


def load_or_train(world, sizes, log=print, more=0):
    """The probe of this data, this size and this seed, and its card (how it was made). more:
    minutes to train a kept one further.
    """
    kept = folder(world) / f"{world.key()}-{sizes.key()}-v{VERSION}.pt"
    state = torch.load(kept, map_location=world.device, weights_only=False) if kept.exists() else None
    if state and not more:
        return Probe.of(state, world.names, world.device), state["card"]
    if state:
        sizes = dataclasses.replace(sizes, minutes=more, rate=sizes.rate / 2)
    long = f"{sizes.minutes:g} minutes" if sizes.updates is None else f"{sizes.updates} updates"
    log(f"training the probe for {long} ({world.device})")
    probe, made = train(world, sizes, log, state and state["net"])
    if state:
        made = {**made, **{k: made[k] + state["card"][k] for k in ("pictures", "seconds", "updates")}}
    card = {
        **made,
        "parameters": sum(p.numel() for p in probe.net.parameters()),
        "concepts": len(world.names.concepts),
        "sprites": len(world.vocabulary("trained").sprites),
        "seed": SEED,
    }
    torch.save({"net": probe.net.state_dict(), "width": sizes.width, "names": world.names.plain(), "card": card}, kept)
    kept.with_suffix(".json").write_text(json.dumps(card, indent=1) + "\n")
    return probe, card
