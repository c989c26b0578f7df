"""Trains a stage by the clock; called again it goes on. Every command works on a GPU and on a CPU.

    python train.py base   --data DATA --runs RUNS --minutes 17
    python train.py sr256  --data DATA --runs RUNS --minutes 4
    python train.py sr1024 --data DATA --runs RUNS --minutes 3
    python train.py trial  --data DATA --runs RUNS --minutes 14 --stop-minutes 1 [--stage base] [--kinds x0,v,eps]
    python train.py plot   --runs RUNS                # RUNS/losses.png of every stage's log

--minutes is the whole training's clock: the rate rises, stays, and falls towards its end, however often it is called.
--call-seconds ends one call early (its checkpoint is where the next begins); --finish says that no other call follows, so that
the rate falls to its end within this one.

Writes RUNS/STAGE/: log.jsonl, state.pt (all of it, to go on exactly), weights.safetensors (averages in float16), grid_*.png.
"""

import argparse
import os
import time
from pathlib import Path

STAGES = ("base", "sr256", "sr1024")


def add_training(ap):
    ap.add_argument("--minutes", type=float, default=17, help="of training in all, over every call")
    ap.add_argument("--hold", type=float, default=0.5, help="share of the minutes before the learning rate falls")
    ap.add_argument("--finish", action="store_true", help="the last call: the rate falls to its end within --call-seconds")
    ap.add_argument("--stop-minutes", type=float, help="of the clock, where this call ends; the rate is still that of --minutes")
    ap.add_argument("--call-seconds", type=float, help="end this call by then, counted from its start")
    ap.add_argument("--reserve-seconds", type=float, default=15, help="of --call-seconds, for the last checkpoint and sheet")
    ap.add_argument("--lean", type=float, default=0.0, help="density of the times ~ t^LEAN: above 0, more of the noisy ones")
    ap.add_argument("--lr", type=float, help="peak; without it, the one of stages.json")
    ap.add_argument("--ema", type=float)
    ap.add_argument("--batch", type=int)
    ap.add_argument("--prediction", choices=("x0", "v", "eps"), help="without it, the one of stages.json")
    ap.add_argument("--weights", type=Path, help="float16 weights to start from where there is no checkpoint")
    ap.add_argument("--seed", type=int, default=0)


def add_machine(ap):
    ap.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    ap.add_argument("--precision", choices=("auto", "bf16", "f32"), default="auto", help="auto: bf16 on CUDA and on CPUs with AMX")
    ap.add_argument("--threads", type=int, default=1, help="of the CPU, where it trains")
    ap.add_argument("--workers", type=int, help="processes that draw scenes; without it 10 on CUDA, none on a CPU")
    ap.add_argument(
        "--reuse", type=int, help="updates that each composed picture is used in; without it 4 for crops on a CPU, else 1"
    )
    ap.add_argument("--compile", choices=("auto", "on", "off"), default="auto", help="torch.compile; auto: on CUDA")
    ap.add_argument("--compile-seconds", type=float, default=150, help="longest compilation; then it trains without")
    ap.add_argument("--tokens", type=int, default=32, help="ids a caption; longer captions are drawn again")


def parser():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("what", choices=(*STAGES, "trial", "plot"))
    ap.add_argument("--data", type=Path, default=Path("/work/data4"))
    ap.add_argument("--runs", type=Path, default=Path("/work/runs4"))
    ap.add_argument("--cards", type=Path, help="another stages.json")
    ap.add_argument("--world", type=Path, help="a smaller part of the data (worlds/): what a CPU can learn")
    ap.add_argument("--encoder", type=Path, help="folder of the text encoder; without it the one that ships")
    ap.add_argument("--log-seconds", type=float, default=10)
    ap.add_argument("--save-minutes", type=float, default=3)
    ap.add_argument("--grid-minutes", type=float, default=3, help="a sample sheet this often; 0: never")
    ap.add_argument("--stage", choices=STAGES, default="base", help="of the trial")
    ap.add_argument("--kinds", default="x0,v,eps", help="of the trial")
    add_training(ap)
    add_machine(ap)
    return ap


def settle(o):
    """Fills in what depends on the machine."""
    import torch

    import tokens

    if o.device == "auto":
        o.device = "cuda" if torch.cuda.is_available() else "cpu"
    o.workers = o.workers if o.workers is not None else (10 if o.device == "cuda" else 0)
    o.encoder = o.encoder or tokens.ENCODER
    torch.set_num_threads(o.threads if o.device == "cpu" else 4)
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.benchmark = True


def plot(o):
    import sheets

    logs = {s: o.runs / s / "log.jsonl" for s in STAGES if (o.runs / s / "log.jsonl").exists()}
    if not logs:
        raise SystemExit(f"train.py: no log under {o.runs}; train a stage first or name another --runs")
    sheets.plot(logs, o.runs / "losses.png")
    print(o.runs / "losses.png")


def train(o):
    import cards
    import trial
    from trainer import Trainer

    settle(o)
    chosen = cards.Cards(o.cards or cards.DEFAULT)
    if o.what == "trial":
        trial.run(o, chosen, o.stage, o.kinds.split(","))
        return
    trial.adopt(o, o.what, o.prediction or chosen.stages[o.what]["prediction"])
    Trainer(o, chosen, o.what).run()


def main(words=None):
    # threads that wait for others must not turn in circles while these compute; before torch is imported
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    o = parser().parse_args(words)
    o.began = time.perf_counter()
    if o.what == "plot":
        plot(o)
        return
    from checkpoints import CheckpointError
    from feed import FeedError
    from scenes import WorldError
    from trainer import TrainingError

    try:
        train(o)
    except (CheckpointError, FeedError, TrainingError, WorldError) as e:
        raise SystemExit(f"train.py: {e}") from e


if __name__ == "__main__":
    main()
