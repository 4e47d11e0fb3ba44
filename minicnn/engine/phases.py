"""Batches whose groups wait for each other: where a layer measures the whole batch, all groups come to a barrier first.

Every group has memory of its own then, as all of them keep their activations until the gradients come back; between two
barriers a group still goes through all layers while it is in cache. Measurements are merged in the order of the groups, so
results do not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from ..backends.executor import Executor
from ..backends.program import Program, Task
from ..backends.scratch import Scratch
from ..errors import DataError
from .bind import PlacedLayer
from .context import Context
from .exchange import rows_exchange
from .group import LaneGroup
from .lots import Lot, Step
from .shared import rows_of
from .world import World

ONCE = (0, 1, 1)
"""The span of what is done once, whatever the group."""


class PhasedGroups:
    """The groups of a batch, which are all there at once.

    Args:
        context: what they have in common.
        executor: the threads.
    """

    def __init__(self, context: Context, executor: Executor) -> None:
        self._context, self._executor = context, executor
        self._groups: dict[tuple[bool, int, World | None], tuple[int, dict[int, LaneGroup]]] = {}

    def take(self, train: bool, lanes: int, count: int, lots: Sequence[Lot], world: World | None) -> dict[int, LaneGroup]:
        """The groups of lots by their numbers, for training or inference; they are made anew where there are too few.

        A rank without lots gets one group all the same, which is not run: it tells where all ranks come to a barrier.

        Args:
            train: whether it is training.
            lanes: images in a group.
            count: how many groups the batch has, those of other ranks included.
            lots: those of this rank.
            world: the ranks; None for this process alone.
        """
        most, known = self._groups.get((train, lanes, world), (0, {}))
        if most < count:
            context, threads = replace(self._context, lanes=lanes), self._executor.threads
            rows = rows_of(context.layers, context.dtype, count)
            scratch = [Scratch() for _ in range(threads)]
            numbers = {i: place for place, lot in enumerate(lots) for i in range(lot.first, count, lot.stride)} or {0: 0}
            known = {
                i: LaneGroup(context, train, scratch=scratch[place % threads], rows=rows, number=i)
                for i, place in numbers.items()
            }
            self._groups[train, lanes, world] = count, known
        return {i: group for i, group in known.items() if i < count} or dict([next(iter(known.items()))])

    def clear(self) -> None:
        """Forget all groups."""
        self._groups.clear()

    def phases(
        self,
        groups: Mapping[int, LaneGroup],
        programs: Callable[[int, LaneGroup], list[Program]],
        count: int,
        lots: Sequence[Lot],
        world: World | None,
    ) -> list[Step]:
        """What threads do, phase by phase: each its slots' groups, one after another; and one of them what is merged.

        Args:
            groups: the groups of this rank by their numbers.
            programs: what the group of a number runs.
            count: how many groups the batch has, those of other ranks included.
            lots: which groups add into which slot.
            world: the ranks; None for this process alone.
        """
        whole = {i: Program(call for each in programs(i, group) for call in each.calls) for i, group in groups.items()}
        cut = {i: program.cut() for i, program in whole.items()}
        barriers = next(iter(cut.values()))[1]
        merges = [barrier.merge(count) for barrier in barriers]
        threads, phases = self._executor.threads, list[Step]()
        for number in range(len(barriers) + 1):
            tasks = []
            for thread in range(min(threads, len(lots))):
                mine = [i for lot in lots[thread::threads] for i in range(lot.first, count, lot.stride)]
                parts = [([cut[i][0][number]], ONCE) for i in mine if len(cut[i][0][number])]
                if parts:
                    tasks.append(Task(parts, np.zeros(1, np.int64), _checks([groups[i] for i in mine])))
            phases += [tasks] if tasks else []
            if number < len(merges):
                phases += [] if world is None else [rows_exchange(world, barriers[number].rows, count, self._context.slots)]
                phases += [[Task([([merges[number]], ONCE)], np.zeros(1, np.int64))]]
        return phases


def _checks(groups: Sequence[LaneGroup]) -> Callable[[], None]:
    """Looks at the guard bands of groups, where there are any."""

    def check() -> None:
        for group in groups:
            group.check()

    return check


def check_images(layers: Sequence[PlacedLayer], images: int) -> None:
    """Refuse a training batch with fewer images than a layer needs.

    Raises:
        DataError: there are too few.
    """
    for placed in layers:
        if images < placed.plan.images:
            what = f"expected a training batch of at least {placed.plan.images} images, got {images}"
            raise DataError(placed.who, what, "leave out a last batch that is so small, or give larger ones")
