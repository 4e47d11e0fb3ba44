"""Running batches depth first: every group of lanes goes through the whole network while it is in cache."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ..arrays import Array
from ..backends.executor import Executor
from ..backends.meeting import WideCall
from ..backends.program import Program, Schedule, Task
from ..nn.losses import Loss, cache_key, is_immutable
from . import inputs
from .accumulate import GradientSlots, Slot
from .batch import CAPACITY, Batch, Staged, group_lanes
from .context import Context
from .device_staging import staging
from .exchange import check, together
from .group import LaneGroup
from .inputs import Targets, kinds_of
from .lots import Stage, Step, lots, stages
from .phases import ONCE, PhasedGroups, check_images
from .prepare import Preparation, Prepared
from .score import Score, score_of
from .single import Single
from .source import Source
from .weights import Shares
from .world import World

Stages = Prepared[Sequence[Stage]]
"""What is done for a kind of batch."""

KEPT = 4
"""How many kinds of batch are remembered with their schedules."""


class Kind(NamedTuple):
    """What the schedule for a batch depends on, beside where it reads it.

    Attributes:
        losses: what tells the loss of each output from others.
        classes: the kinds of the targets.
        groups: how many there are.
        lanes: images in a group.
        train: whether gradients are wanted.
        weighted: where the weights of images are read, for each output that has some.
        world: the ranks that share it; None for this process alone.
    """

    losses: Hashable
    classes: Hashable
    groups: int
    lanes: int
    train: bool
    weighted: Sequence[Shares]
    world: World | None


class Runner:
    """The groups of a network's threads, and the two ways to send a batch through them.

    Args:
        context: what groups have in common.
        executor: the threads.
        preparation: refreshes what is derived from the parameters.
        slots: where gradients are added.
    """

    def __init__(self, context: Context, executor: Executor, preparation: Preparation, slots: GradientSlots) -> None:
        self._context, self._executor, self._slots, self._memory = context, executor, slots, context.backend.memory
        self._groups: dict[tuple[int, bool, int], LaneGroup] = {}
        self._schedules: dict[Hashable, tuple[Stages, object]] = {}
        self._staging, self._preparation = staging(self._memory), preparation
        self._single = Single(context, executor, preparation, slots, self._staging)
        self._phased = PhasedGroups(context, executor)
        self.demanding = [placed for placed in context.layers if placed.plan.images > 1 and not placed.frozen]
        self._losses: list[tuple[Loss | None, Hashable]] = [(None, None) for _ in context.outputs]
        self._allocate(CAPACITY)

    def group(self, thread: int, train: bool, lanes: int) -> LaneGroup:
        """A thread's group for training or inference."""
        key = (thread, train, lanes)
        if key not in self._groups:
            if len(self._groups) >= 2 * KEPT * self._executor.threads:
                self._groups.clear()
                self._schedules.clear()
            self._groups[key] = LaneGroup(replace(self._context, lanes=lanes), train)
        return self._groups[key]

    def score(
        self,
        sources: Sequence[Source],
        targets: Sequence[Targets],
        chosen: Array,
        step: int,
        train: bool,
        then: Array | None,
        world: World | None = None,
    ) -> Score:
        """The loss of the chosen images, with gradients added up in training; those of ``then`` come next."""
        losses = self._keys_of(targets)
        if train and self.demanding:
            check_images(self.demanding, len(chosen))
        if self._is_single(chosen) and all(isinstance(target.vectors, inputs.Arrays | None) for target in targets):
            return self._scored(self._single.score(losses, sources, chosen, targets, step, train), targets, 1)
        weighted = self._fill(chosen, step, targets)
        lanes = group_lanes(self._memory, len(chosen), self._context.lanes)
        origins = self._take("in", sources, chosen)
        vectors = self._take("target", [target.vectors for target in targets], chosen)
        kind = Kind(losses, kinds_of(targets), parts(len(chosen), lanes), lanes, train, weighted, world)
        slots = self._slots.take(kind.groups)
        read = [each.source for each in (*origins.values(), *vectors.values())]
        self._run((kind, *map(identity, read)), lambda: self._scoring(kind, targets, origins, vectors, slots), read)
        if then is not None:
            for number, source in enumerate(sources):
                self._staging.prefetch(f"in{number}", source, then)
        return self._scored(self._slots.tally(len(slots)), targets, len(chosen))

    def _take(self, kind: str, sources: Sequence[Source | None], chosen: Array) -> dict[int, Staged]:
        """Where to read the chosen images of each input, or the vectors of each output that has such, by its number."""
        pairs = enumerate(sources)
        return {n: self._staging.stage(f"{kind}{n}", source, chosen) for n, source in pairs if source is not None}

    def _scored(self, tally: Sequence[tuple[float, int]], targets: Sequence[Targets], images: int) -> Score:
        """What a batch came to, from the loss and the hits of each output."""
        if len(tally) == 1:
            return Score(*tally[0], images, targets[0].counted)
        pairs = zip(self._context.outputs, tally, targets, strict=True)
        return score_of({out.name: (sums, target.counted, target.weight) for out, sums, target in pairs}, images)

    def _keys_of(self, targets: Sequence[Targets]) -> Hashable:
        """What tells the losses of the outputs from others; the last one is remembered, where nothing about it can change."""
        keys = []
        for output, target in enumerate(targets):
            known, key = self._losses[output]
            if known is not target.loss:
                key = cache_key(target.loss)
                self._losses[output] = (target.loss if is_immutable(target.loss) else None), key
            keys.append(key)
        return tuple(keys)

    def _scoring(
        self,
        kind: Kind,
        targets: Sequence[Targets],
        origins: Mapping[int, Staged],
        vectors: Mapping[int, Staged],
        slots: list[Slot],
    ) -> Stages:
        """What each thread does for a batch that is scored: one slot's groups after another's, then a part of the sums."""

        def scoring(group: LaneGroup, slot: Slot, number: int | None = None) -> list[Program]:
            programs = [*self._loads(group, origins, number), *self._target_loads(group, targets, vectors), group.forward]
            for output, target in enumerate(targets):
                programs.append(group.loss(target.loss, slot, self._batch.factors(output, target), target.kind, output))
            return programs

        mine, threads = lots(kind.groups, kind.world, self._slots.count), self._executor.threads
        ends: list[Step] = []
        if kind.world is not None:
            check(kind.world, self._slots.count, self._memory)
            ends = together(kind.world, self._slots, kind.groups, threads, kind.train)
        elif kind.train and len(slots) > 1:
            ends = [self._slots.sums(kind.groups, threads)]
        if self._meets(kind.train, kind.lanes, kind.groups):
            slot_of = {i: slots[lot.slot] for lot in mine for i in range(lot.first, kind.groups, lot.stride)}
            fresh = {lot.first for lot in mine}

            def programs_of(number: int, group: LaneGroup) -> list[Program]:
                slot = slot_of.get(number, slots[0])
                programs = scoring(group, slot, number)
                return [*programs, group.backward(slot, False, fresh=number in fresh)] if kind.train else programs

            steps = self._phased.phases(kind.train, kind.lanes, kind.groups, mine, kind.world, programs_of)
            if kind.world is None and ends:
                ends = [self._phased.sums(self._slots, slots[0], kind.lanes, kind.groups)]
            return self._stages_of([*steps, *ends])
        tasks = []
        for thread in range(min(threads, len(mine))):
            group, parts = self.group(thread, kind.train, kind.lanes), []
            for number, first, stride in mine[thread::threads]:
                slot = slots[number]
                programs = scoring(group, slot)
                if kind.train:
                    parts.append(([*programs, group.backward(slot, False, fresh=True)], (first, first + 1, 1)))
                    first += stride  # noqa: PLW2901
                if first < kind.groups:
                    programs += [group.backward(slot, False)] if kind.train else []
                    parts.append((programs, (first, kind.groups, stride)))
            tasks.append(group.work(parts))
        return self._stages_of([tasks, *ends])

    def _meets(self, train: bool, lanes: int, groups: int) -> bool:
        """Whether groups wait for each other: a layer measures the batch, or several of them meet weights together."""
        if groups == 1 or self._context.measures(train):
            return self._context.measures(train)
        return any(isinstance(call, WideCall) for call in self.group(0, train, lanes).forward.calls)

    def _loads(self, group: LaneGroup, origins: Mapping[int, Staged], number: int | None = None) -> list[Program]:
        """What brings a group its images, those of the group of a number where one is given."""
        loads = [group.load_input(n, origin.source, origin.in_order) for n, origin in origins.items()]
        return [group.choose(self._batch, number), *loads]

    def _target_loads(self, group: LaneGroup, targets: Sequence[Targets], vectors: Mapping[int, Staged]) -> list[Program]:
        """What brings a group its targets where they are vectors."""
        return [group.load(each.source, group.end(targets[n].into, n), each.in_order) for n, each in vectors.items()]

    def _stages_of(self, steps: Sequence[Step]) -> Stages:
        """What is derived from the parameters, where there is any, and the steps."""
        tasks = [task for step in steps if isinstance(step, list) for task in step]
        prepare = self._preparation.of([program for task in tasks for programs, _ in task.parts for program in programs])
        first = [[Task([([prepare], ONCE)], np.zeros(1, np.int64))]] if prepare.calls else []
        return Prepared(stages([*first, *steps]), stages(steps))

    def _is_single(self, chosen: Array) -> bool:
        """Whether the batch is one image, on a backend with kernels for one image."""
        return len(chosen) == 1 and self._memory is None

    def _run(self, key: Hashable, record: Callable[[], Stages], origins: object) -> None:
        """Run the schedule for a kind of batch, recorded at the first one; the last few kinds are remembered."""
        if key not in self._schedules:
            if len(self._schedules) >= KEPT:
                del self._schedules[next(iter(self._schedules))]
            found = record()
            self._executor.compile_ahead([stage for stage in found.whole if isinstance(stage, Schedule)])
            self._schedules[key] = found, origins  # which live as long as what is known by their identity
        recorded, promise = self._schedules[key][0], self._preparation.promise
        for stage in recorded.work if promise and promise == recorded.promise else recorded.whole:
            if isinstance(stage, Schedule):
                self._executor.run_schedule(stage)
            else:
                stage()
        recorded.promise = promise

    def _fill(self, chosen: Array, step: int, targets: Sequence[Targets] = ()) -> Sequence[Shares]:
        """Fill the batch; what reads or writes the old one's memory is made anew where it has to grow."""
        if len(chosen) > len(self._batch.index):
            self._groups.clear()
            self._phased.clear()
            self._schedules.clear()
            self._allocate(2 * len(chosen))
        return self._batch.fill(chosen, step, targets)

    def _allocate(self, images: int) -> None:
        self._ys: list[Array] = []  # for as many images, when they are wanted
        self._batch = Batch(images, self._context.dtype, self._memory, len(self._losses))  # the last: its size says: room


def identity(source: Source | None) -> int:
    """The identity of a source, which no other has while it lives."""
    return id(source.values if isinstance(source, inputs.Arrays) else source)


def parts(whole: int, size: int) -> int:
    """How many parts of a size make up a whole."""
    return -(-whole // size)
