"""Preprocessing as the first nodes of a graph: from pictures as a user has them to a network's input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ...arrays import Array, Shape
from ...data.pixels import Normalise
from ...data.preprocessing import Preprocessing
from ...errors import OptionError
from ...network import Network
from .operators.steps import Graph, Steps

MOST_SIDE = 1 << 13
"""As of pictures that are read."""


class Pictures(NamedTuple):
    """The input of a graph with preprocessing.

    Attributes:
        shape: of one picture.
        uint8: whether it is of uint8; else of the dtype of the graph.
        value: the name of what the network reads.
    """

    shape: Shape
    uint8: bool
    value: str


def preprocess(
    graph: Graph, name: str, net: Network, steps: Preprocessing, layout: str | None, size: Sequence[int] | None
) -> Pictures:
    """Write what a classifier does with pictures before its network sees them.

    Args:
        graph: what it is written into.
        name: of the graph's input.
        net: the network.
        steps: what is done.
        layout: as of ``export``.
        size: as of ``export``.

    Raises:
        OptionError, DataError, ShapeError: the classifier does not take such pictures.
    """
    write, value = Steps(graph, name), name
    if len(net.in_shape) != 3:
        if layout is not None or size is not None:
            what = f"expected neither layout nor size, as the network takes no pictures (C, H, W) but {net.in_shape}, got them"
            raise OptionError("export", what, "leave them out")
        return Pictures(net.in_shape, False, _normalised(write, value, steps.normalise))
    kind = layout or steps.layout or "NCHW"
    rows, columns = net.in_shape[1:] if size is None else _checked(size)
    channels = net.in_shape[0]
    shape: Shape = {"NHW": (rows, columns), "NHWC": (rows, columns, channels)}.get(kind, (channels, rows, columns))
    one = np.zeros((1, *shape), np.uint8 if steps.uint8 else net.dtype)
    replace(steps, layout=kind).source("export", one, net.in_shape, net.dtype)  # refuses what the classifier would refuse
    if kind == "NHW":
        value = write.node("Unsqueeze", value, write.constant("axis", [1]))
    elif kind == "NHWC":
        value = write.node("Transpose", value, perm=[0, 3, 1, 2])
    other = (rows, columns) != net.in_shape[1:]
    if other and steps.fit == "pad":
        border = [(wanted - given) // 2 for wanted, given in zip(net.in_shape[1:], (rows, columns), strict=True)]
        value = write.node("Pad", value, write.constant("border", [0, 0, *border] * 2))
    if steps.uint8:
        value = write.node("Cast", value, to=graph.element)
    if other and steps.fit == "resize":
        options = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
        value = write.node("Resize", value, "", "", write.constant("sizes", net.in_shape[1:]), axes=[2, 3], **options)
    return Pictures(shape, steps.uint8, _normalised(write, value, steps.normalise))


def _normalised(write: Steps, value: str, normalise: Normalise) -> str:
    """value · scale + shift."""
    if normalise == Normalise(scale=1.0, shift=0.0):
        return value
    scaled = write.node("Mul", value, write.constant("scale", _by_channel(normalise.scale)))
    return write.node("Add", scaled, write.constant("shift", _by_channel(normalise.shift)))


def _by_channel(given: float | tuple[float, ...]) -> Array | float:
    """One number for all pixels, or one for each channel as (C, 1, 1)."""
    return np.array(given, np.float64).reshape(-1, 1, 1) if isinstance(given, tuple) else float(given)


def _checked(size: Sequence[int]) -> tuple[int, int]:
    """Rows and columns."""
    well = isinstance(size, Sequence) and len(size) == 2 and all(type(n) is int and 0 < n <= MOST_SIDE for n in size)
    if not well:
        what = f"expected size as rows and columns of a picture, each from 1 to {MOST_SIDE}, got {size!r:.60}"
        raise OptionError("export", what, "give for example size=(28, 28)")
    return size[0], size[1]
