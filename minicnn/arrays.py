"""The two types that every file speaks of, and memory for them."""

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
"""A NumPy array; docstrings say its shape."""

Shape = tuple[int, ...]
"""The sizes of an array's axes."""

ALIGNMENT = 128
"""Two cache lines: neighbours of arrays that threads write must never share one."""


def aligned(size: int) -> Array:
    """So many bytes, zeros, whose address is a multiple of ``ALIGNMENT``."""
    raw = np.zeros(size + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + size]


def same(a: Array, b: Array) -> bool:
    """Whether two arrays are the same memory."""
    return bool(a.size == b.size and a.ctypes.data == b.ctypes.data)
