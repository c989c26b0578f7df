"""A quarter of a minute on a lent card: what it is, what it copies and multiplies, and whether what the recipe needs is there."""

import importlib.metadata
import os
import time

import torch

NEEDED = ("torch", "numpy", "pillow", "safetensors", "tokenizers", "matplotlib", "resvg_py")


def rate(run, times=10):
    """Seconds of one run, the mean of several after a warm-up."""
    for _ in range(3):
        run()
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(times):
        run()
    torch.cuda.synchronize()
    return (time.perf_counter() - start) / times


def main():
    for name in NEEDED:
        try:
            print(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            print(f"{name} IS MISSING")
    print(f"{os.cpu_count()} cores")
    if not torch.cuda.is_available():
        print("no CUDA device")
        return
    free, total = torch.cuda.mem_get_info()
    print(f"{torch.cuda.get_device_name()}, {free / 2**30:.0f} of {total / 2**30:.0f} GiB free")
    a, b = (torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    print(f"bf16 product: {2 * 8192**3 / rate(lambda: a @ b) / 1e12:.0f} TFLOP/s")
    big = torch.randn(2**30, device="cuda")
    other = torch.empty_like(big)
    print(f"copy: {2 * big.nbytes / rate(lambda: other.copy_(big)) / 1e12:.2f} TB/s")


if __name__ == "__main__":
    main()
