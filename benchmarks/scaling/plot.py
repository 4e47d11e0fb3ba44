"""The predictions as a picture."""

from __future__ import annotations

from pathlib import Path

from minicnn.errors import lacking

Lines = dict[str, list[tuple[int, float]]]
"""Curves by their labels, as pairs of ranks and efficiency."""


def plot(file: Path, panels: dict[str, Lines], points: dict[str, Lines]) -> None:
    """Draw efficiency over ranks, a panel for each machine: lines are the model, points the simulation.

    Args:
        file: where it is written.
        panels: curves of the model, by panel.
        points: those of the simulation.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as fault:
        raise lacking("--plot", "matplotlib", fault) from fault
    figure = Figure(figsize=(4.2 * len(panels), 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axis, (title, lines) in zip(axes, panels.items(), strict=True):
        for number, (label, line) in enumerate(lines.items()):
            axis.plot(*zip(*line, strict=True), color=f"C{number}", label=label)
            axis.plot(*zip(*points[title][label], strict=True), "o", color=f"C{number}", markersize=3)
        axis.set_xscale("log", base=2)
        axis.set_xlabel("ranks")
        axis.set_title(title, fontsize=10)
        axis.set_ylim(0, 1.05)
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("efficiency, 32 images a rank")
    axes[-1].legend(title="gradient")
    figure.savefig(file, dpi=110)
