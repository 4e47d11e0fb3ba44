"""Memory whose parts no two threads write into one line of the cache, and no two buffers begin in one set of it."""

import numpy as np

from ..arrays import Array
from ..errors import BackendError

ALIGNMENT = 128
"""Two cache lines: neighbours of arrays that threads write must never share one."""
STAGGER = 9 * ALIGNMENT
"""Bytes between the buffers of an arena: maps of 4096 bytes would all begin in one set of the first cache."""


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
