"""Whole path-traced still lifes of 1024 pixels: two to four things on a coloured floor before a coloured wall.

    python stills.py [--data DIR] [--limit N]

Resumable; needs `renders.json` (the colours that captions may say). Writes DIR/pack/large/NNN.webp and DIR/pack/large.json.
"""

import argparse
import json
import pathlib
import random
import time

import numpy as np
from PIL import Image

import render
import tracing

SIDE, SAMPLES, DEPTH = 1024, 4, 8
COUNT, HELD_OUT = 30, 6  # of all pictures, so many are for evaluation only
EXPOSURE = 1.25  # the wall takes a part of the light
NUMBERS = {2: "two", 3: "three"}
GAP, TALLEST = 0.04, 0.52  # between things, and the height of the tallest
SURFACES = {
    "white": (244, 244, 242),
    "gray": (150, 152, 158),
    "red": (210, 50, 54),
    "orange": (244, 150, 52),
    "yellow": (250, 218, 84),
    "green": (84, 176, 96),
    "light blue": (160, 212, 248),
    "blue": (56, 112, 220),
    "purple": (136, 84, 196),
    "pink": (248, 168, 204),
    "brown": (138, 94, 60),
    "dark blue": (28, 44, 108),
    "beige": (234, 216, 184),
    "teal": (52, 156, 160),
    "light green": (184, 228, 168),
}


def article(words):
    return ("an " if words[0] in "aeiou" else "a ") + words


def known(data):
    """The models that may appear, with what may be said of them."""
    index = json.loads((data / "pack" / "renders.json").read_text())
    concepts = {c["name"]: c for c in index["concepts"]}
    colours = {row["model"]: row["colour"] for row in index["sprites"] if not row["heldout"]}
    entries = {f"{e['library']}/{e['id']}": e for e in render.listed()[0]}
    return [(entries[m], concepts[entries[m]["concept"]], colour) for m, colour in sorted(colours.items()) if m in entries]


def noun(concept, colour, many=False):
    """The thing with its colour, where that says more than the thing itself."""
    word = concept["plurals"][0] if many else concept["words"][0]
    return f"{colour} {word}" if colour and concept["own_colour"] != colour else word


def caption(things, count, floor, wall):
    """Exactly what is seen, from left to right."""
    _, concept, colour = things[0]
    if count:
        said = f"{NUMBERS[count]} {noun(concept, colour, many=True)}"
    elif len(things) == 2:
        said = f"{article(noun(*things[0][1:]))} to the left of {article(noun(*things[1][1:]))}"
    else:
        names = [article(noun(*t[1:])) for t in things]
        said = ", ".join(names[:-1]) + " and " + names[-1]
    return f"{said} on {article(floor)} floor in front of {article(wall)} wall"


def contrast(colour, name):
    """Whether a thing of a colour can be told from a surface."""
    return colour is None or (
        colour not in name and not (colour == "white" and name == "beige") and not (colour == "brown" and name == "orange")
    )


def arrange(number, models):
    """The plan of one still life; the number decides everything."""
    rng = random.Random(1000 + number)
    kind = rng.choices(["two", "three", "four", "count"], [45, 27, 10, 18])[0]
    count = rng.choice([2, 3]) if kind == "count" else 0
    size = count or {"two": 2, "three": 3, "four": 4}[kind]
    things, seen = [], set()
    while len(things) < (1 if count else size):
        thing = rng.choice(models)
        if thing[1]["name"] not in seen:
            seen.add(thing[1]["name"])
            things.append(thing)
    names = [n for n in SURFACES if all(contrast(t[2], n) for t in things)]
    floor, wall = rng.sample(names, 2)
    places = [
        {
            "yaw": rng.choice([-1, 1]) * (t[0].get("yaw", 34) + rng.uniform(-10, 10)),
            "base": rng.uniform(0.76, 0.86),
            "size": rng.uniform(0.85, 1.0),
        }
        for t in (things * count if count else things)
    ]
    light = rng.choice(list(render.LIGHTS))
    return {
        "things": things,
        "count": count,
        "places": places,
        "floor": floor,
        "wall": wall,
        "light": light,
        "caption": caption(things, count, floor, wall),
    }


def aspects(models, things, places):
    """Width and height of every thing on the picture, its longest side being 1."""
    found = []
    for (model, _), (entry, _, _), place in zip(models, things, places):
        rotation = render.turned(place["yaw"], entry.get("stand", False))
        scale, offset = render.fit(model.points, rotation, 0.5)
        found.append(np.ptp(render.placement(model.points, rotation, scale, offset)[1], axis=0) / 0.5)
    return np.array(found)


def settle(source, plan):
    """Shapes of all things from left to right, their boxes on the picture, and how far back they reach."""
    things, places = plan["things"] * max(plan["count"], 1), plan["places"]
    models = [source.model(entry) for entry, _, _ in things]
    sizes = np.array([place["size"] for place in places])
    spans = aspects(models, things, places) * sizes[:, None]
    unit = min((0.9 - GAP * (len(things) - 1)) / spans[:, 0].sum(), TALLEST / spans[:, 1].max())
    left = 0.5 - (spans[:, 0].sum() * unit + GAP * (len(things) - 1)) / 2
    shapes, boxes, back = {}, [], 0.0
    for index, ((model, cache), (entry, _, _), place) in enumerate(zip(models, things, places)):
        rotation, width = render.turned(place["yaw"], entry.get("stand", False)), spans[index, 0] * unit
        scale, offset = render.fit(model.points, rotation, sizes[index] * unit, place["base"], left + width / 2)
        left += width + GAP
        transform, box = render.placement(model.points, rotation, scale, offset)
        back = min(back, offset[2] - np.ptp(model.points @ rotation.T * scale, axis=0)[2] / 2)
        shapes |= tracing.shapes(model, transform, cache, name=f"thing{index}_")
        boxes.append([round(float(x), 4) for x in (*box.min(0), *box.max(0))])
    return shapes, boxes, back


def wall_at(depth, colour):
    """An endless wall that faces the camera."""
    place = tracing.mi.ScalarTransform4f().translate([0.0, 0.0, depth]).scale(1000.0)
    return {"type": "rectangle", "to_world": place, "bsdf": {"type": "diffuse", "reflectance": reflectance(colour)}}


def reflectance(name):
    return tracing.rgb(np.clip(tracing.linear(np.array(SURFACES[name]) / 255.0), 0.01, 0.85))


def draw(source, plan, side=SIDE, samples=SAMPLES):
    """The picture of a plan as uint8, and the boxes of its things."""
    shapes, boxes, back = settle(source, plan)
    floor = tracing.floor()
    floor["bsdf"]["reflectance"] = reflectance(plan["floor"])
    scene = {**shapes, "floor": floor, "wall": wall_at(min(back - 0.15, -1.2), plan["wall"])}
    got = tracing.trace(scene, source.light(plan["light"]), tracing.camera(side, samples, "rgb"), DEPTH, len(plan["caption"]))
    colour = tracing.denoise(np.maximum(got[..., :3], 0), got[..., 3:6], got[..., 6:9])
    return np.round(np.clip(tracing.display(colour * EXPOSURE), 0, 1) * 255).astype(np.uint8), boxes


def row_of(name, plan, boxes, seconds, held_out):
    """The index's row of one still life."""
    things = plan["things"] * max(plan["count"], 1)
    objects = [
        {"concept": c["name"], "model": f"{e['library']}/{e['id']}", "colour": colour, "box": box}
        for (e, c, colour), box in zip(things, boxes)
    ]
    row = {
        "webp": f"large/{name}.webp",
        "caption": plan["caption"],
        "objects": objects,
        "count": len(objects),
        "light": plan["light"],
    }
    relation = "left of" if len(objects) == 2 and not plan["count"] else None
    return row | {
        "floor": plan["floor"],
        "wall": plan["wall"],
        "relation": relation,
        "heldout": held_out,
        "seconds": round(seconds, 1),
    }


def draw_all(data, limit):
    """Draws what is missing and writes the index after every picture."""
    folder, path = data / "pack" / "large", data / "pack" / "large.json"
    folder.mkdir(parents=True, exist_ok=True)
    rows = {row["webp"]: row for row in json.loads(path.read_text())["pictures"]} if path.exists() else {}
    source, models, done = render.Source(data), known(data), 0
    for number in range(COUNT):
        name = f"{number:03d}"
        if done == limit or f"large/{name}.webp" in rows:
            continue
        begin, plan = time.time(), arrange(number, models)
        picture, boxes = draw(source, plan)
        Image.fromarray(picture).save(folder / f"{name}.webp", quality=92, method=4)
        rows[f"large/{name}.webp"] = row_of(
            name, plan, boxes, time.time() - begin, number % (COUNT // HELD_OUT) == COUNT // HELD_OUT - 1
        )
        path.write_text(json.dumps({"version": 1, "side": SIDE, "pictures": [rows[k] for k in sorted(rows)]}, indent=1))
        done += 1
        print(f"{name} {plan['caption']} [{plan['light']}] {time.time() - begin:.0f} s", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, default=pathlib.Path("/work/data4"))
    parser.add_argument("--limit", type=int, default=-1, help="stop after so many pictures")
    asked = parser.parse_args()
    draw_all(asked.data, asked.limit)


if __name__ == "__main__":
    main()
