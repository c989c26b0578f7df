"""Every path of the recipe at tiny size on a CPU, in a temporary folder, with drawings made here: no download, no GPU.

    python dry_run.py [--keep FOLDER]

Packing, rasterising, the trial, all three stages with worker processes, a signal, going on from the full state and from merged
pieces, damaged pieces, export, golden, plots, and the checkout that becomes light and is restored. Ends with an error where
anything is not as it should be.
"""

import argparse
import contextlib
import io
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import torch

import checkpoints
import dry_data
import export
import feed
import golden
import sheets
import sprites
import text
import train
import vocabulary
from cards import STAGES, Cards

HERE = Path(__file__).resolve().parent


class DryRunError(Exception):
    """What did not hold."""


def expect(holds, what):
    if not holds:
        raise DryRunError(what)


# ---------------------------------------------------------------- the paths


class Run:
    """The folders of one dry run."""

    def __init__(self, folder):
        self.folder, self.data, self.runs, self.model = folder, folder / "data", folder / "runs", folder / "model"
        self.cards = folder / "stages.json"
        self.common = [
            "--data",
            str(self.data),
            "--runs",
            str(self.runs),
            "--cards",
            str(self.cards),
            "--device",
            "cpu",
            "--log-seconds",
            "0.5",
        ]
        for f in (self.data, self.runs):
            f.mkdir(parents=True)

    def train(self, *words):
        train.main([*map(str, words), *self.common])

    def about(self, stage):
        return checkpoints.load_state(self.runs / stage)["about"]

    def log(self, stage, event):
        return sheets.rows_of(self.runs / stage / "log.jsonl", event)


def trial(run):
    run.train("trial", "--minutes", 1, "--stop-minutes", 0.01, "--grid-minutes", 0, "--reuse", 1)
    results = json.loads((run.runs / "trial" / "base" / "trial.json").read_text())
    expect([r["prediction"] for r in results] == ["x0", "v", "eps"], "the trial has not tried x0, v and eps")
    expect(
        all(math.isfinite(e[k]) for r in results for e in r["errors"] for k in ("with_text", "without")),
        "an error of the trial is not finite",
    )
    for name in ("table.md", "sheet.png", "losses.png"):
        expect((run.runs / "trial" / "base" / name).exists(), f"the trial wrote no {name}")


def stages(run):
    """All three; the base goes on from the trial's x0, and with worker processes."""
    tried = checkpoints.load_state(run.runs / "trial" / "base" / "x0")["about"]
    minutes = tried["clock"] / 60 + 0.05  # a busy machine's clock may be far on
    run.train(
        "base",
        "--minutes",
        minutes,
        "--grid-minutes",
        0.02,
        "--workers",
        1,
        "--finish",
        "--call-seconds",
        60,
        "--reserve-seconds",
        1,
    )
    expect(run.about("base")["samples"] > tried["samples"], "the base has not gone on from the trial")
    expect(list((run.runs / "base").glob("grid_*.png")), "no sample sheet of the base")
    for stage in ("sr256", "sr1024"):
        run.train(stage, "--minutes", 0.02, "--reuse", 2)
        expect(run.log(stage, "grid")[-1]["psnr_bicubic"] > 5, f"the sheet of {stage} shows no picture")
    expect(run.log("sr1024", "start")[-1]["large"] == 0.35, "sr1024 has not learned from large pictures")
    expect(run.log("sr256", "start")[-1]["soft"], "sr256 has not learned from the base's own pictures")


def resume(run):
    before = run.about("base")
    run.train("base", "--minutes", before["clock"] / 60 + 0.02, "--grid-minutes", 0)
    expect(run.about("base")["step"] > before["step"], "the base has not gone on from its checkpoint")


def interrupt(run):
    """A signal ends training with a checkpoint and exit status 0."""
    command = [sys.executable, str(HERE / "train.py"), "sr1024", *run.common, "--minutes", "10", "--grid-minutes", "0"]
    log, started = run.runs / "sr1024" / "log.jsonl", time.time()
    known = len(sheets.rows_of(log, "train"))
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while len(sheets.rows_of(log, "train")) == known and time.time() - started < 90:
        expect(child.poll() is None, "training ended by itself")
        time.sleep(0.1)
    child.send_signal(signal.SIGTERM)
    expect(child.wait(60) == 0, "a signal ended training with an error")
    expect(run.log("sr1024", "end")[-1]["by"] == "signal", "the signal is not in the log")


def guard(run):
    """A step that is not finite changes nothing."""
    from trainer import Trainer

    o = train.parser().parse_args(["base", *run.common])
    o.began, o.runs = time.perf_counter(), run.folder / "guard"
    train.settle(o)
    trainer = Trainer(o, Cards(run.cards), "base")
    examples = trainer.source.examples()
    trainer.update(examples, 1e-3)
    before = {k: v.clone() for k, v in trainer.net.state_dict().items()}
    examples.x[0, 0, 0, 0] = float("nan")
    trainer.update(examples, 1e-3)
    expect(all(torch.equal(v, before[k]) for k, v in trainer.net.state_dict().items()), "a step with NaN changed the network")
    expect(all(torch.isfinite(v).all() for v in trainer.ema.state_dict().values()), "NaN reached the averages")
    expect(trainer.sums[3].item() == 1, "the step with NaN was not counted")


def pieces(run):
    """Split, bring, merge, go on; a damaged piece is refused."""
    out, other = run.folder / "pieces", run.folder / "merged"
    checkpoints.split_runs(run.runs, STAGES, out, size=50_000)
    expect(max(p.stat().st_size for p in out.iterdir()) <= 50_000, "a piece is too large")
    expect(checkpoints.merge(out, other) == list(STAGES), "not every stage was merged")
    ema, _, about = checkpoints.load_weights(other / "base" / checkpoints.WEIGHTS)
    expect(about["samples"] == run.about("base")["samples"], "the pieces forgot where training was")
    state = checkpoints.load_state(run.runs / "base")["ema"]
    expect(all(torch.equal(v.half(), ema[k].half()) for k, v in state.items()), "the pieces are other weights")
    run.train("base", "--runs", other, "--minutes", about["clock"] / 60 + 0.02, "--grid-minutes", 0, "--runs", other)
    piece = next(out.glob("base.*"))
    piece.write_bytes(piece.read_bytes()[:-1] + b"?")
    with contextlib.suppress(checkpoints.CheckpointError):
        checkpoints.merge(out, run.folder / "never")
        raise DryRunError("a damaged piece was merged")


def shipping(run):
    """Export, golden; the text encoder against the engine's states; the pruned encoder."""
    expect(export.export(run.runs, run.model, Cards(run.cards), run.data) == list(STAGES), "not every stage was exported")
    golden.write(run.model)
    card = json.loads((run.model / "card.json").read_text())
    expect("training" not in card and set(dry_data.SHAPES) == set(card["concepts"]), "the card is not one that ships")
    full = text.TextEncoder()
    if (golden.OUT / "golden.safetensors").exists():
        off = text.deviation(full, golden.OUT / "golden.safetensors")
        expect(off < 1e-4, f"text states differ from the engine's by {off}")
    few = ["", "a red apple and a blue star"]
    texts = [*few, *feed.captions(run.data, 2000), *feed.words(run.data), *sheets.PROMPTS]
    text.prune(text.ENCODER, texts, run.folder / "encoder")
    small = text.TextEncoder(run.folder / "encoder")
    expect(torch.equal(small(few)[0], full(few)[0]), "the pruned text encoder has other states")
    run.train("plot")
    expect((run.runs / "losses.png").exists(), "no plot")


def write_world(data, path):
    """All but the last concept of the pack, in the form of worlds/common.json."""
    index = json.loads((data / "pack" / "index.json").read_text())
    world = json.loads((HERE / "worlds" / "common.json").read_text())
    world |= {"concepts": [c["name"] for c in index["concepts"]][:-1], "sets": dict.fromkeys(index["weights"], 1) | {"render": 1}}
    path.write_text(json.dumps(world))


def remote(run):
    """The lent machine's script on this one: carried folders, rasterising, training, what is brought back."""
    root, keep, out = run.folder / "machine", run.folder / "keep", run.folder / "out"
    shutil.copytree(HERE, root / "assets" / "training", ignore=shutil.ignore_patterns("__pycache__"))
    for module in (sprites, vocabulary, sys.modules["scenes"], sys.modules["compose"]):  # beside this file in the repository
        shutil.copy(module.__file__, root / "assets" / "training")
    shutil.copy(vocabulary.TABLE, root / "assets" / "training" / "vocabulary.json")
    shutil.copytree(run.folder / "encoder", root / ".gpu" / "encoder")
    (root / ".gpu" / "pack").mkdir()
    with tarfile.open(root / ".gpu" / "pack" / "pack.tar", "w") as tar:
        tar.add(run.data / "pack", "pack")
    write_world(run.data, root / "assets" / "training" / "worlds" / "tiny.json")
    settings = {"WORLD": "tiny", "IMAGEN_KEEP": str(keep), "IMAGEN_PYTHON": sys.executable, "OUT": str(out), "JOBS": "1"}
    environment = os.environ | settings

    def call(*words):
        subprocess.run(
            ["bash", root / "assets/training/gpu/remote.sh", *words], check=True, env=environment, stdout=subprocess.DEVNULL
        )

    call("keep")
    call("rasterise", "64")
    call("train", "base", "60", "--minutes", "0.01", "--finish", "--device", "cpu", "--cards", run.cards, "--grid-minutes", "0")
    call("bring", "base")
    expect(checkpoints.merge(out, run.folder / "brought") == ["base"], "nothing came back")
    expect((out / "logs.tar.gz").stat().st_size > 500, "no logs came back")


def travel(run):
    """A scratch repository becomes light, is measured, and is as it was afterwards; a commit in between is refused."""
    git = shutil.which("git")
    if git is None:
        print("git is not installed: the light checkout was not tried")
        return
    root = run.folder / "scratch"
    files = {"assets/training/a.py": "a", "engine/deep/b [1].rs": "b" * 1000, "assets/models/c.bin": "c" * 5000, "README.md": "d"}
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    environment = os.environ | {f"GIT_{w}_{k}": "dry@run" for w in ("AUTHOR", "COMMITTER") for k in ("NAME", "EMAIL")}

    def call(*words, check=True):
        return subprocess.run([git, "-C", str(root), *words], check=check, capture_output=True, text=True, env=environment)

    def tool(*words):
        command = [sys.executable, str(HERE / "gpu" / "travel.py"), *words, "--repo", str(root)]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    call("init", "-q")
    call("add", "-A")
    call("commit", "-qm", "all")
    (root / "README.md").write_text("changed")
    (root / "assets/training/a.py").write_text("staged")
    call("add", "assets/training/a.py")
    before = call("status", "--porcelain").stdout
    tool("light", "--keep", "assets/training")
    expect(
        "0.00 of 64 MiB" in tool("size") and call("ls-files").stdout.split() == ["assets/training/a.py"],
        "the light tree is not light",
    )
    expect(call("commit", "-m", "no", check=False).returncode != 0, "a commit of the light index was not refused")
    (root / "engine/deep/b [1].rs").write_text("worked on")
    expect("files have come or changed" in tool("restore"), "work done meanwhile was not noticed")
    (root / "engine/deep/b [1].rs").write_text("b" * 1000)
    expect(call("status", "--porcelain").stdout == before, "the checkout is not what it was")


def steps():
    return {
        "data": lambda run: dry_data.make(run.data),
        "trial": trial,
        "stages": stages,
        "resume": resume,
        "guard": guard,
        "pieces": pieces,
        "interrupt": interrupt,
        "shipping": shipping,
        "remote": remote,
        "travel": travel,
    }


def perform(run, step, loud):
    """One path; its output is shown where it fails."""
    start, said = time.perf_counter(), io.StringIO()
    try:
        with contextlib.nullcontext() if loud else contextlib.redirect_stdout(said):
            step(run)
    except BaseException:
        print(said.getvalue()[-4000:], file=sys.stderr)
        raise
    return time.perf_counter() - start


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--keep", type=Path, help="work in this folder and leave it")
    ap.add_argument("--loud", action="store_true")
    a = ap.parse_args()
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as temporary:
        run = Run(a.keep or Path(temporary))
        dry_data.tiny_cards(run.cards)
        for name, step in steps().items():
            print(f"{name:10} {perform(run, step, a.loud):6.1f} s", flush=True)
    print(f"dry run: every path ran, {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
