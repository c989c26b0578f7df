"""The super-resolution stages against bicubic and Real-ESRGAN: PSNR and sharpness on pictures whose truth is known."""

import hashlib
import json

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

import worlds
from draw import Ask
from gallery import tiles
from questions import mixed
from realesrgan import NETWORKS, Missing, RealEsrgan

FACTOR = 4
OURS = "this model"
SOFT = 0.8  # width of the blur, in pixels of the small picture, of the "soft" inputs: a base model is no sharper
CROP = {256: 96, 1024: 192}
WINDOW = {
    256: 256,
    1024: 512,
}  # what is measured: at 1024 the busiest part, for Real-ESRGAN takes minutes for a whole picture on a CPU
EDGE, FLAT = 16, 2  # grey levels between neighbours: an edge, and what is flat
ROWS = 4  # of the sheet, for each size


# ---------------------------------------------------------------- measures


def psnr(a, b):
    error = np.square(a.astype(np.float64) - b).mean()
    return float(10 * np.log10(255**2 / max(error, 1e-6)))


def luma(picture):
    return picture.astype(np.float64) @ (0.299, 0.587, 0.114)


def slopes(picture):
    """Length of the difference to the right and lower neighbours, in grey levels."""
    y = luma(picture)
    return np.hypot(np.diff(y, axis=1)[:-1], np.diff(y, axis=0)[:, :-1])


def steepest(values, width):
    """The largest value within a square around each pixel."""
    return F.max_pool2d(torch.from_numpy(values)[None, None], width, 1, width // 2)[0, 0].numpy()


def edges(picture, truth):
    """How steep the picture is where the truth has clear edges, as a share of the truth.
    The steepest within 2 pixels counts, so that a shift costs nothing.
    """
    real = slopes(truth)
    at = real > EDGE
    return float(steepest(slopes(picture), 5)[at].mean() / steepest(real, 5)[at].mean()) if at.any() else 1.0


def grain(picture, truth):
    """Mean slope where the truth is flat far around: what should be 0."""
    at = steepest(slopes(truth), 17) < FLAT
    return float(slopes(picture)[at].mean()) if at.any() else 0.0


def detail(picture):
    """Energy above the small picture's Nyquist frequency, 1/8 of a cycle a pixel: what enlarging has to invent.
    A window keeps the border out.
    """
    y = luma(picture)
    n = len(y)
    window = np.hanning(n)[:, None] * np.hanning(n)
    power = np.square(np.abs(np.fft.fft2((y - y.mean()) * window)))
    f = np.abs(np.fft.fftfreq(n))
    return float(power[np.maximum(f[:, None], f) > 0.5 / FACTOR].sum())


def measures(picture, truth):
    return {
        "psnr": psnr(picture, truth),
        "edges": edges(picture, truth),
        "detail": detail(picture) / max(detail(truth), 1e-9),
        "grain": grain(picture, truth),
    }


# ---------------------------------------------------------------- pictures


def shrunk(truth, soft):
    """uint8 [n, n, 3] -> a fourth of it: the mean of 4 x 4 pixels, and blurred where soft."""
    x = F.avg_pool2d(torch.from_numpy(truth.copy()).permute(2, 0, 1)[None].float(), FACTOR)
    if soft:
        taps = torch.exp(-torch.arange(-3, 4).square() / (2 * SOFT**2))
        kernel = (taps / taps.sum()).repeat(3, 1, 1)
        x = F.conv2d(F.pad(x, (3, 3, 3, 3), mode="replicate"), kernel[:, :, None], groups=3)
        x = F.conv2d(x, kernel[:, :, :, None], groups=3)
    return (x[0].permute(1, 2, 0) + 0.5).clamp(0, 255).byte().numpy()


def truths(tools, side, n):
    """{kind: ([scenes], pictures, where from)}. No drawing of the 1024 bank is held out, and few of a small world: there the
    scenes are new but their drawings are not.
    """
    found = {}
    for kind in tools.world.kinds():
        heldout = tools.world.vocabulary("heldout", None, kind, side) if side < 1024 else None
        part = "heldout" if heldout else "trained"
        vocabulary = heldout or tools.world.vocabulary("trained", None, kind, side)
        if vocabulary:
            scenes = mixed(worlds.generator("enlarge", side), vocabulary, n)
            said = "scenes of held-out sprites" if part == "heldout" else "new scenes of sprites trained on"
            found[kind] = scenes, tools.world.bytes(scenes, vocabulary, side), said
    return found


def whole_pictures(tools, side, n):
    """(captions, pictures) of the pack's whole path-traced pictures that were held out, where it has such; shrunk to `side`."""
    folder = tools.world.data / "pack"
    index = folder / "large.json"
    rows = [r for r in json.loads(index.read_text())["pictures"] if r["heldout"]][:n] if index.exists() else []
    pictures = [Image.open(folder / r["webp"]).convert("RGB").resize((side, side), Image.Resampling.BOX) for r in rows]
    return [r["caption"] for r in rows], [np.asarray(p) for p in pictures]


class Enlargers:
    """Every way to make a picture four times as wide:
    name -> (small uint8, caption, size, window) -> the window of the large one.
    """

    def __init__(self, tools):
        self.tools, self.missing = tools, []
        self.ways = {"bicubic": bicubic}
        for name in NETWORKS:
            try:
                self.ways[name] = self.kept(name, RealEsrgan(tools.world.data, name))
            except Missing as e:
                self.missing.append(f"{name}: {e}")
        self.ways[OURS] = self.stage

    def kept(self, name, net):
        """The network, its pictures kept beside the app's: it is the slowest of all."""
        folder = self.tools.work / "enlarged"
        folder.mkdir(parents=True, exist_ok=True)

        def way(small, _, size, window):
            part = tuple(v // FACTOR for v in window)
            path = folder / f"{NETWORKS[name]}-{hash_of(small)}-{'-'.join(map(str, part))}.png"
            if not path.exists():
                Image.fromarray(net(small, part)).save(path)
            return np.asarray(Image.open(path))

        return way

    def stage(self, small, caption, size, window):
        """Our stage, by the app, with the caption as users would give it."""
        folder = self.tools.work / "small"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{hash_of(small)}.png"
        if not path.exists():
            Image.fromarray(small).save(path)
        return cut(self.tools.app.draw([Ask(caption, 1, until=size, source=str(path))])[0], window)

    def all(self, small, caption, size, window):
        return {name: way(small, caption, size, window) for name, way in self.ways.items()}


def bicubic(small, _, size, window):
    return cut(np.asarray(Image.fromarray(small).resize((size, size), Image.Resampling.BICUBIC)), window)


def cut(picture, window):
    top, left, n = window
    return picture[top : top + n, left : left + n]


def hash_of(picture):
    return hashlib.sha256(picture.tobytes()).hexdigest()[:20]


def busiest(truth, crop):
    """(top, left, crop) of the window with most edges: what an enlarger is judged by."""
    y = luma(truth)
    edges = np.abs(np.diff(y, axis=0, append=y[-1:])) + np.abs(np.diff(y, axis=1, append=y[:, -1:]))
    cells = F.avg_pool2d(torch.from_numpy(edges)[None, None], crop, stride=crop // 4)[0, 0]
    row, column = divmod(int(cells.argmax()), cells.shape[1])
    return row * (crop // 4), column * (crop // 4), crop


def compared(enlargers, captions, pictures, size):
    """Rows of measures for each input and way, and the crops of the soft inputs for the sheet."""
    table, crops = {}, []
    for caption, truth in zip(captions, pictures):
        window = busiest(truth, WINDOW[size])
        part = cut(truth, window)
        for label in ("true", "soft"):
            small = shrunk(truth, label == "soft")
            found = enlargers.all(small, caption, size, window)
            for name, picture in found.items():
                table.setdefault(label, {}).setdefault(name, []).append(measures(picture, part))
            if label == "soft":
                near = cut(np.asarray(Image.fromarray(small).resize((size, size), Image.Resampling.NEAREST)), window)
                crops.append([cut(p, busiest(part, CROP[size])) for p in (near, *found.values(), part)])
    means = {
        label: {name: {k: float(np.mean([r[k] for r in rows])) for k in rows[0]} for name, rows in ways.items()}
        for label, ways in table.items()
    }
    return {"n": len(pictures), "means": means}, crops


def interleaved(lists, n):
    """The first n of several lists in turn."""
    return [row for group in zip(*[x + [None] * n for x in lists]) for row in group if row is not None][:n]


def measure(tools, sizes):
    enlargers, found = Enlargers(tools), {}
    for side, n in zip((256, 1024), sizes.enlarge):
        if side > tools.largest or not n:
            continue
        kinds, crops = {}, []
        sources = {
            k: ([s.caption for s in scenes], list(pictures), said)
            for k, (scenes, pictures, said) in truths(tools, side, n).items()
        }
        captions, pictures = whole_pictures(tools, side, n)
        if pictures:
            sources["path-traced whole"] = captions, pictures, "held-out whole pictures"
        for kind, (captions, pictures, said) in sources.items():
            kinds[kind], cut = compared(enlargers, captions, pictures, side)
            kinds[kind]["source"] = said
            crops.append(cut)
            tools.log(f"  {side} pixels, {kind}: {len(pictures)} pictures")
        heads = ["input (soft)", *enlargers.ways, "truth"]
        name = f"enlarged_{side}.webp"
        tiles(interleaved(crops, ROWS), heads, tools.out / name)
        found[str(side)] = {
            "kinds": kinds,
            "sheet": name,
            "ways": list(enlargers.ways),
        }
    return {"sizes": found, "missing": enlargers.missing, "soft": SOFT, "clock": tools.app.clock.line()}
