"""How much is measured, and how long the probe learns."""

from dataclasses import dataclass

WEIGHTS = (1, 2, 3, 5, 8, 12)


@dataclass(frozen=True)
class Sizes:
    ceiling: int  # true pictures of each set and kind that the probe is asked
    bar: int  # pictures for each set of questions and kind
    reference: int  # true pictures of each kind for the Frechet distance
    curve: int  # pictures a point of the guidance curves
    guidance: tuple  # weights of the curves
    bootstrap: int  # times
    sheet: int  # prompts of each sheet
    sheet_until: int  # largest pictures of the sheets
    enlarge: tuple  # pictures of each kind enlarged to 256, and to 1024 (0: not at all)


SIZES = {
    "quick": Sizes(4, 2, 8, 2, (1, 8), 2, 2, 64, (1, 0)),
    "small": Sizes(60, 32, 300, 24, WEIGHTS, 10, 25, 256, (5, 1)),
    "medium": Sizes(250, 150, 1000, 100, WEIGHTS, 20, 100, 1024, (12, 4)),
    "full": Sizes(500, 400, 3000, 500, WEIGHTS, 10, 100, 1024, (24, 8)),
}


@dataclass(frozen=True)
class ProbeSizes:
    name: str
    minutes: float
    batch: int
    rate: float
    width: float
    updates: int | None = None  # a fixed number of updates in place of the clock
    pool: int | None = None  # pictures composed once; None: every batch is composed anew

    def key(self):
        return f"{self.name}-{self.minutes:g}-{self.width:g}-{self.pool or 'fresh'}"


PROBES = {
    "quick": ProbeSizes("quick", 0.1, 32, 2e-3, 0.5, 20, 64),
    "cpu": ProbeSizes("cpu", 20, 48, 2e-3, 1.0, pool=10000),
    "cpu-small": ProbeSizes("cpu-small", 0, 48, 2e-3, 1.0, 1200, 16000),  # for worlds of some dozens of concepts, whatever else runs
    "cpu-long": ProbeSizes("cpu-long", 60, 64, 2e-3, 1.5, pool=40000),
    "gpu": ProbeSizes("gpu", 4, 512, 3e-3, 2.0),
}
