"""A whole batch at once, every activation kept: for looking, for checking, and for gradients of one's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ..arrays import Array
from ..backends.executor import Executor
from ..backends.meeting import Barrier, cut
from ..backends.program import Program
from ..backends.scratch import Scratch
from . import inputs
from .accumulate import GradientSlots
from .batch import CAPACITY, Batch, group_lanes
from .bind import PlacedLayer
from .context import Context
from .device_staging import staging
from .group import LaneGroup
from .phases import check_images
from .prepare import Preparation
from .shared import rows_of
from .source import Source


class Trace:
    """One group, with an arena of its own, for every 16 images of the last forward pass (as many as a GPU takes at once).

    Args:
        context: what groups have in common.
        executor: who runs programs, one at a time.
        preparation: refreshes what is derived from the parameters.
        slots: where gradients are added.
    """

    def __init__(self, context: Context, executor: Executor, preparation: Preparation, slots: GradientSlots) -> None:
        self._context, self._executor, self._preparation, self._slots = context, executor, preparation, slots
        self._memory = context.backend.memory
        self._batch = Batch(CAPACITY, context.dtype, self._memory, len(context.outputs))
        self._scratch = [Scratch() for _ in range(executor.threads)]
        self._staging = staging(self._memory)
        self.groups: list[LaneGroup] = []

    @property
    def images(self) -> int:
        """How many images the last forward pass had."""
        return int(self._batch.count[0])

    def forward(self, sources: Sequence[Source], chosen: Array, step: int, train: bool) -> Array:
        """The network's first output for the chosen images, in training or not."""
        if train:
            check_images([placed for placed in self._context.layers if not placed.frozen], len(chosen))
        if len(chosen) > len(self._batch.index):
            self.groups = []
            self._batch = Batch(2 * len(chosen), self._context.dtype, self._memory, len(self._context.outputs))
        self._batch.fill(chosen, step)
        context = replace(self._context, lanes=group_lanes(self._memory, len(chosen), self._context.lanes))
        fitting = [group for group in self.groups if group.context.lanes == context.lanes and group.train == train]
        needed = range(-(-len(chosen) // context.lanes))
        rows = None
        if context.measures(train) and len(fitting) != len(needed):
            fitting, rows = [], rows_of(context.layers, context.dtype, len(needed))
        self.groups = [*fitting[: len(needed)], *(self._group(context, train, rows, i) for i in needed[len(fitting) :])]
        origins = [self._staging.stage(f"in{n}", source, chosen) for n, source in enumerate(sources)]
        y = np.empty((len(chosen), *self._context.out_shape), self._context.dtype)
        (self._preparation.whole + self._preparation.derived.refresh(group.forward for group in self.groups)).run()
        loads = [[g.load_input(n, each.source, each.in_order) for n, each in enumerate(origins)] for g in self.groups]
        pairs = zip(loads, self.groups, strict=True)
        self._run([[g.choose(self._batch), *load, g.forward, g.unpack(g.y, y)] for load, g in pairs])
        self._to_host(y)
        return y

    def _group(self, context: Context, train: bool, rows: Mapping[str, Array] | None, number: int) -> LaneGroup:
        """A new group; those of one slot, and of one thread's slots, may share their scratch."""
        scratch = self._scratch[number % self._slots.count % self._executor.threads]
        return LaneGroup(context, train, keep=True, scratch=scratch, rows=rows, number=number)

    def _run(self, programs: Sequence[Sequence[Program]]) -> None:
        """Run the programs of each group, one group after another; all come to a barrier before any goes on."""
        pieces = [cut(Program(call for each in own for call in each.calls), Barrier) for own in programs]
        merges = [barrier.merge(len(self.groups)) for barrier in pieces[0][1]]
        for number in range(len(pieces[0][0])):
            for i, group in enumerate(self.groups):
                self._executor.run([group.task([pieces[i][0][number]], i, i + 1, 1)])
            if number < len(merges):
                merges[number].run()

    def backward(self, dys: Sequence[inputs.Arrays], input_grad: bool) -> list[Array]:
        """dE/dx of each input where they are wanted, and the gradients of the parameters added up."""
        origins = [self._staging.stage(f"dy{n}", dy, np.arange(self.images)) for n, dy in enumerate(dys)]
        shapes = self._context.in_shapes if input_grad else []
        dxs = [np.empty((self.images, *shape), self._context.dtype) for shape in shapes]
        slots = self._slots.take(len(self.groups))
        for slot in slots:
            slot.reset.run()
        passes = [group.backward(slots[i % self._slots.count], input_grad) for i, group in enumerate(self.groups)]
        self._preparation.derived.refresh(passes).run()
        ends = [[g.unpack(own, dx) for own, dx in zip(g.dxs, dxs, strict=False)] for g in self.groups]
        loads = [[g.load(each.source, g.end("dy", n), in_order=True) for n, each in enumerate(origins)] for g in self.groups]
        self._run([[*load, back, *end] for load, back, end in zip(loads, passes, ends, strict=True)])
        self._executor.run(self._slots.sums(len(self.groups), threads=1))
        self._to_host(*dxs)
        return dxs

    def activation(self, placed: PlacedLayer) -> Array:
        """The output of a layer in the last forward pass."""
        out = np.empty((self.images, *placed.plan.out_shape), self._context.dtype)
        for i, group in enumerate(self.groups):
            self._executor.run([group.task([group.unpack(group.output(placed.index), out)], i, i + 1, 1)])
        self._to_host(out)
        return out

    def _to_host(self, *arrays: Array) -> None:
        if self._memory is not None:
            self._memory.to_host(*arrays)
