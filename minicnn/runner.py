"""Running batches depth first: every group of lanes goes through the whole network while it is in cache."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from . import door
from .arrays import Array
from .batch import Batch
from .group import Group, Setting, Slot
from .losses import Loss
from .memory import FlatVector
from .parallel import Team
from .program import Program

SLOTS = 8
"""Gradient slots: group i adds into slot i mod 8, so sums do not depend on the number of threads."""

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


class Slots:
    """The gradient slots; the first adds into the network's own gradients, the others are made when they are needed.

    Args:
        grads: the network's gradients.
    """

    def __init__(self, grads: FlatVector) -> None:
        self._all = [Slot(grads)]

    def take(self, groups: int, train: bool = True) -> list[Slot]:
        """The cleared slots for a batch of so many groups; gradients stay where there is no training."""
        grads = self._all[0].grads
        while len(self._all) < min(SLOTS, groups):
            self._all.append(Slot(FlatVector({n: v.shape for n, v in grads.items()}, grads.flat.dtype)))
        for slot in self._all[:groups]:
            slot.clear(grads=train)
        return self._all[:groups]

    def sum(self, backend: Any, groups: int) -> None:
        """Add the gradients of the slots, in order, into the network's."""
        for slot in self._all[1:groups]:
            backend.add(slot.grads.flat, self._all[0].grads.flat)


class Runner:
    """The groups of a network's threads, and the two ways to send a batch through them.

    Args:
        setting: what groups have in common.
        team: the threads.
        prepare: refreshes what is derived from the parameters.
        slots: where gradients are added.
    """

    def __init__(self, setting: Setting, team: Team, prepare: Program, slots: Slots) -> None:
        self._setting, self._team, self._prepare, self._slots = setting, team, prepare, slots
        self._groups: dict[tuple[int, bool], Group] = {}
        self._batch = Batch(CAPACITY, setting.dtype)

    def group(self, member: int, train: bool) -> Group:
        """A thread's group for training or inference."""
        if (member, train) not in self._groups:
            self._groups[member, train] = Group(self._setting, train)
        return self._groups[member, train]

    def score(self, loss: Loss, source: door.Source, targets: Targets, chosen: Array, step: int, train: bool) -> Score:
        """The loss of the chosen images, with gradients added up in training."""
        batch, groups = self._fill(chosen, targets.labels, step), self._count(chosen)
        slots, threads = self._slots.take(groups, train), self._team.threads
        self._prepare.run()
        for start in range(0, len(slots), threads):
            jobs = []
            for member, slot in enumerate(slots[start : start + threads]):
                group = self.group(member, train)
                programs = [group.choose(batch), group.load(source, "in")]
                programs += [] if targets.vectors is None else [group.load(targets.vectors, "target")]
                programs += [group.forward, group.loss(loss, slot, batch.scale, targets.labels is not None)]
                programs += [group.backward(slot, input_grad=False)] if train else []
                jobs.append(group.job(programs, start + member, groups, SLOTS))
            self._team.run(jobs)
        if train:
            self._slots.sum(self._setting.backend, groups)
        value = sum(float(slot.value[0]) for slot in slots)
        return Score(value, sum(int(slot.hits[0]) for slot in slots), len(chosen))

    def predict(self, source: door.Source, chosen: Array, step: int) -> Array:
        """The outputs for the chosen images."""
        y = np.empty((len(chosen), *self._setting.out_shape), self._setting.dtype)
        batch, groups = self._fill(chosen, None, step), self._count(chosen)
        members = min(self._team.threads, groups)
        self._prepare.run()
        jobs = []
        for member in range(members):
            group = self.group(member, train=False)
            programs = [group.choose(batch), group.load(source, "in"), group.forward, group.unpack(group.y, y)]
            jobs.append(group.job(programs, member, groups, members))
        self._team.run(jobs)
        return y

    def _count(self, chosen: Array) -> int:
        return -(-len(chosen) // self._setting.lanes)

    def _fill(self, chosen: Array, labels: Array | None, step: int) -> Batch:
        """The batch, filled; groups are made anew where it had to grow, as their programs read the old one."""
        if len(chosen) > len(self._batch.index):
            self._batch = Batch(2 * len(chosen), self._setting.dtype)
            self._groups.clear()
        self._batch.fill(chosen, labels, step)
        return self._batch
