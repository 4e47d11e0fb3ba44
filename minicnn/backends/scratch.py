"""Memory that a kernel works in and leaves behind: kernels allocate nothing, and those that never run side by side share it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from math import prod
from typing import NamedTuple

from ..arrays import Array, DType, Shape
from .alignment import ALIGNMENT, STAGGER, aligned


class ScratchSpec(NamedTuple):
    """An array that a call works in: what it holds before and after means nothing.

    Attributes:
        shape: its shape.
        dtype: its dtype.
    """

    shape: Shape
    dtype: DType


class Scratch:
    """Work space of calls that never run side by side: each call takes it from its start.

    >>> import numpy as np
    >>> scratch, spec = Scratch(), ScratchSpec((2, 3), np.dtype("float32"))
    >>> (a, b), (c,) = scratch.filled([spec, spec]), scratch.filled([spec])
    >>> np.may_share_memory(a, b), np.may_share_memory(a, c)
    (False, True)

    Args:
        least: bytes to begin with.
    """

    LEAST = 4 << 20
    """Initial size in bytes. Untouched pages cost no memory, and a large start means that the block is rarely replaced."""

    def __init__(self, least: int = LEAST) -> None:
        self._least, self._blocks = least, [aligned(0)]

    def filled(self, arrays: Sequence[Array | ScratchSpec]) -> tuple[Array, ...]:
        """The arrays of a call, with memory in place of every ``ScratchSpec``."""
        ends = list(accumulate((self._size(a) for a in arrays), initial=0))
        if ends[-1] > len(self._blocks[-1]):
            self._blocks.append(aligned(max(ends[-1], self._least)))
        return tuple(self._array(a, at) if isinstance(a, ScratchSpec) else a for a, at in zip(arrays, ends, strict=False))

    def fill(self, value: float, dtype: DType) -> None:
        """Set every number, for tests that look for reads of what nobody wrote."""
        for block in self._blocks:
            block[: len(block) // dtype.itemsize * dtype.itemsize].view(dtype)[...] = value

    def _size(self, array: Array | ScratchSpec) -> int:
        if not isinstance(array, ScratchSpec):
            return 0
        return -(-prod(array.shape) * array.dtype.itemsize // ALIGNMENT) * ALIGNMENT + STAGGER

    def _array(self, spec: ScratchSpec, at: int) -> Array:
        return self._blocks[-1][at : at + prod(spec.shape) * spec.dtype.itemsize].view(spec.dtype).reshape(spec.shape)
