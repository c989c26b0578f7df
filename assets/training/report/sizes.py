"""How much of everything is measured: three sizes."""
from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    name: str
    probe_minutes: float
    probe_batch: int
    probe_rate: float
    probe_width: float
    probe_updates: int | None     # a fixed number of updates in place of the clock
    probe_pool: int | None        # pictures composed once; None: every batch is composed anew
    ceiling: int                  # true pictures of each form and kind that the probe is asked
    bar: int                      # pictures for each bar and kind
    reference: int                # true pictures of each kind for the Frechet distance
    curve: int                    # pictures a point of the guidance curves
    guidance: tuple               # weights
    bootstrap: int
    sheet: int                    # prompts of each half of the sheet
    sheet_until: int
    enlarge: tuple                # pictures of each kind for 256, and for 1024

    def probe_key(self):
        return f"{self.name}-{self.probe_minutes:g}-{self.probe_width:g}"


WEIGHTS = (1, 2, 3, 5, 8, 12)
SIZES = {
    "quick": Sizes("quick", 0.1, 32, 2e-3, 0.5, 30, 64, 6, 3, 12, 3, (1, 5, 8), 3, 4, 64, (1, 1)),
    "cpu": Sizes("cpu", 20, 96, 2e-3, 1.0, None, 10000, 250, 100, 600, 48, WEIGHTS, 20, 100, 1024, (6, 2)),
    "full": Sizes("full", 4, 512, 3e-3, 2.0, None, None, 500, 400, 3000, 500, WEIGHTS, 30, 100, 1024, (16, 8)),
}
