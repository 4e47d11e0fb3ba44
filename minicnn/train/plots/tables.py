"""LeNet-5's two tables: which maps C3 reads, and the codes that F6 is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from ...data.outfile import StrPath
from ...errors import DataError
from ...nn.digit_codes import DIGITS
from ...nn.sparse_conv import SparseConv2d, Table
from ...nn.window import count as whole
from .confusions import names_of
from .sheet import Sheet
from .style import BLUE, BRIGHT, GRID, NORMAL, PAPER, SMALL, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def connections(
    table: Table, path: StrPath | None = None, *, ax: Axes | None = None, names: tuple[str, str] = ("input map", "output map")
) -> Figure:
    """Which channels each output map of a ``SparseConv2d`` reads, as table I of LeCun et al. (1998) shows it for C3.

    Args:
        table: for each output map the channels that it reads, as of ``SparseConv2d.table`` or ``models.c3_table()``.
        path: the file to write; none for None.
        ax: axes of a figure of yours to draw in; a new figure for None.
        names: what a row and what a column is.

    Returns:
        The figure, which a notebook shows.

    Raises:
        OptionError: it is no table.
        OutputError: the file cannot be written, or matplotlib is not installed.

    >>> from minicnn import models
    >>> from minicnn.train import plots
    >>> plots.connections(models.c3_table()).axes[0].get_title()
    '60 of 96 links'
    """
    checked = SparseConv2d(table, 1).table
    rows, columns = 1 + max(max(row) for row in checked), len(checked)
    linked = np.zeros((rows, columns))
    for column, row in enumerate(checked):
        linked[list(row), column] = 1
    sheet = Sheet(ax, max(2.4, 0.3 * columns + 0.8), max(1.6, 0.3 * rows + 0.9))
    axes = sheet.one()
    from matplotlib.colors import ListedColormap

    axes.imshow(linked, cmap=ListedColormap([PAPER, BLUE]), vmin=0, vmax=1)
    for ticks, count in ((axes.set_xticks, columns), (axes.set_yticks, rows)):
        ticks(range(0, count, 1 if count <= 40 else -(-count // 20)))
        ticks(np.arange(-0.5, count), minor=True)
    axes.grid(which="minor", color=GRID, linewidth=0.8)
    axes.tick_params(which="both", length=0, labelsize=SMALL)
    axes.set(xlabel=shortened(names[1], 40), ylabel=shortened(names[0], 40))
    axes.set_title(f"{int(linked.sum())} of {linked.size} links", fontsize=NORMAL)
    return sheet.finish(path)


def codes(
    centres: ArrayLike = DIGITS,
    path: StrPath | None = None,
    *,
    ax: Axes | None = None,
    classes: Sequence[object] | None = None,
    units: ArrayLike | None = None,
    columns: int = 7,
) -> Figure:
    r"""The code of each class as a bitmap, and the units of F6 for an image beside them, with the squared distance to each.

    Ink is +1, paper −1. The distance d_k = Σ_j (u_j − w_kj)² is the output of ``RBF``, whose smallest one names the class.

    Args:
        centres: (K, D), the code of each class; those of the ten digits unless given.
        path: the file to write; none for None.
        ax: axes of a figure of yours to draw in; a new figure for None.
        classes: the names of the classes; their numbers for None.
        units: (D,), the output of F6 for one image, as of ``net.activation("f(F6)")[0]``; none for None.
        columns: how many numbers a row of a bitmap has.

    Returns:
        The figure, which a notebook shows.

    Raises:
        OptionError: ``columns`` is no whole number of at least 1.
        DataError: the codes are no rows of that length, or the units or names are not as many.
        OutputError: the file cannot be written, or matplotlib is not installed.

    >>> from minicnn.nn.digit_codes import DIGITS
    >>> from minicnn.train import plots
    >>> figure = plots.codes(units=DIGITS[3])
    >>> [axes.get_title() for axes in figure.axes[:5]]
    ['units', '0\n116', '1\n140', '2\n132', '3\n0 nearest']
    """
    whole("codes", "columns", columns)
    given = np.asarray(centres, np.float64)
    if given.ndim != 2 or given.size == 0 or given.shape[1] % columns:
        what = f"expected codes (K, D), of which D is a multiple of {columns}, got shape {given.shape}"
        raise DataError("codes", what, "give columns= as the width of the bitmaps")
    names = names_of("codes", classes, len(given), most=10)
    pictures, titles = list(given), list(names)
    if units is not None:
        own = np.asarray(units, np.float64).reshape(-1)
        if len(own) != given.shape[1]:
            what = f"expected {given.shape[1]} units, as a code has numbers, got {len(own)}"
            raise DataError("codes", what, 'give net.activation("f(F6)")[0]')
        distances = ((own - given) ** 2).sum(axis=1)
        nearest = int(distances.argmin())
        said = [f"{d:.3g} nearest" if k == nearest else f"{d:.3g}" for k, d in enumerate(distances)]
        titles = ["units", *(f"{name}\n{text}" for name, text in zip(names, said, strict=True))]
        pictures = [own, *pictures]
    across = min(len(pictures), 11)
    lines = -(-len(pictures) // across)
    sheet = Sheet(ax, 0.82 * across + 0.3, (1.75 if units is not None else 1.5) * lines)
    places = [axes for row in sheet.grid(lines, across, space=0.25) for axes in row]
    for axes in places[len(pictures) :]:
        axes.set_axis_off()
    for axes, picture, title in zip(places, pictures, titles, strict=False):
        axes.imshow(picture.reshape(-1, columns), cmap=BRIGHT, vmin=-1, vmax=1)
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_edgecolor(GRID)
        axes.set_title(title, fontsize=sheet.points(SMALL))
    return sheet.finish(path)
