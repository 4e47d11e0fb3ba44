"""A stamp of everything outside a kernel's own body that its machine code depends on.

Numba's cache checks only the file of the function itself, although the values of imported constants and the bodies of helper
functions in other files are also compiled into the machine code.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FunctionType, ModuleType

import numpy as np

FOREIGN = ("numba", "numpy", "llvmlite")
"""Packages whose functions are known by their versions."""


def stamp(function: FunctionType) -> str:
    """A hash of a function's file and of the helpers, modules and constants that its code names."""
    digest = hashlib.sha256()
    for value in reached(function):
        if isinstance(value, FunctionType):
            digest.update(_source(value))
        elif isinstance(value, ModuleType):
            digest.update(value.__name__.encode())
            if not value.__name__.startswith(FOREIGN):
                digest.update(_source(value))
        elif isinstance(value, np.ndarray | np.generic):
            digest.update(repr((value.dtype.str, value.shape)).encode() + value.tobytes())
        elif isinstance(value, int | float | str | bool | tuple):
            digest.update(repr(value).encode())
    return digest.hexdigest()[:16]


def size(function: FunctionType) -> int:
    """How many bytes of bytecode a function and its helpers have; compiling takes the longer, the more there are."""
    own = (value for value in reached(function) if isinstance(value, FunctionType) and not value.__module__.startswith(FOREIGN))
    return sum(len(value.__code__.co_code) for value in own)


def calls_into(function: FunctionType, package: str) -> bool:
    """Whether a function or one of its helpers names a function of a package."""
    return any(isinstance(value, FunctionType) and value.__module__.startswith(package) for value in reached(function))


def reached(function: FunctionType) -> Iterator[object]:
    """A function, and the helpers, modules and constants that its code and that of its helpers name."""
    waiting: list[object] = [function]
    seen: set[int] = set()
    while waiting:
        value = _unwrapped(waiting.pop())
        if id(value) in seen:
            continue
        seen.add(id(value))
        yield value
        if isinstance(value, FunctionType) and not value.__module__.startswith(FOREIGN):
            waiting += [value.__globals__[name] for name in _names(value.__code__) if name in value.__globals__]
            waiting += [cell.cell_contents for cell in value.__closure__ or ()]


def _names(code: CodeType) -> list[str]:
    """The global names used by a code object and the functions inside it."""
    inner = [const for const in code.co_consts if isinstance(const, CodeType)]
    return sorted({*code.co_names, *(name for part in inner for name in _names(part))})


def _unwrapped(value: object) -> object:
    """The Python function behind a kernel, a dispatcher or an intrinsic."""
    for attribute in ("__wrapped__", "py_func", "_defn"):
        inner = getattr(value, attribute, None)
        if isinstance(inner, FunctionType):
            return inner
    return value


def _source(value: FunctionType | ModuleType) -> bytes:
    """The source file of a function or module; empty if there is none."""
    try:
        return Path(inspect.getfile(value)).read_bytes()
    except (TypeError, OSError):
        return b""
