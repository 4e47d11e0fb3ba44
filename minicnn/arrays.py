"""The two types that every file speaks of."""

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
"""A NumPy array; docstrings say its shape."""

Shape = tuple[int, ...]
"""The sizes of an array's axes."""
