"""What a training run keeps: its full state, to go on exactly, and its averages in float16, also in pieces that fit through a
narrow door.

    python checkpoints.py split --runs RUNS --stages base --out FOLDER [--net]   # FOLDER/pieces.json, FOLDER/NAME.000, ...
    python checkpoints.py merge FOLDER --runs RUNS      # -> RUNS/STAGE/weights.safetensors, checked by SHA-256

`train.py` goes on from RUNS/STAGE/state.pt where it is there, else from weights.safetensors with a new optimiser and a short
warm-up.
"""

import argparse
import hashlib
import json
import os
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save

PIECE_BYTES = 15_900_000  # under 16 MB; the float16 of sr256 is one piece
STATE, WEIGHTS, MANIFEST = "state.pt", "weights.safetensors", "pieces.json"


class CheckpointError(Exception):
    """One line: what was wrong, what to do."""


def write_atomically(path, write):
    """`write(temporary path)`, then the rename: a reader sees the old file or the new one."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write(temporary)
        with open(temporary, "rb+") as f:
            os.fsync(f.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def save_state(folder, state):
    write_atomically(Path(folder) / STATE, lambda p: torch.save(state, p))


def load_state(folder, device="cpu"):
    """The full state, or None where there is none."""
    path = Path(folder) / STATE
    if not path.exists():
        return None
    try:
        return torch.load(path, map_location=device, weights_only=True)
    except Exception as e:
        raise CheckpointError(f"{path} cannot be read ({e}); remove it to go on from {WEIGHTS} or from nothing") from e


def half(state):
    """float16, the precision that ships. Refuses what float16 cannot hold."""
    out = {k: v.detach().to("cpu", torch.float16).contiguous() for k, v in state.items()}
    bad = [k for k, v in out.items() if not torch.isfinite(v).all()]
    if bad:
        raise CheckpointError(
            f"{bad[0]} and {len(bad) - 1} more tensors are not finite in float16; go on from an older checkpoint"
        )
    return out


def weights_bytes(ema, about, net=None):
    """One safetensors file: the averages, and the network itself under "net." if it is given. about: the run's facts, as
    metadata."""
    tensors = half(ema)
    if net is not None:
        tensors |= {"net." + k: v for k, v in half(net).items()}
    return save(tensors, metadata={"format": "pt", "about": json.dumps(about)})


def save_weights(folder, ema, about, net=None):
    data = weights_bytes(ema, about, net)
    write_atomically(Path(folder) / WEIGHTS, lambda p: p.write_bytes(data))


def load_weights(path):
    """-> (averages, network or None, about); float32."""
    with safe_open(path, "pt") as f:
        about = json.loads((f.metadata() or {}).get("about", "{}"))
        tensors = {k: f.get_tensor(k).float() for k in f.keys()}
    net = {k.removeprefix("net."): v for k, v in tensors.items() if k.startswith("net.")}
    return {k: v for k, v in tensors.items() if not k.startswith("net.")}, net or None, about


def digest(data):
    return hashlib.sha256(data).hexdigest()


def split(files, out, size=PIECE_BYTES):
    """files: {stage: bytes}. Writes the pieces, and last the manifest."""
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    manifest = {"version": 1, "stages": {}}
    for stage, data in files.items():
        pieces = []
        for i in range(0, len(data), size):
            name, part = f"{stage}.{i // size:03}", data[i : i + size]
            write_atomically(out / name, lambda p, part=part: p.write_bytes(part))
            pieces.append({"file": name, "bytes": len(part), "sha256": digest(part)})
        manifest["stages"][stage] = {"bytes": len(data), "sha256": digest(data), "pieces": pieces}
    write_atomically(out / MANIFEST, lambda p: p.write_text(json.dumps(manifest, indent=1) + "\n"))
    return manifest


def join(folder, stage, entry):
    """The bytes of one stage's file, every piece checked."""
    parts = []
    for piece in entry["pieces"]:
        path = Path(folder) / piece["file"]
        if not path.exists():
            raise CheckpointError(f"{path} is missing; bring it back again or split once more")
        part = path.read_bytes()
        if len(part) != piece["bytes"] or digest(part) != piece["sha256"]:
            raise CheckpointError(f"{path} is damaged (SHA-256 differs); bring it back again")
        parts.append(part)
    data = b"".join(parts)
    if digest(data) != entry["sha256"]:
        raise CheckpointError(f"the pieces of {stage} do not make the file that was split; bring all of them back again")
    return data


def merge(folder, runs):
    """Pieces of any stages -> RUNS/STAGE/weights.safetensors. -> names of the stages."""
    path = Path(folder) / MANIFEST
    if not path.exists():
        raise CheckpointError(f"{path} is missing; name the folder that holds the pieces")
    manifest = json.loads(path.read_text())
    for stage, entry in manifest["stages"].items():
        data = join(folder, stage, entry)
        write_atomically(Path(runs) / stage / WEIGHTS, lambda p, data=data: p.write_bytes(data))
    return list(manifest["stages"])


def split_runs(runs, stages, out, with_net=False, size=PIECE_BYTES):
    """The newest averages of each stage, from its full state or its weights."""
    files = {}
    for stage in stages:
        folder = Path(runs) / stage
        state = load_state(folder)
        if state is not None:
            files[stage] = weights_bytes(state["ema"], state["about"], state["net"] if with_net else None)
        elif (folder / WEIGHTS).exists():
            files[stage] = (folder / WEIGHTS).read_bytes()
        else:
            raise CheckpointError(f"{folder} has neither {STATE} nor {WEIGHTS}; train {stage} first or leave it out of --stages")
    return split(files, out, size)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("what", choices=("split", "merge"))
    ap.add_argument("folder", type=Path, nargs="?", help="merge: where the pieces are")
    ap.add_argument("--runs", type=Path, default=Path("/work/runs4"))
    ap.add_argument("--stages", default="base,sr256,sr1024")
    ap.add_argument("--out", type=Path)
    ap.add_argument("--net", action="store_true", help="the network beside its averages: twice the size")
    ap.add_argument("--piece-bytes", type=int, default=PIECE_BYTES)
    a = ap.parse_args()
    try:
        if a.what == "merge":
            print("merged", *merge(a.folder, a.runs))
            return
        manifest = split_runs(a.runs, a.stages.split(","), a.out, a.net, a.piece_bytes)
    except CheckpointError as e:
        raise SystemExit(f"checkpoints.py: {e}") from e
    for stage, entry in manifest["stages"].items():
        print(f"{stage}: {entry['bytes'] / 1e6:.1f} MB in {len(entry['pieces'])} pieces")


if __name__ == "__main__":
    main()
