"""Arrays as layers look at them: as rows, as maps, by groups of maps."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

import numpy as np

from ..arrays import Array, Shape
from .base import Buffer

VECTORS = 32
"""Transposed arrays are filled up to a multiple of so many numbers, the widest row of a tile that there is."""


def rows(a: Array) -> Array:
    """(…, L) as (D, L): every image one column."""
    return a.reshape(-1, a.shape[-1])


def maps(a: Array) -> Array:
    """(F, …, L) as (F, P): every map one row."""
    return a.reshape(a.shape[0], -1)


def zeros(size: int) -> Array:
    """The bias of a layer that has none."""
    return np.zeros(size)


def groups_of(groups: int, *arrays: Array) -> Iterator[tuple[Array, ...]]:
    """The arrays' parts for one group of maps after another, as views."""
    for i in range(groups):
        yield tuple(a[i * (len(a) // groups) : (i + 1) * (len(a) // groups)] for a in arrays)


def room_for_transpose(shape: Shape) -> Buffer:
    """A buffer for images of this shape, one image a row."""
    return Buffer((-(-prod(shape) // VECTORS) * VECTORS,))


def transposed_room(xt: Array) -> Array:
    """That buffer as (L, D filled up)."""
    return xt.reshape(xt.shape[-1], -1)
