"""The U-Nets of the default cascade, as engine/src/models/imagen runs them: same maths, same tensor names.

Two networks of the paper (Saharia et al. 2022): `BaseUnet` (appendix F.1) and `EfficientUnet` (appendix B). One addition of our own:
`patch` > 1 works on pixel-unshuffled pictures and ends in a small head at full resolution; `patch` = 1 is the paper's network.

Inputs of both:
  x         [B, 3, H, W]      noisy picture x_t
  time      [B]               1000 * t for a continuous schedule, the timestep for a discrete one
  text      [B, L, text_dim]  token states of the frozen encoder
  mask      [B, L] bool       True where there is a token
  low_res   [B, 3, H, W]      augmented low-resolution picture, enlarged (super-resolution only)
  aug_level [B]               in [0, 1] (super-resolution only)
Output: [B, out_channels, H, W], what `prediction` in the stage card says (x0, eps or v).
"""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F


def zero(module):
    for p in module.parameters():
        nn.init.zeros_(p)
    return module


def sinusoid(t, width):
    """[B] -> [B, width]: [cos(t f_i) | sin(t f_i)], f_i = 10000^(-i / (width / 2))."""
    half = width // 2
    freqs = torch.exp(-math.log(10000.0) * torch.arange(half, device=t.device, dtype=torch.float32) / half)
    angles = t.float()[:, None] * freqs[None]
    return torch.cat([angles.cos(), angles.sin()], dim=1)


class Embedding(nn.Module):
    """Sinusoid -> linear -> SiLU -> linear, for the time and for 1000 * aug_level."""

    def __init__(self, width, emb_dim):
        super().__init__()
        self.width = width
        self.linear_1 = nn.Linear(width, emb_dim)
        self.linear_2 = nn.Linear(emb_dim, emb_dim)

    def forward(self, t):
        return self.linear_2(F.silu(self.linear_1(sinusoid(t, self.width))))


def split_heads(x, heads):
    """[B, L, C] -> [B, heads, L, C / heads]"""
    b, l, c = x.shape
    return x.reshape(b, l, heads, c // heads).transpose(1, 2)


def merge_heads(x):
    b, h, l, d = x.shape
    return x.transpose(1, 2).reshape(b, l, h * d)


def attend(q, k, v, key_mask):
    """softmax(q k^T / sqrt d) v; key_mask [B, Lk] bool, True = may be attended to."""
    if q.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
        with torch.autocast("cpu", enabled=False):  # backwards eight times as fast there in float32
            return attend(q.float(), k.float(), v.float(), key_mask)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=key_mask[:, None, None, :])


class GroupNorm(nn.GroupNorm):
    """In float32 wherever bf16 is computed: CUDA's autocast does so by itself, the CPU's does not and is slower in bf16."""

    def forward(self, x):
        if x.device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
            return super().forward(x)
        with torch.autocast("cpu", enabled=False):
            return super().forward(x.float()).to(x.dtype)


class TextPool(nn.Module):
    """Attention pooling of the text: LayerNorm, one learned query, linear."""

    def __init__(self, text_dim, emb_dim, heads):
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(text_dim)
        self.query = nn.Parameter(torch.randn(1, 1, emb_dim) / math.sqrt(emb_dim))
        self.key = nn.Linear(text_dim, emb_dim)
        self.value = nn.Linear(text_dim, emb_dim)
        self.proj = nn.Linear(emb_dim, emb_dim)

    def forward(self, text, mask):
        text = self.norm(text)
        q = self.query.expand(text.shape[0], -1, -1)
        q, k, v = (split_heads(t, self.heads) for t in (q, self.key(text), self.value(text)))
        return self.proj(merge_heads(attend(q, k, v, mask))[:, 0])


class ResBlock(nn.Module):
    """GroupNorm, SiLU, conv, scale-shift by the embedding, SiLU, conv, plus skip. `resample`: None, "down" (mean of 2x2) or "up" (nearest)."""

    def __init__(self, c_in, c_out, emb_dim, groups, resample=None):
        super().__init__()
        self.resample = resample
        self.norm1 = GroupNorm(groups, c_in)
        self.conv1 = nn.Conv2d(c_in, c_out, 3, padding=1)
        self.emb = nn.Linear(emb_dim, 2 * c_out)
        self.norm2 = GroupNorm(groups, c_out)
        self.conv2 = zero(nn.Conv2d(c_out, c_out, 3, padding=1))
        self.skip = nn.Conv2d(c_in, c_out, 1) if c_in != c_out else None

    def _resample(self, x):
        if self.resample == "down":
            return F.avg_pool2d(x, 2)
        if self.resample == "up":
            return F.interpolate(x, scale_factor=2.0, mode="nearest")
        return x

    def forward(self, x, emb):
        h = self.conv1(self._resample(F.silu(self.norm1(x))))
        scale, shift = self.emb(F.silu(emb))[:, :, None, None].chunk(2, dim=1)
        h = self.conv2(F.silu(self.norm2(h) * (1 + scale) + shift))
        x = self._resample(x)
        return (x if self.skip is None else self.skip(x)) + h


class Attention(nn.Module):
    """Attention over picture and text. kind "self_text": keys and values are [text, picture] (base, 64->256);
    "cross": the text's alone (256->1024). LayerNorm on the text, GroupNorm on the picture, residual."""

    def __init__(self, channels, text_dim, head_dim, groups, kind):
        super().__init__()
        self.heads, self.kind = channels // head_dim, kind
        self.norm = GroupNorm(groups, channels)
        self.text_norm = nn.LayerNorm(text_dim)
        self.q = nn.Linear(channels, channels)
        if kind == "self_text":
            self.k = nn.Linear(channels, channels)
            self.v = nn.Linear(channels, channels)
        self.text_k = nn.Linear(text_dim, channels)
        self.text_v = nn.Linear(text_dim, channels)
        self.out = zero(nn.Linear(channels, channels))

    def forward(self, x, text, mask):
        b, c, h, w = x.shape
        tokens = self.norm(x).flatten(2).transpose(1, 2)
        text = self.text_norm(text)
        k, v = self.text_k(text), self.text_v(text)
        if self.kind == "self_text":
            k, v = torch.cat([k, self.k(tokens)], dim=1), torch.cat([v, self.v(tokens)], dim=1)
            mask = torch.cat([mask, mask.new_ones(b, h * w)], dim=1)
        q, k, v = (split_heads(t, self.heads) for t in (self.q(tokens), k, v))
        out = self.out(merge_heads(attend(q, k, v, mask)))
        return x + out.transpose(1, 2).reshape(b, c, h, w)


class Stem(nn.Module):
    """[x, low_res] -> pixel unshuffle -> conv 3x3."""

    def __init__(self, in_channels, patch, width):
        super().__init__()
        self.patch = patch
        self.conv = nn.Conv2d(in_channels * patch * patch, width, 3, padding=1)

    def forward(self, x):
        return self.conv(F.pixel_unshuffle(x, self.patch) if self.patch > 1 else x)


class Head(nn.Module):
    """GroupNorm, SiLU, then conv 3x3 (patch 1), or conv 1x1, pixel shuffle to `refine` channels, and two 3x3 convolutions at
    full resolution that see the inputs again: without them the patches' edges show."""

    def __init__(self, in_channels, out_channels, patch, width, refine, groups):
        super().__init__()
        self.patch = patch
        self.norm = GroupNorm(groups, width)
        if patch == 1:
            self.conv = zero(nn.Conv2d(width, out_channels, 3, padding=1))
        else:
            self.conv = nn.Conv2d(width, refine * patch * patch, 1)
            self.refine_1 = nn.Conv2d(refine + in_channels, refine, 3, padding=1)
            self.refine_2 = zero(nn.Conv2d(refine, out_channels, 3, padding=1))

    def forward(self, h, x):
        h = self.conv(F.silu(self.norm(h)))
        if self.patch == 1:
            return h
        h = torch.cat([F.pixel_shuffle(h, self.patch), x], dim=1)
        return self.refine_2(F.silu(self.refine_1(h)))


class Conditioning(nn.Module):
    """Time + pooled text (+ aug_level) -> [B, emb_dim]."""

    def __init__(self, width, emb_dim, text_dim, pool_heads, low_res):
        super().__init__()
        self.time = Embedding(width, emb_dim)
        self.pool = TextPool(text_dim, emb_dim, pool_heads)
        self.aug = Embedding(width, emb_dim) if low_res else None

    def forward(self, time, text, mask, aug_level):
        emb = self.time(time) + self.pool(text, mask)
        return emb if self.aug is None else emb + self.aug(1000.0 * aug_level)


class BaseUnet(nn.Module):
    """Card: {"kind": "base", "image_size", "in_channels": 3, "out_channels": 3, "low_res": false, "patch", "width", "channel_mult": [..],
    "num_res_blocks": [..] (one a level), "attn_resolutions": [..] (in tokens: image_size / patch / 2^level), "head_dim", "groups", "emb_dim",
    "text_dim", "pool_heads", "refine"}"""

    def __init__(self, card):
        super().__init__()
        c = card
        self.low_res = c["low_res"]
        inputs = c["in_channels"] * (2 if c["low_res"] else 1)
        channels = [c["width"] * m for m in c["channel_mult"]]
        emb, groups, n = c["emb_dim"], c["groups"], len(channels)
        attends = [c["image_size"] // c["patch"] // 2**i in c["attn_resolutions"] for i in range(n)]

        def attention(ch, on):
            return Attention(ch, c["text_dim"], c["head_dim"], groups, "self_text") if on else None

        self.stem = Stem(inputs, c["patch"], c["width"])
        self.cond = Conditioning(c["width"], emb, c["text_dim"], c["pool_heads"], c["low_res"])
        self.down, skips, ch = nn.ModuleList(), [c["width"]], c["width"]
        for i, co in enumerate(channels):
            level = nn.ModuleDict({"res": nn.ModuleList(), "attn": nn.ModuleList()})
            for _ in range(c["num_res_blocks"][i]):
                level["res"].append(ResBlock(ch, co, emb, groups))
                if attends[i]:
                    level["attn"].append(attention(co, True))
                ch = co
                skips.append(ch)
            if i < n - 1:
                level["resample"] = ResBlock(ch, ch, emb, groups, "down")
                skips.append(ch)
            self.down.append(level)
        self.mid = nn.ModuleDict(
            {"res1": ResBlock(ch, ch, emb, groups), "attn": attention(ch, True), "res2": ResBlock(ch, ch, emb, groups)}
        )
        self.up = nn.ModuleList()  # up[0] is the lowest resolution
        for i in reversed(range(n)):
            level = nn.ModuleDict({"res": nn.ModuleList(), "attn": nn.ModuleList()})
            for _ in range(c["num_res_blocks"][i] + 1):
                level["res"].append(ResBlock(ch + skips.pop(), channels[i], emb, groups))
                if attends[i]:
                    level["attn"].append(attention(channels[i], True))
                ch = channels[i]
            if i > 0:
                level["resample"] = ResBlock(ch, ch, emb, groups, "up")
            self.up.append(level)
        self.head = Head(inputs, c["out_channels"], c["patch"], ch, c["refine"], groups)

    @staticmethod
    def _stage(level, h, emb, text, mask, i):
        h = level["res"][i](h, emb)
        return level["attn"][i](h, text, mask) if len(level["attn"]) else h

    def forward(self, x, time, text, mask, low_res=None, aug_level=None):
        inputs = torch.cat([x, low_res], dim=1) if self.low_res else x
        emb = self.cond(time, text, mask, aug_level)
        h = self.stem(inputs)
        skips = [h]
        for level in self.down:
            for i in range(len(level["res"])):
                h = self._stage(level, h, emb, text, mask, i)
                skips.append(h)
            if "resample" in level:
                h = level["resample"](h, emb)
                skips.append(h)
        h = self.mid["res1"](h, emb)
        h = self.mid["res2"](self.mid["attn"](h, text, mask), emb)
        for level in self.up:
            for i in range(len(level["res"])):
                h = self._stage(level, torch.cat([h, skips.pop()], dim=1), emb, text, mask, i)
            if "resample" in level:
                h = level["resample"](h, emb)
        return self.head(h, inputs)


class DBlock(nn.Module):
    """Figure A.28: conv with stride first (downsample before the convolutions), res blocks, attention."""

    def __init__(self, c_in, block, emb_dim, c):
        super().__init__()
        ch = block["channels"]
        self.conv = nn.Conv2d(c_in, ch, 3, stride=block["stride"], padding=1)
        self.res = nn.ModuleList(ResBlock(ch, ch, emb_dim, c["groups"]) for _ in range(block["num_res_blocks"]))
        kind = block["attention"]
        self.attn = None if kind == "none" else Attention(ch, c["text_dim"], c["head_dim"], c["groups"], kind)

    def forward(self, h, emb, text, mask):
        h = self.conv(h)
        for res in self.res:
            h = res(h, emb)
        return h if self.attn is None else self.attn(h, text, mask)


class UBlock(nn.Module):
    """Figure A.29: res blocks, attention, then upsampling (nearest, conv 3x3) after the convolutions."""

    def __init__(self, c_out, block, emb_dim, c):
        super().__init__()
        ch, self.stride = block["channels"], block["stride"]
        self.res = nn.ModuleList(ResBlock(ch, ch, emb_dim, c["groups"]) for _ in range(block["num_res_blocks"]))
        kind = block["attention"]
        self.attn = None if kind == "none" else Attention(ch, c["text_dim"], c["head_dim"], c["groups"], kind)
        self.conv = nn.Conv2d(ch, c_out, 3, padding=1)

    def forward(self, h, emb, text, mask):
        for res in self.res:
            h = res(h, emb)
        if self.attn is not None:
            h = self.attn(h, text, mask)
        if self.stride > 1:
            h = F.interpolate(h, scale_factor=float(self.stride), mode="nearest")
        return self.conv(h)


class EfficientUnet(nn.Module):
    """Card: {"kind": "efficient", "image_size", "in_channels", "out_channels", "low_res": true, "patch", "width" (stem channels),
    "blocks": [{"channels", "stride", "num_res_blocks", "attention": "none" | "self_text" | "cross"}, ..], "head_dim", "groups", "emb_dim",
    "text_dim", "pool_heads", "refine"}. Skips are scaled by 1 / sqrt 2 and added."""

    def __init__(self, card):
        super().__init__()
        c = card
        self.low_res = c["low_res"]
        inputs = c["in_channels"] * (2 if c["low_res"] else 1)
        self.stem = Stem(inputs, c["patch"], c["width"])
        self.cond = Conditioning(c["width"], c["emb_dim"], c["text_dim"], c["pool_heads"], c["low_res"])
        widths = [c["width"]] + [b["channels"] for b in c["blocks"]]
        self.down = nn.ModuleList(DBlock(widths[i], b, c["emb_dim"], c) for i, b in enumerate(c["blocks"]))
        self.up = nn.ModuleList(UBlock(widths[i], b, c["emb_dim"], c) for i, b in reversed(list(enumerate(c["blocks"]))))
        self.head = Head(inputs, c["out_channels"], c["patch"], c["width"], c["refine"], c["groups"])

    def forward(self, x, time, text, mask, low_res=None, aug_level=None):
        inputs = torch.cat([x, low_res], dim=1) if self.low_res else x
        emb = self.cond(time, text, mask, aug_level)
        h = self.stem(inputs)
        skips = []
        for block in self.down:
            skips.append(h)
            h = block(h, emb, text, mask)
        for block in self.up:  # each ends at the resolution and width of its DBlock's input
            h = block(h, emb, text, mask) + skips.pop() / math.sqrt(2.0)
        return self.head(h, inputs)


def build(card):
    return {"base": BaseUnet, "efficient": EfficientUnet}[card["kind"]](card)


def count(card, size=None, tokens=24):
    """-> (parameters, floating-point operations of one forward pass of one picture; a multiply-add counts as two)."""
    from torch.utils.flop_counter import FlopCounterMode

    n = size or card["image_size"]
    with torch.device("meta"):
        net = build(card)
        inputs = {"x": torch.empty(1, 3, n, n), "time": torch.empty(1), "text": torch.empty(1, tokens, card["text_dim"]),
                  "mask": torch.empty(1, tokens, dtype=torch.bool)}
        if card["low_res"]:
            inputs |= {"low_res": torch.empty(1, 3, n, n), "aug_level": torch.empty(1)}
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            net(**inputs)
    return sum(p.numel() for p in net.parameters()), counter.get_total_flops()


def main():
    """Prints what each stage of stages.json costs."""
    from cards import Cards

    cards = Cards()
    print("| stage | parameters | GFLOP a forward pass | as it is trained |\n| --- | --- | --- | --- |")
    for name, stage in cards.stages.items():
        crop = cards.training[name].get("crop", stage["size"])
        parameters, flops = count(stage["unet"])
        cropped = count(stage["unet"], crop)[1]
        print(f"| {name} | {parameters / 1e6:.2f} M | {flops / 1e9:.2f} | {cropped / 1e9:.2f} at {crop} pixels |")


if __name__ == "__main__":
    main()
