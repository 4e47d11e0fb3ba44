"""What a batch reads, in arrays that stay where they are, so that recorded programs can read every batch."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import prod
from typing import NamedTuple

import numpy as np

from ..arrays import Array, DType
from ..backends.alignment import aligned
from ..backends.interface import Memory
from .inputs import Arrays, Targets
from .rows import address, borrowed, direct, gather
from .source import ArraySource, Source
from .weights import Shares

HEAD = 16
"""Bytes for the count and the step, before one scale for each output."""


class Batch:
    """Numbers and labels of up to ``capacity`` images.

    Args:
        capacity: the most images.
        dtype: the network's.
        memory: the backend's.
        outputs: how many the network has.

    Attributes:
        index: int64, which image of the source stands at each place.
        labels: for each output int64, its class.
        count: int64[1], how many places are taken.
        step: uint64[1], the training step, for random numbers.
        scales: for each output dtype[1], what its loss is multiplied by; see ``Targets.scale``.
        shares: the same for every image, by the number of an output for which images have weights.
    """

    def __init__(self, capacity: int, dtype: DType, memory: Memory | None, outputs: int = 1) -> None:
        self._memory, allocate = memory, aligned if memory is None else memory.pinned
        self._head = -(-(HEAD + 8 * outputs) // 128) * 128
        self._numbers = allocate(self._head + 8 * capacity)  # together, so that they go to a device at once
        self.index = self._numbers[self._head :].view(np.int64)
        self.count = self._numbers[:8].view(np.int64)
        self.step = self._numbers[8:16].view(np.uint64)
        self.scales = [self._numbers[at : at + dtype.itemsize].view(dtype) for at in range(HEAD, HEAD + 8 * outputs, 8)]
        self.labels = [allocate(8 * capacity).view(np.int64) for _ in range(outputs)]
        self.shares: dict[int, Shares] = {}
        self._new_shares = partial(Shares, capacity, dtype, allocate)

    def fill(self, index: Array, step: int, targets: Sequence[Targets] = ()) -> Sequence[Shares]:
        """Take these images as the batch, and what each output should come to; gives what is filled of ``shares``."""
        count = len(index)
        self.index[:count] = index
        self.count[0], self.step[0] = count, step
        changed: list[Array] = []
        filled: tuple[Shares, ...] = ()
        for output, (target, scale, labels) in enumerate(zip(targets, self.scales, self.labels, strict=False)):
            scale[0] = target.scale(count)
            if target.labels is not None:
                labels[:count] = target.labels
                changed.append(labels[:count])
            if target.shares is not None:
                if output not in self.shares:
                    self.shares[output] = self._new_shares()
                changed += self.shares[output].fill(target.shares)
                filled += (self.shares[output],)
        if self._memory is not None:
            self._memory.to_device(self._numbers[: self._head + 8 * count], *changed)
        return filled

    def factors(self, output: int, target: Targets) -> Array | Shares:
        """What the loss of an output is multiplied by, as a whole or image by image."""
        return self.shares[output] if target.shares is not None else self.scales[output]


CAPACITY = 256
"""Initial capacity of a batch in images; it grows as needed."""

STAGED_BYTES = 8 << 20
"""Batches of up to so many bytes are copied into a permanent buffer, so that a new array costs no new recording."""


class Staged(NamedTuple):
    """A source to read for a batch.

    Attributes:
        source: the source. One with ``rows`` does not keep the caller's memory alive: the caller holds it meanwhile.
        in_order: whether it holds the images in the order of the batch and not at their numbers.
        memory: another object that must live while it is read.
    """

    source: Source
    in_order: bool = False
    memory: object = None


class _Borrowed(NamedTuple):
    """A source over memory that belongs to another object; it is valid while that object lives."""

    owner: Callable[[], object]
    start: int
    source: Source


class HostStaging:
    """For kernels that read host memory: large arrays that they can read are read in place, of others a batch is copied."""

    def __init__(self) -> None:
        self._buffers: dict[Hashable, Buffers] = {}
        self._known: dict[int, _Borrowed] = {}
        self._last: tuple[Callable[[], object], Staged] | None = None

    def stage(self, which: str, source: Source, chosen: Array) -> Staged:
        """Where to read the chosen images of a source.

        Args:
            which: the name of the buffer that they are loaded into.
            source: the images.
            chosen: their numbers.
        """
        if self._last is not None and self._last[0]() is source:
            return self._last[1]
        rows = getattr(source, "rows", None)
        if rows is None:
            return Staged(source)
        given: ArraySource = source  # type: ignore[assignment]  # it has rows
        if direct(rows, given.dtype) and (given.fixed or rows.nbytes > STAGED_BYTES):
            staged = Staged(self._borrowed(given, rows))
            if given.fixed:
                self._last = weak(source), staged
            return staged
        count, shape = len(chosen), rows.shape[1:]
        if count * prod(shape) * given.dtype.itemsize > STAGED_BYTES:
            memory = np.empty((count, *shape), given.dtype)
            gather(rows, chosen, memory)
            return Staged(given.over(borrowed(memory)), True, memory)
        buffer, over = buffers_for(self._buffers, which, given, count, aligned, 1).pairs[0]
        gather(rows, chosen, buffer[:count])
        return Staged(over, True)

    def _borrowed(self, source: ArraySource, rows: Array) -> Source:
        """The source over memory that it does not keep alive; the same one while the caller's object is the same."""
        owner, start = owner_of(source), address(rows)
        known = self._known.get(id(owner))
        if known is None or known.owner() is not owner or known.start != start:
            self._known = {key: each for key, each in self._known.items() if each.owner() is not None}
            known = self._known[id(owner)] = _Borrowed(weak(owner), start, source.over(borrowed(rows)))
        return known.source

    def prefetch(self, which: str, source: Source, chosen: Array) -> None:
        """Nothing is done ahead of time."""


@dataclass
class Buffers:
    """Buffers for the chosen images of a source.

    Attributes:
        owner: gives the source if its images never change; arrays share buffers.
        pairs: each buffer, and the source that reads it.
        prefetched: the owner and the numbers of the images that are on their way into the second buffer.
    """

    owner: Callable[[], object]
    pairs: list[tuple[Array, Source]]
    prefetched: tuple[Callable[[], object], Array] | None = field(default=None)


def group_lanes(memory: Memory | None, images: int, lanes: int) -> int:
    """How many lanes a group has for a batch of so many images, in a network of so many lanes."""
    return lanes if memory is None else memory.group_lanes(images)


def buffers_for(
    known: dict[Hashable, Buffers], which: str, source: ArraySource, count: int, allocate: Callable[[int], Array], copies: int
) -> Buffers:
    """Buffers for so many images of a source. Arrays share them; a source that never changes has its own, while it lives."""
    shape, dtype = source.rows.shape[1:], source.dtype
    key, each = (which, dtype, shape, id(source) if source.fixed else None), prod(shape) * dtype.itemsize
    found = known.get(key)
    if found is not None and source.fixed and found.owner() is not source:
        found = None
    if found is None or len(found.pairs[0][0]) < count:
        for other in [other for other, buffers in known.items() if buffers.owner() is None]:
            del known[other]
        capacity = 2 * count if found else max(count, min(CAPACITY, STAGED_BYTES // each))
        memory = [allocate(capacity * each).view(dtype).reshape(capacity, *shape) for _ in range(copies)]
        owner = weak(source) if source.fixed else lambda: True
        found = known[key] = Buffers(owner, [(buffer, source.over(buffer)) for buffer in memory])
    return found


def owner_of(source: object) -> object:
    """The object that the caller holds: an array is wrapped anew for every batch, any other source is itself."""
    return source.owner if isinstance(source, Arrays) else source


def weak(owner: object) -> Callable[[], object]:
    """A weak reference to an object; an object without weak references is kept alive."""
    try:
        return weakref.ref(owner)
    except TypeError:
        return lambda: owner
