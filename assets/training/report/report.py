"""Measures a model folder and writes REPORT.md with its pictures.

    python report.py --data DIR --model MODEL --imagen target/release/imagen --out DIR     # everything
    python report.py probes --data DIR [--device cuda] [--probe gpu]                       # trains the probe alone
    python report.py curves --sampler torch --device cuda ...               # one part; the page takes what is there
    python report.py page --out DIR                                                        # writes REPORT.md anew

Parts: probes, bars, curves, sheets, enlarge, page. Every part leaves OUT/report/PART.json and its pictures beside it,
so that parts may be
measured on different machines. Pictures are drawn by the app and kept under DATA/report. --quick: every path at tiny size.
"""

import argparse
import dataclasses
import datetime
import json
import os
import platform
import shlex
import sys
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent))  # scenes, compose, model, diffusion, text

import torch  # noqa: E402

import bars  # noqa: E402
import curves  # noqa: E402
import enlarge  # noqa: E402
import gallery  # noqa: E402
import page  # noqa: E402
import probe_train  # noqa: E402
from draw import App  # noqa: E402
from features import Features  # noqa: E402
from sizes import PROBES, SIZES  # noqa: E402
from worlds import World, model_concepts  # noqa: E402

PARTS = ("probes", "bars", "curves", "sheets", "enlarge", "page")


@dataclass
class Tools:
    """What the parts share; each is made when it is first asked for."""

    args: argparse.Namespace
    out: Path

    @cached_property
    def world(self):
        return World(self.args.data, self.args.device, self.args.world)

    @cached_property
    def card(self):
        return json.loads((self.args.model / "card.json").read_text())

    @cached_property
    def concepts(self):
        """The vocabulary's concepts that the model was trained on; None: all."""
        return model_concepts(self.card, self.world.index)

    @cached_property
    def trained(self):
        return probe_train.load_or_train(self.world, PROBES[self.args.probe], self.log, self.args.more)

    @property
    def probe(self):
        return self.trained[0]

    @cached_property
    def features(self):
        return Features(self.args.data, self.args.device)

    @cached_property
    def work(self):
        return self.args.data / "report" / "drawn"

    @cached_property
    def app(self):
        """None where there is no program: then PyTorch alone may draw bars and curves."""
        return None if not self.args.imagen.exists() else App(self.args.imagen, self.args.model, self.work, self.args.jobs)

    @cached_property
    def painter(self):
        """Who draws bars and curves."""
        if self.args.sampler == "app":
            return self.app
        from cascade import Torch

        return Torch(self.args.model, self.work, self.args.device, 256 if self.args.device == "cuda" else 24)

    @property
    def prompts(self):
        return self.args.prompts

    @property
    def largest(self):
        return min(self.card["stages"][-1]["size"], self.args.largest)

    def log(self, *words):
        print(*words, flush=True)


def measure(part, tools, sizes):
    if part == "probes":
        return tools.trained[1]
    if part == "bars":
        return bars.measure(tools, sizes)
    if part == "curves":
        return curves.measure(tools, sizes, tools.painter)
    return {"sheets": gallery, "enlarge": enlarge}[part].measure(tools, sizes)


def processor():
    try:
        names = [line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")]
        return f"{names[0]}, {len(names)} cores"
    except (OSError, IndexError):
        return platform.processor() or platform.machine()


def circumstances(args, seconds):
    """Command, machine, date: what belongs to every number."""
    machine = processor() + (f", {torch.cuda.get_device_name()}" if args.device == "cuda" else "")
    load = f" (shared: load {os.getloadavg()[1]:.1f})" if hasattr(os, "getloadavg") else ""
    return {
        "command": "python " + shlex.join([os.path.relpath(sys.argv[0], HERE.parents[2]), *sys.argv[1:]]),
        "machine": machine + load,
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d"),
        "seconds": round(seconds),
        "torch": torch.__version__,
    }


def facts_of_model(tools):
    stages = [{"size": s["size"], "defaults": s["defaults"], "prediction": s["prediction"]} for s in tools.card["stages"]]
    known = tools.world.names.concepts if tools.concepts is None else sorted(tools.concepts)
    return {
        "name": tools.card["name"],
        "stages": stages,
        "claimed": len(tools.card.get("concepts", [])),
        "known": len(known),
        "vocabulary": len(tools.world.names.concepts),
        "sprites": len(tools.world.index["sprites"]),
        "heldout": sum(r["heldout"] for r in tools.world.index["sprites"]),
        "data": tools.world.key(),
        "share_known": len(known) / max(1, len(tools.card.get("concepts", known))),
    }


def arguments():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("parts", nargs="*", default=[], help=f"of {', '.join(PARTS)}; none: all")
    ap.add_argument("--data", type=Path, default=Path("/work/data4"))
    ap.add_argument("--model", type=Path, default=HERE.parents[1] / "models" / "default")
    ap.add_argument("--imagen", type=Path, default=HERE.parents[2] / "target" / "release" / "imagen")
    ap.add_argument("--out", type=Path, help="folder of REPORT.md; its pictures go into OUT/report")
    ap.add_argument("--world", type=Path, help="the part of the data that the model was trained on, a file of ../worlds; none: all")
    ap.add_argument("--prompts", type=Path, help="PartiPrompts.tsv of google-research/parti (not part of this repository)")
    ap.add_argument("--size", choices=SIZES, default="small")
    ap.add_argument("--quick", action="store_true", help="every path at tiny size, for a dry run: --size quick --probe quick")
    ap.add_argument("--set", nargs="*", default=[], metavar="NAME=N", help="changes one number of --size, such as curve=200")
    ap.add_argument("--probe", choices=PROBES, help="size of the probe; default: gpu on CUDA, else cpu")
    ap.add_argument("--more", type=float, default=0, metavar="MINUTES", help="trains a kept probe further (with the part probes)")
    ap.add_argument("--device", default="cpu", help="of PyTorch: cpu or cuda")
    ap.add_argument("--sampler", choices=("app", "torch"), default="app", help="who draws for bars and curves")
    ap.add_argument("--largest", type=int, default=1024, help="leaves out the stages above this size")
    ap.add_argument("--jobs", type=int, default=1, help="processes of the app at a time")
    ap.add_argument("--threads", type=int, default=1, help="of PyTorch")
    return ap


def checked(ap):
    args = ap.parse_args()
    if unknown := set(args.parts) - set(PARTS):
        ap.error(f"no part is called {sorted(unknown)[0]}; parts: {', '.join(PARTS)}")
    args.parts = args.parts or list(PARTS)
    if args.more and args.parts != ["probes"]:
        ap.error("--more belongs to the part probes alone: bars and curves must share one probe")
    args.size, args.probe = (
        ("quick", "quick") if args.quick else (args.size, args.probe or ("gpu" if args.device == "cuda" else "cpu"))
    )
    if args.out is None and args.parts != ["probes"]:
        ap.error("--out is missing: where REPORT.md is to be written")
    app_parts = {"sheets", "enlarge"} | ({"bars", "curves"} if args.sampler == "app" else set())
    if not args.imagen.exists() and set(args.parts) & app_parts:
        ap.error(f"{args.imagen} is missing: build it with `cargo build --release`, or name it with --imagen")
    return args


def sizes_of(args, ap):
    sizes = SIZES[args.size]
    names = [f.name for f in dataclasses.fields(sizes)]
    for change in args.set:
        name, _, value = change.partition("=")
        if name not in names or not value.replace(",", "").isdigit():
            ap.error(f"--set {change}: must be a number for one of {', '.join(names)}")
        numbers = tuple(int(v) for v in value.split(","))
        sizes = dataclasses.replace(sizes, **{name: numbers if isinstance(getattr(sizes, name), tuple) else numbers[0]})
    return sizes


def main():
    ap = arguments()
    args = checked(ap)
    sizes = sizes_of(args, ap)
    torch.set_num_threads(args.threads)
    tools = Tools(args, args.out / "report" if args.out else None)
    if tools.out:
        tools.out.mkdir(parents=True, exist_ok=True)
    for part in args.parts:
        start = time.time()
        print(f"{part} ...", flush=True)
        if part == "page":
            page.write(args.out, HERE / "notes.md")
            continue
        found = measure(part, tools, sizes)
        if tools.out:
            made = circumstances(args, time.time() - start)
            text = json.dumps({"made": made, "model": facts_of_model(tools), "found": found}, indent=1)
            (tools.out / f"{part}.json").write_text(text + "\n")
        print(f"{part}: {time.time() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
