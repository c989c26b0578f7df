"""What there is to draw: concepts with their words, and the icons of every set that show them (`vocabulary.json`, kept by hand).

    python vocabulary.py [--data DIR]     # lists concepts with the sets that show them, and what was not found
"""
import argparse
import json
import re
from dataclasses import dataclass
from pathlib import Path

TABLE = Path(__file__).resolve().parent / "vocabulary.json"
# These sets name their drawings in their own way: only those that the table names for them are used.
BY_HAND = ("flat-color-icons", "streamline-ultimate-color", "streamline-freehand-color")


@dataclass(frozen=True)
class Icon:
    """One drawing of one concept: its set, its name there and its SVG text, or the file of its pixels."""
    concept: str
    set: str
    name: str
    svg: str | None = None
    file: Path | None = None

    @property
    def key(self):
        return f"{self.set}/{self.name}"


def table():
    return json.loads(TABLE.read_text())


def plural(noun):
    """English plural of the last word (of the first, if "of" follows it)."""
    head, of, tail = noun.partition(" of ")
    if of:
        return plural(head) + of + tail
    if head.endswith(("s", "x", "z", "ch", "sh")):
        return head + "es"
    if head.endswith("y") and head[-2] not in "aeiou":
        return head[:-1] + "ies"
    if head.endswith("fe"):
        return head[:-2] + "ves"
    return head + "s"


def iconify(folder):
    """The drawings of one Iconify package: name -> SVG text, its own aliases included."""
    pack = json.loads((folder / "package" / "icons.json").read_text())
    width, height = pack.get("width", 16), pack.get("height", pack.get("width", 16))

    def svg(icon):
        w, h = icon.get("width", width), icon.get("height", height)
        return (f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
                f'viewBox="{icon.get("left", 0)} {icon.get("top", 0)} {w} {h}">{icon["body"]}</svg>')

    return {name: svg(icon) for name, icon in pack["icons"].items()}


def slug(label):
    """An emoji's label as the icon sets spell it: "t-rex", "jack-o-lantern"."""
    return re.sub(r"[^a-z0-9]+", "-", label.lower().replace("’", "").replace("'", "").replace("&", "and")).strip("-")


def emoji_files(data):
    """The 3D emoji: name (as in the other sets) -> file. Their own names are code points; emojibase says which is which."""
    folder = data / "src" / "fluent-emoji-3d" / "package" / "assets"
    labels = json.loads((data / "src" / "emojibase-data" / "package" / "en" / "data.json").read_text())
    found = {}
    for entry in labels:
        code = entry["hexcode"].lower()
        for name in (code, code.replace("-fe0f", ""), f"{code}-fe0f"):
            if (folder / f"{name}.webp").exists():
                found[slug(entry["label"])] = folder / f"{name}.webp"
                break
    return found


def icon_names(set_name, names):
    """The names under which a set may have a drawing: "set:name" is for that set alone; some sets number their variants or leave out hyphens."""
    for name in names:
        only, colon, own = name.partition(":")
        if colon:
            if only == set_name:
                yield own
        elif set_name not in BY_HAND:
            yield from (name, name.replace("-", ""), f"{name}-1")


def icons(data, words=None):
    """Every icon the table asks for and a set has; one per concept and set, the first name that exists (all of those in `every`)."""
    words = words or table()
    found = []
    for set_name in words["sets"]:
        files = set_name == "fluent-emoji-3d"
        drawings = emoji_files(data) if files else iconify(data / "src" / set_name)
        for concept in words["concepts"]:
            if set_name in concept.get("not_in", []):
                continue
            here = [n for n in dict.fromkeys(icon_names(set_name, concept["icons"])) if n in drawings]
            for name in here[:len(here) if concept.get("every") else 1]:
                found.append(Icon(concept["name"], set_name, name, **{"file" if files else "svg": drawings[name]}))
    return found


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--data", type=Path, default=Path("/work/data4"))
    a = ap.parse_args()
    words = table()
    shown = {}
    for icon in icons(a.data, words):
        shown.setdefault(icon.concept, []).append(icon.set)
    for concept in words["concepts"]:
        print(f"{concept['name']:24} {' '.join(shown.get(concept['name'], ['NOT FOUND']))}")


if __name__ == "__main__":
    main()
