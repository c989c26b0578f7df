"""The guidance curves as pictures."""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

from curves import MODES, path  # noqa: E402

LOOK = {"none": ("#8a8f98", "s", ":"), "static": ("#2f6fd0", "o", "--"), "dynamic": ("#d9541e", "D", "-")}
KINDS = {"flat": "flat art", "render": "path-traced pictures"}


def tidy(axes):
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e6e8ec", linewidth=0.8)
    axes.set_axisbelow(True)


def curves(kinds, out):
    """Alignment over Frechet distance, one panel a kind; each point is one guidance weight."""
    figure, panels = plt.subplots(1, len(kinds), figsize=(6.2 * len(kinds), 4.8), squeeze=False, layout="constrained")
    for axes, (kind, found) in zip(panels[0], kinds.items()):
        tidy(axes)
        for mode in MODES:
            colour, marker, line = LOOK[mode]
            points = path(found["points"], mode)
            weights = sorted(p["guidance"] for p in found["points"] if p["threshold"] == mode)
            axes.plot(*zip(*points), color=colour, marker=marker, linestyle=line, markersize=5, linewidth=1.6, label=mode)
            for (x, y), w in zip(points, weights):
                axes.annotate(f"{w:g}", (x, y), textcoords="offset points", xytext=(5, 4), fontsize=8, color=colour)
        axes.axhline(found["ceiling"], color="#3b8a4a", linewidth=1, linestyle="-.")
        axes.annotate(
            "the probe on true pictures",
            (1, found["ceiling"]),
            xycoords=("axes fraction", "data"),
            ha="right",
            va="bottom",
            fontsize=8,
            color="#3b8a4a",
            xytext=(0, 2),
            textcoords="offset points",
        )
        axes.axvline(found["floor"]["mean"], color="#9aa0a8", linewidth=1)
        axes.annotate(
            "truth against itself",
            (found["floor"]["mean"], 0),
            xycoords=("data", "axes fraction"),
            rotation=90,
            va="bottom",
            ha="right",
            fontsize=8,
            color="#6a7078",
            xytext=(-2, 4),
            textcoords="offset points",
        )
        axes.set(
            title=f"{KINDS.get(kind, kind)} (n = {found['points'][0]['n']} a point)",
            ylabel="alignment: facts of the caption that are right",
            xlabel="Frechet distance, EfficientNet-Lite0 features (left is better)",
        )
        axes.legend(title="thresholding", frameon=False)
    save(figure, out)


def by_weight(kinds, out):
    """The same points over the guidance weight: alignment above, distance below."""
    figure, panels = plt.subplots(
        2, len(kinds), figsize=(6.2 * len(kinds), 5.6), squeeze=False, sharex=True, layout="constrained"
    )
    for column, (kind, found) in enumerate(kinds.items()):
        for axes, key, name in (
            (panels[0][column], "alignment", "alignment"),
            (panels[1][column], "distance", "Frechet distance"),
        ):
            tidy(axes)
            for mode in MODES:
                points = sorted((p for p in found["points"] if p["threshold"] == mode), key=lambda p: p["guidance"])
                colour, marker, line = LOOK[mode]
                x = [p["guidance"] for p in points]
                spread = [p["distance_deviation"] or 0 for p in points] if key == "distance" else None
                axes.errorbar(
                    x,
                    [p[key] for p in points],
                    spread,
                    color=colour,
                    marker=marker,
                    linestyle=line,
                    markersize=4,
                    capsize=2,
                    label=mode,
                )
            axes.set(ylabel=name)
        panels[0][column].set_title(KINDS.get(kind, kind))
        panels[1][column].set_xlabel("guidance weight w")
    panels[0][0].legend(title="thresholding", frameon=False)
    save(figure, out)


def save(figure, out):
    figure.savefig(out, dpi=110, facecolor="white")
    plt.close(figure)
