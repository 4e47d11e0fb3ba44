"""What libraries with images (N, H, W, C) need of a network of minicnn: layouts, padding, parameters and tables of links."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from minicnn import Network
from minicnn.arrays import Shape
from minicnn.nn.window import Pair, Window

Array = np.ndarray[Any, Any]


def images_of(x: Array) -> Array:
    """Images (N, C, H, W) as (N, H, W, C), and rows (N, C, W) as (N, 1, W, C); vectors stay as they are."""
    if x.ndim == 2:
        return x
    maps = x[:, :, None] if x.ndim == 3 else x
    return np.ascontiguousarray(maps.transpose(0, 2, 3, 1))


def outputs_of(y: Array, shape: Shape) -> Array:
    """What ``images_of`` makes of outputs of this shape, as they were."""
    return y.reshape(-1, *shape) if len(shape) == 1 else y.transpose(0, 3, 1, 2).reshape(-1, *shape)


def size_of(shape: Shape) -> Pair:
    """Rows and columns of maps (C, H, W), or of rows (C, W)."""
    return (1, shape[1]) if len(shape) == 2 else (shape[1], shape[2])


def padding_of(window: Window, size: Pair) -> str | list[list[int]]:
    """TensorFlow's padding for a window on a map of this size; its fastest kernels know two kinds by name."""
    if not window.padded:
        return "VALID"
    same = Window.same(window.kernel, window.dilation, window.stride, size)
    if (window.padding, window.trailing) == (same.padding, same.trailing):
        return "SAME"
    return [[0, 0], *([before, after] for before, after in zip(window.padding, window.trailing, strict=True)), [0, 0]]


def reaching(window: Window, size: Pair, places: Pair) -> Window:
    """A pool's window with as much padding behind the map as its last place reaches, and no more."""
    axes = zip(size, places, window.kernel, window.stride, window.padding, window.dilation, strict=True)
    rows, columns = (max(0, (o - 1) * s + d * (k - 1) + 1 - n - p) for n, o, k, s, p, d in axes)
    return replace(window, after=(rows, columns))


def parameters_of(net: Network) -> dict[str, Array]:
    """A copy of the parameters; the columns of a dense layer after maps are in the order of (H, W, C)."""
    taken: dict[str, Array] = {}
    maps: Any = None
    for bound in net.layers:
        maps = bound.in_shape if len(bound.in_shape) == 3 else maps
        dense = type(bound.layer).__name__ == "Dense"
        for name in bound.plan.params:
            value = net.params[f"{bound.name}.{name}"].copy()
            if dense and name == "W" and maps is not None:
                value = value.reshape(len(value), *maps).transpose(0, 2, 3, 1).reshape(len(value), -1)
            taken[f"{bound.name}.{name}"] = value
        maps = None if dense else maps
    return taken


def table_of(layer: Any) -> Array:
    """The kernel number of every map and channel; the number past the last kernel if there is no link."""
    links = np.array(layer.links)
    index = np.full((len(layer.table), links[:, 1].max() + 1), links[:, 2].max() + 1)
    index[links[:, 0], links[:, 1]] = links[:, 2]
    return index


def groups_of(layer: Any) -> Array:
    """The number of the bias of every map."""
    return np.repeat(np.arange(len(layer._sizes)), layer._sizes)
