"""The parts of the data that files of worlds/ name: python -m unittest tests.test_worlds (in assets/training)."""
import json
import random
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import scenes

RULES = {"sets": {"a": 1, "render": 1}, "forms": {"one": 1}, "render_share": 0.5, "size": [0.5, 0.6], "size_words": [None], "turns": False}


def row(concept, kind="flat", heldout=False):
    return {"concept": concept, "kind": kind, "set": "render" if kind == "render" else "a", "heldout": heldout}


class Limits(unittest.TestCase):
    index = {"concepts": [{"name": n} for n in ("cat", "dog", "sofa")], "weights": {},
             "sprites": [row("cat"), row("dog"), row("cat", "render"), row("dog", "render"), row("sofa", "render", True), row("sofa", "render"),
                         row("sofa", "render"), row("sofa", "render")]}

    def limited(self, **rules):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "world.json"
            path.write_text(json.dumps(RULES | rules))
            return scenes.limited(self.index, path)

    def shown(self, kind, **rules):
        return [r["concept"] for r in self.limited(**rules)["sprites"] if r["kind"] == kind]

    def test_renders_are_named_apart(self):
        self.assertEqual(self.shown("flat", concepts=["cat", "dog"], renders=["cat"]), ["cat", "dog"])
        self.assertEqual(self.shown("render", concepts=["cat", "dog"], renders=["cat"]), ["cat"])
        self.assertEqual(self.shown("render", concepts=["cat", "dog"]), ["cat", "dog"])

    def test_most_keeps_the_first_that_are_trained_on(self):
        found = self.limited(concepts=["sofa"], most=2)["sprites"]
        self.assertEqual([r["heldout"] for r in found], [False, False])
        self.assertEqual(len(self.limited(concepts=["sofa"])["sprites"]), 4)

    def test_most_never_leaves_a_concept_out(self):
        index = self.index | {"sprites": [row("cat", heldout=True), row("dog")]}
        found = scenes.first_of_each(index["sprites"], 1)
        self.assertEqual([(r["concept"], r["heldout"]) for r in found], [("cat", False), ("dog", False)])

    def test_recoloured_is_of_different_things_together(self):
        sprites = [{"id": i, "rect": [0, 0, 1, 1], "hsv": [0, 1, 1], "colour": "red", "recolour": True, "style": "flat", "light": None} | row(c)
                   for i, c in enumerate(("cat", "dog"))]
        concepts = [{"name": n, "words": [n], "plurals": [n + "s"], "colours": ["blue"], "weight": 1, "group": "x"} for n in ("cat", "dog")]
        index = self.index | {"concepts": concepts, "sprites": sprites, "named_colours": {"red": [255, 0, 0], "blue": [0, 0, 255]},
                              "backgrounds": {"white": [255, 255, 255], "grey": [128, 128, 128]}, "styles": {"flat": ["flat icon"]}}
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "world.json"
            path.write_text(json.dumps(RULES | {"concepts": ["cat", "dog"], "recoloured": 0.0}))
            found = scenes.limited(index, path)
        vocabulary = scenes.Vocabulary.of(found, found["sprites"])
        rng = random.Random(3)

        def recoloured(form):
            return sum(o["recolour"] is not None for _ in range(40) for o in scenes.sample_scene(rng, vocabulary, form=form).objects)

        self.assertEqual(recoloured("two"), 0)
        self.assertGreater(recoloured("one"), 15)

    def test_a_world_may_be_another_with_some_rules_of_its_own(self):
        with tempfile.TemporaryDirectory() as folder:
            whole, part = Path(folder) / "whole.json", Path(folder) / "part.json"
            whole.write_text(json.dumps(RULES | {"concepts": ["cat", "dog"]}))
            part.write_text(json.dumps({"of": "whole.json", "forward": 1.0}))
            found = scenes.limited(self.index, part)
            self.assertEqual((found["forward"], scenes.limited(self.index, whole)["forward"]), (1.0, 0.5))
            self.assertEqual(found["sprites"], scenes.limited(self.index, whole)["sprites"])
            whole.unlink()
            with self.assertRaisesRegex(scenes.WorldError, "whole.json"):
                scenes.limited(self.index, part)

    def test_forward_names_the_thing_on_the_left_or_above_first(self):
        things = [{"said": None, "noun": n, "nouns": n + "s"} for n in ("cat", "dog")]
        for relation in scenes.OPPOSITE:
            said = {scenes.phrase(random.Random(k), things, "two", 1, relation, None, forward=1.0) for k in range(20)}
            self.assertTrue(all(any(f" {w} " in s for w in ("left of", "above")) for s in said), said)

    def test_a_concept_that_the_pack_lacks_is_named(self):
        with self.assertRaisesRegex(scenes.WorldError, "unicorn"):
            self.limited(concepts=["cat"], renders=["unicorn"])


if __name__ == "__main__":
    unittest.main()
