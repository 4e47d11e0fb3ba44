"""Random arguments of kernels, drawn from a seed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from ...arrays import Array
from ...nn.window import Window

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

JUNK = 1e3
"""What padding lanes hold where a kernel may not look."""

Pair = tuple[int, int]


class Draw:
    """Random arguments in one dtype.

    Args:
        seed: of everything that is drawn.
        dtype: of the arrays of numbers.
        lanes: images in memory.
    """

    def __init__(self, seed: int, dtype: str, lanes: int) -> None:
        self.rng, self.dtype, self.L = np.random.default_rng(seed), dtype, lanes
        self.real = int(self.rng.integers(1, lanes + 1))

    def size(self, least: int = 1, most: int = 5) -> int:
        """A small whole number."""
        return int(self.rng.integers(least, most + 1))

    def normal(self, *shape: int) -> Array:
        """Standard normal numbers."""
        return self.rng.standard_normal(shape).astype(self.dtype)

    def uniform(self, *shape: int) -> Array:
        """Numbers from 0 to 1."""
        return np.asarray(self.rng.random(shape)).astype(self.dtype)

    def whole(self, below: int, *shape: int) -> Array:
        """Whole numbers from 0."""
        return self.rng.integers(0, below, shape)

    def empty(self, *shape: int, dtype: DTypeLike | None = None) -> Array:
        """An array to be written, full of what nobody may read."""
        return np.full(shape, np.nan if dtype is None else 77, dtype or self.dtype)

    @property
    def lanes(self) -> Array:
        """How many of the lanes are real, as kernels take it."""
        return np.array([self.real])

    @property
    def scale(self) -> Array:
        """One over a number of images."""
        return np.array([0.5 / self.real], self.dtype)

    def few(self, *numbers: float) -> Array:
        """Numbers as a kernel takes them."""
        return np.array(numbers, self.dtype)

    def with_junk(self, array: Array) -> Array:
        """The same with junk in padding lanes."""
        array[..., self.real :] = JUNK
        return array

    def labels(self, classes: int) -> Array:
        """A class for every lane."""
        return self.whole(classes, self.L)

    def words(self) -> Array:
        """Four numbers of 64 bits."""
        return self.rng.integers(0, 2**64, 4, np.uint64)

    def window(self, taps: int = 3) -> tuple[Window, Pair, Pair]:
        """A window, a map that it fits, and how many places it has there."""
        kernel, stride = (self.size(1, taps), self.size(1, taps)), (self.size(1, 3), self.size(1, 3))
        rows, columns = (int(self.rng.integers(0, k // 2 + 1)) for k in kernel)
        padding, dilation = (rows, columns), (self.size(1, 2), self.size(1, 2))
        window = Window(kernel, stride, padding, dilation)
        least = [max(1, d * (k - 1) + 1 - 2 * p) for k, d, p in zip(kernel, dilation, padding, strict=True)]
        rows, columns = (n + self.size(0, 4) for n in least)
        size = rows, columns
        return window, size, window.out_size(size)


Case = tuple[list[Array], list[int]]
"""The arguments of a kernel, and the numbers of those that it writes."""

Drawing = Callable[[Draw], Case]
"""Draws a case of one kernel."""
