"""What there is to draw: concepts with their words, and the icons of every set that show them (`vocabulary.json`, kept by hand).

    python vocabulary.py [--data DIR]     # lists concepts with the sets that show them, and what was not found
"""
import argparse
import json
from dataclasses import dataclass
from pathlib import Path

TABLE = Path(__file__).resolve().parent / "vocabulary.json"
# These sets name their drawings in their own way: only those that the table names for them are used.
BY_HAND = ("flat-color-icons", "streamline-ultimate-color", "streamline-freehand-color")


@dataclass(frozen=True)
class Icon:
    """One drawing of one concept: its set, its name there and its SVG text."""
    concept: str
    set: str
    name: str
    svg: str

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
        drawings = iconify(data / "src" / set_name)
        for concept in words["concepts"]:
            here = [n for n in dict.fromkeys(icon_names(set_name, concept["icons"])) if n in drawings]
            for name in here[:len(here) if concept.get("every") else 1]:
                found.append(Icon(concept["name"], set_name, name, drawings[name]))
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
