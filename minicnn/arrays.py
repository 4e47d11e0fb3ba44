"""The two types that every file speaks of, and memory for them."""

from typing import Any

import numpy as np

from .errors import BackendError

Array = np.ndarray[Any, Any]
"""A NumPy array; docstrings say its shape."""

Shape = tuple[int, ...]
"""The sizes of an array's axes."""

ALIGNMENT = 128
"""Two cache lines: neighbours of arrays that threads write must never share one."""


def aligned(size: int) -> Array:
    """So many bytes, zeros, whose address is a multiple of ``ALIGNMENT``.

    Raises:
        BackendError: there is not so much memory.
    """
    try:
        raw = np.zeros(size + ALIGNMENT, np.uint8)
    except (MemoryError, ValueError):  # a ValueError where no address is so large
        what = f"expected {size / 2**30:,.1f} GiB of memory to be free, got less"
        raise BackendError("memory", what, "make layers, images or lanes smaller") from None
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + size]


def same(a: Array, b: Array) -> bool:
    """Whether two arrays are the same memory."""
    return bool(a.size == b.size and a.ctypes.data == b.ctypes.data)
