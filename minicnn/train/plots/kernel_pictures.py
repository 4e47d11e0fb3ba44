"""The kernels of a convolution as small pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from ...data.outfile import StrPath
from ...errors import DataError
from .sheet import Sheet
from .style import GRID, SIGNED, SMALL

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDEST = 16
"""So many kernels stand in a row, where a row does not mean a channel."""


def kernels(weights: ArrayLike, path: StrPath | None = None, *, ax: Axes | None = None) -> Figure:
    """The kernels of a layer on one scale: red above 0, blue below, white for 0.

    Args:
        weights: (F, KH, KW), a kernel for each output map, or packed as those of ``SparseConv2d``; or (F, C, KH, KW), as
            ``net.params["C1.W"]``: then every column is an output map and every row a channel that it reads, unless there is
            one channel only.
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
    >>> [axes.get_title() for axes in figure.axes[:3]]
    ['0', '1', '2']
    """
    given = np.asarray(weights)
    if given.dtype.kind not in "fiu" or given.ndim not in (3, 4) or given.size == 0:
        what = f"expected kernels (F, KH, KW) or (F, C, KH, KW), got {given.dtype} of shape {given.shape}"
        raise DataError("kernels", what, 'give for example net.params["C1.W"]')
    if given.ndim == 4 and given.shape[1] == 1:
        given = given[:, 0]
    filters = len(given)
    if given.ndim == 3:
        columns = min(filters, WIDEST)
        lines = -(-filters // columns)
        shown = [list(range(start, min(start + columns, filters))) for start in range(0, filters, columns)]
        cells = [[given[number] for number in line] for line in shown]
    else:
        columns, lines = filters, given.shape[1]
        shown = [list(range(filters))] + [[]] * (lines - 1)
        cells = [list(given[:, channel]) for channel in range(lines)]
    side = max(0.28, min(0.9, 10 / columns))
    finite = np.abs(given[np.isfinite(given)])
    limit = float(finite.max(initial=0)) or 1.0
    sheet = Sheet(ax, max(2.2, side * columns + 1.2), max(1.3, side * 1.12 * lines + 0.5))
    places = sheet.grid(lines, columns)
    for row, (line, own) in enumerate(zip(places, cells, strict=True)):
        for axes, kernel in zip(line, own, strict=False):
            picture = axes.imshow(kernel, cmap=SIGNED, vmin=-limit, vmax=limit)
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_edgecolor(GRID)
        for axes, number in zip(line, shown[row], strict=False):
            axes.set_title(str(number), fontsize=SMALL, pad=2)
        for axes in line[len(own) :]:
            axes.set_axis_off()
        if given.ndim == 4:
            line[0].set_ylabel(str(row), rotation=0, ha="right", va="center", fontsize=SMALL)
    if given.ndim == 4:
        sheet.title("columns: output maps; rows: channels")
    sheet.scale(picture, [axes for line in places for axes in line])
    return sheet.finish(path)
