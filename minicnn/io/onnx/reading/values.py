"""What the names of a graph stand for while it is read: numbers that are known, and values that flow through the network."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from ....arrays import Array, Shape

MOST = 2**24
"""So many numbers a constant may have that follows from others, and the largest whole number that describes a layer."""

MOST_MADE = 2**26
"""So many numbers all constants and weights that follow from others may have together, beside eight times those of the file."""

RANK = 32
"""So many axes an array may have."""

MOST_PLACES = 2**20
"""So many places along an axis may be chosen one by one."""


class _Batch:
    """The size of the first axis, which is not known: it equals nothing, and there is no arithmetic on it."""

    def __repr__(self) -> str:
        return "N"


BATCH = _Batch()


@dataclass(frozen=True)
class Constant:
    """Numbers that are known when the graph is read; sizes of a shape may be among them, and BATCH then.

    Attributes:
        array: the numbers; of dtype object where BATCH is among them.
        source: which initialiser of the file they are; empty where they follow from others.
    """

    array: Array
    source: str = ""

    @property
    def known(self) -> bool:
        """Whether all of them are numbers."""
        return bool(self.array.dtype != object)


@dataclass(frozen=True)
class Flow:
    """A value of the network.

    Attributes:
        name: the item that gives it, or an input.
        shape: that of an image, as the graph has it; () where the network has (1,).
        whole: whether the graph holds whole numbers there, for which the network has none of its own.
        turned: whether the graph has the first axis of an image before that of the batch.
    """

    name: str
    shape: Shape
    whole: bool = False
    turned: bool = False

    @property
    def size(self) -> int:
        """Numbers of an image."""
        return prod(self.shape)


Value = Constant | Flow


def settled(values: Array) -> Constant:
    """Sizes as numbers, where BATCH is not among them."""
    if values.dtype == object and not any(each is BATCH for each in values.ravel()):
        values = values.astype(np.int64)
    return Constant(values)
