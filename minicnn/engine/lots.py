"""Which groups of a batch add into which slot, for one process or for a rank of several; and the work as it follows."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

from ..backends.program import Schedule, Task
from .world import Exchange, World

Step = list[Task] | Exchange
"""What threads do side by side, or an exchange with other ranks."""

Stage = Schedule | Exchange
"""Steps of threads one after another, or an exchange with other ranks."""


class Lot(NamedTuple):
    """The groups first, first + stride, … of a batch, which add into one slot in this order."""

    slot: int
    first: int
    stride: int


def lots(groups: int, world: World | None, slots: int) -> list[Lot]:
    """What this process does of a batch of so many groups, with so many slots."""
    if world is None or world.exact:
        first, step = (0, 1) if world is None else (world.rank, world.size)
        return [Lot(slot, slot, slots) for slot in range(first, min(slots, groups), step)]
    mine = range(world.rank, groups, world.size)
    return [Lot(slot, first, slots * world.size) for slot, first in enumerate(mine[:slots])]


def stages(steps: Sequence[Step]) -> list[Stage]:
    """The steps, with those of threads that follow each other as one schedule."""
    found: list[Stage] = []
    for _, run in groupby((step for step in steps if step), key=lambda step: isinstance(step, list)):
        same = list(run)
        found += [each for each in same if not isinstance(each, list)] or [Schedule([e for e in same if isinstance(e, list)])]
    return found
