"""A whole batch at once, every activation kept: for looking, for checking, and for gradients of one's own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..arrays import Array
from ..backends.executor import Team
from ..backends.program import Program
from ..backends.scratch import Scratch
from . import inputs
from .accumulate import SLOTS, Slots
from .batch import CAPACITY, Batch, stage_of
from .bind import Bound
from .group import Group, Setting


class Trace:
    """One group, with a workspace of its own, for every 16 images of the last forward pass (as many as a GPU takes at once).

    Args:
        setting: what groups have in common.
        team: who runs programs, one at a time.
        prepare: refreshes what is derived from the parameters.
        slots: where gradients are added.
    """

    def __init__(self, setting: Setting, team: Team, prepare: Program, slots: Slots) -> None:
        self._setting, self._team, self._prepare, self._slots = setting, team, prepare, slots
        self._backend = setting.backend
        self._batch = Batch(CAPACITY, setting.dtype, self._backend.pinned)
        self._scratch = [Scratch() for _ in range(team.threads)]
        self._stage = stage_of(self._backend)
        self.groups: list[Group] = []

    @property
    def images(self) -> int:
        """How many images the last forward pass had."""
        return int(self._batch.count[0])

    def forward(self, source: inputs.Source, chosen: Array, step: int, train: bool) -> Array:
        """The outputs for the chosen images, in training or not."""
        if len(chosen) > len(self._batch.index):
            self.groups, self._batch = [], Batch(2 * len(chosen), self._setting.dtype, self._backend.pinned)
        self._backend.to_device(*self._batch.fill(chosen, None, step))
        setting = replace(self._setting, lanes=self._backend.group_lanes(len(chosen), self._setting.lanes))
        fitting = [group for group in self.groups if group.setting.lanes == setting.lanes and group.train == train]
        needed = range(-(-len(chosen) // setting.lanes))
        self.groups = [*fitting[: len(needed)], *(self._group(setting, train, i) for i in needed[len(fitting) :])]
        origin = self._stage.take("in", source, chosen)
        y = np.empty((len(chosen), *self._setting.out_shape), self._setting.dtype)
        self._prepare.run()
        for i, group in enumerate(self.groups):
            programs = [group.choose(self._batch), group.load(origin.source, "in", origin.in_order)]
            programs += [group.forward, group.unpack(group.y, y)]
            self._team.run([group.job(programs, i, i + 1, 1)])
        self._backend.to_host(y)
        return y

    def _group(self, setting: Setting, train: bool, number: int) -> Group:
        """A new group; those of one slot, and of one thread's slots, may share their scratch."""
        return Group(setting, train, keep=True, scratch=self._scratch[number % SLOTS % self._team.threads])

    def backward(self, dy: inputs.Arrays, input_grad: bool) -> Array | None:
        """dE/dx where it is wanted, and the gradients of the parameters added up."""
        origin = self._stage.take("dy", dy, np.arange(self.images))
        dx = np.empty((self.images, *self._setting.in_shape), self._setting.dtype) if input_grad else None
        slots = self._slots.take(len(self.groups))
        for slot in slots:
            slot.reset.run()
        for i, group in enumerate(self.groups):
            programs = [group.load(origin.source, "dy", in_order=True), group.backward(slots[i % SLOTS], input_grad)]
            programs += [] if dx is None else [group.unpack(group.dx, dx)]
            self._team.run([group.job(programs, i, i + 1, 1)])
        self._team.run(self._slots.sums(len(self.groups), threads=1))
        if dx is not None:
            self._backend.to_host(dx)
        return dx

    def activation(self, bound: Bound) -> Array:
        """The output of a layer in the last forward pass."""
        out = np.empty((self.images, *bound.plan.out_shape), self._setting.dtype)
        for i, group in enumerate(self.groups):
            self._team.run([group.job([group.unpack(group.output(bound.index), out)], i, i + 1, 1)])
        self._backend.to_host(out)
        return out
