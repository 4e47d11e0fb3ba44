"""Compile modes, read once from environment variables."""

from __future__ import annotations

import os
from typing import Any

from numba.core import config

_numba: Any = config

CHECK = os.environ.get("MINICNN_CHECK", "") not in ("", "0")
"""``MINICNN_CHECK=1``: bounds checks in every kernel and tile, NaN guard bands around every buffer."""

INTERPRET = bool(_numba.DISABLE_JIT)
"""``NUMBA_DISABLE_JIT=1``: kernels run as plain Python, and tiles as their NumPy forms."""

CPU_NAME: str | None = _numba.CPU_NAME
"""``NUMBA_CPU_NAME``: the processor to compile for; None for the host."""

CPU_FEATURES: str | None = _numba.CPU_FEATURES
"""``NUMBA_CPU_FEATURES``: the features to compile for; None for those of the host."""
