"""The index of what has been rendered: `DIR/pack/renders.json`, a fragment that `sprites.py pack` merges."""

import colorsys
import json

import numpy as np
from PIL import Image

STYLES = ["3D render", "photo-like 3D render", "studio photograph"]
MOODS = {"studio": "soft window light from the left", "sun": "low hard sun from the left under a blue sky"}
LEAST_SHARE = 0.66
BRIGHT = ("red", "orange", "yellow", "green", "blue", "purple", "pink")  # such a thing is called so with less of it
SILENT = ("food", "plant", "person", "animal")  # nobody says "an orange hamburger"
HUES = [
    (14, "red"),
    (40, "orange"),
    (66, "yellow"),
    (165, "green"),
    (190, None),
    (255, "blue"),
    (290, "purple"),
    (345, "pink"),
    (361, "red"),
]


def pixel_names(rgb):
    """The colour word of each pixel [n,3] of values in [0, 1]; shading counts, so dark white is still white."""
    high, low = rgb.max(1), rgb.min(1)
    saturation = (high - low) / np.maximum(high, 1e-3)
    hue = np.array([colorsys.rgb_to_hsv(*p)[0] for p in rgb]) * 360
    names = np.full(len(rgb), "", object)
    for limit, name in reversed(HUES):
        names[hue < limit] = name or ""
    names[np.isin(names, ("orange", "yellow")) & (saturation < 0.6)] = ""
    names[(names == "orange") & (saturation < 0.66)] = ""
    warm = (hue < 45) & (hue > 12)
    names[warm & (((saturation > 0.35) & (high < 0.72)) | ((saturation > 0.22) & (high < 0.6)))] = "brown"
    names[(names == "red") & (saturation < 0.5)] = ""
    names[((hue > 330) | (hue < 20)) & (saturation < 0.55) & (saturation > 0.2) & (high > 0.75)] = "pink"
    names[saturation < 0.16] = "grey"
    names[high < 0.25] = "black"
    return names


def main_colour(picture):
    """The word that most of a sprite's pixels share, or none; what lies between white, gray and black has none."""
    solid = picture[picture[..., 3] > 110][:, :3] / 255.0
    if len(solid) < 50:
        return None
    solid = solid[:: max(1, len(solid) // 4000)]
    all_names = pixel_names(solid).astype(str)
    names, counts = np.unique(all_names, return_counts=True)
    best, share = str(names[np.argmax(counts)]), np.sort(np.append(counts, 0))[::-1] / counts.sum()
    rules = share[0] > LEAST_SHARE or (best in BRIGHT and share[0] > 0.48 and share[1] < 0.27)
    if not best or not rules:
        return None
    if best == "grey":
        tone = np.median(solid[all_names == "grey"].max(1))
        return "white" if tone > 0.82 else "gray" if 0.36 < tone < 0.66 else None
    return best


def hue_share(picture):
    """(share of the visible area with the fullest hue, its saturation)."""
    solid = picture[picture[..., 3] > 128][:, :3]
    hsv = np.asarray(Image.fromarray(solid[None]).convert("HSV"), np.float32)[0] / 255
    full = hsv[(hsv[:, 1] > 0.25) & (hsv[:, 2] > 0.2)]
    if len(full) < 50:
        return 0.0, 0.0
    bins = np.bincount((full[:, 0] * 36).astype(int) % 36, minlength=36)
    centre = (np.argmax(bins + np.roll(bins, 1) + np.roll(bins, -1)) + 0.5) / 36
    near = full[np.abs((full[:, 0] - centre + 0.5) % 1 - 0.5) < 0.08]
    return len(near) / len(hsv), float(np.median(near[:, 1]))


def row_of(view, concept, folder):
    """The index's row of one sprite."""
    entry, name = view["entry"], view["name"]
    picture = np.array(Image.open(folder / f"{name}.webp").convert("RGBA"))
    share, saturation = hue_share(picture)
    row = {"concept": entry["concept"], "set": "render", "kind": "render", "style": "render", "svg": None}
    row |= {"webp": f"renders/{name}.webp", "shade": f"renders/{name}.shade.webp", "light": view["light"]}
    silent = concept["group"] in SILENT or concept.get("silent")
    row |= {"colour": None if silent else entry["colour"] if "colour" in entry else main_colour(picture)}
    row |= {"recolour": concept["recolour"] and share > 0.5 and saturation > 0.3, "heldout": entry.get("heldout", False)}
    return row | {"yaw": view["yaw"], "model": f"{entry['library']}/{entry['id']}"}


def own_colours(rows):
    """The colour that nearly all sprites of a concept share, by concept: what may be said of any of them."""
    found = {}
    for row in rows:
        found.setdefault(row["concept"], []).append(row["colour"])
    return {name: colours[0] for name, colours in found.items() if colours[0] and all(c == colours[0] for c in colours)}


def clean(folder, views):
    """Removes the pictures of views that are no longer listed."""
    listed = {view["name"] for view in views}
    for path in folder.glob("*.webp"):
        if path.name.split(".")[0] not in listed:
            path.unlink()


def write(data, views, concepts, lights, base):
    """renders.json of the views that exist."""
    folder = data / "pack" / "renders"
    clean(folder, views)
    rows = [row_of(v, concepts[v["entry"]["concept"]], folder) for v in views if (folder / f"{v['name']}.webp").exists()]
    agree(rows)
    own, shown = own_colours(rows), {row["concept"] for row in rows}
    said = [
        {**{k: c[k] for k in ("name", "words", "plurals", "group", "recolour")}, "own_colour": own.get(c["name"])}
        for c in concepts.values()
    ]
    floors = {}
    for name in lights:
        np.save(folder / f"{name}.floor.npy", np.ones((64, 64), np.float32))
        floors[name] = {"floor": f"renders/{name}.floor.npy", "mood": MOODS[name], "hdri": lights[name][0]}
    index = {"version": 1, "sprites": rows, "concepts": [c for c in said if c["name"] in shown], "styles": {"render": STYLES}}
    index |= {"lights": floors, "base_y": base}
    (data / "pack" / "renders.json").write_text(json.dumps(index, separators=(",", ":")))
    report(folder, rows)


def agree(rows):
    """Views of one model say one colour: none where they differ."""
    by_model = {}
    for row in rows:
        by_model.setdefault(row["model"], []).append(row)
    for group in by_model.values():
        if len({row["colour"] for row in group}) > 1:
            named = [row["colour"] for row in group if row["colour"]]
            same = len(set(named)) == 1 and len(named) * 2 >= len(group)
            for row in group:
                row["colour"] = named[0] if same else None


def report(folder, rows):
    """The numbers of the README."""
    size = sum(p.stat().st_size for p in folder.iterdir())
    count = {key: len({row[key] for row in rows}) for key in ("model", "concept")}
    lights = {name: sum(row["light"] == name for row in rows) for name in MOODS}
    held = sum(row["heldout"] for row in rows)
    coloured, turned = sum(bool(row["colour"]) for row in rows), sum(row["recolour"] for row in rows)
    print(f"{len(rows)} sprites of {count['model']} models, {count['concept']} concepts; {lights}; {size / 1e6:.1f} MB")
    print(f"{held} sprites held out; colour known of {coloured}, {turned} can be recoloured")
