"""Settings of Numba and LLVM that shape machine code. A kernel compiled under other settings is not loaded."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

from llvmlite import binding
from numba.core import config

_numba: Any = config
_llvm: Any = binding

SHAPELESS = frozenset(
    {
        "NUMBA_NUM_THREADS",
        "NUMBA_DEFAULT_NUM_THREADS",
        "THREADING_LAYER",
        "THREADING_LAYER_PRIORITY",
        "CACHE_DIR",
        "CACHE_LOCATOR_CLASSES",
        "DEBUG_CACHE",
        "FUNCTION_CACHE_SIZE",
        "COLOR_SCHEME",
        "DISABLE_PERFORMANCE_WARNINGS",
        "FULL_TRACEBACKS",
        "HIGHLIGHT_DUMPS",
        "SHOW_HELP",
        "DISABLE_CUDA",
        "ENABLE_CUDASIM",
        "FORCE_CUDA_CC",
    }
)
"""Numba settings that do not shape code: threads, its own cache, message formats and GPUs. Those named CUDA_… are excluded too.

All others count, including those of later Numba versions: at worst a kernel is compiled once more than needed.
"""

LLVM_OPTIONS: list[tuple[str, str]] = []
"""The options given to ``llvmlite.binding.set_option`` since minicnn was imported; LLVM has no way to read them back."""


def _noting(set_option: Callable[[str, str], None]) -> Callable[[str, str], None]:
    @wraps(set_option)
    def noted(name: str, option: str) -> None:
        LLVM_OPTIONS.append((name, option))
        set_option(name, option)

    return noted


_llvm.set_option = _llvm.options.set_option = _noting(_llvm.set_option)


def numba_settings() -> list[tuple[str, str]]:
    """Numba's current settings that shape code, from the environment, ``.numba_config.yaml`` or the program."""
    _numba.reload_config()  # Numba does the same before it compiles
    names = (name for name in vars(config) if name.isupper() and not name.startswith(("_", "CUDA_")))
    return sorted((name, repr(getattr(config, name))) for name in names if name not in SHAPELESS)


AT_FIRST = numba_settings()
"""LLVM's engine is created once and keeps some settings of that moment."""


def shaping() -> str:
    """All settings that shape machine code, as text."""
    llvmlite = sorted(item for item in os.environ.items() if item[0].startswith("LLVMLITE_"))
    return repr((AT_FIRST, numba_settings(), LLVM_OPTIONS, llvmlite, sys.flags.optimize))
