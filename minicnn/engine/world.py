"""Processes that train one network together, as the engine knows them: who there is, and how arrays go from one to another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Protocol

from ..arrays import Array

Parcel = tuple[int, Array]
"""A rank, and a contiguous array that goes there or comes from there."""

Exchange = Callable[[], None]
"""What every rank calls at the same place of its program; it returns when what this rank receives is there."""


class World(Protocol):
    """All ranks that work on one batch; each is a process with a network of its own, whose parameters are the same everywhere.

    Every rank makes the same exchanges in the same order.

    Attributes:
        rank: the number of this one, from 0.
        size: how many there are.
        exact: whether sums have the order, and so the bits, of one process; else each rank adds up its own gradients first.
    """

    @property
    def rank(self) -> int:
        """The number of this one."""
        ...

    @property
    def size(self) -> int:
        """How many there are."""
        ...

    @property
    def exact(self) -> bool:
        """Whether sums have the order of one process."""
        ...

    def link(self, sent: Sequence[Parcel], received: Sequence[Parcel]) -> Exchange:
        """Prepare an exchange over arrays that stay where they are.

        Args:
            sent: what goes to which rank. Between two ranks the first parcel sent is the first received, and so on.
            received: what comes from which rank, and where it is written.
        """
        ...

    def total(self, vector: Array) -> Exchange:
        """Prepare what replaces a vector by its sum over all ranks, added in any order, but the same bits everywhere."""
        ...


class Alone:
    """A world of one process."""

    rank, size, exact = 0, 1, True

    def link(self, sent: Sequence[Parcel], received: Sequence[Parcel]) -> Exchange:
        """There is nobody to exchange with."""
        return _nothing

    def total(self, vector: Array) -> Exchange:
        """The sum is there already."""
        return _nothing


def _nothing() -> None:
    """Exchange nothing."""


def to_all(world: World, mine: Sequence[Array], theirs: Sequence[Sequence[Array]]) -> Exchange:
    """Prepare an exchange in which every rank gets what each of the others has.

    Args:
        world: the ranks.
        mine: what goes to all others.
        theirs: for each rank, what comes from it; that of this one is not looked at.
    """
    others = [rank for rank in range(world.size) if rank != world.rank]
    sent = [(rank, array) for rank in others for array in mine]
    return world.link(sent, [(rank, array) for rank in others for array in theirs[rank]])


def cut(length: int, world: World) -> list[slice]:
    """The parts of a vector, one for each rank.

    >>> cut(5, Alone())
    [slice(0, 5, None)]
    """
    ends = [length * part // world.size for part in range(world.size + 1)]
    return [slice(first, end) for first, end in pairwise(ends)]
