"""CREDITS.md: name, creator and licence of every model that is rendered, from its own licence file where it has one.

    python credits.py [--data DIR]     # after render.py unpack

Refuses a model whose own licence is neither CC0 nor CC-BY.
"""

import argparse
import pathlib
import re

import render

ZERO, BY, BY_US = "CC0-1.0", "CC-BY-3.0", "CC-BY-3.0-US"
LIBRARIES = {
    "BlendSwap-CC-0": (
        ZERO,
        "Blend Swap models of public domain, converted to OBJ by Emmanuel Puybaret / eTeks; creators as listed",
    ),
    "BlendSwap-CC-BY": (BY, "Blend Swap models, converted to OBJ by Emmanuel Puybaret / eTeks; creators as listed"),
    "KatorLegaz": (BY_US, "© Andrew Kator & Jennifer Legaz"),
    "Reallusion": (BY_US, "© Reallusion, http://www.reallusion.com"),
    "Scopia": (BY, "© Emmanuel Puybaret / eTeks and Scopia Visual Interfaces Systems, s.l., http://www.scopia.es"),
}
LINKS = {
    ZERO: "https://creativecommons.org/publicdomain/zero/1.0/",
    BY: "https://creativecommons.org/licenses/by/3.0/",
    BY_US: "https://creativecommons.org/licenses/by/3.0/us/",
}
HEAD = """# The 3D models of the path-traced pictures

Models of Sweet Home 3D's furniture libraries (Debian `sweethome3d-furniture` 1.8-1), rendered as pictures: changed in scale
and position, with materials read anew. CC-BY asks for this attribution. Made by `python credits.py`.

Lights: HDRIs `workshop` and `sky` of npm `@pmndrs/assets` 1.7.0, CC0-1.0 (from Poly Haven).
"""


def own_licence(folder):
    """What the licence file beside a model says, or none where there is no such file."""
    files = [path for path in folder.iterdir() if "licen" in path.name.lower()]
    if not files:
        return None
    text = " ".join(path.read_text(errors="replace") for path in files).lower()
    if re.search(r"by-(sa|nc|nd)|share-?alike|non-?commercial|gnu general", text):
        raise SystemExit(f"{folder}: its licence is neither CC0 nor CC-BY; take it off models.json")
    if "attribution 3.0" in text or "licenses/by/3.0" in text:
        return BY
    if "zero" in text or "public domain" in text or "publicdomain" in text:
        return ZERO
    raise SystemExit(f"{folder}: no licence could be read; take it off models.json")


def row_of(data, lists, entry):
    """(library, model, name, creator, licence) of one model."""
    library = entry["library"]
    if library not in lists:
        lists[library] = render.catalogue(data, library)
    row = lists[library][entry["id"]]
    folder = (data / "renders_src" / "lib" / library / row["model"].lstrip("/")).parent
    return library, entry["id"], row["name"], row["creator"], own_licence(folder) or LIBRARIES[library][0]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, default=pathlib.Path("/work/data4"))
    data, lists = parser.parse_args().data, {}
    rows = sorted(row_of(data, lists, entry) for entry in render.listed()[0])
    text = HEAD + "\nLicences: " + ", ".join(f"[{name}]({link})" for name, link in LINKS.items()) + ".\n"
    for library, (_, holder) in LIBRARIES.items():
        mine = [row for row in rows if row[0] == library]
        text += f"\n## {library}\n\n{holder}.\n\n| model | name | creator | licence |\n| --- | --- | --- | --- |\n"
        text += "".join(f"| {row[1]} | {row[2]} | {row[3]} | {row[4]} |\n" for row in mine)
    (render.HERE / "CREDITS.md").write_text(text)
    print(f"{len(rows)} models: " + ", ".join(f"{sum(row[4] == name for row in rows)} {name}" for name in LINKS))


if __name__ == "__main__":
    main()
