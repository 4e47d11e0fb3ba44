"""Running batches depth first: every group of lanes goes through the whole network while it is in cache."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from . import door
from .arrays import Array
from .batch import Batch
from .group import Group, Setting
from .losses import Loss
from .memory import aligned
from .parallel import Team
from .program import Job, Program
from .slots import SLOTS, Slot, Slots

CAPACITY = 256
"""Room for the images of a batch at first; it grows as it must."""


@dataclass(frozen=True)
class Score:
    """What a batch came to.

    Attributes:
        loss: mean over the images.
        correct: images whose largest output is their class; 0 where the target is not class numbers.
        images: how many images there were.
    """

    loss: float
    correct: int
    images: int

    @property
    def accuracy(self) -> float:
        """Share of the images that were recognised."""
        return self.correct / self.images


@dataclass(frozen=True)
class Targets:
    """What a batch should come to: class numbers of its images, or vectors for all images of the source."""

    labels: Array | None = None
    vectors: door.Arrays | None = None


ONCE = (0, 1, 1)
"""The span of what is done once, whatever the group."""

KEPT = 8
"""How many kinds of batch are remembered with their jobs."""


class Runner:
    """The groups of a network's threads, and the two ways to send a batch through them.

    Args:
        setting: what groups have in common.
        team: the threads.
        prepare: refreshes what is derived from the parameters.
        slots: where gradients are added.
    """

    def __init__(self, setting: Setting, team: Team, prepare: Program, slots: Slots) -> None:
        self._setting, self._team, self._slots = setting, team, slots
        self._prepare = [Job([([prepare], ONCE)], np.zeros(1, np.int64))]
        self._groups: dict[tuple[int, bool], Group] = {}
        self._jobs: dict[Any, tuple[list[Any], list[Job]]] = {}
        self._rooms: dict[str, door.Arrays] = {}
        self._batch = Batch(CAPACITY, setting.dtype)

    def group(self, member: int, train: bool) -> Group:
        """A thread's group for training or inference."""
        if (member, train) not in self._groups:
            self._groups[member, train] = Group(self._setting, train)
        return self._groups[member, train]

    def score(self, loss: Loss, source: door.Source, targets: Targets, chosen: Array, step: int, train: bool) -> Score:
        """The loss of the chosen images, with gradients added up in training."""
        self._fill(chosen, targets.labels, step)
        groups, source = self._count(chosen), self._own("in", source)
        vectors = None if targets.vectors is None else self._own("target", targets.vectors)
        slots = self._slots.take(groups)
        self._team.run(self._prepare)
        self._team.run(self._kept(loss, source, vectors, targets.labels is not None, groups, train, slots))
        if train and len(slots) > 1:
            self._team.run(self._slots.sums(groups, self._team.threads))
        value = sum(float(slot.value[0]) for slot in slots)
        return Score(value, sum(int(slot.hits[0]) for slot in slots), len(chosen))

    def _kept(self, loss: Loss, source: door.Source, vectors: Any, labelled: bool, groups: int, train: bool, slots: list[Slot]) -> list[Job]:
        """The jobs for such a batch, recorded when the first one comes; the last few kinds are remembered."""
        origins = [given.values if isinstance(given, door.Arrays) else given for given in (source, vectors)]
        key = (loss, *map(id, origins), labelled, groups, train)
        if key not in self._jobs:
            if len(self._jobs) >= KEPT:
                del self._jobs[next(iter(self._jobs))]
            self._jobs[key] = origins, self._record(loss, source, vectors, labelled, groups, train, slots)
        return self._jobs[key][1]

    def _record(
        self, loss: Loss, source: door.Source, vectors: Any, labelled: bool, groups: int, train: bool, slots: list[Slot]
    ) -> list[Job]:
        """What each thread does for such a batch: one slot's groups after another's."""
        jobs = []
        for member in range(min(self._team.threads, len(slots))):
            group, parts = self.group(member, train), []
            for number in range(member, len(slots), self._team.threads):
                slot = slots[number]
                programs = [group.choose(self._batch), group.load(source, "in")]
                programs += [] if vectors is None else [group.load(vectors, "target")]
                programs += [group.forward, group.loss(loss, slot, self._batch.scale, labelled)]
                programs += [group.backward(slot, input_grad=False)] if train else []
                parts += [([slot.reset], ONCE)] if train else []
                parts += [(programs, (number, groups, SLOTS))]
            jobs.append(group.work(parts))
        return jobs

    def _own(self, which: str, source: door.Source) -> door.Source:
        """The source, or for a small array a copy in memory of the runner's own, so that jobs need not be recorded anew."""
        if not isinstance(source, door.Arrays) or len(source.values) > CAPACITY:
            return source
        values = source.values
        if which not in self._rooms:
            size = CAPACITY * values[0].nbytes
            self._rooms[which] = door.Arrays(aligned(size).view(values.dtype).reshape(CAPACITY, *values.shape[1:]))
        self._rooms[which].values[: len(values)] = values
        return self._rooms[which]

    def predict(self, source: door.Source, chosen: Array, step: int) -> Array:
        """The outputs for the chosen images."""
        y = np.empty((len(chosen), *self._setting.out_shape), self._setting.dtype)
        self._fill(chosen, None, step)
        groups = self._count(chosen)
        members = min(self._team.threads, groups)
        jobs = []
        for member in range(members):
            group = self.group(member, train=False)
            programs = [group.choose(self._batch), group.load(source, "in"), group.forward, group.unpack(group.y, y)]
            jobs.append(group.job(programs, member, groups, members))
        self._team.run(self._prepare)
        self._team.run(jobs)
        return y

    def _count(self, chosen: Array) -> int:
        return -(-len(chosen) // self._setting.lanes)

    def _fill(self, chosen: Array, labels: Array | None, step: int) -> None:
        """Fill the batch; groups and jobs are made anew where it has to grow, as their programs read the old one."""
        if len(chosen) > len(self._batch.index):
            self._batch = Batch(2 * len(chosen), self._setting.dtype)
            self._groups.clear()
            self._jobs.clear()
        self._batch.fill(chosen, labels, step)
