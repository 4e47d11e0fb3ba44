"""Batches whose groups wait for each other: where a layer measures the whole batch, or where they meet weights together.

Every group has memory of its own then, as all of them keep their activations until the gradients come back; between two
meetings a group still goes through all layers while it is in cache. Measurements are merged in the order of the groups, and
what the groups of a lot add to a gradient is one sum, so results do not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from ..arrays import Array
from ..backends.alignment import STAGGER, aligned
from ..backends.executor import Executor
from ..backends.meeting import Barrier, Meeting, WideCall, cut, left_to_sum
from ..backends.program import Call, Program, Task
from ..backends.scratch import Scratch
from ..errors import DataError
from .accumulate import GradientSlots, Slot
from .bind import PlacedLayer
from .context import Context
from .exchange import rows_exchange
from .group import LaneGroup
from .lots import Lot, Step
from .shared import rows_of
from .world import World

ONCE = (0, 1, 1)
"""The span of what is done once, whatever the group."""

PAGE = 4096
"""Bytes after which the sets of the first cache repeat."""

MOST = 1024
"""About so many images meet at once, unless a layer measures the whole batch: more would only take more memory."""


class EqualParts:
    """Memory for the arenas of several groups, at equal distances, so that one array is a view of what all groups have.

    Args:
        count: how many there are.
    """

    def __init__(self, count: int) -> None:
        self._count, self._left = count, list[Array]()

    def take(self, size: int) -> Array:
        """The next part; all have the size of the first."""
        if not self._left:
            step = -(-size // PAGE) * PAGE + STAGGER  # so that no two groups begin in one set of the first cache
            memory = aligned(self._count * step)
            self._left = [memory[i * step : i * step + size] for i in range(self._count)]
        return self._left.pop(0)


class PhasedGroups:
    """The groups of a batch that are there at the same time.

    Args:
        context: what they have in common.
        executor: the threads.
    """

    def __init__(self, context: Context, executor: Executor) -> None:
        self._context, self._executor = context, executor
        self._groups: dict[tuple[bool, int, World | None], tuple[int, list[LaneGroup]]] = {}

    def clear(self) -> None:
        """Forget all groups."""
        self._groups.clear()

    def rounds(self, train: bool, lanes: int, count: int) -> int:
        """How many groups of each slot meet at once: a number that depends neither on threads nor on ranks.

        Args:
            train: whether it is training.
            lanes: images in a group.
            count: how many groups the batch has, those of other ranks included.
        """
        slots = self._context.slots
        return -(-count // slots) if self._context.measures(train) else max(1, MOST // (lanes * slots))

    def all_meet(self, train: bool, lanes: int, count: int, world: World | None) -> bool:
        """Whether all groups of a batch meet at once, in this process; see ``rounds``."""
        return world is None and count <= self._context.slots * self.rounds(train, lanes, count)

    def phases(
        self,
        train: bool,
        lanes: int,
        count: int,
        lots: Sequence[Lot],
        world: World | None,
        programs: Callable[[int, LaneGroup], list[Program]],
    ) -> list[Step]:
        """What threads do, phase by phase: each its lots' groups, one after another; then what is done once for all.

        Args:
            train: whether it is training.
            lanes: images in a group.
            count: how many groups the batch has, those of other ranks included.
            lots: those of this rank.
            world: the ranks; None for this process alone.
            programs: what the group of a number runs.
        """
        numbers = sorted(i for lot in lots for i in range(lot.first, count, lot.stride)) or [0]  # lot after lot in turn
        most = max(1, len(lots)) * self.rounds(train, lanes, count)
        groups, steps = self._take(train, lanes, count, numbers[:most], max(1, len(lots)), world), list[Step]()
        meeting = Meeting(len(lots), self.all_meet(train, lanes, count, world), self._executor.threads)
        for first in range(0, len(numbers), most):
            met = [*zip(numbers[first : first + most], groups, strict=False)]
            whole = [Program(call for each in programs(i, group) for call in each.calls) for i, group in met]
            pieces = [cut(program, Barrier, WideCall) for program in whole]
            for number in range(len(pieces[0][0])):
                steps.append(self._apart([parts[number] for parts, _ in pieces], groups, meeting))
                if number < len(pieces[0][1]):
                    steps += self._together([calls[number] for _, calls in pieces], count, meeting, world)
        return steps

    def sums(self, slots: GradientSlots, first: Slot, lanes: int, count: int) -> list[Task]:
        """Jobs that add up the gradients in the slots of a process alone, after its phases.

        Args:
            slots: the slots.
            first: the first of them.
            lanes: images in a group.
            count: how many groups the batch has.
        """
        within: list[slice] | None = None
        if self.all_meet(True, lanes, count, None):  # what lots added up together is in the first slot already
            group = self._groups[True, lanes, None][1][0]
            within = left_to_sum(first.grads.memory, group.backward(first, False, fresh=True))
        return [] if within == [] else slots.sums(count, self._executor.threads, within)

    def _take(
        self, train: bool, lanes: int, count: int, numbers: Sequence[int], lots: int, world: World | None
    ) -> list[LaneGroup]:
        """Groups for training or inference, which are made anew where a batch has more; the place of each tells its lot.

        A rank without lots gets one group all the same, which is not run: it tells where all ranks come to a barrier.
        """
        most, known = self._groups.get((train, lanes, world), (0, []))
        if most < count:
            context, threads = replace(self._context, lanes=lanes), self._executor.threads
            rows, parts = rows_of(context.layers, context.dtype, count), EqualParts(len(numbers))
            scratch = [Scratch() for _ in range(threads)]
            known = [
                LaneGroup(context, train, scratch=scratch[place % lots % threads], rows=rows, number=i, allocate=parts.take)
                for place, i in enumerate(numbers)
            ]
            self._groups[train, lanes, world] = count, known
        return known

    def _apart(self, pieces: Sequence[Program], groups: Sequence[LaneGroup], meeting: Meeting) -> list[Task]:
        """What each thread does for the groups of its lots, which wait for nobody meanwhile."""
        tasks, (lots, _, threads) = [], meeting
        for thread in range(min(threads, lots)):
            mine = [place for lot in range(thread, lots, threads) for place in range(lot, len(pieces), lots)]
            parts = [([pieces[place]], ONCE) for place in mine if len(pieces[place])]
            if parts:
                tasks.append(Task(parts, np.zeros(1, np.int64), _checks([groups[place] for place in mine])))
        return tasks

    def _together(self, calls: Sequence[Call], count: int, meeting: Meeting, world: World | None) -> list[Step]:
        """What is done where all groups meet, each of them with one call of these."""
        first, steps, programs = calls[0], list[Step](), list[Program]()
        if isinstance(first, Barrier):
            steps += [] if world is None else [rows_exchange(world, first.rows, count, self._context.slots)]
            programs = [first.merge(count)]
        elif isinstance(first, WideCall) and meeting.lots:
            programs = [*first.together(calls, meeting)]
        return [*steps, [Task([([program], ONCE)], np.zeros(1, np.int64)) for program in programs]]


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
