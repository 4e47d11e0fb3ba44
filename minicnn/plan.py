"""What a layer asks for: shapes, parameters and buffers, before anything is allocated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np

from .arrays import Array, Shape
from .errors import ShapeError
from .initialisers import Fan, Init

RESERVED = ("x", "y", "dx", "dy", "hx", "hy", "lanes", "train", "rng")
"""Names that the network itself binds; a plan may not use them."""

MOST = 2**40
"""So many numbers an array may have: more than memory holds, and few enough for every product of sizes in 64 bits."""


def check_size(shape: Shape) -> None:
    """Refuse an array that no memory holds."""
    if prod(shape) > MOST:
        what = f"expected arrays of at most 2^40 numbers, got one of shape {'×'.join(map(str, shape))}"
        raise ShapeError("plan", what, "make the layer or its input smaller")


@dataclass(frozen=True)
class Param:
    """A trained array.

    Args:
        shape: its shape, without lanes.
        init: how it starts.
        fan_in: how many inputs a unit has; may be an array that broadcasts to the shape.
        fan_out: how many units an input feeds.
    """

    shape: Shape
    init: Init
    fan_in: Fan = 1
    fan_out: Fan = 1

    def __post_init__(self) -> None:
        check_size(self.shape)


@dataclass(frozen=True)
class Buffer:
    """An array that the network allocates for a layer.

    Args:
        shape: its shape; the lanes of a group come as a further last axis unless ``lanes`` is False.
        dtype: ``"float"`` for the network's own, or the name of a NumPy dtype.
        lanes: whether there is one such array for each image of a group.
    """

    shape: Shape
    dtype: str = "float"
    lanes: bool = True

    def __post_init__(self) -> None:
        check_size(self.shape)

    def spec(self, dtype: np.dtype[Any], lanes: int) -> Spec:
        """Shape and dtype in a network of that dtype with groups of so many lanes."""
        shape = (*self.shape, lanes) if self.lanes else self.shape
        return shape, dtype if self.dtype == "float" else np.dtype(self.dtype)


Spec = tuple[Shape, np.dtype[Any]]
"""Shape and dtype of an array to be allocated."""


@dataclass(frozen=True)
class Plan:
    """What a layer asks for, given the shape of its input.

    Args:
        out_shape: shape of its output, without lanes.
        params: trained arrays. The gradient of ``W`` is called ``dW``.
        consts: arrays that never change; floats are cast to the network's dtype.
        derived: made from the parameters by the layer's ``prepare`` before every pass; shared by threads, so without lanes.
        saved: written by forward, read by backward.
        work: used inside one call only; layers share the memory.
        curvature: used inside the curvature pass only; there is memory for it only where a curvature is asked for.
        state: persists over passes and is not trained; written in ``prepare`` only, as threads share it.
        connections: how many multiplications by a parameter and additions of one an image takes (the paper's count).
        inplace: y may be written over x, and dx over dy, where nobody else needs them.
        view: forward and backward do nothing; y is x, and dx is dy, in another shape.
    """

    out_shape: Shape
    params: Mapping[str, Param] = field(default_factory=dict)
    consts: Mapping[str, Array] = field(default_factory=dict)
    derived: Mapping[str, Buffer] = field(default_factory=dict)
    saved: Mapping[str, Buffer] = field(default_factory=dict)
    work: Mapping[str, Buffer] = field(default_factory=dict)
    curvature: Mapping[str, Buffer] = field(default_factory=dict)
    state: Mapping[str, Buffer] = field(default_factory=dict)
    connections: int = 0
    inplace: bool = False
    view: bool = False

    def __post_init__(self) -> None:
        check_size(self.out_shape)
