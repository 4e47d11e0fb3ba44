"""Backends by name. Each is a package whose ``BACKEND`` is a ``interface.Backend``."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, overload

from ..errors import BackendError

if TYPE_CHECKING:
    from .cpu.compile.jit import Function, Kernel
    from .interface import Backend

BACKENDS = ("cpu", "numpy", "cuda")

PACKAGES = {"cpu": "run pip install numba", "cuda": 'run pip install "numba-cuda[cu13]" "cuda-toolkit[nvjitlink]==13.0.*"'}
"""What to do for a backend whose packages are missing."""


def get(name: str) -> Backend:
    """A backend.

    Raises:
        BackendError: there is no such backend, or it cannot be used here.
    """
    if name not in BACKENDS:
        raise BackendError("backend", f"expected one of {', '.join(BACKENDS)}, got {name!r}", 'give backend="cpu"')
    try:
        backend: Backend = import_module(f"{__name__}.{name}").BACKEND
    except ImportError as error:
        what = f"expected the packages of that backend, got: {error}"
        hint = f'{PACKAGES[name]}, or give backend="{"numpy" if name == "cpu" else "cpu"}"'
        raise BackendError(f"backend {name}", what, hint) from error
    if backend.require is not None:
        backend.require()
    return backend


@overload
def kernel(function: Function, /) -> Kernel: ...
@overload
def kernel(*, flat: bool) -> Callable[[Function], Kernel]: ...


def kernel(function: Function | None = None, /, *, flat: bool = False) -> Kernel | Callable[[Function], Kernel]:
    """Make a kernel of a function over arrays, with minicnn's flags and cache.

    Args:
        function: loops over arrays; inputs, constants, outputs last; returns None and allocates nothing.
        flat: True for elementwise kernels: arrays of any rank reach the function as vectors.

    Raises:
        BackendError: there is no compiler for it.

    >>> import numpy as np
    >>> @kernel(flat=True)
    ... def double(x, y):
    ...     for i in range(x.size):
    ...         y[i] = x[i] + x[i]
    >>> x, y = np.ones((2, 3), np.float32), np.empty((2, 3), np.float32)
    >>> double(x, y); y.sum()
    np.float32(12.0)
    """
    get("cpu")  # so that a missing package is reported in words
    made: Kernel | Callable[[Function], Kernel] = import_module(f"{__name__}.cpu.compile.jit").kernel(function, flat=flat)
    return made
