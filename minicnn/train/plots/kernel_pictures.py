"""The kernels of a convolution as small pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from ...data.outfile import StrPath
from ...errors import DataError
from .sheet import Sheet
from .style import SMALL, signed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDEST = 16
"""So many kernels stand in a row, where a row does not mean a channel."""


def kernels(weights: ArrayLike, path: StrPath | None = None, *, ax: Axes | None = None) -> Figure:
    """The kernels of a layer on one scale: blue above 0, orange below, white for 0.

    Args:
        weights: (F, KH, KW), a kernel for each output map, or packed as those of ``SparseConv2d``; or (F, C, KH, KW), as
            ``net.params["C1.W"]``: then every column is an output map and every row a channel that it reads, unless there is
            one channel only. Kernels without channels stand in rows of 16.
        path: the file to write; none for None.
        ax: axes of a figure of yours to draw in; a new figure for None.

    Returns:
        The figure, which a notebook shows.

    Raises:
        DataError: the weights are those of no convolution of pictures.
        OutputError: the file cannot be written, or matplotlib is not installed.

    >>> from minicnn import models
    >>> from minicnn.train import plots
    >>> figure = plots.kernels(models.lenet5_modern(backend="numpy").params["C1.W"])
    >>> figure.axes[0].images[0].get_array().shape
    (5, 35)
    """
    given = np.asarray(weights)
    if given.dtype.kind not in "fiu" or given.ndim not in (3, 4) or given.size == 0:
        what = f"expected kernels (F, KH, KW) or (F, C, KH, KW), got {given.dtype} of shape {given.shape}"
        raise DataError("kernels", what, 'give for example net.params["C1.W"]')
    finite = np.abs(given[np.isfinite(given)])
    limit = float(finite.max(initial=0)) or 1.0
    if given.ndim == 4 and given.shape[1] > 1:
        rows, first = [given[:, channel] for channel in range(given.shape[1])], range(given.shape[1])
        words = ("output map", "channel")
    else:
        alone = given.reshape(-1, *given.shape[-2:])
        first = range(0, len(alone), WIDEST)
        rows, words = [alone[start : start + WIDEST] for start in first], ("", "")
    columns, (high, wide) = len(rows[0]), given.shape[-2:]
    picture = np.full((len(rows) * (high + 1) - 1, columns * (wide + 1) - 1), np.nan)
    for row, own in enumerate(rows):
        for column, kernel in enumerate(own):
            top, left = row * (high + 1), column * (wide + 1)
            picture[top : top + high, left : left + wide] = kernel
    side = max(0.16, min(0.9, 10 / columns))
    above = 0.7 if words[0] else 0.35
    sheet = Sheet(ax, side * columns + 1.6, max(1.2, side * len(rows) * (high + 1) / (wide + 1) + above))
    axes = sheet.one()
    shown = axes.imshow(picture, cmap=signed(), vmin=-limit, vmax=limit, interpolation="nearest")
    axes.set_xticks([*_middles(columns, wide)], [str(number) for number in _numbers(columns)])
    axes.set_yticks([*_middles(len(rows), high)], [str(first[number]) for number in _numbers(len(rows))])
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.tick_params(length=0, labelsize=sheet.points(SMALL))
    axes.set_xlabel(words[0], fontsize=SMALL)
    axes.set_ylabel(words[1], fontsize=SMALL)
    axes.spines[:].set_visible(False)
    if len(rows) == 1:
        axes.set_yticks([])
    sheet.scale(shown, [axes])
    return sheet.finish(path)


def _numbers(count: int) -> range:
    """Which rows or columns are numbered."""
    return range(0, count, max(1, count // 16))


def _middles(count: int, size: int) -> list[float]:
    """The middles of those that are numbered."""
    return [number * (size + 1) + (size - 1) / 2 for number in _numbers(count)]
