"""How weights and gradients are spread."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...arrays import Array
from ...data.outfile import StrPath
from ...errors import ContractError
from ...network import Network
from .sheet import Sheet
from .style import BLUE, INK, NORMAL, ORANGE, SMALL, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BINS = 40


def histograms(net: Network, path: StrPath | None = None, *, ax: Axes | None = None) -> Figure:
    r"""A row for each parameter: how its numbers are spread, and beside it how those of its last gradient are.

    Beside each stands the standard deviation σ. Look for parameters whose gradient is all 0, for σ that grows or shrinks from
    layer to layer, and for numbers that are not finite, which are counted and left out.

    Args:
        net: the network; gradients are those of its last ``loss_and_grads`` or ``backward``.
        path: the file to write; none for None.
        ax: axes of a figure of yours to draw in; a new figure for None.

    Returns:
        The figure, which a notebook shows.

    Raises:
        ContractError: the network has no parameters.
        OutputError: the file cannot be written, or matplotlib is not installed.

    >>> from minicnn import models
    >>> from minicnn.train import plots
    >>> figure = plots.histograms(models.lenet5_modern(backend="numpy"))
    >>> len(figure.axes), figure.axes[0].get_ylabel()
    (20, 'C1.W\n150')
    """
    names = list(net.params)
    if not names:
        raise ContractError("histograms", "expected a network with parameters, got one without", "draw another one")
    sheet = Sheet(ax, 6.4, 0.66 * len(names) + 0.5)
    rows = sheet.grid(len(names), 2, space=0.35)
    for (left, right), name in zip(rows, names, strict=True):
        _draw(left, net.params[name], BLUE, sheet.points(7))
        _draw(right, net.grads[name], ORANGE, sheet.points(7))
        words = f"{shortened(name, 18)}\n{net.params[name].size:,}"
        left.set_ylabel(words, rotation=0, ha="right", va="center", fontsize=sheet.points(SMALL))
    for axes, title in zip(rows[0], ("weights", "gradients"), strict=True):
        axes.set_title(title, fontsize=sheet.points(NORMAL))
    return sheet.finish(path)


def _draw(axes: Axes, values: Array, colour: str, size: float) -> None:
    """One histogram with what is to be said of it."""
    finite = values[np.isfinite(values)].astype(np.float64)
    said = []
    if finite.size and not finite.any():
        said.append("all 0")
    elif finite.size:
        limit = float(np.abs(finite).max())
        counts, edges = np.histogram(finite, BINS, (-limit, limit))
        axes.stairs(counts, edges, fill=True, color=colour)
        axes.set_ylim(0, 1.5 * counts.max())  # leaves room for the words
        said.append(f"σ = {finite.std():.2g}")
    if lost := values.size - finite.size:
        said.append(f"{lost:,} not finite")
    axes.set_yticks([])
    axes.spines[["left", "top", "right"]].set_visible(False)
    axes.text(0.99, 1.0, "\n".join(said), transform=axes.transAxes, ha="right", va="top", fontsize=size, color=INK)
    axes.locator_params(axis="x", nbins=5)
    axes.tick_params(labelsize=size)
