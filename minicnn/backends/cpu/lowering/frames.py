"""Maps of one image pixel by pixel, (H, W, C), in frames of zeros; and where other calls look for them, (C, H, W, 1)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from ....arrays import Array, same
from ...derived import allocated
from ...program import Call


class Framed(NamedTuple):
    """A map in its frame.

    Attributes:
        array: (C, H, W, 1), where other calls look for it.
        frame: (H, W, C) with zeros around; channels may be filled up.
        corner: top and left, where the map begins.
    """

    array: Array
    frame: Array
    corner: tuple[int, int]

    @property
    def area(self) -> Array:
        """Rows, columns, top and left."""
        return np.array([*self.array.shape[1:3], *self.corner])

    @property
    def depth(self) -> int:
        """Numbers of a pixel."""
        return int(self.frame.shape[2])

    @property
    def is_view(self) -> bool:
        """Whether the frame is the array itself, as both orders of its numbers are one."""
        return np.may_share_memory(self.array, self.frame)


def framed(array: Array, depth: int, readers: Iterable[Call]) -> Framed:
    """A frame for a map, as wide as the padding of those that may read it.

    Args:
        array: where other calls look for the map.
        depth: numbers of a pixel.
        readers: calls that may read it.
    """
    top, left, bottom, right = sides_of(array, readers)
    C, H, W, _ = array.shape
    if depth == C and not top + left + bottom + right and min(C, H * W) == 1:
        return Framed(array, array.reshape(H, W, C), (0, 0))
    return Framed(array, allocated((top + H + bottom, left + W + right, depth), array.dtype), (top, left))


def sides_of(array: Array, calls: Iterable[Call]) -> tuple[int, int, int, int]:
    """How far the convolutions among some calls that may read a map reach beyond its top, left, bottom and right."""
    found = np.zeros((1, 4), np.int64)
    for call in calls:
        if call.name == "conv2d" and same(call.arrays[0], array):
            x, _, _, window, y = call.arrays
            kernel, stride, padding, dilation = window.reshape(4, 2)
            places = np.array(y.shape[1:3])
            if tuple(kernel) == (3, 3):
                places = places + places % 2  # patches of 2 × 2 outputs
            ends = (places - 1) * stride + dilation * (kernel - 1) + 1 - padding - x.shape[1:3]
            found = np.maximum(found, [*padding, *ends])
    top, left, bottom, right = found[0].tolist()
    return top, left, bottom, right


class Frames:
    """Which maps of a pass are in frames, and which of those are nowhere else."""

    def __init__(self) -> None:
        self._known: list[Framed] = []
        self._stale: list[Framed] = []

    def find(self, array: Array) -> Framed | None:
        """The frame that holds the numbers of an array, whatever its shape."""
        return next((each for each in self._known if same(each.array, array)), None)

    def find_map(self, array: Array) -> Framed | None:
        """The frame that holds a map of this shape: a reshaped map has other rows than its frame."""
        return next((each for each in self._known if same(each.array, array) and each.array.shape == array.shape), None)

    def copied(self, target: Framed) -> None:
        """A map was copied into a frame."""
        self._known.append(target)

    def written(self, target: Framed) -> None:
        """A map was written into a frame alone."""
        self.forget([target.array])
        self._known.append(target)
        if not target.is_view:
            self._stale.append(target)

    def forget(self, arrays: Iterable[Array]) -> None:
        """Other calls may have changed these arrays."""
        for array in arrays:
            self._known = [each for each in self._known if not np.may_share_memory(each.array, array)]
            self._stale = [each for each in self._stale if not np.may_share_memory(each.array, array)]

    def missing(self, arrays: Iterable[Array]) -> list[Framed]:
        """The maps that must be copied from frames to where other calls that are given these arrays look for them."""
        arrays = list(arrays)
        found = [each for each in self._stale if any(np.may_share_memory(each.array, array) for array in arrays)]
        self._stale = [each for each in self._stale if not any(each is one for one in found)]
        return found
