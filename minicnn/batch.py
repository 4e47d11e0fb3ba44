"""The images of a batch, in arrays that stay where they are, so that recorded programs can read them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .arrays import Array

HEAD = 128
"""Bytes for the numbers before the index."""


class Batch:
    """Numbers and labels of up to ``capacity`` images.

    Args:
        capacity: room for so many images.
        dtype: the network's.
        allocate: gives so many bytes, zeros.

    Attributes:
        index: int64, which image of the source stands at each place.
        labels: int64, its class.
        count: int64[1], how many places are taken.
        step: uint64[1], the training step, for random numbers.
        scale: dtype[1], 1/count.
    """

    def __init__(self, capacity: int, dtype: np.dtype[np.floating], allocate: Callable[[int], Array]) -> None:
        self._numbers = allocate(HEAD + 8 * capacity)  # together, so that they go to a device at once
        self.index = self._numbers[HEAD:].view(np.int64)
        self.count = self._numbers[:8].view(np.int64)
        self.step = self._numbers[8:16].view(np.uint64)
        self.scale = self._numbers[16 : 16 + dtype.itemsize].view(dtype)
        self.labels = allocate(8 * capacity).view(np.int64)

    def fill(self, index: Array, labels: Array | None, step: int) -> list[Array]:
        """Take these images as the batch; returns what was written."""
        self.index[: len(index)] = index
        self.count[0], self.step[0], self.scale[0] = len(index), step, 1 / len(index)
        written = [self._numbers[: HEAD + 8 * len(index)]]
        if labels is not None:
            self.labels[: len(index)] = labels
            written.append(self.labels[: len(index)])
        return written
