"""The contact sheet of the README: the prompts of prompts.json at every size, drawn by the app, nothing picked.

    python sheet.py OUT.png [--imagen target/release/imagen] [--model FOLDER]

Seeds are 1, 2, 3, ... in the order of the prompts.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "report"))  # draw, gallery
sys.path.append(str(HERE.parent))  # what these use

from draw import SIZES, App  # noqa: E402
from gallery import drawn, sheet  # noqa: E402

PER_ROW = 4


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("out", type=Path)
    ap.add_argument("--imagen", type=Path, default=HERE.parents[2] / "target" / "release" / "imagen")
    ap.add_argument("--model", type=Path, default=HERE.parents[1] / "models" / "default")
    a = ap.parse_args()
    prompts = json.loads((HERE / "prompts.json").read_text())
    with tempfile.TemporaryDirectory() as work:
        sheet(prompts, drawn(App(a.imagen, a.model, work), prompts, SIZES[-1]), PER_ROW).save(a.out, optimize=True)


if __name__ == "__main__":
    main()
