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
    """Frechet distance over alignment, as in the paper, one panel a kind; each point is one guidance weight."""
    figure, panels = plt.subplots(1, len(kinds), figsize=(6.6 * len(kinds), 5), squeeze=False, layout="constrained")
    for axes, (kind, found) in zip(panels[0], kinds.items()):
        tidy(axes)
        for mode in MODES:
            one_curve(axes, found["points"], mode)
        axes.set(
            title=f"{KINDS.get(kind, kind)} (n = {found['points'][0]['n']} a point)",
            xlabel="alignment: share of the caption's facts that the probe finds (right is better)",
            ylabel="Frechet distance, EfficientNet-Lite0 features (lower is better)",
        )
        axes.margins(0.1)
        said = (
            f"true pictures: alignment {found['ceiling']:.2f}, distance {found['floor']['mean']:.0f} (n = {found['floor']['n']})"
        )
        axes.annotate(said, (0.02, 0.02), xycoords="axes fraction", fontsize=8, color="#3b8a4a")
        axes.legend(title="thresholding", frameon=False)
    save(figure, out)


def one_curve(axes, points, mode):
    colour, marker, line = LOOK[mode]
    weights = sorted(p["guidance"] for p in points if p["threshold"] == mode)
    spots = [(y, x) for x, y in path(points, mode)]
    axes.plot(*zip(*spots), color=colour, marker=marker, linestyle=line, markersize=5, linewidth=1.6, label=mode)
    above = {"none": (-9, -11), "static": (6, 3), "dynamic": (-4, 7)}[mode]  # so that the weights of near curves do not meet
    for spot, w in zip(spots, weights):
        axes.annotate(f"{w:g}", spot, textcoords="offset points", xytext=above, fontsize=8, color=colour)


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
