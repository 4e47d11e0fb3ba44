"""Running batches depth first: every group of lanes goes through the whole network while it is in cache."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ..arrays import Array
from ..backends.executor import Executor
from ..backends.program import Program, Schedule, Task
from ..errors import DataError
from ..nn.losses import Loss, is_value, told_apart
from . import inputs
from .accumulate import SLOTS, GradientSlots, Slot
from .batch import CAPACITY, Batch, Taken, group_lanes, staging
from .bind import PlacedLayer
from .group import Context, LaneGroup
from .inputs import Targets
from .phases import ONCE, PhasedGroups
from .prepare import Preparation
from .single import Single


class Score(NamedTuple):
    """What a batch came to.

    Attributes:
        loss: mean over the images.
        correct: images whose largest output, or smallest penalty, the first of equals, is their class: what ``argmax`` of the
            predictions says, but an image with a NaN among its outputs is wrong. 0 where the target is not class numbers.
        images: how many images there were.
    """

    loss: float
    correct: int
    images: int

    @property
    def accuracy(self) -> float:
        """Share of the images that were recognised."""
        return self.correct / self.images


KEPT = 4
"""How many kinds of batch are remembered with their schedules."""


class Kind(NamedTuple):
    """What the schedule for a batch depends on, beside where it reads it.

    Attributes:
        loss: what tells the loss from others.
        labelled: whether the target is class numbers.
        groups: how many there are.
        lanes: images in a group.
        train: whether gradients are wanted.
    """

    loss: Hashable
    labelled: bool
    groups: int
    lanes: int
    train: bool


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
        self._preparation = preparation
        self._groups: dict[tuple[int, bool, int], LaneGroup] = {}
        self._schedules: dict[Hashable, tuple[Schedule, object]] = {}
        self._staging = staging(self._memory)
        self._single = Single(context, executor, preparation, slots, self._staging)
        self._phased = PhasedGroups(context, executor)
        self._demanding = [placed for placed in context.layers if placed.plan.images > 1 and not placed.frozen]
        self._loss: tuple[Loss | None, Hashable] = (None, None)
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
        self, source: inputs.Source, targets: Targets, chosen: Array, step: int, train: bool, then: Array | None
    ) -> Score:
        """The loss of the chosen images, with gradients added up in training; those of ``then`` come next."""
        loss = targets.loss
        told = self._told(loss)
        if train:
            self.check(len(chosen))
        if self._alone(chosen):
            return Score(*self._single.score(told, source, chosen, targets, step, train), images=1)
        self._fill(chosen, targets.labels, step, targets.total)
        lanes = group_lanes(self._memory, len(chosen), self._context.lanes)
        origin = self._staging.take("in", source, chosen)
        vectors = None if targets.vectors is None else self._staging.take("target", targets.vectors, chosen)
        kind = Kind(told, targets.labels is not None, parts(len(chosen), lanes), lanes, train)
        slots = self._slots.take(kind.groups)
        sources = origin.source, None if vectors is None else vectors.source
        self._run((kind, *map(identity, sources)), lambda: self._scoring(kind, targets, origin, vectors, slots), sources)
        if then is not None:
            self._staging.prefetch("in", source, then)
        return Score(*self._slots.tally(len(slots)), len(chosen))

    def check(self, images: int) -> None:
        """Refuse a training batch with fewer images than a layer needs.

        Raises:
            DataError: there are too few.
        """
        check_images(self._demanding, images)

    def _told(self, loss: Loss) -> Hashable:
        """What tells a loss from others; that of the last one is remembered, where nothing about it can change."""
        if self._loss[0] is not loss:
            told = told_apart(loss)
            self._loss = (loss, told) if is_value(loss) else (None, told)
        return self._loss[1]

    def _scoring(self, kind: Kind, targets: Targets, origin: Taken, vectors: Taken | None, slots: list[Slot]) -> Schedule:
        """What each thread does for a batch that is scored: one slot's groups after another's, then a part of the sums."""
        loss, into = targets.loss, targets.into
        sums = self._slots.sums(kind.groups, self._executor.threads) if kind.train and len(slots) > 1 else []
        if self._context.measures(kind.train):

            def programs_of(number: int, group: LaneGroup) -> list[Program]:
                slot = slots[number % SLOTS]
                programs = [*self._loads(group, origin, vectors, into), group.forward]
                programs.append(group.loss(loss, slot, self._batch.scale, kind.labelled))
                return [*programs, group.backward(slot, False, fresh=number < SLOTS)] if kind.train else programs

            groups = self._phased.take(kind.train, kind.lanes, kind.groups)
            return self._schedule_of(self._phased.phases(groups, programs_of), sums)
        tasks = []
        for thread in range(min(self._executor.threads, len(slots))):
            group, parts = self.group(thread, kind.train, kind.lanes), []
            for number in range(thread, len(slots), self._executor.threads):
                slot = slots[number]
                programs = self._loads(group, origin, vectors, into)
                programs += [group.forward, group.loss(loss, slot, self._batch.scale, kind.labelled)]
                first = number
                if kind.train:
                    parts.append(([*programs, group.backward(slot, False, fresh=True)], (number, number + 1, 1)))
                    first = number + SLOTS
                if first < kind.groups:
                    programs += [group.backward(slot, False)] if kind.train else []
                    parts.append((programs, (first, kind.groups, SLOTS)))
            tasks.append(group.work(parts))
        return self._schedule_of([tasks], sums)

    def _loads(self, group: LaneGroup, origin: Taken, vectors: Taken | None = None, into: str = "target") -> list[Program]:
        """What brings a group its images, and its target where that is vectors."""
        programs = [group.choose(self._batch), group.load(origin.source, "in", origin.in_order)]
        return programs if vectors is None else [*programs, group.load(vectors.source, into, vectors.in_order)]

    def predict(self, source: inputs.Source, chosen: Array, step: int) -> Array:
        """The outputs for the chosen images."""
        if self._alone(chosen):
            return self._single.predict(source, chosen, step)
        self._fill(chosen, None, step)
        lanes = group_lanes(self._memory, len(chosen), self._context.lanes)
        origin = self._staging.take("in", source, chosen)
        groups = parts(len(chosen), lanes)
        key = (identity(origin.source), groups, lanes)
        self._run(key, lambda: self._predicting(origin, groups, lanes), origin.source)
        y = self._y[: len(chosen)]
        if self._memory is not None:
            self._memory.to_host(y)
        return y.copy()

    def _predicting(self, origin: Taken, groups: int, lanes: int) -> Schedule:
        """What each thread does for a batch whose outputs are wanted."""
        if self._context.measures(train=False):
            all_groups = self._phased.take(False, lanes, groups)
            return self._schedule_of(
                self._phased.phases(
                    all_groups, lambda _, group: [*self._loads(group, origin), group.forward, group.unpack(group.y, self._y)]
                )
            )
        usable_threads = min(self._executor.threads, groups)
        tasks = []
        for thread in range(usable_threads):
            group = self.group(thread, False, lanes)
            programs = [*self._loads(group, origin), group.forward, group.unpack(group.y, self._y)]
            tasks.append(group.task(programs, thread, groups, usable_threads))
        return self._schedule_of([tasks])

    def _schedule_of(self, phases: list[list[Task]], sums: Sequence[Task] = ()) -> Schedule:
        """What is derived from the parameters, where there is any, the phases, and the sums."""
        tasks = [task for phase in phases for task in phase]
        prepare = self._preparation.of([program for task in tasks for programs, _ in task.parts for program in programs])
        first = [[Task([([prepare], ONCE)], np.zeros(1, np.int64))]] if prepare.calls else []
        return Schedule([*first, *phases, *([sums] if sums else [])])

    def _alone(self, chosen: Array) -> bool:
        """Whether the batch is one image, on a backend that has kernels for that."""
        return len(chosen) == 1 and self._memory is None

    def _run(self, key: Hashable, record: Callable[[], Schedule], origins: object) -> None:
        """Run the schedule for a kind of batch, recorded at the first one; the last few kinds are remembered."""
        if key not in self._schedules:
            if len(self._schedules) >= KEPT:
                del self._schedules[next(iter(self._schedules))]
            self._schedules[key] = record(), origins  # which live as long as what is known by their identity
        self._executor.run_schedule(self._schedules[key][0])

    def _fill(self, chosen: Array, labels: Array | None, step: int, total: float | None = None) -> None:
        """Fill the batch; what reads or writes the old one's memory is made anew where it has to grow."""
        if len(chosen) > len(self._batch.index):
            self._groups.clear()
            self._phased.clear()
            self._schedules.clear()
            self._allocate(2 * len(chosen))
        self._batch.fill(chosen, labels, step, total)

    def _allocate(self, images: int) -> None:
        context = self._context
        self._y = np.empty((images, *context.out_shape), context.dtype)
        self._batch = Batch(images, context.dtype, self._memory)  # the last: its size says that there is room


def check_images(layers: Sequence[PlacedLayer], images: int) -> None:
    """Refuse a training batch with fewer images than a layer needs.

    Raises:
        DataError: there are too few.
    """
    for placed in layers:
        if images < placed.plan.images:
            what = f"expected a training batch of at least {placed.plan.images} images, got {images}"
            raise DataError(placed.who, what, "leave out a last batch that is so small, or give larger ones")


def identity(source: inputs.Source | None) -> int:
    """What tells one source from another while both live."""
    return id(source.values if isinstance(source, inputs.Arrays) else source)


def parts(whole: int, size: int) -> int:
    """How many parts of a size make up a whole."""
    return -(-whole // size)
