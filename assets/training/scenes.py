"""The grammar of training pictures: samples a scene and the caption that says exactly what is in it. No torch, no pixels.

    vocabulary = Vocabulary.load(data)                    # or .load(data, side=1024), .load(data, heldout=True)
    scene = sample_scene(random.Random(7), vocabulary)    # choices: form, kind, style, concept, colour, background, count, relation, size
    batch = collate([scene, ...], vocabulary)             # numpy arrays that compose.compose() takes

Coordinates are in units of the picture, from its top left corner; an object's size is the longest side of what is visible of it.
"""
import colorsys
import json
import math
import random
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path

import numpy as np

FORMS = {"one": 60, "count": 15, "two": 15, "list": 10}
RENDER_SHARE = 0.35
SIZE, SIZE_WORDS = (0.52, 0.8), (None,) * 7 + ("big", "small", "small")  # of one thing in a picture
NUMBERS = {2: ("two", "2", "a pair of"), 3: ("three", "3"), 4: ("four", "4")}
OPPOSITE = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}
FORWARD = ("left of", "above")  # what is read from left to right, from top to bottom
SAID = {"left of": ("to the left of", "left of"), "right of": ("to the right of", "right of"), "above": ("above",), "below": ("below", "under")}
PALE = ((252, 252, 252), (252, 252, 252), (250, 246, 236), (232, 242, 250), (250, 238, 242), (238, 246, 236), (240, 238, 248))
NATURAL = ("light blue", "green")  # a sky and a ground to meet more often
RECOLOURED = 0.7  # of the things that can be
OPTIONAL = {"loose": 1.0, "recoloured": RECOLOURED, "forward": 0.5}  # rules that a world may leave out: see `limited`
MARGIN = 0.02
MAX_OBJECTS = 4
FIELDS = ("sprite", "cx", "cy", "side", "flip", "angle", "recolour", "gain", "alive")


@dataclass
class Scene:
    caption: str
    style: str
    kind: str
    background: dict
    objects: list
    facts: dict
    light: str | None = None


@dataclass
class Vocabulary:
    """The index of a pack, grouped for sampling."""
    index: dict
    sprites: dict                                # id -> row of the index
    groups: dict = field(default_factory=dict)   # kind -> concept -> [rows]
    concepts: dict = field(default_factory=dict)

    @classmethod
    def load(cls, data, side=64, heldout=False, world=None):
        """Sprites trained on, or (heldout=True) only those never trained on, that the bank for pictures of this side has; `world`: a file
        that names a smaller part of them (worlds/)."""
        index = limited(json.loads((Path(data) / "pack" / "index.json").read_text()), world)
        rows = index["sprites"]
        bank = Path(data) / "banks" / f"{side}.ids.npy"
        if bank.exists():
            known = set(np.load(bank).tolist())
            rows = [r for r in rows if r["id"] in known]
        return cls.of(index, [r for r in rows if r["heldout"] == heldout])

    @classmethod
    def of(cls, index, rows):
        self = cls(index, {r["id"]: r for r in rows})
        self.concepts = {c["name"]: c for c in index["concepts"]}
        for row in rows:
            self.groups.setdefault(row["kind"], {}).setdefault(row["concept"], []).append(row)
        self.names = {kind: sorted(g) for kind, g in self.groups.items()}
        self.shares = {kind: list(accumulate(self.concepts[n]["weight"] for n in names)) for kind, names in self.names.items()}
        self.colours = index["named_colours"]
        self.backgrounds = index["backgrounds"]
        self.airy = {c["name"] for c in index["concepts"] if c["group"] == "sky"}
        self.hsv = {k: colorsys.rgb_to_hsv(*(c / 255 for c in v)) for k, v in self.colours.items()}
        self.weights = index["weights"]
        self.forms, self.render_share = index.get("forms", FORMS), index.get("render_share", RENDER_SHARE)
        self.size, self.size_words = index.get("size", SIZE), index.get("size_words", SIZE_WORDS)
        self.turns = index.get("turns", True)
        self.loose, self.recoloured, self.forward = (index.get(k, v) for k, v in OPTIONAL.items())
        return self


class WorldError(Exception):
    """One line: what was wrong, what to do."""


def read_world(path):
    """The rules of a world; where it names another file beside it (`of`), that one's with its own in their place."""
    try:
        rules = json.loads(Path(path).read_text())
    except (OSError, ValueError) as e:
        raise WorldError(f"{path} cannot be read as a world: {e}") from e
    return {**read_world(Path(path).parent / rules.pop("of")), **rules} if "of" in rules else rules


def limited(index, world):
    """The index of a world, a file of worlds/: some concepts (`renders`: those of them that are shown path-traced too), some sets and their
    weights, at most so many sprites of a concept and set (`most`), shares of forms and renders, sizes of one thing, how freely things are
    placed (`loose`: 1 as everywhere else, 0 always alike), how many of the things are recoloured where different ones stand together
    (`recoloured`), how often a caption names the thing on the left or above first (`forward`)."""
    if not world:
        return index
    world = read_world(world)
    shown = {"flat": set(world["concepts"]), "render": set(world.get("renders", world["concepts"]))}
    unknown = set.union(*shown.values()) - {c["name"] for c in index["concepts"]}
    if unknown:
        raise WorldError(f"the pack has no {', '.join(sorted(unknown))}; pack/index.json lists its concepts")
    rows = [r for r in index["sprites"] if r["concept"] in shown[r["kind"]] and r["set"] in world["sets"]]
    return index | {"concepts": [c for c in index["concepts"] if any(c["name"] in names for names in shown.values())],
                    "sprites": first_of_each(rows, world.get("most")),
                    "weights": index["weights"] | world["sets"], **{k: world.get(k, v) for k, v in OPTIONAL.items()},
                    **{k: world[k] for k in ("forms", "render_share", "size", "size_words", "turns")}}


def first_of_each(rows, most):
    """At most so many sprites of a concept and set: those trained on, in the order of the pack; where all were held out, the first is
    trained on after all. None: all."""
    if most is None:
        return rows
    groups = {}
    for row in rows:
        groups.setdefault((row["concept"], row["set"]), []).append(row)
    kept = [([r for r in group if not r["heldout"]] or [group[0] | {"heldout": False}])[:most] for group in groups.values()]
    return [row for group in kept for row in group]


# ---------------------------------------------------------------- words

def article(noun):
    return ("an " if noun[0] in "aeiou" and not noun.startswith(("uni", "uku", "one", "eu")) else "a ") + noun


def joined(parts):
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


def noun_of(rng, concept):
    """A word for the concept: its name in half of the cases, else any of its synonyms."""
    k = 0 if rng.random() < 0.5 else rng.randrange(len(concept["words"]))
    return concept["words"][k], concept["plurals"][k]


def style_words(rng, vocabulary, style):
    return rng.choice(vocabulary.index["styles"][style])


# ---------------------------------------------------------------- things

def pick_sprite(rng, vocabulary, kind, concept, style=None, light=None):
    rows = vocabulary.groups[kind][concept]
    if style:
        rows = [r for r in rows if r["style"] == style] or rows
    if light:
        rows = [r for r in rows if r["light"] == light] or rows
    return rng.choices(rows, [vocabulary.weights.get(r["set"], 1) for r in rows])[0]


def pick_colour(rng, vocabulary, row, wanted=None, chance=RECOLOURED):
    """(recolour or None, colour that may be said or None). `chance`: of a recolouring where one is possible."""
    if wanted:
        return (None if row["colour"] == wanted or not row["recolour"] else wanted), wanted
    if row["recolour"] and rng.random() < chance:
        name = rng.choice(vocabulary.concepts[row["concept"]]["colours"])
        return (None if name == row["colour"] else name), name
    return None, row["colour"] if rng.random() < 0.35 else None


def thing(rng, vocabulary, kind, concept, style=None, light=None, colour=None, recoloured=RECOLOURED):
    """One object without its place, and what a caption may call it."""
    row = pick_sprite(rng, vocabulary, kind, concept, style, light)
    recolour, said = pick_colour(rng, vocabulary, row, colour, recoloured)
    noun, nouns = noun_of(rng, vocabulary.concepts[concept])
    return {"row": row, "recolour": recolour, "said": said, "noun": noun, "nouns": nouns, "concept": concept}


def bare(t):
    """Whether a noun takes no article: "jeans", "bread" (two of them: "loaves of bread"), "lightning" ("lightning bolts")."""
    noun, nouns = t["noun"], t["nouns"]
    return noun == nouns and noun.endswith("s") or " of " in nouns and " of " not in noun or nouns.startswith(noun + " ")


def a_named(t, size=None):
    words = named(t, size)
    return words if bare(t) else article(words)


def named(t, size=None, many=False):
    words = [w for w in (size, t["said"], t["nouns"] if many else t["noun"]) if w]
    return " ".join(words)


def rgb_of(vocabulary, t):
    """About the colour that a thing has in the picture."""
    if t["recolour"]:
        return vocabulary.colours[t["recolour"]]
    return [255 * c for c in colorsys.hsv_to_rgb(*t["row"]["hsv"])]


# ---------------------------------------------------------------- places

def extent(row, size):
    """(width, height) of a sprite whose longest visible side is `size`."""
    left, top, right, bottom = row["rect"]
    scale = size / max(right - left, bottom - top)
    return (right - left) * scale, (bottom - top) * scale


def vary(rng, low, high, vocabulary):
    """Evenly between two numbers; near their middle in a world whose places are less loose."""
    return (low + high) / 2 + (rng.random() - 0.5) * (high - low) * vocabulary.loose


def clamp(v, low, high):
    return (low + high) / 2 if low > high else min(max(v, low), high)


def mirrors(t, vocabulary):
    """Whether the thing may be mirrored: nothing with writing on it is."""
    return vocabulary.concepts[t["concept"]].get("flip", True)


def put(t, cx, cy, size, rng, vocabulary):
    """A thing at a place, moved inside the picture if it stands over."""
    w, h = extent(t["row"], size)
    flat = t["row"]["kind"] == "flat" and vocabulary.turns
    return {"sprite": t["row"]["id"], "recolour": t["recolour"], "cx": clamp(cx, w / 2 + MARGIN, 1 - w / 2 - MARGIN),
            "cy": clamp(cy, h / 2 + MARGIN, 1 - h / 2 - MARGIN), "size": size, "flip": flat and mirrors(t, vocabulary) and rng.random() < 0.5,
            "angle": rng.uniform(-7, 7) if flat and rng.random() < 0.3 else 0.0, "gain": rng.uniform(0.94, 1.06)}


def apart(objects, vocabulary, gap=0.0):
    """Whether no two visible boxes overlap by more than a little."""
    boxes = []
    for o in objects:
        w, h = extent(vocabulary.sprites[o["sprite"]], o["size"])
        boxes.append((o["cx"] - w / 2, o["cy"] - h / 2, o["cx"] + w / 2, o["cy"] + h / 2, w * h))
    for i, a in enumerate(boxes):
        for b in boxes[:i]:
            w, h = min(a[2], b[2]) - max(a[0], b[0]) + gap, min(a[3], b[3]) - max(a[1], b[1]) + gap
            if w > 0 and h > 0 and w * h > 0.06 * min(a[4], b[4]):
                return False
    return True


def grounded(objects, vocabulary, horizon, rng, render):
    """Lets things stand on the ground below the horizon; on a rendered floor they stand a little behind or before each other."""
    base = clamp(rng.gauss(0.5 * (horizon + 1) + 0.08, 0.05 * vocabulary.loose), horizon + 0.08, 0.95)
    for o in objects:
        _, h = extent(vocabulary.sprites[o["sprite"]], o["size"])
        foot = base + vary(rng, -0.04, 0.04, vocabulary) if render else vary(rng, horizon + 0.06, 0.95, vocabulary)
        o["cy"] = clamp(foot - h / 2, h / 2 + MARGIN, 1 - h / 2 - MARGIN)


def in_rows(objects, vocabulary, horizon, rng):
    """Two rows on a rendered floor: those behind just below the horizon, those in front near the lower edge."""
    middle = (max(o["cy"] for o in objects) + min(o["cy"] for o in objects)) / 2
    for o in objects:
        foot = vary(rng, 0.9, 0.95, vocabulary) if o["cy"] > middle else horizon + vary(rng, 0.1, 0.16, vocabulary)
        o["cy"] = foot - extent(vocabulary.sprites[o["sprite"]], o["size"])[1] / 2


def one_place(rng, vocabulary, things, size_word):
    size = vary(rng, *{"big": (0.8, 0.92), "small": (0.28, 0.4), None: vocabulary.size}[size_word], vocabulary)
    spread = vocabulary.loose * (0.03 + 0.35 * (1 - size) ** 2 * (1 if size_word is None else 0.6))
    return [put(things[0], rng.gauss(0.5, spread), rng.gauss(0.52, spread), size, rng, vocabulary)]


def fitting(t, width, tallest):
    """The size at which a thing is at most so wide and so tall."""
    w, h = extent(t["row"], 1.0)
    return min(width / w, tallest / h)


def row_places(rng, vocabulary, things, render):
    """Things side by side, or three and four in two rows (rendered things stand on one floor: the back row little higher than the front row)."""
    n = len(things)
    if n > 2 and rng.random() < (0.5 if render else 0.85):
        top, low = (0.4, 0.66) if render else (0.28, 0.73)
        cells = [(0.27, top), (0.73, top), (0.27, low), (0.73, low)] if n == 4 else [(0.28, top), (0.72, top), (0.5, low)]
        if n == 3 and rng.random() < 0.5:
            cells = [(0.5, top), (0.28, low), (0.72, low)]
        width, tallest = vary(rng, 0.34, 0.43, vocabulary), 0.3 if render else vary(rng, 0.34, 0.43, vocabulary)
    else:
        cells = [((k + 0.5) / n, 0.55) for k in range(n)]
        width, tallest = vary(rng, 0.8, 0.93, vocabulary) / n, 0.55
    rng.shuffle(cells)
    spots = [(x + vary(rng, -0.025, 0.025, vocabulary), y + vary(rng, -0.025, 0.025, vocabulary)) for x, y in cells]
    return [put(t, x, y, fitting(t, width, tallest) * vary(rng, 0.92, 1.0, vocabulary), rng, vocabulary) for t, (x, y) in zip(things, spots)]


def related_places(rng, vocabulary, things, relation):
    """The first thing stands so to the second: centres differ by more along the axis than across it."""
    along, other = vary(rng, 0.37, 0.45, vocabulary), 0.62
    a, b = 0.5 - vary(rng, 0.21, 0.26, vocabulary), 0.5 + vary(rng, 0.21, 0.26, vocabulary)
    across = [vary(rng, 0.42, 0.6, vocabulary) for _ in things]
    if relation in ("right of", "below"):
        a, b = b, a
    if relation in ("left of", "right of"):
        spots = [(a, across[0]), (b, across[1])]
        size = [fitting(t, along, other) for t in things]
    else:
        spots = [(across[0], a), (across[1], b)]
        size = [fitting(t, other, along) for t in things]
    return [put(t, x, y, s * vary(rng, 0.9, 1.0, vocabulary), rng, vocabulary) for t, (x, y), s in zip(things, spots, size)]


def places(rng, vocabulary, things, relation, size_word, back, kind):
    """Places that keep everything visible and the relation true."""
    for _ in range(20):
        if relation:
            objects = related_places(rng, vocabulary, things, relation)
        elif len(things) == 1:
            objects = one_place(rng, vocabulary, things, size_word)
        else:
            objects = row_places(rng, vocabulary, things, kind == "render")
        standing = kind == "render" or back["kind"] in ("split", "room")
        rows = len(things) > 2 and max(o["cy"] for o in objects) - min(o["cy"] for o in objects) > 0.15
        if rows and kind == "render":
            in_rows(objects, vocabulary, back["horizon"], rng)
        elif standing and relation not in ("above", "below") and not rows and things[0]["row"]["concept"] not in vocabulary.airy:
            grounded(objects, vocabulary, back["horizon"], rng, kind == "render")
        if apart(objects, vocabulary) and (not relation or holds(objects, relation)):
            return rendered(objects, things, rng, vocabulary) if kind == "render" else objects
    return None


def rendered(objects, things, rng, vocabulary):
    """Light falls on all of them from one side: all are mirrored, or none."""
    flip = vocabulary.turns and all(mirrors(t, vocabulary) for t in things) and rng.random() < 0.5
    return sorted_by_depth([o | {"flip": flip} for o in objects], vocabulary)


def holds(objects, relation, least=0.12):
    """Whether the first object is so placed to the second."""
    dx, dy = objects[0]["cx"] - objects[1]["cx"], objects[0]["cy"] - objects[1]["cy"]
    along = {"left of": -dx, "right of": dx, "above": -dy, "below": dy}[relation]
    return along > least


def sorted_by_depth(objects, vocabulary):
    """Objects keep the order of the facts; `depth` says which is painted first (feet higher up are farther away)."""
    for o in objects:
        o["depth"] = o["cy"] + extent(vocabulary.sprites[o["sprite"]], o["size"])[1] / 2
    return objects


# ---------------------------------------------------------------- backgrounds

def far_colours(vocabulary, things, least=90):
    """Background colours that no thing disappears on."""
    own = [rgb_of(vocabulary, t) for t in things]
    return [k for k, c in vocabulary.backgrounds.items() if all(math.dist(c, o) > least for o in own)] or ["white", "black"]


def jittered(rng, colour):
    shift = rng.uniform(-8, 8)
    return [round(clamp(c + shift + rng.uniform(-4, 4), 0, 255), 1) for c in colour]


def ground(rng, vocabulary, things, kind, wanted=None):
    """Background and the words for it."""
    names = far_colours(vocabulary, things)
    kinds = {"flat": {"unnamed": 24, "plain": 44, "gradient": 12, "split": 14, "room": 6}, "render": {"unnamed": 25, "plain": 35, "room": 40}}[kind]
    what = wanted or rng.choices(list(kinds), list(kinds.values()))[0]
    a = rng.choice(names)
    b = rng.choice([k for k in vocabulary.backgrounds if k != a])
    deep = (0.36, 0.46) if len(things) > 2 else (0.5, 0.64)  # room for two rows
    horizon = rng.uniform(*deep) if kind == "render" else rng.uniform(0.52, 0.72)
    if what == "unnamed":
        base = jittered(rng, rng.choice(PALE if kind == "flat" else PALE + ((188, 188, 190), (214, 208, 200))))
        return {"kind": what, "colours": [], "rgb": [base, base], "horizon": horizon}, ""
    if what == "plain":
        colour = jittered(rng, vocabulary.backgrounds[a])
        said = rng.choice((f" on a {a} background", f" on a {a} background", f", {a} background", f" on {a}"))
        return {"kind": what, "colours": [a], "rgb": [colour, colour], "horizon": horizon}, said.replace(" a orange", " an orange")
    if what == "gradient":
        said = rng.choice((f" on a {a} to {b} gradient background", f" on a gradient from {a} to {b}"))
    elif what == "split":
        a, b = NATURAL if rng.random() < 0.2 and set(NATURAL) <= set(names) else (a, b)
        said = rng.choice((f" with {a} sky and {b} ground", f", {a} sky and {b} ground", f" on {b} ground under a {a} sky"))
    else:
        said = rng.choice((f" on a {b} floor with a {a} wall", f" on a {b} floor in front of a {a} wall", f", {b} floor, {a} wall"))
    rgb = [jittered(rng, vocabulary.backgrounds[k]) for k in (a, b)]
    said = said.replace(" a orange", " an orange")
    return {"kind": what, "colours": [b, a] if what == "room" else [a, b], "rgb": rgb, "horizon": horizon}, said


# ---------------------------------------------------------------- scenes

def sample_scene(rng, vocabulary, **choices):
    """A scene and its caption. Choices (all optional): form "one"|"count"|"two"|"list", kind, style, concept, colour, background (kind), count,
    relation, size. Raises ValueError where a choice cannot be met."""
    for _ in range(50):
        scene = _try_scene(rng, vocabulary, choices)
        if scene:
            return scene
    raise ValueError(f"no scene for {choices}; ask for a concept that this kind and style show")


def _try_scene(rng, vocabulary, choices):
    if choices.get("concept") and not any(choices["concept"] in g for g in vocabulary.groups.values()):
        raise ValueError(f"no sprite of {choices['concept']}; see Vocabulary.names")
    kind = choices.get("kind") or ("render" if "render" in vocabulary.names and rng.random() < vocabulary.render_share else "flat")
    if choices.get("concept") and choices["concept"] not in vocabulary.groups[kind]:
        kind = "flat" if kind == "render" else "render"
    form = choices.get("form") or rng.choices(list(vocabulary.forms), list(vocabulary.forms.values()))[0]
    style = choices.get("style")
    first = choices.get("concept") or rng.choices(vocabulary.names[kind], cum_weights=vocabulary.shares[kind])[0]
    others = {"one": 0, "count": 0, "two": 1, "list": rng.randint(2, 3)}[form]
    recoloured = vocabulary.recoloured if others else RECOLOURED
    a = thing(rng, vocabulary, kind, first, style, colour=choices.get("colour"), recoloured=recoloured)
    style, light = a["row"]["style"], a["row"]["light"]
    names = rng.sample(vocabulary.names[kind], min(others + 1, len(vocabulary.names[kind])))
    names = [n for n in names if n != first][:others]
    things = [a] + [thing(rng, vocabulary, kind, n, style, light, recoloured=recoloured) for n in names]
    number = choices.get("count") or rng.choice((2, 2, 3, 3, 4)) if form == "count" else 1
    if form == "count":
        things = [a] * number
    size = choices.get("size") or rng.choice(vocabulary.size_words) if form == "one" else None
    relation = None
    if form == "two" and rng.random() < 0.85 or choices.get("relation"):
        relation = choices.get("relation") or rng.choice(("left of", "right of") if kind == "render" else tuple(OPPOSITE))
    back, said = ground(rng, vocabulary, things, kind, choices.get("background"))
    objects = places(rng, vocabulary, things, relation, size, back, kind)
    if not objects:
        return None
    text = phrase(rng, things, form, number, relation, size, vocabulary.forward)
    caption = styled(rng, vocabulary, text, said, style, choices.get("style"))
    shown = things[:1] if form == "count" else things
    facts = {"objects": [t["concept"] for t in shown], "colours": [t["said"] for t in shown], "count": len(things), "relation": relation,
             "size": size, "background": back["colours"]}
    return Scene(caption, style, kind, back, objects, facts, light)


def phrase(rng, things, form, number, relation, size, forward=0.5):
    """What the caption says of the things, without style and background. `forward`: how often the thing left or above comes first."""
    if form == "count":
        word = rng.choices(NUMBERS[number], [6, 2, 1][:len(NUMBERS[number])])[0]
        return f"{word} {named(things[0], many=True)}"
    if relation:
        if (relation in FORWARD) != (rng.random() < forward):
            return f"{a_named(things[1])} {rng.choice(SAID[OPPOSITE[relation]])} {a_named(things[0])}"
        return f"{a_named(things[0])} {rng.choice(SAID[relation])} {a_named(things[1])}"
    if form in ("two", "list"):
        return joined([a_named(t) for t in rng.sample(things, len(things))])
    return a_named(things[0], size)


def styled(rng, vocabulary, text, said, style, wanted):
    """Style words in 60 % of the captions (always where the style was asked for); "a picture of" or the bare noun in a few others."""
    if wanted or rng.random() < 0.6:
        words = style_words(rng, vocabulary, style)
        return f"{article(words)} of {text}{said}" if rng.random() < 0.5 else f"{text}{said}, {words}"
    u = rng.random()
    if u < 0.15:
        return f"a picture of {text}{said}"
    if u < 0.3 and text.startswith(("a ", "an ")):
        return text.split(" ", 1)[1] + said
    return text + said


# ---------------------------------------------------------------- arrays

def collate(scenes, vocabulary):
    """Numpy arrays for compose(): objects [n, 4, ...] in painting order, backgrounds [n, ...]."""
    n = len(scenes)
    objects = np.zeros((n, MAX_OBJECTS, 12), np.float32)  # id, cx, cy, side of the canvas, flip, angle, gain, alive, main hue, main s, main v, kind
    target = np.full((n, MAX_OBJECTS, 3), -1, np.float32)
    back = np.zeros((n, 8), np.float32)  # rgb, rgb, kind, horizon
    kinds = {"plain": 0, "unnamed": 0, "gradient": 1, "split": 2, "room": 2}
    for i, scene in enumerate(scenes):
        b = scene.background
        back[i] = [*b["rgb"][0], *b["rgb"][1], kinds[b["kind"]] + (3 if scene.kind == "render" else 0), b["horizon"]]
        for k, o in enumerate(sorted(scene.objects, key=lambda o: o.get("depth", 0))):
            objects[i, k] = frame(o, vocabulary.sprites[o["sprite"]])
            if o["recolour"]:
                target[i, k] = vocabulary.hsv[o["recolour"]]
    lights = [s.light for s in scenes]
    return {"objects": objects, "target": target, "back": back, "lights": lights, "captions": [s.caption for s in scenes]}


def frame(o, row):
    """An object's row: where its sprite's whole canvas lies so that the visible part has the asked place and size."""
    left, top, right, bottom = row["rect"]
    side = o["size"] / max(right - left, bottom - top)
    dx, dy = ((left + right) / 2 - 0.5) * side, ((top + bottom) / 2 - 0.5) * side
    return [o["sprite"], o["cx"] - (-dx if o["flip"] else dx), o["cy"] - dy, side, o["flip"], math.radians(o["angle"]), o["gain"], 1, *row["hsv"],
            row["kind"] == "render"]


def pick_crops(scenes, vocabulary, rng, side, size, step=4):
    """(top, left) of one crop of each scene, as two int arrays: three quarters around the rim of an object, the others anywhere."""
    corner = np.zeros((2, len(scenes)), np.int64)
    for i, scene in enumerate(scenes):
        x, y = rng.random(), rng.random()
        if rng.random() < 0.75:
            o = rng.choice(scene.objects)
            w, h = extent(vocabulary.sprites[o["sprite"]], o["size"])
            turn, out = rng.uniform(0, 2 * math.pi), rng.uniform(0.3, 1.0)
            x, y = o["cx"] + 0.5 * w * out * math.cos(turn), o["cy"] + 0.5 * h * out * math.sin(turn)
        for k, v in enumerate((y, x)):
            corner[k, i] = int(clamp(v * side - size / 2, 0, side - size)) // step * step
    return corner[0], corner[1]


def main():
    import argparse
    import time

    ap = argparse.ArgumentParser(description="Prints captions and the sampling speed.")
    ap.add_argument("--data", type=Path, default=Path("/work/data4"))
    ap.add_argument("--count", type=int, default=40)
    a = ap.parse_args()
    vocabulary, rng = Vocabulary.load(a.data), random.Random(1)
    for _ in range(a.count):
        print(sample_scene(rng, vocabulary).caption)
    start = time.process_time()
    collate([sample_scene(rng, vocabulary) for _ in range(3000)], vocabulary)
    print(f"{3000 / (time.process_time() - start):.0f} scenes/s (sampled and collated, one process)")


if __name__ == "__main__":
    main()
