"""Batches whose groups wait for each other: where a layer measures the whole batch, all groups come to a barrier first.

Every group has memory of its own then, as all of them keep their activations until the gradients come back; between two
barriers a group still goes through all layers while it is in cache. Measurements are merged in the order of the groups, so
results do not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from ..backends.executor import Executor
from ..backends.program import Program, Task
from ..backends.scratch import Scratch
from .context import Context
from .group import LaneGroup
from .shared import rows_of

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
        self._groups: dict[tuple[bool, int], list[LaneGroup]] = {}

    def take(self, train: bool, lanes: int, count: int) -> list[LaneGroup]:
        """So many groups for training or inference; they are made anew where there are too few."""
        known = self._groups.get((train, lanes), [])
        if len(known) < count:
            context, slots, threads = replace(self._context, lanes=lanes), self._context.slots, self._executor.threads
            rows = rows_of(context.layers, context.dtype, count)
            scratch = [Scratch() for _ in range(threads)]
            known = [LaneGroup(context, train, scratch=scratch[i % slots % threads], rows=rows, number=i) for i in range(count)]
            self._groups[train, lanes] = known
        return known[:count]

    def clear(self) -> None:
        """Forget all groups."""
        self._groups.clear()

    def phases(self, groups: Sequence[LaneGroup], programs: Callable[[int, LaneGroup], list[Program]]) -> list[list[Task]]:
        """What threads do, phase by phase: each its slots' groups, one after another; and one of them what is merged.

        Args:
            groups: the groups.
            programs: what the group of a number runs.
        """
        whole = [Program(call for each in programs(i, group) for call in each.calls) for i, group in enumerate(groups)]
        cut = [program.cut() for program in whole]
        merges = [barrier.merge(len(groups)) for barrier in cut[0][1]]
        threads, slots, phases = self._executor.threads, self._context.slots, []
        for number in range(len(cut[0][0])):
            tasks = []
            for thread in range(min(threads, slots, len(groups))):
                mine = [i for slot in range(thread, slots, threads) for i in range(slot, len(groups), slots)]
                parts = [([cut[i][0][number]], ONCE) for i in mine if len(cut[i][0][number])]
                if parts:
                    tasks.append(Task(parts, np.zeros(1, np.int64), _checks([groups[i] for i in mine])))
            phases += [tasks] if tasks else []
            phases += [[Task([([merges[number]], ONCE)], np.zeros(1, np.int64))]] if number < len(merges) else []
        return phases


def _checks(groups: Sequence[LaneGroup]) -> Callable[[], None]:
    """Looks at the guard bands of groups, where there are any."""

    def check() -> None:
        for group in groups:
            group.check()

    return check
