"""The images of a batch, in arrays that stay where they are, so that recorded programs can read them."""

from __future__ import annotations

import numpy as np

from .arrays import Array
from .memory import aligned


class Batch:
    """Numbers and labels of up to ``capacity`` images.

    Args:
        capacity: room for so many images.
        dtype: the network's.

    Attributes:
        index: int64, which image of the source stands at each place.
        labels: int64, its class.
        count: int64[1], how many places are taken.
        step: uint64[1], the training step, for random numbers.
        scale: dtype[1], 1/count.
    """

    def __init__(self, capacity: int, dtype: np.dtype[np.floating]) -> None:
        self.index = aligned(8 * capacity).view(np.int64)
        self.labels = aligned(8 * capacity).view(np.int64)
        self.labels[:] = 0
        self.count = np.zeros(1, np.int64)
        self.step = np.zeros(1, np.uint64)
        self.scale = np.zeros(1, dtype)

    def fill(self, index: Array, labels: Array | None, step: int) -> None:
        """Take these images as the batch."""
        self.index[: len(index)] = index
        if labels is not None:
            self.labels[: len(index)] = labels
        self.count[0], self.step[0], self.scale[0] = len(index), step, 1 / len(index)
