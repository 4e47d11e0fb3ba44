"""Batches of one image: a group with a single lane, whose kernels lay vectors over pixels, and nobody to share it with."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace

import numpy as np

from ..arrays import Array
from ..backends.executor import Executor
from ..backends.program import Program, Task
from .accumulate import GradientSlots
from .batch import DeviceStaging, HostStaging
from .group import Context, LaneGroup
from .inputs import Arrays, Source, Targets
from .prepare import Preparation

KEPT = 8
"""How many kinds of batch are remembered with their tasks."""


class Lane:
    """A group of one image, and its two ends without the axis of lanes.

    Attributes:
        group: the group.
        x: the input of the network.
        target: what the output should be.
        marks: a class number for each place of the output.
        y: the output, as a batch of one.
        index: int64[1], which image of a source to fetch.
        label: int64[1], its class.
        step: uint64[layers], the training step, for random numbers.
    """

    def __init__(self, context: Context, train: bool) -> None:
        group = self.group = LaneGroup(context, train)
        self.x, self.target = group["in"].reshape(context.in_shapes[0]), group["target"].reshape(context.out_shape)
        self.marks = group["marks"].reshape(context.out_shape[1:])
        self.y = group.y.reshape(1, *context.out_shape)
        self.index, self.label, self.step = group["index"], group["labels"], group["rng"][:, 1]
        self._entered = int(self.step[0])
        group["lanes"][0] = 1
        for name in ("place", "index", "labels"):
            group[name][0] = 0
        group["rng"][:, 3] = 0

    def enter(self, source: Source, image: int, step: int) -> None:
        """Copy an image of an array, or tell the source's own kernels which one to fetch; and say which step it is."""
        if step != self._entered:
            self.step.fill(step)
            self._entered = step
        if isinstance(source, Arrays):
            self.x[...] = source.values[image]
        else:
            self.index[0] = image


class Single:
    """The two groups for one image, for training and for inference, made when they are first needed.

    Sums run in another order than in a group with more lanes, so results differ from those in a larger batch by rounding.

    Args:
        context: what groups have in common.
        executor: runs tasks.
        preparation: refreshes what is derived from the parameters.
        slots: where gradients are added.
        stage: says where to read a source.
    """

    def __init__(
        self,
        context: Context,
        executor: Executor,
        preparation: Preparation,
        slots: GradientSlots,
        stage: HostStaging | DeviceStaging,
    ) -> None:
        self._context, self._executor, self._preparation, self._slots = replace(context, lanes=1), executor, preparation, slots
        self._staging = stage
        self._lanes: dict[bool, Lane] = {}
        self._total: float | None = None
        self._tasks: dict[Hashable, tuple[Source, Task]] = {}
        self._scale = np.ones(1, context.dtype)

    def predict(self, source: Source, chosen: Array, step: int) -> Array:
        """The output (1, …) for the chosen image of a source."""
        source, image = self._found(source, chosen)
        lane, key = self._lane(train=False), _origin(source)
        if key not in self._tasks:
            self._keep(key, source, lane.group, [*_loads(lane.group, source), lane.group.forward])
        lane.enter(source, image, step)
        self._executor.run_alone(self._tasks[key][1])
        return lane.y.copy()

    def score(
        self,
        told: Hashable,
        source: Source,
        chosen: Array,
        targets: Targets,
        step: int,
        train: bool,
    ) -> tuple[float, int]:
        """The loss of the chosen image and whether it, or how much of it, was recognised, with gradients added up in training.

        ``told`` tells the loss from others.
        """
        labels, vectors = targets.labels, targets.vectors
        label = None if labels is None else labels[0]
        source, image = self._found(source, chosen)
        lane, slot, key = self._lane(train), self._slots.take(1)[0], (told, _origin(source), targets.kind, train)
        if key not in self._tasks:
            group = lane.group
            programs = [*_loads(group, source), group.forward, group.loss(targets.loss, slot, self._scale, targets.kind)]
            programs += [group.backward(slot, input_grad=False, fresh=True)] if train else []
            self._keep(key, source, group, programs)
        lane.enter(source, image, step)
        if label is not None:
            lane.label[0] = label
        elif vectors is not None:
            (lane.target if targets.into == "target" else lane.marks)[...] = vectors.values[chosen[0]]
        if targets.total != self._total:
            self._total = targets.total
            self._scale[0] = 1 / (1 if self._total is None else self._total)
        self._executor.run_alone(self._tasks[key][1])
        return self._slots.tally(1)

    def _found(self, source: Source, chosen: Array) -> tuple[Source, int]:
        """Where to read the chosen image: of an array it is copied from where it is, any other source is read by kernels."""
        if isinstance(source, Arrays):
            return source, chosen[0]
        taken = self._staging.take("in", source, chosen)
        return taken.source, 0 if taken.in_order else chosen[0]

    def _lane(self, train: bool) -> Lane:
        if train not in self._lanes:
            self._lanes[train] = Lane(self._context, train)
        return self._lanes[train]

    def _keep(self, key: Hashable, source: Source, group: LaneGroup, programs: list[Program]) -> None:
        """Remember a kind of batch, and forget the oldest."""
        if len(self._tasks) >= KEPT:
            del self._tasks[next(iter(self._tasks))]
        programs = [program.alone() for program in programs]
        task = group.task([self._preparation.of(programs), *programs], 0, 1, 1)
        self._tasks[key] = ARRAYS if isinstance(source, Arrays) else source, task


ARRAYS = Arrays(np.empty(0))
"""Stands for any array where a source is remembered: its image was copied, so the array itself is not needed."""


def _origin(source: Source) -> int:
    """What tells kinds of batch apart: arrays are all alike, another source is itself."""
    return 0 if isinstance(source, Arrays) else id(source)


def _loads(group: LaneGroup, source: Source) -> list[Program]:
    """The kernels of a source that is no array."""
    return [] if isinstance(source, Arrays) else [group.load(source, "in")]
