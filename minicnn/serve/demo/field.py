"""Where a number of a map comes from: its receptive field, the kernel over it, and the sum that made it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import NamedTuple

import numpy as np

from ...arrays import Array
from ...nn import RBF, AvgPool2d, BatchNorm2d, Conv2d, Dense, Layer, MaxPool2d, SparseConv2d, Subsample
from ...nn.window import Window
from .stages import FORMULAS, Stage, grid


class Place(NamedTuple):
    """A pixel of a map; a unit u of a vector is the map u with one pixel."""

    map: int
    row: int
    column: int


class Rectangle(NamedTuple):
    """Pixels of a map, the last ones not included."""

    top: int
    left: int
    bottom: int
    right: int


@dataclass(frozen=True)
class Term:
    """A part of a sum: some numbers, each by its weight.

    Attributes:
        map: which map of what the layer reads; 0 for a vector.
        rectangle: where on that map, as far as it lies on it.
        x: the numbers (rows, columns); 0 beyond the map.
        weights: (rows, columns).
        products: (rows, columns); their sum is what the term adds.
    """

    map: int
    rectangle: Rectangle
    x: Array
    weights: Array
    products: Array


def window_of(layer: Layer, size: tuple[int, int]) -> Window | None:
    """The window that a layer moves over maps of that size; None for one that moves none."""
    match layer:
        case Conv2d():
            return layer.window(size)
        case SparseConv2d():
            kernel = layer.kernel_size
            return Window((kernel, kernel) if isinstance(kernel, int) else kernel)
        case Subsample():
            return layer.windows
        case MaxPool2d() | AvgPool2d():
            return layer.window
    return None


def covered(window: Window, place: Place, size: tuple[int, int]) -> Rectangle:
    """The pixels of a map under a window at one of its places, as far as they lie on the map."""
    starts = [at * stride - pad for at, stride, pad in zip(place[1:], window.stride, window.padding, strict=True)]
    ends = [start + d * (k - 1) + 1 for start, d, k in zip(starts, window.dilation, window.kernel, strict=True)]
    (top, left), (bottom, right) = ([max(0, min(n, v)) for n, v in zip(size, each, strict=True)] for each in (starts, ends))
    return Rectangle(top, left, bottom, right)


def under(window: Window, place: Place, x: Array, outside: float = 0.0) -> Array:
    """The numbers of a map (H, W) under a window at one of its places."""
    axes = zip(place[1:], window.stride, window.padding, window.dilation, window.kernel, x.shape, strict=True)
    rows, columns = (at * stride - pad + d * np.arange(k) for at, stride, pad, d, k, _ in axes)
    inside = ((rows >= 0) & (rows < x.shape[0]))[:, None] & ((columns >= 0) & (columns < x.shape[1]))
    found = x[np.clip(rows, 0, x.shape[0] - 1)[:, None], np.clip(columns, 0, x.shape[1] - 1)]
    return np.where(inside, found, outside)


def windows(layer: Layer, x: Array) -> Array:
    """The numbers under all places of a layer's window, (C, places, taps), for maps (C, H, W)."""
    window = window_of(layer, (x.shape[1], x.shape[2]))
    assert window is not None
    (top, left), (bottom, right) = window.padding, window.trailing
    wide = np.pad(x, ((0, 0), (top, bottom), (left, right)))
    reach = [d * (k - 1) + 1 for d, k in zip(window.dilation, window.kernel, strict=True)]
    views = np.lib.stride_tricks.sliding_window_view(wide, reach, axis=(1, 2))
    views = views[:, :: window.stride[0], :: window.stride[1], :: window.dilation[0], :: window.dilation[1]]
    return np.ascontiguousarray(views).reshape(len(x), -1, prod(window.kernel))


def terms(stage: Stage, params: dict[str, Array], x: Array, place: Place) -> tuple[list[Term], float] | None:
    """The sum that makes a number of a stage, before its activation: its terms and its bias.

    Args:
        stage: the stage.
        params: what its layer multiplies by, by name.
        x: what its layer reads.
        place: which number.

    Returns:
        None for a layer that is no sum of this kind.
    """
    layer = stage.placed.layer
    if isinstance(layer, Dense | RBF):
        return _of_all(layer, params, x, place.map)
    if x.ndim != 3 or (window := window_of(layer, (x.shape[1], x.shape[2]))) is None:
        return None
    rectangle = covered(window, place, (x.shape[1], x.shape[2]))
    found, bias = [], 0.0
    for channel, weights, own in _kernels(layer, params, window, x, place):
        patch = under(window, place, x[channel])
        found.append(Term(channel, rectangle, patch, weights, patch.astype(np.float64) * weights))
        bias = own
    return found, bias


def _kernels(
    layer: Layer, params: dict[str, Array], window: Window, x: Array, place: Place
) -> Iterator[tuple[int, Array, float]]:
    """Channels with the weights over them, and the bias of the map."""
    f = place.map
    match layer:
        case Conv2d():
            each = x.shape[0] // layer.groups
            first = f // (layer.filters // layer.groups) * each
            for c in range(each):
                yield first + c, params["W"][f, c], float(params["b"][f])
        case SparseConv2d():
            for own, channel, kernel in layer.links:
                if own == f:
                    yield channel, params["W"][kernel], float(params["bias"][f])
        case Subsample():
            yield f, np.full(window.kernel, params["W"][f]), float(params["b"][f])
        case AvgPool2d():
            inside = under(window, place, np.ones(x.shape[1:]))
            count = prod(window.kernel) if layer.count_include_pad and not layer.ceil_mode else inside.sum()
            yield f, np.where(inside, 1 / count, 0.0), 0.0
        case MaxPool2d():
            patch = under(window, place, x[f], -np.inf)
            winner = np.zeros(patch.shape)
            winner.flat[patch.argmax()] = 1
            yield f, winner, 0.0


def _of_all(layer: Dense | RBF, params: dict[str, Array], x: Array, unit: int) -> tuple[list[Term], float]:
    """The sum of a layer that reads everything: a term for each map, or one for a vector."""
    weights, maps = params["W"][unit], x if x.ndim == 3 and prod(x.shape[1:]) > 1 else None
    found = []
    shape = grid(x.size) if maps is None else maps.shape[1:]
    parts = 1 if maps is None else len(maps)
    for number, (own, w) in enumerate(zip(np.split(x.ravel(), parts), np.split(weights, parts), strict=True)):
        cells = np.zeros((2, prod(shape)))  # a vector may leave cells of its grid empty
        cells[0, : len(own)], cells[1, : len(own)] = own, w
        a, b = cells.reshape(2, *shape)
        products = (a - b) ** 2 if isinstance(layer, RBF) else a * b
        found.append(Term(number, Rectangle(0, 0, shape[0], shape[1]), a, b, products))
    return found, 0.0 if isinstance(layer, RBF) else float(params["b"][unit])


class Field(NamedTuple):
    """What a number depends on in a stage below it: pixels of some of its maps."""

    rectangle: Rectangle
    maps: list[int]


def fields(stages: Sequence[Stage], number: int, place: Place, size: tuple[int, int]) -> dict[int, Field]:
    """The receptive field of a number on every stage below it, and on the input under −1, along the stages that it reads.

    Args:
        stages: of the network.
        number: the stage that the number is in.
        place: which number.
        size: rows and columns of the input.
    """
    found: dict[int, Field] = {}
    current, at = number, Field(Rectangle(place.row, place.column, place.row + 1, place.column + 1), [place.map])
    while current >= 0 and (source := stages[current].source) is not None:
        layer = stages[current].placed.layer
        below, channels = (size, 1) if source < 0 else (stage_size(stages[source]), stages[source].shape[0])
        at = Field(_pixels(layer, at.rectangle, below), _maps(layer, at.maps, channels))
        found[source] = at
        current = source
    return found


def stage_size(stage: Stage) -> tuple[int, int]:
    """Rows and columns of a stage's maps; a vector has its grid."""
    return grid(stage.shape[0]) if len(stage.shape) == 1 else (stage.shape[1], stage.shape[2])


def _pixels(layer: Layer, at: Rectangle, size: tuple[int, int]) -> Rectangle:
    """The pixels that a layer reads for a rectangle of its output; all of them where that is not known."""
    if isinstance(layer, BatchNorm2d) or type(layer) in FORMULAS:
        return at
    window = window_of(layer, size)
    if window is None:
        return Rectangle(0, 0, *size)
    first = covered(window, Place(0, at.top, at.left), size)
    last = covered(window, Place(0, at.bottom - 1, at.right - 1), size)
    return Rectangle(first.top, first.left, last.bottom, last.right)


def _maps(layer: Layer, maps: list[int], channels: int) -> list[int]:
    """The maps that a layer reads for some of its own; all of them where that is not known."""
    match layer:
        case SparseConv2d():
            return sorted({channel for f in maps for channel in layer.table[f]})
        case Conv2d():
            own, read = layer.filters // layer.groups, channels // layer.groups
            return sorted({c for f in maps for c in range(f // own * read, (f // own + 1) * read)})
        case Subsample() | AvgPool2d() | MaxPool2d() | BatchNorm2d():
            return maps
    return maps if type(layer) in FORMULAS else list(range(channels))
