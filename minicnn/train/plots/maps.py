"""What every layer makes of an image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from ...arrays import Array
from ...data.outfile import StrPath
from ...errors import OptionError
from ...nn.window import by
from .attribution import draw_image
from .model_input import Model, Seen
from .sheet import Sheet
from .style import GRID, SMALL, shortened, signed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST = 32
"""So many maps of a layer are shown."""
FEW, ACROSS = 8, 16
"""Up to eight maps stand in a row of eight places, more of them in rows of sixteen."""

WIDE = 7.0
"""The width of a row in inches."""


def feature_maps(
    model: Model,
    image: ArrayLike,
    path: StrPath | None = None,
    *,
    ax: Axes | None = None,
    layers: Sequence[str] | None = None,
) -> Figure:
    r"""The output of every layer for one image, a row for each: maps as pictures, and numbers without place as a strip.

    Blue is above 0, orange below, white 0, on a scale of its own for each layer. Of a layer with more than 32 maps the first 32
    are shown. The network stays as it is, with its last ``forward``.

    Args:
        model: a network of one input and one output, or a classifier or regressor.
        image: one image (C, H, W), or (H, W), as the network takes it; of a classifier as its ``predict`` takes it.
        path: the file to write; none for None.
        ax: axes of a figure of yours to draw in; a new figure for None.
        layers: names of the layers to show; all but those that only change a shape for None.

    Returns:
        The figure, which a notebook shows.

    Raises:
        OptionError, ContractError: the model is not what it should be, or there is no such layer.
        DataError, ShapeError: the image is not one that the network takes.
        OutputError: the file cannot be written, or matplotlib is not installed.

    >>> import numpy as np
    >>> from minicnn import models
    >>> from minicnn.train import plots
    >>> figure = plots.feature_maps(models.lenet5_modern(backend="numpy"), np.zeros((28, 28)), layers=["C1", "S2"])
    >>> [axes.get_ylabel() for axes in figure.axes]
    ['input\n1×28×28', 'C1\n6×28×28', 'S2\n6×14×14']
    """
    seen = Seen("feature_maps", model, image)
    known = [placed.name for placed in seen.net.layers]
    chosen = [placed.name for placed in seen.net.layers if not placed.plan.view] if layers is None else list(layers)
    if unknown := [name for name in chosen if name not in known]:
        raise OptionError("feature_maps", f"expected layers out of {', '.join(known)}, got {unknown[0]!r}", "name others")
    seen.net.forward(seen.x[None])
    tiles = [(name, seen.net.activation(name)[0]) for name in chosen]
    drawn = [(name, values.shape, mosaic(values)) for name, values in tiles]
    heights = [1.0, *(_height(picture, shape) for _, shape, picture in drawn)]
    sheet = Sheet(ax, WIDE + 1.4, sum(heights) + 0.1 * len(heights))
    places = [row[0] for row in sheet.grid(len(heights), 1, heights)]
    draw_image(places[0], seen.x)
    places[0].set_anchor("W")
    _label(places[0], "input", seen.x.shape, sheet.points(SMALL))
    for axes, (name, shape, picture) in zip(places[1:], drawn, strict=True):
        limit = float(np.nanmax(np.abs(picture), initial=0)) or 1.0
        flat = len(shape) < 3
        axes.imshow(picture, cmap=signed(), vmin=-limit, vmax=limit, interpolation="nearest")
        axes.set_aspect("auto" if flat else "equal")
        axes.set_anchor("W")
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_edgecolor(GRID)
        axes.spines[:].set_visible(flat)
        _label(axes, name, shape, sheet.points(SMALL))
    return sheet.finish(path)


def _label(axes: Axes, name: str, shape: tuple[int, ...], size: float) -> None:
    more = f"\nthe first {MOST}" if len(shape) == 3 and shape[0] > MOST and shape[1:] != (1, 1) else ""
    words = f"{shortened(name, 16)}\n{by(shape)}{more}"
    axes.set_ylabel(words, rotation=0, ha="right", va="center", fontsize=size)


def _height(picture: Array, shape: tuple[int, ...]) -> float:
    """Of a row in inches."""
    if len(shape) < 3:
        return 0.3
    rows, columns = picture.shape
    return max(0.3, float(WIDE * rows / columns))


def mosaic(values: Array) -> Array:
    """The maps of a layer side by side, with NaN between them; numbers without place in one row.

    >>> mosaic(np.ones((2, 2, 2))).shape, mosaic(np.ones(84)).shape, mosaic(np.ones((120, 1, 1))).shape
    ((2, 23), (1, 84), (1, 120))
    """
    if values.ndim < 3:
        return values.reshape(1, -1) if values.ndim == 1 else values
    if values.shape[1:] == (1, 1):
        return values.reshape(1, -1)
    maps = values[:MOST]
    count, rows, columns = maps.shape
    across = FEW if count <= FEW else ACROSS
    lines = -(-count // across)
    picture = np.full((lines * (rows + 1) - 1, across * (columns + 1) - 1), np.nan)
    for number, one in enumerate(maps):
        top, left = number // across * (rows + 1), number % across * (columns + 1)
        picture[top : top + rows, left : left + columns] = one
    return picture
