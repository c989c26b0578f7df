"""Makes this checkout small enough to travel to a lent machine, and fills .gpu/ with what travels beside it.

    python assets/training/gpu/travel.py load --data DATA [--runs RUNS]   # .gpu/encoder, .gpu/pack, .gpu/whl, .gpu/pieces
    python assets/training/gpu/travel.py binaries --target target         # .gpu/bin: the program, tests and benches, compressed
    python assets/training/gpu/travel.py model                       # .gpu/model-1, .gpu/model-2: the shipped model in two loads
    python assets/training/gpu/travel.py light [--keep PATH ..] [--leave PATH ..]   # other tracked files no longer travel
    python assets/training/gpu/travel.py size [.gpu/pack ...]             # what a call with these paths carried would send
    python assets/training/gpu/travel.py restore                          # the index as it was

A call sends tracked files and untracked ones that git does not ignore. `light` takes the other files out of the *index* only,
and has git ignore them: no file is touched. Until `restore`, a commit would record them as deleted, so a hook refuses commits.
"""

import argparse
import json
import lzma
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

LIMIT = 64 * 2**20
MARKS = ("# >>> imagen travel", "# <<< imagen travel")
KEEP = ("assets/training", ".gitignore", "Cargo.toml")
CARGO = ".gpu"
HOOK = "#!/bin/sh\n# imagen travel\necho 'the index is light: run gpu/travel.py restore before a commit' >&2\nexit 1\n"
WHEELS = ("resvg_py==0.5.0",)
BINARIES = ("imagen", "bench_ops", "bench_unet", "bench_cascade")
TEST_BINARY = "engine"  # tests/Cargo.toml names the integration tests so
MODEL = ("text_encoder/*", "*.safetensors")  # the first load and the second of assets/models/default


class TravelError(Exception):
    """One line: what was wrong, what to do."""


class Repo:
    """One checkout, a worktree or a main one."""

    def __init__(self, root):
        self.root = Path(root).resolve()
        self.own, self.common = (
            Path(self.git("rev-parse", "--path-format=absolute", f"--git-{k}dir").strip()) for k in ("", "common-")
        )
        self.state = self.own / "imagen-travel"

    def git(self, *words, text=None):
        done = subprocess.run(["git", "-C", str(self.root), *words], input=text, capture_output=True, text=True)
        if done.returncode:
            raise TravelError(f"git {words[0]}: {done.stderr.strip()}")
        return done.stdout

    def paths(self, *words):
        return [p for p in self.git("ls-files", "-z", *words).split("\0") if p]

    def status(self):
        return self.git("status", "--porcelain")

    def head(self):
        return self.git("rev-parse", "HEAD").strip()

    # ---------------------------------------------------------- ignored paths

    def exclude(self):
        return self.common / "info" / "exclude"

    def write_exclude(self, lines):
        """The lines between the marks; none: the marks go too."""
        path = self.exclude()
        path.parent.mkdir(exist_ok=True)
        text = path.read_text() if path.exists() else ""
        if MARKS[0] in text:
            before, _, rest = text.partition(MARKS[0])
            text = before + rest.partition(MARKS[1] + "\n")[2]
        if lines:
            text = text + ("" if text.endswith("\n") or not text else "\n") + "\n".join([MARKS[0], *lines, MARKS[1]]) + "\n"
        replace(path, text.encode())


def replace(path, data):
    temporary = path.with_name(path.name + ".new")
    temporary.write_bytes(data)
    os.replace(temporary, path)


def under(path, keep):
    return any(k == "." or path == k or path.startswith(k.rstrip("/") + "/") for k in keep)


def patterns(removed, kept):
    """Few ignore patterns that cover the removed paths and none of the kept: whole folders where nothing in them is kept."""
    busy = {str(parent) for k in kept for parent in Path(k).parents}
    out = set()
    for path in removed:
        top = next((p for p in [*reversed(Path(path).parents)][1:] if str(p) not in busy), None)
        out.add("/" + escaped(str(top) + "/" if top else path))
    return sorted(out)


def escaped(path):
    return "".join("\\" + c if c in "*?[]\\! #" else c for c in path)


def light(repo, keep, leave=()):
    """Only what is under `keep` and not under `leave` stays in the index."""
    if repo.state.exists():
        raise TravelError("the index is light already; run restore first")
    if (repo.own / "index.lock").exists():
        raise TravelError("git is at work here (index.lock); wait for it")
    tracked = repo.paths()
    kept = [p for p in tracked if under(p, keep) and not under(p, leave)]
    stays = set(kept)
    removed = [p for p in tracked if p not in stays]
    if not kept:
        raise TravelError(f"nothing is tracked under {', '.join(keep)}; name what is to travel with --keep")
    repo.state.mkdir()
    shutil.copy2(repo.own / "index", repo.state / "index")
    (repo.state / "about.json").write_text(json.dumps({"head": repo.head(), "status": repo.status()}))
    repo.write_exclude([f"/{CARGO}/", *patterns(removed, kept)])
    set_hook(repo)
    repo.git("update-index", "-z", "--force-remove", "--stdin", text="\0".join(removed) + "\0")
    return len(removed), len(kept)


def restore(repo):
    """-> whether the status is what it was before (files may have come or changed since)."""
    if not repo.state.exists():
        raise TravelError("the index is not light; nothing to restore")
    about = json.loads((repo.state / "about.json").read_text())
    repo.write_exclude([f"/{CARGO}/"])
    if about["head"] == repo.head():
        shutil.copy2(repo.state / "index", repo.own / "index.travel")
        os.replace(repo.own / "index.travel", repo.own / "index")
    else:  # somebody committed in spite of the hook: the index of that commit is the right one
        repo.git("read-tree", "HEAD")
    unset_hook(repo)
    shutil.rmtree(repo.state)
    return repo.status() == about["status"]


def hook_path(repo):
    return Path(repo.git("rev-parse", "--path-format=absolute", "--git-path", "hooks").strip()) / "pre-commit"


def set_hook(repo):
    """Refuses commits; a hook that is there already is left alone. Hooks are shared by worktrees: this one looks whose commit
    it is."""
    path = hook_path(repo)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            HOOK.replace("echo", f'[ "$(git rev-parse --path-format=absolute --git-dir)" = "{repo.own}" ] || exit 0\necho', 1)
        )
        path.chmod(0o755)


def unset_hook(repo):
    path = hook_path(repo)
    if path.exists() and "# imagen travel" in path.read_text():
        path.unlink()


# ---------------------------------------------------------------- sizes and cargo


def bytes_of(path):
    path = Path(path)
    if path.is_dir():
        return sum(p.lstat().st_size for p in path.rglob("*") if not p.is_dir())
    return path.lstat().st_size if path.exists() or path.is_symlink() else 0


def size(repo, carried):
    """Bytes that a call sends."""
    tree = sum(bytes_of(repo.root / p) for p in set(repo.paths("--cached", "--others", "--exclude-standard")))
    shared = bytes_of(repo.root / "shared") if (repo.root / "shared").exists() else 0
    return tree + shared, {c: bytes_of(repo.root / c) for c in carried}


def say_size(repo, carried):
    tree, parts = size(repo, carried)
    for name, count in parts.items():
        if not count:
            raise TravelError(f"{name} is not there; run load first or leave it out")
    total = tree + sum(parts.values())
    print(
        f"tree {tree / 1e6:.2f} MB"
        + "".join(f", {k} {v / 1e6:.2f} MB" for k, v in parts.items())
        + f": {total / 2**20:.2f} of 64 MiB"
    )
    if total > LIMIT:
        raise TravelError("too much for one call; carry less, in more calls")


def open_cargo(repo):
    """.gpu/, which git ignores from now on."""
    if not repo.state.exists():  # a light checkout ignores it already
        repo.write_exclude([f"/{CARGO}/"])
    (repo.root / CARGO).mkdir(exist_ok=True)
    return repo.root / CARGO


def load(repo, data, runs, python):
    """Fills .gpu/."""
    cargo = open_cargo(repo)
    training = repo.root / "assets" / "training"
    subprocess.run([python, training / "text.py", "prune", "--data", data, "--out", cargo / "encoder"], check=True)
    (cargo / "pack").mkdir(exist_ok=True)
    with tarfile.open(cargo / "pack" / "pack.tar", "w") as tar:
        tar.add(data / "pack", "pack")
    wheels(python, cargo / "whl")
    if runs is not None:  # training that began elsewhere
        stages = [s for s in ("base", "sr256", "sr1024") if (runs / s).exists()]
        shutil.rmtree(cargo / "pieces", ignore_errors=True)
        subprocess.run(
            [
                python,
                training / "checkpoints.py",
                "split",
                "--runs",
                runs,
                "--stages",
                ",".join(stages),
                "--out",
                cargo / "pieces",
            ],
            check=True,
        )
    for path in sorted(cargo.iterdir()):
        print(f"{bytes_of(path) / 1e6:8.2f} MB  {path.relative_to(repo.root)}")


def wheels(python, folder):
    """For the lent machine's Python 3.12."""
    if folder.exists() and len(list(folder.glob("*.whl"))) == len(WHEELS):
        return
    platforms = [f"--platform=manylinux{v}_x86_64" for v in ("_2_28", "_2_27", "_2_17", "2014", "1")]
    subprocess.run(
        [
            python,
            "-m",
            "pip",
            "download",
            "-q",
            "--no-deps",
            "--only-binary=:all:",
            "--python-version=3.12",
            "--implementation=cp",
            *platforms,
            "-d",
            folder,
            *WHEELS,
        ],
        check=True,
    )


def newest(folder, name):
    """The newest build of a test program: cargo puts a hash behind its name."""
    found = [p for p in folder.glob(f"{name}-*") if p.suffix == "" and os.access(p, os.X_OK)]
    if not found:
        raise TravelError(f"{folder} has no {name}-*; build the tests first (tests/run)")
    return max(found, key=lambda p: p.stat().st_mtime)


def binaries(repo, target):
    """The programs, each as .xz: no Rust is on the lent machine."""
    folder = open_cargo(repo) / "bin"
    folder.mkdir(exist_ok=True)
    release = Path(target) / "release"
    for name, path in [(TEST_BINARY, newest(release / "deps", TEST_BINARY)), *((n, release / n) for n in BINARIES)]:
        if not path.exists():
            raise TravelError(f"{path} is missing; cargo build --release --workspace --bins")
        packed = lzma.compress(path.read_bytes(), preset=2)
        replace(folder / f"{name}.xz", packed)
        print(f"{path.stat().st_size / 1e6:8.2f} -> {len(packed) / 1e6:.2f} MB  {name}")


def model(repo):
    """Hard links, so that nothing is copied."""
    source = repo.root / "assets" / "models" / "default"
    for i, pattern in enumerate(MODEL, 1):
        folder = open_cargo(repo) / f"model-{i}"
        shutil.rmtree(folder, ignore_errors=True)
        for path in source.glob(pattern):
            to = folder / path.relative_to(source)
            to.parent.mkdir(parents=True, exist_ok=True)
            os.link(path, to)
        print(f"{bytes_of(folder) / 1e6:8.2f} MB  {folder.relative_to(repo.root)}")


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("what", choices=("load", "binaries", "model", "light", "size", "restore"))
    ap.add_argument("carried", nargs="*")
    ap.add_argument("--repo", type=Path, default=Path(__file__).resolve().parents[3])
    ap.add_argument("--keep", nargs="+", default=list(KEEP))
    ap.add_argument("--leave", nargs="+", default=[])
    ap.add_argument("--target", type=Path, default=Path("target"))
    ap.add_argument("--data", type=Path, default=Path("/work/data4"))
    ap.add_argument("--runs", type=Path)
    a = ap.parse_args()
    repo = Repo(a.repo)
    try:
        if a.what == "load":
            load(repo, a.data, a.runs, sys.executable)
        elif a.what == "light":
            print("{} files stay here, {} travel".format(*light(repo, a.keep, a.leave)))
        elif a.what == "binaries":
            binaries(repo, a.target)
        elif a.what == "model":
            model(repo)
        elif a.what == "restore":
            print("as it was before" if restore(repo) else "restored; files have come or changed since")
        else:
            say_size(repo, a.carried)
    except TravelError as e:
        raise SystemExit(f"travel.py: {e}") from e


if __name__ == "__main__":
    main()
