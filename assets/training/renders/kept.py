"""The finished layers in one file of this repository, so that nobody has to render them again.

    python kept.py keep  --data DATA     # DATA/pack/{renders,large}* -> layers.tar
    python kept.py bring --data DATA     # layers.tar -> DATA/pack; `sprites.py pack` takes them from there
"""

import argparse
import tarfile
from pathlib import Path

FILE = Path(__file__).resolve().parent / "layers.tar"
PARTS = ("renders.json", "large.json", "renders", "large")
LARGEST = 2 << 20  # of a file inside, bytes: ten times what a picture takes


def plain(entry):
    """Nothing of the machine that it was made on: the same layers give the same file."""
    entry.uid = entry.gid = entry.mtime = 0
    entry.uname = entry.gname = ""
    entry.mode = 0o755 if entry.isdir() else 0o644
    return entry


def keep(pack):
    files = [f for part in PARTS for f in sorted([pack / part, *(pack / part).glob("*.webp"), *(pack / part).glob("*.npy")])]
    with tarfile.open(FILE, "w") as tar:
        for f in files:
            tar.add(f, f.relative_to(pack), recursive=False, filter=plain)
    print(f"{FILE}: {len(files)} files, {FILE.stat().st_size / 1e6:.1f} MB")


def bring(pack):
    pack.mkdir(parents=True, exist_ok=True)
    with tarfile.open(FILE) as tar:
        for entry in tar:
            if entry.size > LARGEST or entry.name.split("/")[0] not in PARTS:
                raise SystemExit(f"{FILE.name}: {entry.name} does not belong there; nothing after it was unpacked")
            tar.extract(entry, pack, filter="data")


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("what", choices=["keep", "bring"])
    ap.add_argument("--data", type=Path, default=Path("/work/data4"))
    a = ap.parse_args()
    {"keep": keep, "bring": bring}[a.what](a.data / "pack")


if __name__ == "__main__":
    main()
