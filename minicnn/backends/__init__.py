"""Backends by name. A backend is a module that holds the kernels of ``protocol.Kernels``."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from ..errors import BackendError

BACKENDS = ("cpu",)


def get(name: str) -> ModuleType:
    """The module of a backend.

    Raises:
        BackendError: there is no such backend.
    """
    if name not in BACKENDS:
        raise BackendError("backend", f"expected one of {', '.join(BACKENDS)}, got {name!r}", 'give backend="cpu"')
    return import_module(f"{__name__}.{name}")
