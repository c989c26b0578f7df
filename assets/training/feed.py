"""Scenes, captions and crops for the trainer, made in worker processes: no torch and no CUDA here.

Each worker draws scenes by `scenes.sample_scene`, empties the captions of some, turns captions into tokens and chooses crops;
batches come through a pipe of bounded length, so that workers wait for the trainer and not the other way round. With no workers
the caller makes them.
"""

import math
import os
import pickle
import queue
import random
import struct
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
LENGTH = struct.Struct("<Q")
SCALE = 4  # between the stages
MARGIN = 16  # pixels around a crop, cut away again: enlarging and blurring see the true neighbours


@dataclass
class Order:
    """What is wanted: everything a worker needs to know."""

    data: Path
    side: int
    batch: int
    crop: int | None = None  # pixels a side of a crop; None: whole pictures
    tokens: int = 32  # ids a caption; longer ones are drawn again
    drop: float = 0.1  # share of captions that are emptied, for classifier-free guidance
    seed: int = 0
    encoder: Path | None = None
    world: Path | None = None  # a smaller part of the concepts and sets


@dataclass
class Batch:
    """scenes: the arrays that `compose` takes. ids [n, tokens], counts [n]; crops [n, 3] (top, left, size) or None."""

    scenes: dict
    ids: np.ndarray
    counts: np.ndarray
    crops: np.ndarray | None


def rim(rng, thing, side):
    """A point of the rim of an object, or within it, in pixels."""
    angle, radius = rng.uniform(0, 2 * math.pi), 0.5 * thing["size"] * rng.uniform(0.3, 1.0)
    return (thing["cy"] + radius * math.sin(angle)) * side, (thing["cx"] + radius * math.cos(angle)) * side


def choose_crop(rng, objects, side, size):
    """(top, left, size + 2 MARGIN) on the grid of the low-resolution pixels: four of five crops have the rim of an object in
    them."""
    full = size + 2 * MARGIN
    if full > side:
        raise ValueError(f"a crop of {size} pixels with its margin does not fit into {side}; take smaller crops")
    if objects and rng.random() < 0.8:
        corner = (v - full / 2 + rng.uniform(-0.25, 0.25) * size for v in rim(rng, rng.choice(objects), side))
    else:
        corner = (rng.uniform(0, side - full) for _ in "yx")
    top, left = (min(max(round(v / SCALE) * SCALE, 0), (side - full) // SCALE * SCALE) for v in corner)
    return top, left, full


class Maker:
    """Draws batches; one in each worker."""

    def __init__(self, order, worker=0):
        import scenes
        import tokens

        self.order, self.scenes = order, scenes
        self.rng = random.Random(f"{order.seed} {worker}")
        self.vocabulary = scenes.Vocabulary.load(order.data, order.side, world=order.world)
        self.tokens = tokens.Tokens(order.encoder or tokens.ENCODER)
        self.empty = self.tokens([""])[0]

    def batch(self):
        drawn, ids = [], []
        while len(drawn) < self.order.batch:
            more = [self.scenes.sample_scene(self.rng, self.vocabulary) for _ in range(self.order.batch - len(drawn))]
            for scene, row in zip(more, self.tokens([s.caption for s in more])):
                if len(row) <= self.order.tokens:
                    drawn.append(scene)
                    ids.append(self.empty if self.rng.random() < self.order.drop else row)
        arrays = self.scenes.collate(drawn, self.vocabulary)
        arrays.pop("captions", None)
        return Batch(arrays, *self.tokens.pad(ids, self.order.tokens), self.crops(drawn))

    def crops(self, drawn):
        if self.order.crop is None:
            return None
        return np.array([choose_crop(self.rng, s.objects, self.order.side, self.order.crop) for s in drawn], np.int64)


class FeedError(Exception):
    """One line: what was wrong, what to do."""


class Feed:
    """An endless iterator of batches. `waited` adds up the seconds that the trainer stood still for data."""

    def __init__(self, order, workers=0, depth=8):
        self.order, self.waited, self.children, self.ended = order, 0.0, [], False
        self.maker = None if workers else Maker(order)
        self.queue = queue.Queue(maxsize=depth)
        for i in range(workers):
            self.children.append(self.start(order, i + 1))
        for child in self.children:
            threading.Thread(target=self.read, args=(child,), daemon=True).start()

    @staticmethod
    def start(order, number):
        environment = os.environ | {"TOKENIZERS_PARALLELISM": "false", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
        child = subprocess.Popen(
            [sys.executable, str(HERE / "feed.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
        )
        child.stdin.write(pickle.dumps((order, number)))
        child.stdin.close()
        return child

    def read(self, child):
        """Moves one worker's batches into the queue; an end of its pipe is said once, in the trainer's thread."""
        while not self.ended:
            head = child.stdout.read(LENGTH.size)
            body = child.stdout.read(LENGTH.unpack(head)[0]) if len(head) == LENGTH.size else b""
            item = pickle.loads(body) if body else None
            self.queue.put(item)
            if item is None:
                return

    def __next__(self):
        start = time.perf_counter()
        item = self.maker.batch() if self.maker else self.queue.get()
        self.waited += time.perf_counter() - start
        if item is None:
            raise FeedError("a worker that draws scenes ended; its error is above (run with --workers 0 to see it in place)")
        return item

    def __iter__(self):
        return self

    def close(self):
        self.ended = True
        for child in self.children:
            child.kill()
            child.wait()
        while not self.queue.empty():
            self.queue.get_nowait()


def captions(data, count, seed=0):
    """Captions as training draws them."""
    import scenes

    rng, vocabulary = random.Random(seed), scenes.Vocabulary.load(data)
    return [scenes.sample_scene(rng, vocabulary).caption for _ in range(count)]


def words(data):
    """Every word that a caption may use."""
    import json

    index = json.loads((Path(data) / "pack" / "index.json").read_text())
    names = [w for c in index["concepts"] for w in [c["name"], *c["words"], *c["plurals"]]]
    styles = [w for style in index["styles"].values() for w in style]
    return names + styles + [*index["named_colours"], *index["backgrounds"]]


def work():
    """A worker: the order from standard input, batches to standard output until the pipe closes."""
    order, number = pickle.loads(sys.stdin.buffer.read())
    out, sys.stdout = sys.stdout.buffer, sys.stderr  # whatever prints must not get between the batches
    maker = Maker(order, number)
    try:
        while True:
            body = pickle.dumps(maker.batch(), protocol=pickle.HIGHEST_PROTOCOL)
            out.write(LENGTH.pack(len(body)))
            out.write(body)
            out.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    # classes of this file must have one name on both sides of the pipe
    import feed

    feed.work()
