"""Running batches depth first: every group of lanes goes through the whole network while it is in cache."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
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
from .single import Single
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

ROOM = 8 << 20
"""Arrays of up to so many bytes are copied, so that a new one for every batch costs no new recording."""

KEPT = 4
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
        self._jobs: dict[Any, tuple[list[Job], Any]] = {}
        self._rooms: dict[str, door.Arrays] = {}
        self._single = Single(setting, team, prepare, slots)
        self._make_room(CAPACITY)

    def group(self, member: int, train: bool) -> Group:
        """A thread's group for training or inference."""
        if (member, train) not in self._groups:
            self._groups[member, train] = Group(self._setting, train)
        return self._groups[member, train]

    def score(self, loss: Loss, source: door.Source, targets: Targets, chosen: Array, step: int, train: bool) -> Score:
        """The loss of the chosen images, with gradients added up in training."""
        if len(chosen) == 1:
            label = None if targets.labels is None else targets.labels[0]
            return Score(*self._single.score(loss, source, chosen[0], label, targets.vectors, step, train), images=1)
        self._fill(chosen, targets.labels, step)
        groups, source = self._count(chosen), self._own("in", source)
        vectors = None if targets.vectors is None else self._own("target", targets.vectors)
        slots, labelled = self._slots.take(groups), targets.labels is not None
        key = (loss, identity(source), identity(vectors), labelled, groups, train)
        self._run(key, lambda: self._scoring(loss, source, vectors, labelled, groups, slots, train), (source, vectors))
        if train and len(slots) > 1:
            self._team.run(self._slots.sums(groups, self._team.threads))
        value = sum(float(slot.value[0]) for slot in slots)
        return Score(value, sum(int(slot.hits[0]) for slot in slots), len(chosen))

    def _scoring(
        self, loss: Loss, source: door.Source, vectors: Any, labelled: bool, groups: int, slots: list[Slot], train: bool
    ) -> list[Job]:
        """What each thread does for a batch that is scored: one slot's groups after another's."""
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

    def predict(self, source: door.Source, chosen: Array, step: int) -> Array:
        """The outputs for the chosen images."""
        if len(chosen) == 1:
            return self._single.predict(source, chosen[0])
        self._fill(chosen, None, step)
        groups, source = self._count(chosen), self._own("in", source)
        self._run((identity(source), groups), lambda: self._predicting(source, groups), (source,))
        return self._y[: len(chosen)].copy()

    def _predicting(self, source: door.Source, groups: int) -> list[Job]:
        """What each thread does for a batch whose outputs are wanted."""
        members = min(self._team.threads, groups)
        jobs = []
        for member in range(members):
            group = self.group(member, train=False)
            programs = [group.choose(self._batch), group.load(source, "in"), group.forward, group.unpack(group.y, self._y)]
            jobs.append(group.job(programs, member, groups, members))
        return jobs

    def _run(self, key: Any, record: Callable[[], list[Job]], origins: Any) -> None:
        """Run the jobs for a kind of batch, recorded when the first one comes; the last few kinds are remembered."""
        if key not in self._jobs:
            if len(self._jobs) >= KEPT:
                del self._jobs[next(iter(self._jobs))]
            self._jobs[key] = record(), origins  # which live as long as what is known by their identity
        self._team.run(self._prepare)
        self._team.run(self._jobs[key][0])

    def _own(self, which: str, source: door.Source) -> door.Source:
        """The source, or for a small array a copy in memory of the runner's own, so that jobs need not be recorded anew."""
        if not isinstance(source, door.Arrays) or source.values.nbytes > ROOM:
            return source
        values = source.values
        if which not in self._rooms or len(self._rooms[which].values) < len(values):
            room = (max(CAPACITY, len(values)), *values.shape[1:])
            self._rooms[which] = door.Arrays(aligned(prod(room) * values.itemsize).view(values.dtype).reshape(room))
        self._rooms[which].values[: len(values)] = values
        return self._rooms[which]

    def _count(self, chosen: Array) -> int:
        return -(-len(chosen) // self._setting.lanes)

    def _fill(self, chosen: Array, labels: Array | None, step: int) -> None:
        """Fill the batch; what reads or writes the old one's memory is made anew where it has to grow."""
        if len(chosen) > len(self._batch.index):
            self._groups.clear()
            self._jobs.clear()
            self._make_room(2 * len(chosen))
        self._batch.fill(chosen, labels, step)

    def _make_room(self, images: int) -> None:
        setting = self._setting
        self._batch = Batch(images, setting.dtype)
        self._y = np.empty((images, *setting.out_shape), setting.dtype)


def identity(source: door.Source | None) -> int:
    """What tells one source from another while both live: an array is wrapped anew for every batch."""
    return id(source.values if isinstance(source, door.Arrays) else source)
