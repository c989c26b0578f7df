"""The pictures and their captions, on a pack of a few drawn shapes: python -m unittest tests.test_pictures (in assets/training)."""
import contextlib
import io
import json
import lzma
import random
import sys
import tempfile
import unittest
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import compose
import scenes
import sprites
import vocabulary

SHAPES = {
    "ball": ("#e02020", '<circle cx="16" cy="16" r="15" fill="#e02020"/>'),
    "box": ("#2060e0", '<rect x="1" y="1" width="30" height="30" fill="#2060e0"/>'),
    "plank": ("#20a040", '<rect x="1" y="12" width="30" height="8" fill="#20a040"/>'),
}
SETS = ("thick", "thin")


def table():
    concepts = [{"name": n, "group": "toy", "words": [n], "icons": [n], "recolour": True} for n in SHAPES]
    return {"sets": {s: {"styles": [f"{s} style"], "weight": 1} for s in SETS}, "concepts": concepts, "renders": {},
            "named_colours": {"red": [222, 48, 56], "blue": [52, 118, 226], "green": [64, 172, 84]},
            "backgrounds": {"white": [252, 252, 252], "black": [20, 20, 24], "yellow": [250, 218, 84]}}


def write_pack(data):
    """A pack as sprites.py writes it, with two sets and one sprite held out."""
    words = table()
    svg = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">{}</svg>'
    icons = [vocabulary.Icon(n, s, n, svg.format(body)) for s in SETS for n, (_, body) in SHAPES.items()]
    rows = [sprites.describe(i, c) for i in icons for c in words["concepts"] if c["name"] == i.concept]
    for row in rows:
        row["heldout"] = row["svg"] == "thin/ball"
    (data / "pack").mkdir()
    sprites.write_drawings(data / "pack", icons, {sprites.key(r) for r in rows})
    with contextlib.redirect_stdout(io.StringIO()):
        sprites.write_index(data / "pack", words, rows)


class Pictures(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        torch.set_num_threads(1)
        cls.folder = tempfile.TemporaryDirectory()
        cls.data = Path(cls.folder.name)
        write_pack(cls.data)
        sprites.rasterise(cls.data, 1, [64])
        cls.words = scenes.Vocabulary.load(cls.data)
        cls.banks = compose.Banks.load(cls.data, 64)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def sampled(self, count, seed=1, **choices):
        rng = random.Random(seed)
        return [scenes.sample_scene(rng, self.words, **choices) for _ in range(count)]

    def picture(self, some, **more):
        return compose.compose(scenes.collate(some, self.words), self.banks, 64, **more)

    def test_captions_say_what_the_objects_are(self):
        for scene in self.sampled(300):
            shown = {self.words.sprites[o["sprite"]]["concept"] for o in scene.objects}
            self.assertEqual(shown, set(scene.facts["objects"]), scene.caption)
            self.assertEqual(len(scene.objects), scene.facts["count"])
            for name in shown:
                self.assertIn(name, scene.caption)
            for colour in scene.facts["colours"]:
                self.assertTrue(colour is None or colour in scene.caption)

    def test_colours_said_are_those_of_the_sprites(self):
        for scene in self.sampled(300, form="one"):
            said, o = scene.facts["colours"][0], scene.objects[0]
            if said:
                self.assertEqual(said, o["recolour"] or self.words.sprites[o["sprite"]]["colour"])
            else:
                self.assertIsNone(o["recolour"])

    def test_objects_lie_inside_and_hide_nothing(self):
        for scene in self.sampled(300):
            for o in scene.objects:
                w, h = scenes.extent(self.words.sprites[o["sprite"]], o["size"])
                for centre, span in ((o["cx"], w), (o["cy"], h)):
                    self.assertGreaterEqual(centre - span / 2, 0)
                    self.assertLessEqual(centre + span / 2, 1)
            self.assertTrue(scenes.apart(scene.objects, self.words))

    def test_relations_hold(self):
        for relation in scenes.OPPOSITE:
            for scene in self.sampled(40, relation=relation, form="two"):
                self.assertEqual(scene.facts["relation"], relation)
                first, second = scene.objects
                self.assertEqual(self.words.sprites[first["sprite"]]["concept"], scene.facts["objects"][0])
                axis = "cx" if relation in ("left of", "right of") else "cy"
                self.assertEqual(first[axis] < second[axis], relation in ("left of", "above"))

    def test_colours_stand_where_the_scene_says(self):
        for colour, channel in (("red", 0), ("green", 1), ("blue", 2)):
            some = self.sampled(6, concept="box", colour=colour, form="one", background="plain")
            for scene, x in zip(some, self.picture(some)):
                o = scene.objects[0]
                centre = x[:, int(o["cy"] * 64), int(o["cx"] * 64)]
                self.assertEqual(int(centre.argmax()), channel, scene.caption)
                corner = (x[:, 0, 0] + 1) * 127.5
                self.assertLess((corner - torch.tensor(scene.background["rgb"][0])).abs().max(), 2)

    def test_the_visible_part_is_as_large_as_asked(self):
        for scene in self.sampled(8, concept="plank", form="one", background="plain"):
            scene.objects[0].update(angle=0.0, size=0.5, cx=0.5, cy=0.5)
            x = self.picture([scene])[0]
            own = (x - x[:, :1, :1]).abs().sum(0) > 0.3
            self.assertAlmostEqual(int(own.any(0).sum()), 32, delta=1)
            self.assertAlmostEqual(int(own.any(1).sum()), 32 * 8 / 30, delta=2)

    def test_a_crop_is_a_part_of_the_picture(self):
        some = self.sampled(6)
        whole = self.picture(some)
        top, left = np.array([0, 8, 16, 32, 40, 5]), np.array([3, 0, 40, 32, 8, 20])
        part = self.picture(some, crop=(top, left, 16))
        for k in range(6):
            self.assertLess((part[k] - whole[k, :, top[k]:top[k] + 16, left[k]:left[k] + 16]).abs().max(), 1e-4)

    def test_picked_crops_lie_inside(self):
        top, left = scenes.pick_crops(self.sampled(100), self.words, random.Random(2), 256, 64)
        self.assertTrue(((top >= 0) & (top <= 192) & (left >= 0) & (left <= 192)).all())

    def test_the_same_seed_gives_the_same_picture(self):
        a, b = (self.sampled(8, seed=5) for _ in range(2))
        self.assertEqual([s.caption for s in a], [s.caption for s in b])
        self.assertTrue(torch.equal(self.picture(a), self.picture(b)))

    def test_held_out_sprites_are_never_trained_on(self):
        held = scenes.Vocabulary.load(self.data, heldout=True)
        self.assertEqual([r["svg"] for r in held.sprites.values()], ["thin/ball"])
        used = {o["sprite"] for s in self.sampled(500) for o in s.objects}
        self.assertFalse(used & set(held.sprites))

    def test_a_world_is_a_part_of_the_pack(self):
        path = self.data / "world.json"
        world = {"concepts": ["box", "plank"], "sets": {"thick": 2}, "forms": {"count": 1}, "render_share": 0.0,
                 "size": [0.5, 0.6], "size_words": [None], "turns": False}
        path.write_text(json.dumps(world))
        words = scenes.Vocabulary.load(self.data, world=path)
        self.assertEqual({r["svg"] for r in words.sprites.values()}, {"thick/box", "thick/plank"})
        rng = random.Random(1)
        some = [scenes.sample_scene(rng, words) for _ in range(50)]
        self.assertTrue(all(s.facts["count"] > 1 for s in some))
        self.assertFalse(any(o["flip"] or o["angle"] for s in some for o in s.objects))
        path.write_text(json.dumps(world | {"concepts": ["box", "sphinx"]}))
        with self.assertRaisesRegex(scenes.WorldError, "sphinx"):
            scenes.Vocabulary.load(self.data, world=path)

    def test_numbers_and_pixels_survive_a_second_packing(self):
        before = json.loads((self.data / "pack" / "index.json").read_text())["sprites"]
        pixels = np.load(self.data / "banks" / "64.npy")
        with contextlib.redirect_stdout(io.StringIO()):
            sprites.merge(self.data, table())
        sprites.rasterise(self.data, 1, [64])
        after = json.loads((self.data / "pack" / "index.json").read_text())["sprites"]
        self.assertEqual([r["id"] for r in before], [r["id"] for r in after])
        self.assertTrue(np.array_equal(pixels, np.load(self.data / "banks" / "64.npy")))

    def test_a_shade_darkens_the_ground_only_where_it_lies(self):
        shade = torch.full((1, 64, 64), 255, dtype=torch.uint8)
        shade[:, 48:, :] = 0
        pixels = np.zeros((1, 128, 128, 4), np.uint8)
        banks = compose.Banks.of(pixels, torch.tensor([0]), "cpu", shade, torch.tensor([0]))
        objects = np.zeros((1, 4, 12), np.float32)
        objects[0, 0] = [0, 0.5, 0.5, 1.0, 0, 0, 1, 1, 0, 0, 0, 1]
        back = np.array([[128, 128, 128, 128, 128, 128, 0, 0.6]], np.float32)
        x = compose.compose({"objects": objects, "target": np.full((1, 4, 3), -1, np.float32), "back": back}, banks, 64)[0]
        self.assertAlmostEqual(float(x[0, 10, 32]), 128 / 127.5 - 1, delta=0.01)
        self.assertAlmostEqual(float(x[0, 60, 32]), -1, delta=0.01)

    def test_rendered_things_are_mirrored_together(self):
        seen = set()
        for seed in range(40):
            scene = self.sampled(1, seed, form="two")[0]
            things = [{"concept": name} for name in scene.facts["objects"]]
            flips = {o["flip"] for o in scenes.rendered(scene.objects, things, random.Random(seed), self.words)}
            self.assertEqual(len(flips), 1)
            seen |= flips
        self.assertEqual(seen, {True, False})

    def test_a_choice_that_cannot_be_met_is_an_error(self):
        with self.assertRaises(ValueError):
            scenes.sample_scene(random.Random(1), self.words, concept="elephant")

    def test_words(self):
        self.assertEqual(vocabulary.plural("slice of pizza"), "slices of pizza")
        self.assertEqual(vocabulary.plural("cherry"), "cherries")
        self.assertEqual(scenes.article("orange ball"), "an orange ball")
        self.assertEqual(scenes.article("unicorn"), "a unicorn")
        jeans = {"noun": "jeans", "nouns": "pairs of jeans", "said": "blue"}
        self.assertEqual(scenes.a_named(jeans), "blue jeans")

    def test_pack_is_readable_text(self):
        with lzma.open(self.data / "pack" / "svg.jsonl.xz", "rt") as f:
            self.assertEqual(len({json.loads(line)[0] for line in f}), len(SHAPES) * len(SETS))


if __name__ == "__main__":
    unittest.main()
