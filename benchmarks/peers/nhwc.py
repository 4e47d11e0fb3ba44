"""What libraries with images (N, H, W, C) need of a network of minicnn: its parameters in their order, and tables of links."""

from __future__ import annotations

from typing import Any

import numpy as np

from minicnn import Network

Array = np.ndarray[Any, Any]


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
