"""What a batch reads, in memory of the runner's own, so that recorded jobs find it in the same place for every batch."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from types import ModuleType
from typing import Any

import numpy as np

from . import door
from .arrays import Array, aligned

CAPACITY = 256
"""Room for the images of a batch at first; it grows as it must."""

ROOM = 8 << 20
"""Arrays of up to so many bytes are copied, so that a new one for every batch costs no new recording."""

Taken = tuple[door.Source, bool]
"""A source to read, and whether it holds the images in the order of the batch and not at their numbers."""


class Here:
    """For kernels that read memory where it is: a small array is copied, everything else stays."""

    def __init__(self) -> None:
        self._rooms: dict[str, door.Arrays] = {}

    def take(self, which: str, source: door.Source, chosen: Array) -> Taken:
        """Where to read the chosen images of a source.

        Args:
            which: the buffer that they are for.
            source: where they are.
            chosen: their numbers.
        """
        if not isinstance(source, door.Arrays) or source.values.nbytes > ROOM:
            return source, False
        values = source.values
        if which not in self._rooms or len(self._rooms[which].values) < len(values):
            room = (max(CAPACITY, len(values)), *values.shape[1:])
            self._rooms[which] = door.Arrays(aligned(prod(room) * values.itemsize).view(values.dtype).reshape(room))
        self._rooms[which].values[: len(values)] = values
        return self._rooms[which], False

    def ahead(self, which: str, source: door.Source, chosen: Array) -> None:
        """Nothing is done ahead of time."""


@dataclass
class _Rooms:
    """Two rooms for the chosen images of a source, and what is in the second one already."""

    rooms: list[tuple[Array, door.Source]]
    waiting: tuple[Array, Array] | None = field(default=None)


class Away:
    """For kernels that work on memory of a device: a source that never changes stays there, if it is small enough; of others
    the chosen images are brought, from pinned memory, and those of the next batch while this one is worked on.

    Args:
        backend: whose device it is.
    """

    def __init__(self, backend: ModuleType) -> None:
        self._backend = backend
        self._known: dict[Any, _Rooms] = {}

    def take(self, which: str, source: door.Source, chosen: Array) -> Taken:
        """Where to read the chosen images of a source; see ``Here``."""
        rows = self._rows(source)
        if rows is None:
            return source, False
        known = self._rooms(which, source, rows, len(chosen))
        if known.waiting is not None and known.waiting[0] is rows and np.array_equal(known.waiting[1], chosen):
            known.rooms.reverse()
            self._backend.join()
        else:
            room = known.rooms[0][0]
            np.take(rows, chosen, axis=0, out=room[: len(chosen)])
            self._backend.to_device(room[: len(chosen)])
        known.waiting = None
        return known.rooms[0][1], True

    def ahead(self, which: str, source: door.Source, chosen: Array) -> None:
        """Bring images that the next ``take`` will ask for, beside what runs."""
        rows = self._rows(source)
        if rows is not None:
            known = self._rooms(which, source, rows, len(chosen))
            room = known.rooms[1][0]
            np.take(rows, chosen, axis=0, out=room[: len(chosen)])
            self._backend.aside(room[: len(chosen)])
            known.waiting = rows, chosen.copy()

    def _rows(self, source: door.Source) -> Array | None:
        """The rows of a source that are to be brought; None where it is read as a whole."""
        rows: Array | None = getattr(source, "rows", None)
        fixed: bool = getattr(source, "fixed", True)
        return None if rows is None or (fixed and self._backend.stays(rows.nbytes)) else rows

    def _rooms(self, which: str, source: Any, rows: Array, count: int) -> _Rooms:
        key = (which, rows.dtype, rows.shape[1:], id(source) if source.fixed else None)
        known = self._known.get(key)
        if known is None or len(known.rooms[0][0]) < count:
            capacity = max(CAPACITY, 2 * count if known else count)
            size = capacity * rows[0].nbytes
            memory = [self._backend.pinned(size).view(rows.dtype).reshape(capacity, *rows.shape[1:]) for _ in range(2)]
            known = self._known[key] = _Rooms([(room, source.over(room)) for room in memory])
        return known
