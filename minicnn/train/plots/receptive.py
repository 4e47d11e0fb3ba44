"""Which pixels a unit of a layer can see."""

from __future__ import annotations

from dataclasses import fields
from math import prod
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from ...arrays import Array
from ...data.outfile import StrPath
from ...engine.graph import Item, items_of
from ...errors import ContractError, DataError, OptionError
from ...network import Network
from ...nn import AvgPool1d, AvgPool2d, GlobalAvgPool2d, GlobalMaxPool2d, MaxPool1d, MaxPool2d, MaxUnpool1d, MaxUnpool2d
from ...nn.base import Layer
from .attribution import draw_image
from .sheet import Sheet
from .style import AMOUNTS, NORMAL, ORANGE, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MEANS: dict[type[Layer], type[Layer]] = {MaxPool1d: AvgPool1d, MaxPool2d: AvgPool2d, GlobalMaxPool2d: GlobalAvgPool2d}
"""For each pool of maxima the pool of means over the same windows, whose gradient reaches every pixel of a window."""


def receptive_field(
    net: Network,
    layer: str,
    path: StrPath | None = None,
    *,
    ax: Axes | None = None,
    at: tuple[int, ...] | None = None,
    image: ArrayLike | None = None,
) -> Figure:
    """The pixels of the input on which a unit of a layer can depend, whatever the weights are.

    Darker pixels reach the unit on more ways. The title says the field's height and width. The ways are counted by a backward
    pass through the same layers with positive weights, and means for maxima, so that nothing cancels.

    Args:
        net: a network of one input (C, H, W).
        layer: the name of a layer.
        path: the file to write; none for None.
        ax: axes of a figure of yours to draw in; a new figure for None.
        at: the unit: (row, column) for all maps at that place, or (map, row, column), or (number,) of a layer without places;
            for None the middle of the maps, or all units of a layer without places.
        image: (C, H, W) or (H, W), shown below the outline of the field; the ways are shown for None.

    Returns:
        The figure, which a notebook shows.

    Raises:
        ContractError: the network has another input, or a ``MaxUnpool`` up to the layer.
        OptionError: there is no such layer or unit.
        DataError: the image does not have the input's shape.
        OutputError: the file cannot be written, or matplotlib is not installed.

    >>> from minicnn import models
    >>> from minicnn.train import plots
    >>> plots.receptive_field(models.lenet5_modern(backend="numpy"), "S2", at=(5, 5)).axes[0].get_title()
    'S2 at (5, 5) sees 6 × 6 of 28 × 28 pixels'
    """
    ways, place = ways_to(net, layer, at)
    rows, columns = net.in_shape[1:]
    sheet = Sheet(ax, 4.2, 4.2 * min(2.0, max(0.5, rows / columns)) + 0.3)
    axes = sheet.one()
    seen = ways > 0
    if image is None:
        axes.imshow(ways / ways.max() if seen.any() else ways, cmap=AMOUNTS, vmin=0, vmax=1)
    else:
        given = np.asarray(image)
        shaped = given[None] if given.ndim == 2 else given
        if shaped.shape != net.in_shape:
            what = f"expected an image of shape {net.in_shape}, got {given.shape}"
            raise DataError("receptive_field", what, "give one that the network takes")
        draw_image(axes, shaped)
    axes.set(xticks=[], yticks=[])
    high, wide = (int(np.ptp(np.flatnonzero(seen.any(axis=axis)))) + 1 if seen.any() else 0 for axis in (1, 0))
    if seen.any():
        top, left = (int(np.flatnonzero(seen.any(axis=axis))[0]) for axis in (1, 0))
        from matplotlib.patches import Rectangle

        axes.add_patch(Rectangle((left - 0.5, top - 0.5), wide, high, fill=False, edgecolor=ORANGE, linewidth=2))
    where = f" at ({', '.join(map(str, place))})" if place else ""
    axes.set_title(f"{shortened(layer)}{where} sees {high} × {wide} of {rows} × {columns} pixels", fontsize=NORMAL)
    return sheet.finish(path)


def ways_to(net: Network, layer: str, at: tuple[int, ...] | None) -> tuple[Array, tuple[int, ...]]:
    """For each pixel (H, W) of the input a number above 0 where it can reach the unit, else 0; and the unit."""
    who = "receptive_field"
    if len(net.in_shapes) > 1 or len(net.in_shape) != 3:
        what = f"expected a network of one input (C, H, W), got {dict(net.in_shapes)}"
        raise ContractError(who, what, "draw another one")
    known = {placed.name: placed for placed in net.layers}
    if layer not in known:
        raise OptionError(who, f"expected layer as one of {', '.join(known)}, got {layer!r}", "name one of these")
    below = Network(_items_below(net, layer), net.in_shapes, "float64", backend="numpy")
    for name, values in below.params.items():
        bias = name.rpartition(".")[2].startswith("b")
        values[...] = 0 if bias else 1 / prod(values.shape[1:])
    x = np.random.default_rng(0).uniform(0.5, 1, (1, *net.in_shape))
    dy = np.zeros_like(below.forward(x))
    place, where = _unit(at, dy.shape[1:])
    dy[(0, *where)] = 1
    dx = below.backward(dy)
    assert dx is not None
    return np.abs(dx[0]).sum(axis=0), place


def _items_below(net: Network, layer: str) -> list[Item]:
    """The layers on which a layer depends, itself among them, with means in place of maxima."""
    placed = {each.value: each for each in net.layers}
    waiting, needed = [next(each.value for each in net.layers if each.name == layer)], set[int]()
    while waiting:
        value = waiting.pop()
        if value in placed and value not in needed:
            needed.add(value)
            waiting += placed[value].inputs
            waiting += [each.value for each in net.layers if each.name == placed[value].owner]
    items: list[Item] = []
    for each, (name, what, read) in zip(net.layers, items_of(net.layers, net.in_shapes), strict=True):
        if each.value in needed:
            if isinstance(what, MaxUnpool1d | MaxUnpool2d):
                message = f"expected layers whose units see the same pixels of every image, got {each.who}"
                raise ContractError("receptive_field", message, "take a layer before it")
            mean = None if isinstance(what, str) else MEANS.get(type(what))
            items.append((name, what if mean is None or isinstance(what, str) else _mean(mean, what), read))
    return items


def _mean(kind: type[Layer], pool: Layer) -> Layer:
    """A pool of means with the windows of a pool of maxima, which may leave pixels between the taps of a window."""
    options = {field.name: getattr(pool, field.name) for field in fields(pool)}
    dilation = options.pop("dilation", 1)
    if dilation not in (1, (1, 1)):
        what = f"expected a pool without dilation, got dilation={dilation!r}"
        raise ContractError("receptive_field", what, "take a layer before it")
    return kind(**options)


def _unit(at: tuple[int, ...] | None, shape: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int | slice, ...]]:
    """A unit, as it is named and as an index."""
    places = shape[1:]
    if at is None:
        place = tuple(size // 2 for size in places)
        return place, (slice(None), *place)
    whole = isinstance(at, tuple) and all(isinstance(n, int | np.integer) and not isinstance(n, bool) for n in at)
    sizes = shape if whole and len(at) == len(shape) else places
    if not whole or not at or len(at) != len(sizes) or not all(0 <= n < size for n, size in zip(at, sizes, strict=True)):
        what = f"expected at as a place in {' × '.join(map(str, places or shape))}, got {at!r}"
        raise OptionError("receptive_field", what, "leave it out for the middle")
    return at, (tuple(at) if len(at) == len(shape) else (slice(None), *at))
