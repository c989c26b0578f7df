"""The short trial that decides what the network predicts: x0, v or eps, the same minutes, seed and scenes each, shown as a
table and a sheet.

Nothing is lost: the chosen one goes on from RUNS/trial/STAGE/KIND, which `adopt` makes the stage's run.
"""

import json
import shutil

import torch

import diffusion
import sheets
from trainer import Trainer

LOG_SNRS = (-6.0, -3.0, 0.0, 3.0)
EVALUATED = 128


@torch.no_grad()
def x0_errors(trainer):
    """Mean squared error of x0_hat at several noise levels on fixed pictures, told the text and told nothing."""
    n = min(EVALUATED, 4 * trainer.batch)
    x, low, cond = sheets.fixed_batch(trainer, n, seed=4242)
    extra = {}
    if low is not None:
        level = torch.full((n,), trainer.card["defaults"]["aug_level"], device=trainer.device)
        noisy = diffusion.augment(
            low, level, sheets.noise(trainer, low.shape, 8), diffusion.schedule(trainer.card["augmentation"])
        )
        extra = {"low_res": noisy, "aug_level": level}
    null = trainer.source.encode([""] * n)
    eps, rows = sheets.noise(trainer, x.shape, 4242), []
    for value in LOG_SNRS:
        log_snr = torch.full((n,), value, device=trainer.device)
        a, s = diffusion.alpha_sigma(log_snr)
        x_t, t = a * x + s * eps, time_at(trainer.schedule, value, n, trainer.device)
        row = {"log_snr": value}
        for name, text in (("with_text", cond), ("without", null)):
            with trainer.precision():
                out = trainer.ema(x_t, trainer.schedule.network_time(t), *text, **extra).float()
            row[name] = (diffusion.to_x0(trainer.prediction, x_t, out, a, s).clamp(-1, 1) - x).square().mean().item()
        rows.append(row)
    return rows


def time_at(schedule, log_snr, n, device):
    """The time of a log SNR: exact where the schedule is continuous, the nearest timestep where it is not."""
    if isinstance(schedule, diffusion.Linear):
        t = (schedule.table.to(device) - log_snr).abs().argmin()
    else:
        t = schedule.time(torch.tensor(log_snr, device=device))
    return t.expand(n)


def table(results):
    """Markdown."""
    lines = [
        "| predicts | samples | a second | "
        + " | ".join(f"x0 error at log SNR {v:g}, with / without text" for v in LOG_SNRS)
        + " |",
        "| --- " * (3 + len(LOG_SNRS)) + "|",
    ]
    for r in results:
        cells = " | ".join(f"{e['with_text']:.4f} / {e['without']:.4f}" for e in r["errors"])
        lines.append(f"| {r['prediction']} | {r['samples']:,} | {r['samples_per_s']:.0f} | {cells} |")
    return "\n".join(lines) + "\n"


def adopt(options, stage, prediction):
    """Makes one of the trial's runs the run of the stage, if that has not begun."""
    chosen, folder = options.runs / "trial" / stage / prediction, options.runs / stage
    if chosen.exists() and not folder.exists():
        shutil.copytree(chosen, folder)


def run(options, cards, stage, predictions):
    """Trains each for --stop-minutes of --minutes. Writes RUNS/trial/STAGE: table.md, trial.json, sheet.png, losses.png."""
    out = options.runs / "trial" / stage
    out.mkdir(parents=True, exist_ok=True)
    results, parts = [], []
    for prediction in predictions:
        trainer = Trainer(options, cards, stage, out / prediction, prediction)
        trainer.run()
        row = {
            "prediction": prediction,
            "samples": trainer.samples,
            "samples_per_s": trainer.samples / max(trainer.clock, 1e-9),
            "errors": x0_errors(trainer),
        }
        results.append(row)
        picture = sheets.draw_prompts(trainer) if stage == "base" else sheets.draw_crops(trainer)[0]
        parts.append((prediction, sheets.sheet(picture, sheets.SR_CROPS)))
        sheets.labelled(parts, out / "sheet.png")
        (out / "table.md").write_text(table(results))
        (out / "trial.json").write_text(json.dumps(results, indent=1) + "\n")
    sheets.plot({r["prediction"]: out / r["prediction"] / "log.jsonl" for r in results}, out / "losses.png")
    print(table(results))
    return results
