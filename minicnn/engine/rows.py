"""Rows of arrays: whether kernels can read them where they lie, and how the chosen ones are brought where they cannot."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from ..arrays import Array, DType

NUMPY: tuple[Literal["C", "A", "W"], ...] = ("C", "A", "W")
"""What kernels need of an array: contiguous, aligned, writeable."""

PIECE = 1 << 20
"""Rows that must be converted are brought about so many bytes at a time."""


class _Name:
    """Memory by its address, for NumPy to make an array over."""

    def __init__(self, array: Array, owner: object) -> None:
        self.owner = owner
        self.__array_interface__ = array.__array_interface__ | {"data": (address(array), False)}


def address(array: Array) -> int:
    """Where an array begins."""
    start: int = array.__array_interface__["data"][0]
    return start


def borrowed(array: Array, owner: object = None) -> Array:
    """Another array over the same memory, to be read by kernels though it be read-only: they write to no image.

    It keeps the owner alive. With none, whoever uses it knows that the memory is still there.
    """
    return np.asarray(_Name(array, owner))


def direct(rows: Array, dtype: DType) -> bool:
    """Whether rows are of this dtype, and kernels can read them where they lie."""
    return rows.dtype == dtype and rows.flags.c_contiguous and rows.flags.aligned


def readable(array: Array) -> Array:
    """An array as kernels take it: itself, or another one over its memory, or else a copy."""
    native = array.dtype.newbyteorder("=")
    if not direct(array, native):
        return np.require(array, native, NUMPY)
    return array if array.flags.writeable else borrowed(array, array)


def gather(rows: Array, chosen: Array, out: Array) -> None:
    """Bring the chosen rows into an array, converted to its dtype. Of the other rows nothing is read.

    >>> out = np.zeros((2, 1), np.float32)
    >>> gather(np.array([[1], [2], [3]], np.uint8), np.array([2, 0]), out)
    >>> out.tolist()
    [[3.0], [1.0]]
    """
    if direct(rows, out.dtype):
        np.take(rows, chosen, axis=0, out=out, mode="clip")  # other modes go through a buffer; the numbers were checked
        return
    # Here np.take would first make a contiguous copy of all rows.
    step = max(1, PIECE // (out.itemsize * math.prod(rows.shape[1:])))
    for start in range(0, len(chosen), step):
        out[start : start + step] = rows[chosen[start : start + step]]
