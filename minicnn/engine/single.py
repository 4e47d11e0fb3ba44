"""Batches of one image: a group with a single lane, whose kernels lay vectors over pixels."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace

import numpy as np

from ..arrays import Array
from ..backends.executor import Executor
from ..backends.meeting import as_one_group
from ..backends.program import Program, Schedule, Task
from .accumulate import GradientSlots
from .batch import HostStaging, Staged
from .context import Context
from .device_staging import DeviceStaging
from .group import LaneGroup
from .inputs import Arrays, Targets, kinds_of
from .prepare import Preparation, Prepared
from .source import Source

KEPT = 8
"""How many kinds of batch are remembered with their tasks."""


Origin = Arrays | Staged
"""Where to read the chosen image: an array, from which it is copied, or another source, which its kernels read."""


class Lane:
    """A group of one image, and its ends without the axis of lanes.

    Attributes:
        group: the group.
        xs: the inputs of the network.
        targets: for each output what it should be: a target, and class numbers for each place of it.
        ys: the outputs, as a batch of one.
        index: int64[1], which image of a source to fetch.
        labels: for each output int64[1], its class.
        step: uint64[layers], the training step, for random numbers.
    """

    def __init__(self, context: Context, train: bool) -> None:
        group = self.group = LaneGroup(context, train)
        self.xs = [x.reshape(shape) for x, shape in zip(group.xs, context.in_shapes, strict=True)]
        self.targets, self.ys, self.labels = [], [], []
        for number, placed in enumerate(context.outputs):
            shape = placed.plan.out_shape
            target, class_map = group.end("target", number).reshape(shape), group.end("class_map", number).reshape(shape[1:])
            self.targets.append({"target": target, "class_map": class_map})
            self.ys.append(group.ys[number].reshape(1, *shape))
            self.labels.append(group.end("labels", number))
            self.labels[-1][0] = 0
        self.index, self.step = group["index"], group["rng"][:, 1]
        self._entered = int(self.step[0])
        group["lanes"][0] = 1
        for name in ("place", "index"):
            group[name][0] = 0
        group["rng"][:, 3] = 0

    def enter(self, origins: Sequence[Origin], image: int, step: int) -> None:
        """Copy an image of an array, or tell a source's own kernels which one to fetch; and say which step it is."""
        if step != self._entered:
            self.step.fill(step)
            self._entered = step
        for x, origin in zip(self.xs, origins):  # noqa: B905 - as many, and this is on the way of every image
            if isinstance(origin, Arrays):
                x[...] = origin.values[image]
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
        staging: says where to read a source.
    """

    def __init__(
        self,
        context: Context,
        executor: Executor,
        preparation: Preparation,
        slots: GradientSlots,
        staging: HostStaging | DeviceStaging,
    ) -> None:
        self._context, self._executor, self._preparation, self._slots = replace(context, lanes=1), executor, preparation, slots
        self._staging, self._names = staging, [f"in{number}" for number in range(len(context.in_shapes))]
        self._lanes: dict[bool, Lane] = {}
        self._tasks: dict[Hashable, tuple[list[Source], Prepared[Task]]] = {}
        self._scales = [np.ones(1, context.dtype) for _ in context.outputs]
        self._scaled = [1.0 for _ in context.outputs]

    def predict(self, sources: Sequence[Source], chosen: Array, step: int) -> list[Array]:
        """Each output (1, …) for the chosen image."""
        origins, key = self._origins(sources, chosen)
        lane = self._lane(train=False)
        if key not in self._tasks:
            self._keep(key, origins, lane.group, [*_loads(lane.group, origins), lane.group.forward])
        lane.enter(origins, chosen.item(), step)
        self._run(key)
        return [y.copy() for y in lane.ys]

    def score(
        self,
        losses: Hashable,
        sources: Sequence[Source],
        chosen: Array,
        targets: Sequence[Targets],
        step: int,
        train: bool,
    ) -> list[tuple[float, int]]:
        """For each output the loss of the chosen image and whether it, or how much of it, was recognised; gradients are added.

        ``losses`` tells the losses from others.
        """
        origins, read = self._origins(sources, chosen)
        lane, slot, key = self._lane(train), self._slots.take(1)[0], (losses, read, kinds_of(targets), train)
        if key not in self._tasks:
            group = lane.group
            programs = [*_loads(group, origins), group.forward]
            for output, (target, scale) in enumerate(zip(targets, self._scales, strict=True)):
                programs.append(group.loss(target.loss, slot, scale, target.kind, output))
            programs += [group.backward(slot, input_grad=False, fresh=True)] if train else []
            self._keep(key, origins, group, programs)
        image = chosen.item()
        lane.enter(origins, image, step)
        for output, target in enumerate(targets):
            if target.labels is not None:
                lane.labels[output][0] = target.labels[0]
            elif isinstance(target.vectors, Arrays):
                lane.targets[output][target.into][...] = target.vectors.values[image]
            factor = target.scale(1)
            if factor != self._scaled[output]:
                self._scaled[output] = factor
                self._scales[output][0] = factor
        self._run(key)
        return self._slots.tally(1)

    def _origins(self, sources: Sequence[Source], chosen: Array) -> tuple[Sequence[Origin], Hashable]:
        """Where to read the chosen image for each input, and what tells kinds of batch apart: arrays are all alike."""
        origins: list[Origin] = []
        read: list[int] = []
        for name, source in zip(self._names, sources):  # noqa: B905 - as many, and this is on the way of every image
            origin = source if isinstance(source, Arrays) else self._staging.stage(name, source, chosen)
            origins.append(origin)
            read.append(0 if isinstance(origin, Arrays) else id(origin.source))
        return origins, tuple(read)

    def _lane(self, train: bool) -> Lane:
        if train not in self._lanes:
            self._lanes[train] = Lane(self._context, train)
        return self._lanes[train]

    def _keep(self, key: Hashable, origins: Sequence[Origin], group: LaneGroup, programs: list[Program]) -> None:
        """Remember a kind of batch, and forget the oldest."""
        if len(self._tasks) >= KEPT:
            del self._tasks[next(iter(self._tasks))]
        programs = [as_one_group(program) for program in programs]
        whole, work = (group.task([*first, *programs], 0, 1, 1) for first in ([self._preparation.of(programs)], []))
        self._executor.compile_ahead([Schedule([[whole]])])
        self._tasks[key] = [origin.source for origin in origins if isinstance(origin, Staged)], Prepared(whole, work)

    def _run(self, key: Hashable) -> None:
        prepared, promise = self._tasks[key][1], self._preparation.promise
        self._executor.run_single(prepared.work if promise and promise == prepared.promise else prepared.whole)
        prepared.promise = promise


def _loads(group: LaneGroup, origins: Sequence[Origin]) -> list[Program]:
    """The kernels of sources that are no arrays."""
    loads = enumerate(origins)
    return [group.load_input(n, each.source, each.in_order) for n, each in loads if isinstance(each, Staged)]
