"""Arrays that lowering makes of the parameters, such as packed weights."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from math import prod

import numpy as np

from ..arrays import Array, DType, Shape
from .alignment import aligned
from .program import Call, Function, Program


def allocated(shape: Shape, dtype: DType) -> Array:
    """Zeros that start at a multiple of the alignment."""
    return aligned(prod(shape) * dtype.itemsize).view(dtype).reshape(shape)


Key = tuple[str, tuple[int, ...], tuple[Shape, ...]]
"""Which kernel makes it, of which arrays, in which shapes."""


class Derived:
    """Arrays that follow from the parameters, such as packed weights: the groups of a network share them.

    An array is made when a call that reads it is lowered. Programs that read it run after ``refresh``.

    Args:
        params: the vector of parameters.
    """

    def __init__(self, params: Array) -> None:
        self._params = params
        self._calls: dict[Key, tuple[Call, int]] = {}  # and how many arrays it reads

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
        if not self.follows(source):
            made = allocated(shape, source.dtype)
            return made, [Call(where, kernel.__name__, kernel, (source, made), replaces=())]
        return self.several(where, kernel, (source,), (shape,))[0], []

    def follows(self, source: Array) -> bool:
        """Whether an array is a part of the parameters, or derived from them."""
        made_before = (array for call, count in self._calls.values() for array in call.arrays[count:])
        return any(np.may_share_memory(source, array) for array in chain((self._params,), made_before))

    def several(self, where: str, kernel: Function, sources: Sequence[Array], shapes: Sequence[Shape]) -> Sequence[Array]:
        """What a kernel makes of several arrays that follow from the parameters and the state: arrays of these shapes.

        Args:
            where: the layer and pass that ask for it.
            kernel: takes the sources and the results.
            sources: what they are derived from; the results have the dtype of the first.
            shapes: of the results.
        """
        key = (kernel.__name__, tuple(source.ctypes.data for source in sources), tuple(shapes))
        if key not in self._calls:
            made = [allocated(shape, sources[0].dtype) for shape in shapes]
            where = f"{where.split(maxsplit=1)[0]} prepare"
            self._calls[key] = Call(where, kernel.__name__, kernel, (*sources, *made), replaces=()), len(sources)
        call, count = self._calls[key]
        return call.arrays[count:]

    def refresh(self, programs: Iterable[Program]) -> Program:
        """The program that makes what these programs read, of the parameters as they are then."""
        calls = list(self._calls.values())
        makers = {owner(array): n for n, (call, count) in enumerate(calls) for array in call.arrays[count:]}
        read = {owner(array) for program in programs for call in program.calls for array in call.arrays if array is not None}
        waiting, needed = [makers[each] for each in read if each in makers], set[int]()
        while waiting:
            number = waiting.pop()
            if number not in needed:
                needed.add(number)
                call, count = calls[number]
                waiting += [makers[each] for each in map(owner, call.arrays[:count]) if each in makers]
        return Program([calls[number][0] for number in sorted(needed)])  # what is derived of derived arrays behind those


def owner(array: Array) -> int:
    """What tells the memory of an array from other memory, of which each derived array has its own: its owner's identity."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return id(array)
