"""Memory that lowering may ask for: arrays derived from parameters, scratch, and copies that a group keeps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from ..arrays import Array, DType, Shape
from .derived import Derived, allocated
from .program import Call, Function
from .scratch import Scratch, ScratchSpec

TEMPORARY_BYTES = 1 << 16
"""Initial size in bytes of the memory for temporary arrays."""


class DerivedSpec(NamedTuple):
    """An array that a kernel is to make of another one; see ``Derived.array``."""

    kernel: Function
    source: Array
    shape: Shape


class Workspace:
    """What the lowering of one group's programs takes memory from.

    The first program is the group's forward pass: the copies that it leaves behind serve the later ones. What a later one
    copies is its own, as another of them may run in between.

    Args:
        derived: arrays derived from the parameters, shared by all groups.
        scratch: memory for calls that never run side by side.
        kept: the group's arena; None where there is none.
        train: whether the group trains.
    """

    def __init__(self, derived: Derived, scratch: Scratch, kept: Array | None = None, train: bool = False) -> None:
        self.derived, self.scratch, self._temporary = derived, scratch, Scratch(TEMPORARY_BYTES)
        self.kept, self.train = kept, train
        self._copies: dict[tuple[int, bytes, Shape], Array] = {}
        self._source: dict[tuple[int, bytes, Shape], Array] = {}
        self._first: dict[tuple[int, bytes, Shape], Array] | None = None

    def filled(self, where: str, arrays: Sequence[Array | ScratchSpec | DerivedSpec]) -> tuple[tuple[Array, ...], list[Call]]:
        """The arrays of a call, with memory in place of every spec, and the calls that must come before it.

        Args:
            where: the layer and pass that ask for it.
            arrays: the arrays and specs.
        """
        ready: list[Array | ScratchSpec] = []
        before: list[Call] = []
        for array in arrays:
            made, calls = self.derived.array(where, *array) if isinstance(array, DerivedSpec) else (array, [])
            ready.append(made)
            before += calls
        return self.scratch.filled(ready), before

    def begin(self) -> None:
        """Lowering of a program begins."""
        self._source = dict(self._first or {})

    def end(self) -> None:
        """The program is lowered."""
        if self._first is None:
            self._first = self._source

    def temporary(self, shape: Shape, dtype: DType) -> Array:
        """A temporary array for consecutive calls of the group; the next one overwrites it."""
        return self._temporary.filled([ScratchSpec(shape, dtype)])[0]

    def copy(self, x: Array, window: Array, shape: Shape) -> tuple[Array, bool]:
        """Memory for a padded copy of x, and whether it must be written: no earlier call did, or x may have changed since."""
        key = (x.ctypes.data, window.tobytes(), shape)
        if key not in self._copies:
            self._copies[key] = allocated(shape, x.dtype)
        stale = key not in self._source
        self._source[key] = x
        return self._copies[key], stale

    def changed(self, arrays: Iterable[Array]) -> None:
        """Calls that follow find other numbers in these arrays, and in what shares memory with them."""
        for array in (array for array in arrays if isinstance(array, np.ndarray)):
            for key in [key for key, x in self._source.items() if np.may_share_memory(x, array)]:
                del self._source[key]

    def fill(self, value: float, dtype: DType) -> None:
        """Set every number, for tests that look for reads of what nobody wrote."""
        for scratch in (self.scratch, self._temporary):
            scratch.fill(value, dtype)
        for copy in self._copies.values():
            copy[...] = value
