"""Running batches depth first: every group of lanes goes through the whole network while it is in cache."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from ..arrays import Array
from ..backends.executor import Team
from ..backends.program import Job, Program, Stages
from ..nn.losses import Loss, is_value, told_apart
from . import inputs
from .accumulate import SLOTS, Slot, Slots
from .batch import CAPACITY, Batch, Taken, stage_of
from .group import Group, Setting
from .inputs import Targets
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


ONCE = (0, 1, 1)
"""The span of what is done once, whatever the group."""

KEPT = 4
"""How many kinds of batch are remembered with their jobs."""


class Kind(NamedTuple):
    """What jobs for a batch depend on, beside where they read it.

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
        setting: what groups have in common.
        team: the threads.
        prepare: refreshes what is derived from the parameters.
        slots: where gradients are added.
    """

    def __init__(self, setting: Setting, team: Team, prepare: Program, slots: Slots) -> None:
        self._setting, self._team, self._slots, self._backend = setting, team, slots, setting.backend
        self._prepare = Job([([prepare], ONCE)], np.zeros(1, np.int64))
        self._groups: dict[tuple[int, bool, int], Group] = {}
        self._stages: dict[Any, tuple[Stages, Any]] = {}
        self._stage = stage_of(self._backend)
        self._single = Single(setting, team, prepare, slots, self._stage)
        self._loss: tuple[Loss | None, Hashable] = (None, None)
        self._make_room(CAPACITY)

    def group(self, member: int, train: bool, lanes: int) -> Group:
        """A thread's group for training or inference."""
        key = (member, train, lanes)
        if key not in self._groups:
            if len(self._groups) >= 2 * KEPT * self._team.threads:
                self._groups.clear()
                self._stages.clear()
            self._groups[key] = Group(replace(self._setting, lanes=lanes), train)
        return self._groups[key]

    def score(
        self, loss: Loss, source: inputs.Source, targets: Targets, chosen: Array, step: int, train: bool, then: Array | None
    ) -> Score:
        """The loss of the chosen images, with gradients added up in training; those of ``then`` come next."""
        told = self._told(loss)
        if self._alone(chosen):
            label = None if targets.labels is None else targets.labels[0]
            return Score(*self._single.score(loss, told, source, chosen, label, targets.vectors, step, train), images=1)
        self._fill(chosen, targets.labels, step)
        lanes = self._backend.group_lanes(len(chosen), self._setting.lanes)
        origin = self._stage.take("in", source, chosen)
        vectors = None if targets.vectors is None else self._stage.take("target", targets.vectors, chosen)
        kind = Kind(told, targets.labels is not None, parts(len(chosen), lanes), lanes, train)
        slots = self._slots.take(kind.groups)
        sources = origin.source, None if vectors is None else vectors.source
        self._run((kind, *map(identity, sources)), lambda: self._scoring(kind, loss, origin, vectors, slots), sources)
        if then is not None:
            self._stage.ahead("in", source, then)
        return Score(*self._slots.tally(len(slots)), len(chosen))

    def _told(self, loss: Loss) -> Hashable:
        """What tells a loss from others; that of the last one is remembered, where nothing about it can change."""
        if self._loss[0] is not loss:
            told = told_apart(loss)
            self._loss = (loss, told) if is_value(loss) else (None, told)
        return self._loss[1]

    def _scoring(self, kind: Kind, loss: Loss, origin: Taken, vectors: Taken | None, slots: list[Slot]) -> Stages:
        """What each thread does for a batch that is scored: one slot's groups after another's, then a part of the sums."""
        jobs = []
        for member in range(min(self._team.threads, len(slots))):
            group, parts = self.group(member, kind.train, kind.lanes), []
            for number in range(member, len(slots), self._team.threads):
                slot = slots[number]
                programs = [group.choose(self._batch), group.load(origin.source, "in", origin.in_order)]
                programs += [] if vectors is None else [group.load(vectors.source, "target", vectors.in_order)]
                programs += [group.forward, group.loss(loss, slot, self._batch.scale, kind.labelled)]
                first = number
                if kind.train:
                    parts.append(([*programs, group.backward(slot, False, fresh=True)], (number, number + 1, 1)))
                    first = number + SLOTS
                if first < kind.groups:
                    programs += [group.backward(slot, False)] if kind.train else []
                    parts.append((programs, (first, kind.groups, SLOTS)))
            jobs.append(group.work(parts))
        sums = self._slots.sums(kind.groups, self._team.threads) if kind.train and len(slots) > 1 else []
        return self._stages_of(jobs, sums)

    def predict(self, source: inputs.Source, chosen: Array, step: int) -> Array:
        """The outputs for the chosen images."""
        if self._alone(chosen):
            return self._single.predict(source, chosen, step)
        self._fill(chosen, None, step)
        lanes = self._backend.group_lanes(len(chosen), self._setting.lanes)
        origin = self._stage.take("in", source, chosen)
        groups = parts(len(chosen), lanes)
        key = (identity(origin.source), groups, lanes)
        self._run(key, lambda: self._predicting(origin, groups, lanes), origin.source)
        y = self._y[: len(chosen)]
        self._backend.to_host(y)
        return y.copy()

    def _predicting(self, origin: Taken, groups: int, lanes: int) -> Stages:
        """What each thread does for a batch whose outputs are wanted."""
        members = min(self._team.threads, groups)
        jobs = []
        for member in range(members):
            group = self.group(member, False, lanes)
            programs = [group.choose(self._batch), group.load(origin.source, "in", origin.in_order)]
            programs += [group.forward, group.unpack(group.y, self._y)]
            jobs.append(group.job(programs, member, groups, members))
        return self._stages_of(jobs)

    def _stages_of(self, jobs: list[Job], sums: Sequence[Job] = ()) -> Stages:
        """What is derived from the parameters, the jobs, and the sums."""
        return Stages([[self._prepare], jobs, *([sums] if sums else [])])

    def _alone(self, chosen: Array) -> bool:
        """Whether the batch is one image, on a backend that has kernels for that."""
        return len(chosen) == 1 and not self._backend.AWAY

    def _run(self, key: Any, record: Callable[[], Stages], origins: Any) -> None:
        """Run the stages for a kind of batch, recorded when the first one comes; the last few kinds are remembered."""
        if key not in self._stages:
            if len(self._stages) >= KEPT:
                del self._stages[next(iter(self._stages))]
            self._stages[key] = record(), origins  # which live as long as what is known by their identity
        self._team.run_stages(self._stages[key][0])

    def _fill(self, chosen: Array, labels: Array | None, step: int) -> None:
        """Fill the batch; what reads or writes the old one's memory is made anew where it has to grow."""
        if len(chosen) > len(self._batch.index):
            self._groups.clear()
            self._stages.clear()
            self._make_room(2 * len(chosen))
        self._backend.to_device(*self._batch.fill(chosen, labels, step))

    def _make_room(self, images: int) -> None:
        setting = self._setting
        self._y = np.empty((images, *setting.out_shape), setting.dtype)
        self._batch = Batch(images, setting.dtype, self._backend.pinned)  # the last: its size says that there is room


def identity(source: inputs.Source | None) -> int:
    """What tells one source from another while both live."""
    return id(source.values if isinstance(source, inputs.Arrays) else source)


def parts(whole: int, size: int) -> int:
    """How many parts of a size make up a whole."""
    return -(-whole // size)
