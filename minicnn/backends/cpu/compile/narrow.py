"""Vectors narrower than a register, for groups of fewer lanes than a register holds numbers.

A kernel reads the width of its vectors off the types of its arrays, so the same kernel is compiled once more for arrays of a
type of their own. Numba tells them apart wherever it remembers code by types, also in the helpers that a kernel calls.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, NamedTuple

from numba import types
from numba.extending import models, register_model

from .host import HOST, LANES


class Fit(NamedTuple):
    """What kernels are fitted to.

    Attributes:
        lanes: of a group; fewer than ``host.LANES``.
        vector_bytes: of the vectors that they fill: a register, or as many bytes as the lanes have.
    """

    lanes: int
    vector_bytes: int


def fit_of(lanes: int, itemsize: int) -> Fit | None:
    """What kernels are to be fitted to for groups of so many lanes; None where they are made for it as they are."""
    return None if lanes == 1 or lanes % LANES == 0 else Fit(lanes, min(HOST.bytes, lanes * itemsize))


class NarrowArray(types.Array):
    """The Numba type of an array whose vectors have so many bytes, and of all views of it."""

    def __init__(self, array: types.Array, vector_bytes: int) -> None:
        self.vector_bytes = vector_bytes
        name = f"{array.name} by {vector_bytes} bytes"
        super().__init__(array.dtype, array.ndim, array.layout, not array.mutable, name, array.aligned)

    @property
    def key(self) -> tuple[Any, ...]:
        """What tells it from other types of its class."""
        return (*super().key, self.vector_bytes)

    @property
    def mangling_args(self) -> tuple[str, tuple[object, ...]]:
        """What names of compiled functions hold."""
        name, args = super().mangling_args
        return name, (*args, str(self.vector_bytes))

    def copy(self, *args: Any, **changed: Any) -> Any:
        """The type of a view."""
        return NarrowArray(super().copy(*args, **changed), self.vector_bytes)

    def unify(self, typingctx: Any, other: Any) -> Any:
        """The type of one of two arrays."""
        both: Any = super().unify(typingctx, other)
        return None if both is None else NarrowArray(both, self.vector_bytes)

    def __repr__(self) -> str:
        return f"NarrowArray({super().__repr__()}, {self.vector_bytes})"


register_model(NarrowArray)(models.ArrayModel)

_INTERPRETED = ContextVar("vector_bytes", default=HOST.bytes)


def vector_bytes_of(array_type: Any) -> int:
    """How many bytes vectors have in a kernel over arrays of this type."""
    return array_type.vector_bytes if isinstance(array_type, NarrowArray) else HOST.bytes


def vector_bytes_here() -> int:
    """How many bytes vectors have in the kernel that runs as plain Python."""
    return _INTERPRETED.get()


def with_vectors(function: Callable[..., None], vector_bytes: int) -> Callable[..., None]:
    """A kernel in plain Python, for vectors of so many bytes."""

    def run(*arrays: Any) -> None:
        before = _INTERPRETED.set(vector_bytes)
        try:
            function(*arrays)
        finally:
            _INTERPRETED.reset(before)

    return run
