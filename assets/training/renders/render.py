"""Path-traced layers for compositions: every thing as an RGBA sprite and the shade it throws on the floor under it.

    python ../fetch.py --data DIR --only sweethome3d-furniture pmndrs-assets   # models and lights, hash-checked
    python render.py unpack  [--data DIR]             # DIR/renders_src from what was fetched
    python render.py sprites [--data DIR] [--limit N] # resumable: renders what is missing, most useful first
    python render.py index   [--data DIR]             # DIR/pack/renders.json from what has been rendered
    python render.py --dry-run                        # one built mesh, 32 pixels, seconds; skipped where mitsuba is not installed

README.md beside this file tells what the layers hold, how they were made and what is approximated.
"""

import argparse
import base64
import importlib.util
import json
import pathlib
import re
import sys
import tempfile
import time
import zipfile
import zlib

import numpy as np
from PIL import Image

MISSING = [name for name in ("mitsuba", "pyoidn") if importlib.util.find_spec(name) is None]
if MISSING:
    print(f"{' and '.join(MISSING)} not installed; pip install mitsuba==3.9.1 pyoidn==2.5.1.0")
    raise SystemExit(0 if "--dry-run" in sys.argv else 1)

import index
import meshes
import tracing

HERE = pathlib.Path(__file__).parent
SIDE, SHADE_SIDE = 256, 64
BOX = 0.62  # the longest side of a thing on its canvas
BASE = 0.5 + BOX / 2  # canvas height (from the top) of the lowest visible point
SAMPLES, DEPTH, CLEAR_DEPTH = 6, 4, 5  # passing a see-through surface counts as a bounce
SHADE_SAMPLES, SHADE_DEPTH = 16, 3
CLEAR, FAINT = 0.985, (0.01, 0.06)  # the floor's light that counts as unshaded, and the darkness that is faded out
EXPOSURE = 1.15  # linear value of a white thing lit as the floor is, in both lights
LIGHTS = {"studio": ("workshop", 55.0), "sun": ("sky", 55.0)}
MARGIN = 6  # pixels around a thing that are traced as well
FIRST = 3  # models of a concept that come before the others


def catalogue(data, library):
    """The library's own list: id -> its properties."""
    text = (data / "renders_src" / "lib" / library / "PluginFurnitureCatalog.properties").read_text(encoding="latin1")
    rows = {}
    for number, key, value in ((m[2], m[1], m[3]) for m in re.finditer(r"^(\w+)#(\d+)=(.*)$", text, re.MULTILINE)):
        rows.setdefault(number, {})[key] = value.strip()
    return {row["id"].split("#")[-1]: row for row in rows.values()}


def unpack(data):
    """Opens the fetched libraries and lights into DIR/renders_src."""
    furniture = data / "src" / "sweethome3d-furniture" / "usr" / "share" / "sweethome3d" / "furniture"
    pictures = data / "src" / "pmndrs-assets" / "package" / "hdri"
    for path in (furniture, pictures):
        if not path.is_dir():
            raise SystemExit(f"{path}: not there; run fetch.py --only sweethome3d-furniture pmndrs-assets first")
    for library in sorted({entry["library"] for entry in listed()[0]}):
        with zipfile.ZipFile(furniture / f"{library}.sh3f") as packed:
            packed.extractall(data / "renders_src" / "lib" / library)
    folder = data / "renders_src" / "hdri"
    folder.mkdir(parents=True, exist_ok=True)
    for picture, _ in LIGHTS.values():
        text = (pictures / f"{picture}.exr.js").read_text()
        (folder / f"{picture}.exr").write_bytes(base64.b64decode(re.search(r"base64,([A-Za-z0-9+/=]+)", text)[1]))


class Source:
    """Models and lights of a data folder, loaded when asked for."""

    def __init__(self, data):
        self.data, self.lists, self.lights = data, {}, {}

    def model(self, entry):
        library = entry["library"]
        rows = self.lists.setdefault(library, None) or catalogue(self.data, library)
        self.lists[library] = rows
        row = rows[entry["id"]]
        rotation = row.get("modelRotation", "").split()
        size = [float(row[k]) for k in ("width", "height", "depth")]
        folder = self.data / "renders_src"
        cache = folder / "cache" / library / entry["id"]
        return meshes.load(folder / "lib" / library / row["model"].lstrip("/"), rotation, size, cache), cache

    def light(self, name):
        if name not in self.lights:
            picture, azimuth = LIGHTS[name]
            self.lights[name] = tracing.Light.load(name, self.data / "renders_src" / "hdri" / f"{picture}.exr", azimuth)
        return self.lights[name]


def turned(yaw, stand):
    """The rotation of a thing: flat things are stood up on their lower edge, then turned about the vertical."""
    a, b = np.radians(yaw), np.radians(90.0 if stand else 0.0)
    about_y = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    return about_y @ about_x


def project(points):
    """Canvas coordinates in [0, 1] from the top left of points in the world."""
    eye = np.array([0.0, tracing.DISTANCE * np.sin(tracing.PITCH), tracing.DISTANCE * np.cos(tracing.PITCH)])
    up = np.array([0.0, np.cos(tracing.PITCH), -np.sin(tracing.PITCH)])
    away = points - eye
    depth = away @ (-eye / tracing.DISTANCE)
    spread = 2.0 * np.tan(np.radians(tracing.FIELD_OF_VIEW) / 2) * depth
    return np.stack([0.5 + away[:, 0] / spread, 0.5 - away @ up / spread], 1)


def fit(points, rotation, box=BOX, base=BASE, centre=0.5):
    """(scale, offset) that put turned points on the floor: box centred, its longest side `box`, the lowest point at `base`."""
    points = points @ rotation.T
    points = points - [
        (points[:, 0].min() + points[:, 0].max()) / 2,
        points[:, 1].min(),
        (points[:, 2].min() + points[:, 2].max()) / 2,
    ]
    view = 2.0 * tracing.DISTANCE * np.tan(np.radians(tracing.FIELD_OF_VIEW) / 2)
    scale, offset = box * view / max(np.ptp(points, axis=0).max(), 1e-9), np.array([0.0, 0.0, 0.0])
    for _ in range(12):
        low, high = (f(project(points * scale + offset), axis=0) for f in (np.min, np.max))
        scale *= box / max(high - low)
        offset += [(centre - (low[0] + high[0]) / 2) * view, 0.0, (base - high[1]) * view / np.sin(tracing.PITCH) * 0.8]
    return scale, offset


def placement(points, rotation, scale, offset):
    """The transform that `fit` found, for mitsuba."""
    turned_points = points @ rotation.T
    low, high = turned_points.min(0), turned_points.max(0)
    middle = np.array([(low[0] + high[0]) / 2, low[1], (low[2] + high[2]) / 2])
    matrix = np.eye(4)
    matrix[:3, :3] = rotation * scale
    matrix[:3, 3] = offset - middle * scale
    return tracing.mi.ScalarTransform4f(matrix), project(turned_points * scale + matrix[:3, 3])


def window(box, side):
    """The pixels (left, top, right, bottom) that a thing may touch."""
    low = np.maximum(np.floor(box.min(0) * side).astype(int) - MARGIN, 0)
    high = np.minimum(np.ceil(box.max(0) * side).astype(int) + MARGIN, side)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def straight(colour, alpha):
    """Unpremultiplied display colour; where little is seen that of fuller neighbours, so that edges keep no fringe."""
    plain = colour / np.maximum(alpha, 1e-3)
    weight = np.clip((alpha - 0.25) / 0.5, 0, 1)
    spread, total = plain * weight, weight
    for _ in range(4):
        spread, total = blur(spread), blur(total)
    near = spread / np.maximum(total, 1e-6)
    known = np.clip(total * 1e3, 0, 1) * (1 - weight)
    mean = (plain * weight).sum((0, 1)) / max(weight.sum(), 1e-6)
    filled = np.where(total > 1e-4, plain * (1 - known) + near * known, mean)
    return tracing.display(filled)


def blur(picture):
    """A 3x3 mean."""
    wide = np.pad(picture, ((1, 1), (1, 1), (0, 0)), mode="edge")
    return sum(wide[y : y + picture.shape[0], x : x + picture.shape[1]] for y in range(3) for x in range(3)) / 9


def colour_pass(parts, light, part, side, samples, seed, shade):
    """RGBA in [0, 1] of a thing on a floor that the camera does not see."""
    left, top, right, bottom = part
    sensor = tracing.camera(side, samples)
    sensor["film"] |= {"crop_offset_x": left, "crop_offset_y": top, "crop_width": right - left, "crop_height": bottom - top}
    clear = any(shape["bsdf"]["type"] == "mask" for shape in parts.values())
    got = tracing.trace({**parts, "floor": tracing.floor(hidden=True)}, light, sensor, DEPTH + CLEAR_DEPTH * clear, seed)
    alpha = np.clip(np.nan_to_num(got[..., 3:4]), 0, 1)
    guides = got[..., 4:7], got[..., 7:10]
    colour = tracing.denoise(got[..., :3], *guides)
    if clear:
        through = Image.fromarray(shade.astype(np.float32)).resize((side, side), Image.BILINEAR)
        floor = np.asarray(through)[top:bottom, left:right, None] * tracing.WHITE
        alpha, colour = without_floor(parts, sensor, seed, alpha, colour, guides, floor)
    out = np.zeros((side, side, 4), np.float32)
    out[top:bottom, left:right] = np.concatenate([straight(np.maximum(colour, 0) * EXPOSURE, alpha), alpha], -1)
    return out


def without_floor(parts, sensor, seed, alpha, colour, guides, floor):
    """Alpha and colour of a thing with see-through parts: the hidden floor shows behind those, so its light is taken off."""
    true = np.clip(tracing.trace(parts, None, sensor, DEPTH + CLEAR_DEPTH, seed)[..., 3:4], 0, 1)
    true, seen = (
        tracing.denoise(np.repeat(np.clip(a, 0, 1), 3, -1), *guides).mean(-1, keepdims=True) for a in (true, alpha - true)
    )
    return np.clip(true, 0, 1), colour - np.clip(seen, 0, 1) * floor


def shade_pass(parts, light, side, samples, seed):
    """What the light of the floor is multiplied with, in [0, 1], fading to 1 at the canvas border."""
    got = tracing.trace({**parts, "floor": tracing.floor()}, light, tracing.camera(side, samples, "rgb"), SHADE_DEPTH, seed)
    shade = tracing.denoise_plain(got[..., :3]).mean(-1) / (tracing.WHITE * CLEAR)
    at = (np.arange(side) + 0.5) / side
    fade = np.clip(np.minimum(at, 1 - at) / 0.12, 0, 1)
    return 1.0 - quiet(1.0 - np.clip(shade, 0, 1)) * np.minimum(fade[:, None], fade[None])


def quiet(dark):
    """Lets the faintest darkness go: what few samples leave there is clouds."""
    t = np.clip((dark - FAINT[0]) / (FAINT[1] - FAINT[0]), 0, 1)
    return dark * t * t * (3 - 2 * t)


def save(folder, name, sprite, shade):
    """Both layers as WebP; the sprite last, since its presence says that both are there."""
    shade = Image.fromarray(np.round(shade * 255).astype(np.uint8))
    shade.save(folder / f"{name}.shade.webp", quality=92, method=4)
    picture = Image.fromarray(np.round(np.clip(sprite, 0, 1) * 255).astype(np.uint8), "RGBA")
    picture.save(folder / f"{name}.webp", quality=92, alpha_quality=100, method=4)


def render_view(source, view, folder):
    """Renders one planned view; returns the seconds it took."""
    begin = time.time()
    entry = view["entry"]
    model, cache = source.model(entry)
    rotation = turned(view["yaw"], entry.get("stand", False))
    scale, offset = fit(model.points, rotation)
    place, box = placement(model.points, rotation, scale, offset)
    light = source.light(view["light"])
    seed = zlib.crc32(view["name"].encode()) % 10000
    shade = shade_pass(tracing.shapes(model, place, cache, hidden=True), light, SHADE_SIDE, SHADE_SAMPLES, seed)
    sprite = colour_pass(tracing.shapes(model, place, cache), light, window(box, SIDE), SIDE, SAMPLES, seed, shade)
    save(folder, view["name"], sprite, shade)
    return time.time() - begin


# ---------------------------------------------------------------- planning


def listed():
    """models.json: the chosen models and their concepts."""
    said = json.loads((HERE / "models.json").read_text())
    return said["models"], {c["name"]: c for c in said["concepts"]}


def number(entry):
    """A number that stays with a model whatever else is listed."""
    return zlib.crc32(f"{entry['library']}/{entry['id']}".encode())


def view_of(entry, light, turn):
    """The `turn`-th view of a model: yaws differ in side and a little in size."""
    seed = number(entry)
    side = (1 if seed % 2 else -1) * (1 if turn % 2 == 0 else -1)
    spread = (seed // 2 + 7 * turn) % 13 - 6
    least = entry.get("yaw", 34)
    yaw = side * (least + spread if turn < 2 else max(least - 18, 12) + spread)
    return {"entry": entry, "light": light, "yaw": yaw, "name": f"{seed % 10**6:06d}{'abcd'[turn]}"}


def ranked(entries):
    """(how many of its concept come before it, entry), so that every concept has its first before any has its second."""
    seen, rows = {}, []
    for place, entry in enumerate(entries):
        seen[entry["concept"]] = seen.get(entry["concept"], -1) + 1
        rows.append((seen[entry["concept"]], place, entry))
    return [(rank, entry) for rank, _, entry in sorted(rows, key=lambda row: row[:2])]


def plan():
    """All views, most useful first: up to FIRST models of every concept under one light, then under the other from the
    other side, then the rest in the same way, then concepts with few models a third time."""
    entries = ranked(listed()[0])
    count = {}
    for _, entry in entries:
        count[entry["concept"]] = count.get(entry["concept"], 0) + 1
    lights, views = list(LIGHTS), []
    for few in (True, False):
        for turn in (0, 1):
            views += [view_of(e, lights[turn], turn) for rank, e in entries if (rank < FIRST) == few]
    return views + [view_of(e, lights[number(e) // 7 % 2], 2) for _, e in entries if count[e["concept"]] <= 2]


def render_all(data, limit):
    """Renders missing views in order."""
    folder = data / "pack" / "renders"
    folder.mkdir(parents=True, exist_ok=True)
    source, done, begin = Source(data), 0, time.time()
    for view in plan():
        if done == limit:
            break
        if (folder / f"{view['name']}.webp").exists():
            continue
        try:
            seconds = render_view(source, view, folder)
        except (OSError, RuntimeError, ValueError, KeyError, IndexError) as error:
            print(f"{view['entry']['library']}/{view['entry']['id']}: {error}", flush=True)
            continue
        done += 1
        print(f"{done} {view['name']} {view['entry']['concept']} {view['light']} {view['yaw']} {seconds:.1f} s", flush=True)
    print(f"{done} views in {time.time() - begin:.0f} s")


def dry_run():
    """Both passes, files and index row of a built cube under a built sky: every path of the renderer at toy size."""
    begin = time.time()
    corners = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], float)
    quads = ((0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3))
    points = corners[np.array([[q[0], q[i], q[i + 1]] for q in quads for i in (1, 2)])]
    sky = np.full((16, 32, 3), 0.2) + np.linspace(1, 0, 16)[:, None, None]
    sky[4, 8] = 200.0
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        meshes.write_ply(folder / "0.ply", points, meshes.creased_normals(points, np.ones(12, bool)), np.zeros((12, 3, 2)))
        model = meshes.Model([meshes.Part(str(folder / "0.ply"), meshes.Material((0.9, 0.1, 0.1)))], corners)
        place, box = placement(corners, turned(30, False), *fit(corners, turned(30, False)))
        light = tracing.Light.of("dry", sky, 50.0)
        shade = shade_pass(tracing.shapes(model, place, folder, hidden=True), light, 32, 2, 0)
        sprite = colour_pass(tracing.shapes(model, place, folder), light, window(box, 32), 32, 2, 0, shade)
        save(folder, "cube", sprite, shade)
        view = {"entry": {"library": "dry", "id": "cube", "concept": "cube"}, "light": "dry", "yaw": 30, "name": "cube"}
        row = index.row_of(view, {"recolour": True, "group": "toy"}, folder)
    if row["colour"] != "red" or not 0.1 < sprite[..., 3].mean() < 0.6 or shade.min() > 0.9:
        raise SystemExit(
            f"dry run: colour {row['colour']}, alpha {sprite[..., 3].mean():.2f}, darkest {shade.min():.2f}: a pass is broken"
        )
    print(f"dry run: a red cube and its shadow in {time.time() - begin:.1f} s")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", choices=["unpack", "sprites", "index"], default="sprites")
    parser.add_argument("--data", type=pathlib.Path, default=pathlib.Path("/work/data4"))
    parser.add_argument("--limit", type=int, default=-1, help="stop after so many views")
    parser.add_argument("--dry-run", action="store_true", help="a built cube at 32 pixels, nothing is kept")
    asked = parser.parse_args()
    if asked.dry_run:
        dry_run()
    elif asked.what == "unpack":
        unpack(asked.data)
    elif asked.what == "index":
        index.write(asked.data, plan(), listed()[1], LIGHTS, BASE)
    else:
        render_all(asked.data, asked.limit)


if __name__ == "__main__":
    main()
