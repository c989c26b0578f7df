"""Reads OBJ and MTL files of the Sweet Home 3D libraries and writes one PLY per material, with what mitsuba needs to shade it.

Mitsuba's own OBJ reader knows one material a file; these models have many. Normals are made as Sweet Home 3D makes them: smooth
across edges inside of a smoothing group unless the edge is sharp, flat outside of one.
"""

import dataclasses
import json
import pathlib
import shlex
import zlib

import numpy as np
from PIL import Image, ImageChops, ImageFilter

CREASE = np.cos(np.radians(60.0))


@dataclasses.dataclass
class Material:
    """What an MTL file says of a surface; colours are display values in [0, 1]."""

    diffuse: tuple = (0.7, 0.7, 0.7)
    specular: float = 0.0
    shininess: float = 10.0
    opacity: float = 1.0
    texture: str | None = None
    shiny: bool = True


@dataclasses.dataclass
class Part:
    """One PLY file and its material."""

    ply: str
    material: Material


@dataclasses.dataclass
class Model:
    """A whole thing in its own units: y is up, +z is its front."""

    parts: list
    points: np.ndarray


def texture_path(folder, words):
    """The texture an MTL line names: options come first, names may hold spaces, cases may differ."""
    names = {p.name.lower(): p for p in folder.iterdir()}
    for start in range(1, len(words)):
        name = pathlib.PurePosixPath(" ".join(words[start:]).replace("\\", "/")).name.lower()
        if name in names:
            return str(names[name])
    return None


def read_materials(path):
    """Materials of an MTL file by name."""
    found, current = {}, Material()
    for line in path.read_text(errors="replace").splitlines():
        words = line.split()
        if not words:
            continue
        key = words[0]
        if key == "newmtl":
            current = found.setdefault(" ".join(words[1:]), Material())
        elif key == "Kd":
            current.diffuse = tuple(float(x) for x in words[1:4])
        elif key == "Ks":
            current.specular = float(np.mean([float(x) for x in words[1:4]]))
        elif key == "Ns":
            current.shininess = float(words[1])
        elif key == "illum":
            current.shiny = int(words[1]) > 1
        elif key == "d":
            current.opacity = float(words[-1])
        elif key == "map_Kd":
            current.texture = texture_path(path.parent, words)
    return found


def corner_index(text, counts):
    """A face corner `v/vt/vn` as three indices from 0, -1 where there is none."""
    fields = (text.split("/") + ["", ""])[:3]
    return [(int(f) - 1 if int(f) > 0 else int(f) + n) if f else -1 for f, n in zip(fields, counts)]


def read_obj(path):
    """Arrays of an OBJ file: positions, texture coordinates, normals; triangles [n,3,3], their material and smoothing."""
    values = {"v": [], "vt": [], "vn": []}
    triangles, owner, smooth, names, libraries = [], [], [], [""], []
    material, smoothing = 0, False
    for line in path.read_text(errors="replace").replace("\\\n", " ").splitlines():
        words = line.split()
        if not words:
            continue
        key = words[0]
        if key in values:
            values[key].append([float(x) for x in words[1 : 3 if key == "vt" else 4]])
        elif key == "f":
            counts = [len(values[k]) for k in ("v", "vt", "vn")]
            corners = [corner_index(w, counts) for w in words[1:]]
            for i in range(1, len(corners) - 1):
                triangles.append([corners[0], corners[i], corners[i + 1]])
                owner.append(material)
                smooth.append(smoothing)
        elif key == "usemtl":
            name = " ".join(words[1:])
            if name not in names:
                names.append(name)
            material = names.index(name)
        elif key == "s":
            smoothing = words[1] not in ("off", "0")
        elif key == "mtllib":
            libraries += [" ".join(words[1:])] + shlex.split(line)[1:]
    arrays = [np.asarray(values[k], float).reshape(-1, 2 if k == "vt" else 3) for k in ("v", "vt", "vn")]
    return arrays, np.asarray(triangles, np.int64), np.asarray(owner), np.asarray(smooth), names, libraries


def unit(vectors):
    """Vectors of length one; a zero vector points up."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.where(length > 1e-20, vectors / np.maximum(length, 1e-20), [0.0, 1.0, 0.0])


def creased_normals(points, smooth):
    """Corner normals [n,3,3] of triangles [n,3,3]: the mean over neighbours at the corner that bend less than the crease."""
    area = np.cross(points[:, 1] - points[:, 0], points[:, 2] - points[:, 0])
    face = unit(area)
    normals = np.repeat(face[:, None], 3, axis=1)
    chosen = np.flatnonzero(smooth)
    if len(chosen) == 0:
        return normals
    _, vertex = np.unique(np.round(points[chosen].reshape(-1, 3), 6), axis=0, return_inverse=True)
    vertex = vertex.ravel()
    order = np.argsort(vertex, kind="stable")
    begin = np.searchsorted(vertex[order], np.arange(vertex.max() + 1))
    degree = np.bincount(vertex)
    pairs = degree[vertex]
    here = np.repeat(np.arange(len(vertex)), pairs)
    step = np.arange(len(here)) - np.repeat(np.cumsum(pairs) - pairs, pairs)
    there = order[begin[vertex[here]] + step]
    mine, other = chosen[here // 3], chosen[there // 3]
    close = np.einsum("ij,ij->i", face[mine], face[other]) > CREASE
    total = np.zeros((len(vertex), 3))
    np.add.at(total, here[close], area[other[close]])
    normals[chosen] = unit(total).reshape(-1, 3, 3)
    return normals


def write_ply(path, points, normals, coordinates):
    """Triangles as separate corners in a binary PLY file."""
    corners = np.concatenate([points, normals, coordinates], axis=-1).reshape(-1, 8).astype("<f4")
    faces = np.empty(len(corners) // 3, np.dtype([("n", "u1"), ("i", "<i4", 3)]))
    faces["n"], faces["i"] = 3, np.arange(len(corners)).reshape(-1, 3)
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(corners)}"]
    header += [f"property float {n}" for n in ("x", "y", "z", "nx", "ny", "nz", "u", "v")]
    header += [f"element face {len(faces)}", "property list uchar int vertex_indices", "end_header", ""]
    path.write_bytes("\n".join(header).encode() + corners.tobytes() + faces.tobytes())


def texture_opacity(path, cache):
    """A grey picture of a texture's own opacity beside the cache, or none where it is opaque throughout."""
    picture = Image.open(path)
    if picture.mode not in ("RGBA", "LA", "PA") and "transparency" not in picture.info:
        return None
    alpha = picture.convert("RGBA").getchannel("A")
    if alpha.getextrema()[0] > 250:
        return None
    out = cache / f"alpha{zlib.crc32(path.encode()):08x}.png"
    alpha.save(out)
    return str(out)


def texture_colour(path, cache):
    """A texture as RGB PNG (palettes and odd JPEGs trip other readers); what is transparent takes the colour around it."""
    out = cache / f"rgb{zlib.crc32(path.encode()):08x}.png"
    if not out.exists():
        picture = Image.open(path).convert("RGBA")
        if picture.getextrema()[3][0] < 250:
            for radius in (1, 2, 4, 8, 16):
                around = picture.convert("RGBa").filter(ImageFilter.GaussianBlur(radius)).convert("RGBA")
                filled = Image.composite(picture, around, picture.getchannel("A").point(lambda a: 255 if a > 127 else 0))
                picture = Image.merge(
                    "RGBA",
                    (*filled.split()[:3], ImageChops.lighter(picture.getchannel("A"), around.getchannel("A").point(solid))),
                )
        picture.convert("RGB").save(out)
    return str(out)


def solid(alpha):
    """Full opacity as soon as a neighbour lends any."""
    return 255 if alpha > 8 else 0


def load(obj, rotation, size, cache):
    """The model of an OBJ file, turned and scaled to its size (width, height, depth); PLY files are kept in the cache."""
    cache.mkdir(parents=True, exist_ok=True)
    kept = cache / "model.json"
    if not kept.exists():
        convert(obj, rotation, size, cache, kept)
    said = json.loads(kept.read_text())
    parts = [Part(str(cache / p["ply"]), Material(**p["material"])) for p in said]
    return Model(parts, np.load(cache / "points.npy"))


def convert(obj, rotation, size, cache, kept):
    """Writes the PLY files, the points and the list of materials of one model."""
    (v, vt, vn), triangles, owner, smooth, names, libraries = read_obj(obj)
    materials = {}
    for library in libraries:
        if (obj.parent / library).is_file():
            materials.update(read_materials(obj.parent / library))
    turn = np.asarray(rotation, float).reshape(3, 3) if rotation else np.eye(3)
    v = v @ turn.T
    low, high = v[np.unique(triangles[..., 0])].min(0), v[np.unique(triangles[..., 0])].max(0)
    scale = np.asarray(size, float) / np.maximum(high - low, 1e-9)
    v = (v - [(low[0] + high[0]) / 2, low[1], (low[2] + high[2]) / 2]) * scale
    points = v[triangles[..., 0]]
    solid = np.linalg.norm(np.cross(points[:, 1] - points[:, 0], points[:, 2] - points[:, 0]), axis=1) > 1e-12
    triangles, owner, smooth, points = triangles[solid], owner[solid], smooth[solid], points[solid]
    normals = creased_normals(points, smooth)
    if len(vn):
        given = unit((vn @ turn.T) / scale)[triangles[..., 2]]
        normals = np.where((triangles[..., 2] >= 0)[..., None], given, normals)
    vt = np.concatenate([vt, [[0.0, 0.0]]])
    coordinates = vt[triangles[..., 1]] * [1.0, -1.0] + [0.0, 1.0]
    said = []
    for index, name in enumerate(names):
        mine = owner == index
        if mine.any():
            write_ply(cache / f"{index}.ply", points[mine], normals[mine], coordinates[mine])
            said.append({"ply": f"{index}.ply", "material": dataclasses.asdict(materials.get(name, Material()))})
    np.save(cache / "points.npy", np.unique(points.reshape(-1, 3).astype(np.float32), axis=0))
    kept.write_text(json.dumps(said))
