"""Types and helpers for arrays that every module uses."""

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
"""A NumPy array; docstrings say its shape."""

DType = np.dtype[np.generic]
"""A dtype of any kind."""

Number = Any
"""A number, a register of them or a tuple of constants, of whatever types a kernel is compiled for."""

Shape = tuple[int, ...]
"""The sizes of an array's axes."""


def same(a: Array, b: Array) -> bool:
    """Whether two arrays of equal size begin at the same address."""
    return bool(a.size == b.size and a.ctypes.data == b.ctypes.data)
