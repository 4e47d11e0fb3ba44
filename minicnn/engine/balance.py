"""How the groups of a batch are dealt to threads, and which lanes and slots suit a machine: they are options, and never follow
from it by themselves.
"""

from __future__ import annotations

from typing import NamedTuple

from .accumulate import MOST_SLOTS, SLOTS

LANES, FEWER = 16, (8, 4, 1)
"""Images in a group: a multiple of 16, or one of the fewer. It never follows from the machine."""


class Split(NamedTuple):
    """Options of a network that say how a batch is split."""

    lanes: int
    slots: int


DEFAULT = Split(LANES, SLOTS)

WORTH = 0.9
"""Others are recommended where they take at most this share of the time."""

OVERHEAD = 2
"""A group costs as much as so many further images: LeNet-5 takes 1.14 times as long in groups of 8 as in those of 16 (AVX2)."""


def may_be_lanes(count: int) -> bool:
    """Whether groups may have so many lanes."""
    return count in FEWER or (count > 0 and count % LANES == 0)


def loads(images: int, split: Split, threads: int) -> list[int]:
    """How many groups of a training batch each thread has that has any.

    >>> loads(32, Split(lanes=16, slots=8), threads=16), loads(32, Split(lanes=8, slots=8), threads=16)
    ([1, 1], [1, 1, 1, 1])
    """
    groups = -(-images // split.lanes)
    used = min(split.slots, groups)
    mine = [range(thread, used, threads) for thread in range(min(threads, used))]
    return [sum(len(range(slot, groups, split.slots)) for slot in slots) for slots in mine]


def recommended(images: int, processors: int, width: int) -> Split:
    """The lanes and slots for which the thread with the most groups is done first; the defaults where these are about as good.

    A group of fewer images than a vector register has numbers takes as long as one that fills it.

    Args:
        images: in a training batch.
        processors: as many threads.
        width: numbers in a vector register.

    >>> recommended(32, processors=2, width=8), recommended(32, processors=16, width=8)
    (Split(lanes=16, slots=8), Split(lanes=8, slots=8))
    """

    def time(split: Split) -> tuple[int, bool, int, int]:
        most = max(loads(images, split, processors))
        return most * (max(split.lanes, width) + OVERHEAD), split.slots < SLOTS, -split.lanes, split.slots

    if images == 1:  # it has kernels of its own, without lanes
        return DEFAULT
    choices = [Split(lanes, slots) for lanes in (LANES, *FEWER[:-1]) for slots in range(1, MOST_SLOTS + 1)]
    best = min(choices, key=time)
    return best if time(best)[0] <= WORTH * time(DEFAULT)[0] else DEFAULT
