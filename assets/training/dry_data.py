"""What the dry run learns from: a pack of four drawings, two rendered sprites and two large pictures, made here, and cards of a
hundredth of the size."""

import json

import numpy as np
from PIL import Image

import sprites
import vocabulary
from cards import DEFAULT

SHAPES = {
    "apple": '<circle cx="16" cy="18" r="11" fill="#d02020"/><path d="M15 8q1-5 5-6l2 1q-4 1-5 5z" fill="#604020"/>',
    "star": '<path d="M16 2l4 10h10l-8 7 3 11-9-7-9 7 3-11-8-7h10z" fill="#f0c020"/>',
    "car": '<rect x="2" y="14" width="28" height="9" fill="#26d"/><circle cx="9" cy="24" r="4"/><circle cx="23" cy="24" r="3"/>',
    "book": '<rect x="6" y="4" width="20" height="25" fill="#209040"/><rect x="9" y="8" width="14" height="3" fill="#fff"/>',
}
RENDERED = ("apple", "book")
TINY = {"width": 16, "head_dim": 8, "groups": 8, "emb_dim": 32, "pool_heads": 4, "refine": 8}


def write_drawings(data):
    """One icon set in Iconify's form."""
    folder = data / "src" / "tiny" / "package"
    folder.mkdir(parents=True)
    icons = {name: {"body": body} for name, body in SHAPES.items()}
    (folder / "icons.json").write_text(json.dumps({"prefix": "tiny", "width": 32, "height": 32, "icons": icons}))


def write_renders(data):
    """Two rendered sprites with their shadows, as renders/render.py writes them."""
    folder = data / "pack" / "renders"
    folder.mkdir(parents=True)
    y, x = np.mgrid[0:256, 0:256] / 256 - 0.5
    rows = []
    for i, concept in enumerate(RENDERED):
        ball = np.hypot(x, y + 0.03) < 0.3
        light = np.clip(1.1 - 2 * np.hypot(x + 0.1, y + 0.15), 0.1, 1)
        pixels = np.stack([light * 220, light * 60, light * 50, ball * 255], -1).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{i:06}.webp", lossless=True)
        shade = 255 - 120 * np.exp(-((x / 0.25) ** 2 + ((y - 0.27) / 0.06) ** 2))
        Image.fromarray(shade[::4, ::4].astype(np.uint8)).save(folder / f"{i:06}.shade.webp", lossless=True)
        rows.append(
            {
                "concept": concept,
                "set": "render",
                "kind": "render",
                "style": "render",
                "svg": None,
                "webp": f"renders/{i:06}.webp",
                "shade": f"renders/{i:06}.shade.webp",
                "light": "studio",
                "colour": None,
                "recolour": False,
                "heldout": False,
            }
        )
    fragment = {
        "sprites": rows,
        "concepts": [],
        "styles": {"render": ["photo-like 3D render"]},
        "lights": {"studio": {}},
        "base_y": 0.81,
    }
    (data / "pack" / "renders.json").write_text(json.dumps(fragment))
    large = []
    for i in range(2):
        (data / "pack" / "large").mkdir(exist_ok=True)
        noise = np.random.default_rng(i).uniform(0, 255, (32, 32, 3)).astype(np.uint8)
        Image.fromarray(noise).resize((1024, 1024), Image.BICUBIC).save(data / "pack" / "large" / f"{i}.webp", quality=80)
        large.append({"webp": f"large/{i}.webp", "caption": "a red apple", "heldout": i == 1})
    (data / "pack" / "large.json").write_text(json.dumps({"pictures": large}))


def make(data):
    """A pack and its banks, by the recipe's own code, from the vocabulary's entries for what is drawn here."""
    write_drawings(data)
    write_renders(data)
    words = vocabulary.table()
    concepts = {c["name"]: c for c in words["concepts"] if c["name"] in SHAPES}
    words["concepts"] = [
        {**concepts.get(name, {"name": name, "group": "things", "words": [name]}), "icons": [name]} for name in SHAPES
    ]
    words["sets"] = {"tiny": {"styles": ["flat icon"], "weight": 1}}
    vocabulary.TABLE = data / "vocabulary.json"
    vocabulary.TABLE.write_text(json.dumps(words))
    sprites.pack(data)
    sprites.rasterise(data, jobs=1)


def tiny_cards(path):
    """stages.json with the same kinds of networks, a hundredth of the size."""
    everything = json.loads(DEFAULT.read_text())
    for stage in everything["stages"]:
        unet = stage["unet"]
        unet |= TINY
        for i, block in enumerate(unet.get("blocks", [])):
            block |= {"channels": 16 * (i + 1), "num_res_blocks": 1}
        if unet["kind"] == "base":
            unet |= {"channel_mult": [1, 2, 2], "num_res_blocks": [1, 1, 1]}
        stage["defaults"]["steps"] = 2
    for settings in everything["training"].values():
        settings["batch"] = 4
    path.write_text(json.dumps(everything))
