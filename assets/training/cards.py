"""Reads stages.json: the model's card as it ships, and beside it how each stage is trained (`training`, which does not ship)."""

import json
from pathlib import Path

HERE = Path(__file__).resolve().parent
DEFAULT = HERE / "stages.json"
STAGES = ("base", "sr256", "sr1024")


class Cards:
    """One file's stages by name."""

    def __init__(self, path=DEFAULT):
        self.path = Path(path)
        everything = json.loads(self.path.read_text())
        self.training = everything.pop("training")
        self.card = everything
        self.stages = dict(zip(STAGES, everything["stages"]))

    def setting(self, stage, name, device):
        """A number of `training`, which may differ between cuda and cpu."""
        value = self.training[stage].get(name)
        return value[device] if isinstance(value, dict) else value
