"""What a batch reads, in arrays that stay where they are, so that recorded programs can read every batch."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any, NamedTuple

import numpy as np

from ..arrays import Array
from ..backends.alignment import aligned
from ..backends.interface import Memory
from . import inputs
from .rows import address, borrowed, direct, gather

HEAD = 16
"""Bytes for the count and the step, before one scale for each output."""


class Batch:
    """Numbers and labels of up to ``capacity`` images.

    Args:
        capacity: room for so many images.
        dtype: the network's.
        memory: the backend's.
        outputs: how many the network has.

    Attributes:
        index: int64, which image of the source stands at each place.
        labels: for each output int64, its class.
        count: int64[1], how many places are taken.
        step: uint64[1], the training step, for random numbers.
        scales: for each output dtype[1], what its loss is multiplied by; see ``Targets.scale``.
    """

    def __init__(self, capacity: int, dtype: np.dtype[np.floating], memory: Memory | None, outputs: int = 1) -> None:
        self._memory, allocate = memory, aligned if memory is None else memory.pinned
        self._head = -(-(HEAD + 8 * outputs) // 128) * 128
        self._numbers = allocate(self._head + 8 * capacity)  # together, so that they go to a device at once
        self.index = self._numbers[self._head :].view(np.int64)
        self.count = self._numbers[:8].view(np.int64)
        self.step = self._numbers[8:16].view(np.uint64)
        self.scales = [self._numbers[at : at + dtype.itemsize].view(dtype) for at in range(HEAD, HEAD + 8 * outputs, 8)]
        self.labels = [allocate(8 * capacity).view(np.int64) for _ in range(outputs)]

    def fill(self, index: Array, step: int, targets: Sequence[inputs.Targets] = ()) -> None:
        """Take these images as the batch, and what each output should come to."""
        count = len(index)
        self.index[:count] = index
        self.count[0], self.step[0] = count, step
        changed = []
        for target, scale, labels in zip(targets, self.scales, self.labels, strict=False):
            scale[0] = target.scale(count)
            if target.labels is not None:
                labels[:count] = target.labels
                changed.append(labels[:count])
        if self._memory is not None:
            self._memory.to_device(self._numbers[: self._head + 8 * count], *changed)


CAPACITY = 256
"""Room for the images of a batch at first; it grows as it must."""

ROOM = 8 << 20
"""Batches of up to so many bytes are copied into memory that stays, so that a new array costs no new recording."""


class Taken(NamedTuple):
    """A source to read for a batch.

    Attributes:
        source: the source, which does not keep the caller's memory where it has ``rows``: the caller holds it meanwhile.
        in_order: whether it holds the images in the order of the batch and not at their numbers.
        memory: what must live, too, while it is read.
    """

    source: inputs.Source
    in_order: bool = False
    memory: object = None


class _Lent(NamedTuple):
    """A source over borrowed memory, for as long as the object lives whose memory it is."""

    owner: Callable[[], object]
    start: int
    source: inputs.Source


class HostStaging:
    """For kernels that read memory where it is: large arrays that they can read stay, of others a batch is copied."""

    def __init__(self) -> None:
        self._buffers: dict[Hashable, _Buffers] = {}
        self._lent: dict[int, _Lent] = {}
        self._last: tuple[Callable[[], object], Taken] | None = None

    def take(self, which: str, source: Any, chosen: Array) -> Taken:
        """Where to read the chosen images of a source.

        Args:
            which: the buffer that they are for.
            source: where they are.
            chosen: their numbers.
        """
        if self._last is not None and self._last[0]() is source:
            return self._last[1]
        rows = getattr(source, "rows", None)
        if rows is None:
            return Taken(source)
        if direct(rows, source.dtype) and (source.fixed or rows.nbytes > ROOM):
            taken = Taken(self._borrowed(source, rows))
            if source.fixed:
                self._last = _weak(source), taken
            return taken
        count, shape = len(chosen), rows.shape[1:]
        if count * prod(shape) * source.dtype.itemsize > ROOM:
            memory = np.empty((count, *shape), source.dtype)
            gather(rows, chosen, memory)
            return Taken(source.over(borrowed(memory)), True, memory)
        rooms = _buffers(self._buffers, which, source, count, aligned, 1)
        room, over = rooms.rooms[0]
        gather(rows, chosen, room[:count])
        return Taken(over, True)

    def _borrowed(self, source: Any, rows: Array) -> inputs.Source:
        """The source over memory that it does not keep; the same one while the caller's object is the same."""
        owner, start = _owner(source), address(rows)
        known = self._lent.get(id(owner))
        if known is None or known.owner() is not owner or known.start != start:
            self._lent = {key: lent for key, lent in self._lent.items() if lent.owner() is not None}
            known = self._lent[id(owner)] = _Lent(_weak(owner), start, source.over(borrowed(rows)))
        return known.source

    def prefetch(self, which: str, source: inputs.Source, chosen: Array) -> None:
        """Nothing is done ahead of time."""


@dataclass
class _Buffers:
    """Buffers for the chosen images of a source: its owner if it never changes, and what the second one holds already."""

    owner: Callable[[], object]
    rooms: list[tuple[Array, inputs.Source]]
    waiting: tuple[Callable[[], object], Array] | None = field(default=None)


class DeviceStaging:
    """For kernels that work on memory of a device: a source that never changes stays there, if it is small enough; of others
    the chosen images are brought, from pinned memory, and those of the next batch while this one is worked on.

    Args:
        memory: that of the device.
    """

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._known: dict[Hashable, _Buffers] = {}

    def take(self, which: str, source: Any, chosen: Array) -> Taken:
        """Where to read the chosen images of a source; see ``HostStaging``."""
        rows = self._rows(source)
        if rows is None:
            return Taken(source)
        known = _buffers(self._known, which, source, len(chosen), self._memory.pinned, 2)
        if known.waiting is not None and known.waiting[0]() is _owner(source) and np.array_equal(known.waiting[1], chosen):
            known.rooms.reverse()
            self._memory.wait_for_transfers()
        else:
            room = known.rooms[0][0]
            gather(rows, chosen, room[: len(chosen)])
            self._memory.to_device(room[: len(chosen)])
        known.waiting = None
        return Taken(known.rooms[0][1], True)

    def prefetch(self, which: str, source: Any, chosen: Array) -> None:
        """Bring images that the next ``take`` will ask for, beside what runs."""
        rows = self._rows(source)
        if rows is not None:
            known = _buffers(self._known, which, source, len(chosen), self._memory.pinned, 2)
            room = known.rooms[1][0]
            gather(rows, chosen, room[: len(chosen)])
            self._memory.to_device_async(room[: len(chosen)])
            known.waiting = _weak(_owner(source)), chosen.copy()

    def _rows(self, source: inputs.Source) -> Array | None:
        """The rows of a source that are to be brought; None where it is read as a whole."""
        rows: Array | None = getattr(source, "rows", None)
        fixed: bool = getattr(source, "fixed", True)
        return None if rows is None or (fixed and self._memory.keeps_on_device(rows.nbytes)) else rows


def staging(memory: Memory | None) -> HostStaging | DeviceStaging:
    """What brings batches to the kernels of a backend with this memory."""
    return HostStaging() if memory is None else DeviceStaging(memory)


def group_lanes(memory: Memory | None, images: int, lanes: int) -> int:
    """How many lanes a group has for a batch of so many images, in a network of so many lanes."""
    return lanes if memory is None else memory.group_lanes(images)


def _buffers(
    known: dict[Hashable, _Buffers], which: str, source: Any, count: int, allocate: Callable[[int], Array], copies: int
) -> _Buffers:
    """Buffers for so many images of a source. Arrays share them; a source that never changes has its own, while it lives."""
    shape, dtype = source.rows.shape[1:], source.dtype
    key, each = (which, dtype, shape, id(source) if source.fixed else None), prod(shape) * dtype.itemsize
    found = known.get(key)
    if found is not None and source.fixed and found.owner() is not source:
        found = None
    if found is None or len(found.rooms[0][0]) < count:
        for other in [other for other, rooms in known.items() if rooms.owner() is None]:
            del known[other]
        capacity = 2 * count if found else max(count, min(CAPACITY, ROOM // each))
        memory = [allocate(capacity * each).view(dtype).reshape(capacity, *shape) for _ in range(copies)]
        owner = _weak(source) if source.fixed else _anyone
        found = known[key] = _Buffers(owner, [(room, source.over(room)) for room in memory])
    return found


def _anyone() -> bool:
    """The owner of what all arrays share."""
    return True


def _owner(source: object) -> object:
    """What the caller holds: an array is wrapped anew for every batch, any other source is itself."""
    return source.owner if isinstance(source, inputs.Arrays) else source


def _weak(owner: object) -> Callable[[], object]:
    """What gives an object while it lives; where that cannot be told, it lives."""
    try:
        return weakref.ref(owner)
    except TypeError:
        return lambda: owner
