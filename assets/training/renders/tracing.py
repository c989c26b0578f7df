"""Scenes for mitsuba, and the passes over them: noise-free colour with alpha, and the shade a thing throws on an endless floor.

Two tricks keep the layers exact. An emitter of no strength on a surface lets `hide_emitters` hide that surface from the camera
alone: the floor lights the thing and takes its shadow, yet the camera looks through it (colour pass), or the other way round
(shade pass). So alpha needs no keying, and the floor under and behind the thing is seen too.
"""

import dataclasses

import mitsuba as mi
import numpy as np
import pyoidn

import meshes

mi.set_variant("scalar_rgb")
mi.set_log_level(mi.LogLevel.Error)

FIELD_OF_VIEW = 16.0
DISTANCE = 10.0
PITCH = np.radians(15.0)
WHITE = 0.8
NOTHING = {"type": "area", "radiance": {"type": "rgb", "value": 1e-9}, "sampling_weight": 0.0}


def linear(display):
    """Linear light of sRGB values in [0, 1]."""
    display = np.asarray(display, float)
    return np.where(display <= 0.04045, display / 12.92, ((display + 0.055) / 1.055) ** 2.4)


def display(light):
    """sRGB values in [0, 1] of linear light; a soft shoulder above 0.7 keeps highlights from burning out."""
    light = np.maximum(light, 0.0)
    light = np.where(light > 0.7, 0.7 + 0.3 * (1.0 - np.exp(-np.maximum(light - 0.7, 0.0) / 0.3)), light)
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * np.maximum(light, 1e-9) ** (1 / 2.4) - 0.055)


def rgb(values):
    return {"type": "rgb", "value": [float(x) for x in values]}


@dataclasses.dataclass
class Light:
    """An HDRI turned to a chosen side and balanced: a floor of reflectance 1 has radiance 1, without tint."""

    name: str
    emitter: object

    @staticmethod
    def load(name, path, azimuth):
        """`azimuth`: where the main light stands, in degrees from the camera's side, positive to its left."""
        return Light.of(
            name, np.array(mi.Bitmap(str(path)).convert(mi.Bitmap.PixelFormat.RGB, mi.Struct.Type.Float32, False)), azimuth
        )

    @staticmethod
    def of(name, picture, azimuth):
        """The same from an array [height, 2 height, 3] of radiances."""
        picture = np.maximum(picture, 0.0)  # the packaged files were shrunk with a filter that rings below zero
        height, width = picture.shape[:2]
        theta = (np.arange(height) + 0.5)[:, None] / height * np.pi
        phi = (np.arange(width) + 0.5)[None] / width * 2 * np.pi
        solid = np.sin(theta) * np.pi / height * 2 * np.pi / width
        up = np.clip(np.cos(theta), 0, None) * solid
        picture = picture * (np.pi / (picture * up[..., None]).sum((0, 1)))
        weight = picture.mean(-1) * solid * (np.cos(theta) > 0) * np.sin(theta)
        main = np.degrees(np.arctan2((weight * np.sin(phi)).sum(), (weight * np.cos(phi)).sum()))
        turn = mi.ScalarTransform4f().rotate([0, 1, 0], float(main - 180.0 - azimuth))
        bitmap = mi.Bitmap(np.ascontiguousarray(picture, np.float32))
        return Light(name, mi.load_dict({"type": "envmap", "bitmap": bitmap, "to_world": turn}))


def opacity_of(material, cache):
    """The texture's own opacity, the material's, or none; glass keeps enough to be seen."""
    mask = meshes.texture_opacity(material.texture, cache) if material.texture else None
    if mask:
        return {"type": "bitmap", "filename": mask, "raw": True}
    return max(material.opacity, 0.12) if material.opacity < 0.99 else None


def surface(material, cache):
    """Mitsuba's BSDF of an MTL material."""
    specular = material.specular if material.shiny else 0.0
    grey = max(material.diffuse) - min(material.diffuse) < 0.06
    metal = (
        0.75
        if specular > 0.7 and material.shininess > 20 and grey and 0.2 < material.diffuse[0] < 0.75 and not material.texture
        else 0.0
    )
    base = rgb(np.clip(linear(np.clip(material.diffuse, 0, 1)), 0.012, 0.85))
    if material.texture:
        base = {"type": "bitmap", "filename": meshes.texture_colour(material.texture, cache)}
    rough = float(np.clip((2.0 / (material.shininess + 2.0)) ** 0.25, 0.2, 1.0))
    bsdf = {"type": "principled", "base_color": base, "roughness": rough, "specular": min(0.5, specular), "metallic": metal}
    bsdf = {"type": "twosided", "bsdf": bsdf}
    opacity = opacity_of(material, cache)
    return bsdf if opacity is None else {"type": "mask", "opacity": opacity, "bsdf": bsdf}


def shapes(model, place, cache, hidden=False, name="thing"):
    """Mitsuba shapes of a model; `hidden` from the camera, named so that several models can share a scene."""
    found = {}
    for index, part in enumerate(model.parts):
        shape = {"type": "ply", "filename": part.ply, "to_world": place, "bsdf": surface(part.material, cache)}
        found[f"{name}{index}"] = shape | ({"emitter": NOTHING} if hidden else {})
    return found


def camera(side, samples, channels="rgba"):
    """The one camera of all sprites: it looks down 15 degrees at the place where things stand."""
    eye = [0.0, DISTANCE * np.sin(PITCH), DISTANCE * np.cos(PITCH)]
    film = {"type": "hdrfilm", "width": side, "height": side, "pixel_format": channels, "rfilter": {"type": "box"}}
    look = mi.ScalarTransform4f().look_at(origin=eye, target=[0, 0, 0], up=[0, 1, 0])
    sampler = {"type": "multijitter" if samples > 3 else "independent", "sample_count": samples}
    return {"type": "perspective", "fov": FIELD_OF_VIEW, "to_world": look, "film": film, "sampler": sampler}


def floor(hidden=False, reflectance=(WHITE, WHITE, WHITE)):
    """An endless floor at height 0."""
    place = mi.ScalarTransform4f().rotate([1, 0, 0], -90).scale(1000.0)
    shape = {"type": "rectangle", "to_world": place, "bsdf": {"type": "diffuse", "reflectance": rgb(reflectance)}}
    return shape | ({"emitter": NOTHING} if hidden else {})


def trace(shapes_by_name, light, sensor, depth, seed):
    """Renders colour (and alpha), albedo and normals; without a light only alpha means anything."""
    integrator = {
        "type": "aov",
        "aovs": "albedo:albedo,nn:sh_normal",
        "path": {"type": "path", "max_depth": depth, "hide_emitters": True},
    }
    scene = {"type": "scene", "sensor": sensor, "integrator": integrator, **shapes_by_name}
    scene |= {"light": light.emitter} if light else {}
    return np.array(mi.render(mi.load_dict(scene), seed=seed), np.float32)


def denoise(picture, albedo, normal):
    """OIDN over linear colour."""
    guides = [np.ascontiguousarray(np.nan_to_num(g), dtype=np.float32) for g in (np.clip(albedo, 0, 1), np.clip(normal, -1, 1))]
    return pyoidn.denoise(np.ascontiguousarray(np.nan_to_num(picture), dtype=np.float32), *guides, hdr=True)


def denoise_plain(picture):
    """OIDN without guides: for a pass whose surfaces the guides would not show."""
    return pyoidn.denoise(np.ascontiguousarray(np.nan_to_num(picture), dtype=np.float32), hdr=True)
