"""Every step of the recipe on two concepts and for a few updates, in a temporary folder: `python train.py --dry-run`."""
import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import data
import evaluate
import fetch

HERE = Path(__file__).resolve().parent


def run(*words):
    print("$", *words, flush=True)
    subprocess.run([sys.executable, *map(str, words)], cwd=HERE, check=True)


def main(a):
    for name, spec, digest in fetch.SOURCES:
        if not (a.data / "dl" / name).exists():
            run("fetch.py", "--data", a.data)
            break
        fetch.check(a.data / "dl" / name, digest)
    with tempfile.TemporaryDirectory() as tmp:
        folder, runs, model = Path(tmp) / "data", Path(tmp) / "runs", Path(tmp) / "model"
        folder.mkdir()
        (folder / "src").symlink_to((a.data / "src").resolve())
        run("data.py", "--data", folder, "--limit", 2, "--captions", 16)
        for stage in ("base", "sr256", "sr1024"):
            words = ["train.py", stage, "--data", folder, "--runs", runs, "--batch", 2, "--grid-minutes", 0, "--minutes"]
            run(*words, 0.01)
        run(*words, 0.02)  # goes on from the checkpoint
        run("export.py", "--data", folder, "--runs", runs, "--out", model)
        run("golden.py", model)
        rows = [{"prompt": data.article(c["name"]), "concept": c["name"], "background": "white"} for c in data.concepts()[:2]]
        net, stage = evaluate.load_stage(model, 0)
        pictures = evaluate.draw(net, stage, data.TextEncoder(model / "text_encoder"), [r["prompt"] for r in rows], steps=2)
        for i, (row, p) in enumerate(zip(rows, pictures)):
            row["file"] = f"{i}.png"
            data.sheet(p[None], 1).crop((1, 1, 65, 65)).save(model / row["file"])
        (model / "index.json").write_text(json.dumps(rows))
        evaluate.measure(model, folder)
    print("dry run: every step ran")


if __name__ == "__main__":
    ap = argparse.ArgumentParser()
    ap.add_argument("--data", type=Path, default=Path("/work/train_data"))
    main(ap.parse_args())
