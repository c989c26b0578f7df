"""Pictures by the app itself: one process of `imagen generate` a prompt, kept by what was asked so that nothing is drawn twice.

The command line takes one prompt a call (`--count` draws more pictures of the same prompt), so every call pays its start:
the clock
keeps it apart. `Clock.line()` says what a picture cost.
"""

import hashlib
import os
import re
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

SIZES = (64, 256, 1024)
STAGE_SECONDS = re.compile(r"(\d+) pixels: done in ([\d.]+) s")


@dataclass(frozen=True)
class Ask:
    """One picture to draw. `guidance` and `threshold` are the first stage's; None is the card's default. `source`:
    a picture to enlarge.
    """

    prompt: str
    seed: int
    until: int = 64
    guidance: float | None = None
    threshold: str | None = None
    source: str | None = None

    def words(self):
        words = ["generate", self.prompt, "--seed", str(self.seed), "--until", str(self.until)]
        if self.guidance is not None:
            words += ["--guidance", f"64={self.guidance:g}"]
        if self.threshold is not None:
            words += ["--threshold", f"64={self.threshold}"]
        return words + (["--from", self.source] if self.source else [])

    def key(self):
        """What names its files; a source counts by its pixels."""
        words = self.words()
        if self.source:
            words[-1] = hashlib.sha256(Path(self.source).read_bytes()).hexdigest()
        words[words.index("--until") + 1] = "" if not self.source else str(self.until)
        return hashlib.sha256("\0".join(words).encode()).hexdigest()[:20]


@dataclass
class Clock:
    calls: int = 0
    wall: float = 0.0
    stages: dict = field(default_factory=dict)

    def add(self, wall, output):
        self.calls, self.wall = self.calls + 1, self.wall + wall
        for size, seconds in STAGE_SECONDS.findall(output):
            n, total = self.stages.get(size, (0, 0.0))
            self.stages[size] = n + 1, total + float(seconds)

    def line(self):
        if not self.calls:
            return "every picture was kept from an earlier run"
        parts = [
            f"{size} px {total / n:.1f} s (n = {n})" for size, (n, total) in sorted(self.stages.items(), key=lambda s: int(s[0]))
        ]
        start = (self.wall - sum(total for _, total in self.stages.values())) / self.calls
        return f"{', '.join(parts)}, and {start:.1f} s of start a call ({self.calls} calls)"


def model_key(model):
    """Names a model by its card and the sizes and ends of its weights: quick, and different for every export."""
    digest = hashlib.sha256((model / "card.json").read_bytes())
    for path in sorted(model.glob("*.safetensors")):
        with path.open("rb") as f:
            digest.update(f.read(1 << 20))
            f.seek(-min(1 << 20, path.stat().st_size), os.SEEK_END)
            digest.update(f.read())
    return digest.hexdigest()[:12]


class App:
    """The command line program as a painter."""

    name = "the app"

    def __init__(self, imagen, model, work, jobs=1, device="auto"):
        self.imagen, self.model, self.jobs, self.device = str(imagen), Path(model), jobs, device
        self.folder = Path(work) / model_key(self.model)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.clock = Clock()
        self.env = {**os.environ, "XDG_RUNTIME_DIR": os.environ.get("XDG_RUNTIME_DIR", "/tmp")}

    def path(self, ask, size):
        return self.folder / f"{ask.key()}-{size}.png"

    def one(self, ask):
        if self.path(ask, ask.until).exists():
            return
        out = self.folder / ask.key()
        command = [self.imagen, *ask.words(), "--model", str(self.model), "--device", self.device, "--out", str(out), "--force"]
        start = time.time()
        done = subprocess.run(command, capture_output=True, text=True, env=self.env)
        if done.returncode:
            raise SystemExit(f"{' '.join(command)}\n{done.stderr[-800:]}\nthe app could not draw this: mend that first")
        self.clock.add(time.time() - start, done.stdout + done.stderr)

    def draw(self, asks, size=None):
        """uint8 [N, size, size, 3] of the asks' last stage, or of the stage `size`."""
        with ThreadPoolExecutor(self.jobs) as pool:
            list(pool.map(self.one, asks))
        return np.stack([np.asarray(Image.open(self.path(a, size or a.until)).convert("RGB")) for a in asks])
