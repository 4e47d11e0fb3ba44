"""A whole batch at once, every activation kept: for looking, for checking, and for gradients of one's own."""

from __future__ import annotations

import numpy as np

from . import door
from .arrays import Array
from .batch import Batch
from .bind import Bound
from .group import Group, Setting
from .program import Program
from .runner import CAPACITY
from .slots import SLOTS, Slots


class Trace:
    """One group, with a workspace of its own, for every 16 images of the last forward pass.

    Args:
        setting: what groups have in common.
        prepare: refreshes what is derived from the parameters.
        slots: where gradients are added.
    """

    def __init__(self, setting: Setting, prepare: Program, slots: Slots) -> None:
        self._setting, self._prepare, self._slots = setting, prepare, slots
        self._batch = Batch(CAPACITY, setting.dtype)
        self.groups: list[Group] = []

    @property
    def images(self) -> int:
        """How many images the last forward pass had."""
        return int(self._batch.count[0])

    def forward(self, source: door.Source, chosen: Array, step: int) -> Array:
        """The outputs for the chosen images."""
        if len(chosen) > len(self._batch.index):
            self.groups, self._batch = [], Batch(2 * len(chosen), self._setting.dtype)
        self._batch.fill(chosen, None, step)
        needed = range(-(-len(chosen) // self._setting.lanes))
        self.groups = [
            *self.groups[: len(needed)],
            *(Group(self._setting, train=True, keep=True) for _ in needed[len(self.groups) :]),
        ]
        y = np.empty((len(chosen), *self._setting.out_shape), self._setting.dtype)
        self._prepare.run()
        for i, group in enumerate(self.groups):
            programs = [group.choose(self._batch), group.load(source, "in"), group.forward, group.unpack(group.y, y)]
            group.job(programs, i, i + 1, 1).run()
        return y

    def backward(self, dy: Array, input_grad: bool) -> Array | None:
        """dE/dx where it is wanted, and the gradients of the parameters added up."""
        source = door.Arrays(dy)
        dx = np.empty((len(dy), *self._setting.in_shape), self._setting.dtype) if input_grad else None
        slots = self._slots.take(len(self.groups))
        for slot in slots:
            slot.reset.run()
        for i, group in enumerate(self.groups):
            programs = [group.load(source, "dy", in_order=True), group.backward(slots[i % SLOTS], input_grad)]
            programs += [] if dx is None else [group.unpack(group.dx, dx)]
            group.job(programs, i, i + 1, 1).run()
        for job in self._slots.sums(len(self.groups), threads=1):
            job.run()
        return dx

    def activation(self, bound: Bound) -> Array:
        """The output of a layer in the last forward pass."""
        out = np.empty((self.images, *bound.plan.out_shape), self._setting.dtype)
        for i, group in enumerate(self.groups):
            group.job([group.unpack(group.output(bound.index), out)], i, i + 1, 1).run()
        return out
