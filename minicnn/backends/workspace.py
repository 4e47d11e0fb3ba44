"""Memory that lowering may ask for: scratch, arrays derived from parameters, and copies that a group keeps."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from typing import Any

import numpy as np

from ..arrays import Array, Shape
from .alignment import aligned
from .program import Call, Function, Program
from .scratch import Scratch, ScratchSpec

ROOMS = 1 << 16
"""Bytes that rooms begin with: few, as every group has its own."""


def allocated(shape: Shape, dtype: np.dtype[Any]) -> Array:
    """Zeros that start at a multiple of the alignment."""
    return aligned(prod(shape) * dtype.itemsize).view(dtype).reshape(shape)


class Derived:
    """Arrays that follow from the parameters, such as packed weights: the groups of a network share them.

    An array is made when a call that reads it is lowered. Programs that read it run after ``refresh``.

    Args:
        params: the vector of parameters.
    """

    def __init__(self, params: Array) -> None:
        self._params = params
        self._calls: dict[tuple[str, int, Shape], Call] = {}

    def array(self, where: str, kernel: Function, source: Array, shape: Shape) -> tuple[Array, list[Call]]:
        """What a kernel makes of an array, and the calls that must come before it is read.

        There are none for a part of the parameters: ``refresh`` makes it once for all groups and all threads. An array that a
        program writes itself, such as the squares of weights, is derived anew each time.

        Args:
            where: the layer and pass that ask for it.
            kernel: takes the source and the result.
            source: what it is derived from.
            shape: of the result.
        """
        name = kernel.__name__
        key = (name, source.ctypes.data, shape)
        if key in self._calls:
            return self._calls[key].arrays[-1], []
        made = allocated(shape, source.dtype)
        if not np.may_share_memory(source, self._params):
            return made, [Call(where, name, kernel, (source, made), replaces=())]
        self._calls[key] = Call(f"{where.split(maxsplit=1)[0]} prepare", name, kernel, (source, made), replaces=())
        return made, []

    def refresh(self, programs: Iterable[Program]) -> Program:
        """The program that makes what these programs read, of the parameters as they are then."""
        given = (array for program in programs for call in program.calls for array in call.arrays)
        read = {array.ctypes.data for array in given if isinstance(array, np.ndarray)}  # a callable may be given None
        return Program(call for call in self._calls.values() if call.arrays[-1].ctypes.data in read)


class Workspace:
    """What the lowering of one group's programs takes memory from.

    The first program is the group's forward pass: the copies that it leaves behind serve the later ones. What a later one
    copies is its own, as another of them may run in between.

    Args:
        derived: arrays derived from the parameters, shared by all groups.
        scratch: memory for calls that never run side by side.
    """

    def __init__(self, derived: Derived, scratch: Scratch) -> None:
        self.derived, self.scratch, self._rooms = derived, scratch, Scratch(ROOMS)
        self._copies: dict[tuple[int, bytes, Shape], Array] = {}
        self._source: dict[tuple[int, bytes, Shape], Array] = {}
        self._first: dict[tuple[int, bytes, Shape], Array] | None = None

    def begin(self) -> None:
        """Lowering of a program begins."""
        self._source = dict(self._first or {})

    def end(self) -> None:
        """The program is lowered."""
        if self._first is None:
            self._first = self._source

    def room(self, shape: Shape, dtype: np.dtype[Any]) -> Array:
        """Memory of the group's own for a few calls in a row that take no other."""
        return self._rooms.filled([ScratchSpec(shape, dtype)])[0]

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

    def fill(self, value: float, dtype: np.dtype[Any]) -> None:
        """Set every number, for tests that look for reads of what nobody wrote."""
        for scratch in (self.scratch, self._rooms):
            scratch.fill(value, dtype)
        for copy in self._copies.values():
            copy[...] = value
