"""Arrays that lowering makes of the parameters, such as packed weights."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from typing import Any

import numpy as np

from ..arrays import Array, Shape
from .alignment import aligned
from .program import Call, Function, Program


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
