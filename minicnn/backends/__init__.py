"""Backends by name. A backend is a module that holds the kernels of ``protocol.Kernels``."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from ..errors import BackendError

BACKENDS = ("cpu", "cuda")


def name_of(backend: ModuleType) -> str:
    """The name of a backend, for ``get``."""
    return backend.__name__.rpartition(".")[2]


def get(name: str) -> ModuleType:
    """The module of a backend.

    Raises:
        BackendError: there is no such backend, or it cannot be used here.
    """
    if name not in BACKENDS:
        raise BackendError("backend", f"expected one of {', '.join(BACKENDS)}, got {name!r}", 'give backend="cpu"')
    try:
        module = import_module(f"{__name__}.{name}")
    except ImportError as error:
        what = f"expected the packages of that backend, got: {error}"
        raise BackendError(f"backend {name}", what, f'install "minicnn[{name}]", or give backend="cpu"') from error
    module.require()
    return module
