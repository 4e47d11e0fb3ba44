"""All memory in two forms: one flat vector of parameters with named views, and one aligned arena for each group."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from math import prod
from weakref import WeakMethod

from ..arrays import Array, DType, Shape
from ..backends.alignment import ALIGNMENT, STAGGER, aligned
from ..backends.interface import Memory
from ..backends.promises import Promises
from ..nn.base import Spec


class ParameterVector(Mapping[str, Array]):
    """Named arrays that lie end to end, without gaps, in one vector.

    Args:
        shapes: name → shape, in the order in which they lie.
        dtype: dtype of the vector.
        device: where kernels work on a copy, which is brought to the host before the vector is handed out.

    Attributes:
        memory: the vector for kernels; ``flat`` and the views are for people.

    >>> import numpy as np
    >>> v = ParameterVector({"W": (2, 3), "b": (2,)}, np.dtype("float32"))
    >>> v["b"][:] = 7; len(v.flat), v.flat[-2:]
    (8, array([7., 7.], dtype=float32))
    """

    def __init__(self, shapes: Mapping[str, Shape], dtype: DType, device: Memory | None = None) -> None:
        self.memory = aligned(sum(map(prod, shapes.values())) * dtype.itemsize).view(dtype)
        self._device = device
        self._views: dict[str, Array] = {}
        start = 0
        for name, shape in shapes.items():
            self._views[name] = self.memory[start : start + prod(shape)].reshape(shape)
            start += prod(shape)

    @property
    def flat(self) -> Array:
        """The whole vector."""
        if self._device is not None:
            self._device.sync_to_host(self.memory)
        return self.memory

    def __getitem__(self, name: str) -> Array:
        if self._device is not None:
            self._device.sync_to_host(self.memory)
        return self._views[name]

    @cached_property
    def promises(self) -> Promises:
        """Promises that it stays as it is."""
        return Promises(WeakMethod(self._let_write))

    def _let_write(self, may_write: bool) -> None:
        for array in (self.memory, *self._views.values()):
            array.flags.writeable = may_write

    def __iter__(self) -> Iterator[str]:
        return iter(self._views)

    def __len__(self) -> int:
        return len(self._views)

    _ipython_key_completions_ = Mapping.keys  # a notebook completes names


class Identity:
    """Which parameters an optimiser's moments are for.

    Handles on the same parameters have one; other parameters have another, also if they are as many. Where a network and an
    optimiser are copied or pickled together, it is one for both copies; an optimiser copied alone has one that is nobody's.

    Args:
        shapes: name → shape.
        dtype: dtype of the parameters.
    """

    def __init__(self, shapes: Mapping[str, Shape], dtype: DType) -> None:
        self.shapes, self.dtype, self.claimed = dict(shapes), dtype, True

    def __getstate__(self) -> dict[str, object]:
        return {"shapes": self.shapes, "dtype": self.dtype, "claimed": False}

    def difference(self, other: Identity) -> str | None:
        """In words how others differ in dtype, names or shapes; None where they do not."""
        if self.dtype != other.dtype:
            return f"one of {other.dtype} in place of {self.dtype}"
        if names := self.shapes.keys() ^ other.shapes.keys():
            return f"one with other names ({min(names)})"
        differ = [name for name, shape in self.shapes.items() if shape != other.shapes[name]]
        return f"one with {differ[0]} {other.shapes[differ[0]]} in place of {self.shapes[differ[0]]}" if differ else None


Region = Sequence[Mapping[str, Spec]]
"""Sets of buffers that lie over each other: those of one set are in use together, those of two sets never are."""


class Arena:
    """One thread's memory: a single arena in which every buffer starts at a multiple of ``ALIGNMENT`` bytes.

    Args:
        regions: one after another in the arena; see ``Region``.
        guards: put a band of NaN behind every buffer, for ``broken_guards``.
        allocate: gives so many bytes.
    """

    def __init__(self, regions: Sequence[Region], guards: bool = False, allocate: Callable[[int], Array] = aligned) -> None:
        self.arrays: dict[str, Array] = {}
        self._guards: list[tuple[str, Array]] = []
        self._band = ALIGNMENT if guards else 0
        places: list[tuple[str, int, Spec]] = []
        end = 0
        for region in regions:
            start, reach = end, end
            for alternative in region:
                at = start
                for name, spec in alternative.items():
                    places.append((name, at, spec))
                    at += self._padded_size(spec)
                reach = max(reach, at)
            end = reach
        self.bytes = allocate(end)
        if guards:
            self.bytes[...] = 255  # all bits set is a NaN in every float format
        overlaid = {name for region in regions if len(region) > 1 for alternative in region for name in alternative}
        for name, at, (shape, dtype) in places:
            size = prod(shape) * dtype.itemsize
            self.arrays[name] = self.bytes[at : at + size].view(dtype).reshape(shape)
            if guards and name not in overlaid:  # a band between overlaid buffers may be another buffer's inside
                self._guards.append((name, self.bytes[at + size : at + self._padded_size((shape, dtype))]))

    def _padded_size(self, spec: Spec) -> int:
        shape, dtype = spec
        size = prod(shape) * dtype.itemsize + self._band
        return -(-size // ALIGNMENT) * ALIGNMENT + STAGGER

    def broken_guards(self) -> list[str]:
        """The buffers behind whose end something was written."""
        return [name for name, band in self._guards if (band != 255).any()]

    def fill(self, value: float) -> None:
        """Set every number of every float buffer, for tests that look for reads of what nobody wrote."""
        for array in self.arrays.values():
            if array.dtype.kind == "f":
                array[...] = value
