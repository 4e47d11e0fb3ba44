"""Predictions: the groups of a batch go forward side by side, and their outputs are written to the places of their images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..arrays import Array
from ..backends.program import Program
from .batch import Staged, group_lanes
from .group import LaneGroup
from .lots import lots
from .runner import Runner, Stages, identity, parts
from .source import Source


class Predictor(Runner):
    """A runner that also tells the outputs for images."""

    _most_alone: int | None = None  # found at the first batch: no later one walks through the program for it

    def predict(self, sources: Sequence[Source], chosen: Array, step: int) -> list[Array]:
        """Each output for the chosen images."""
        if self._is_single(chosen):
            return self._single.predict(sources, chosen, step)
        self._fill(chosen, step)
        if not self._ys:
            places = len(self._batch.index)
            self._ys = [np.empty((places, *y.plan.out_shape), self._context.dtype) for y in self._context.outputs]
        lanes = self._predicting_lanes(len(chosen))
        origins = self._take("in", sources, chosen)
        groups, read = parts(len(chosen), lanes), [each.source for each in origins.values()]
        key = (*map(identity, read), groups, lanes)
        self._run(key, lambda: self._predicting(origins, groups, lanes), read)
        ys = [y[: len(chosen)] for y in self._ys]
        if self._memory is not None:
            self._memory.to_host(*ys)
        return [y.copy() for y in ys]

    def _predicting_lanes(self, images: int) -> int:
        """How many lanes a group has: one where so many images take less time image by image."""
        lanes, lowering = group_lanes(self._memory, images, self._context.lanes), self._context.backend.lowering
        if self._memory is not None or lowering is None or self._context.measures(train=False):
            return lanes
        if self._most_alone is None:
            self._most_alone = lowering.most_alone(self.group(0, False, 1).forward)
        return 1 if images <= self._most_alone else lanes

    def _predicting(self, origins: Mapping[int, Staged], groups: int, lanes: int) -> Stages:
        """What each thread does for a batch whose outputs are wanted."""

        def predicting(group: LaneGroup, number: int | None = None) -> list[Program]:
            ends = [group.unpack(y, out) for y, out in zip(group.ys, self._ys, strict=True)]
            return [*self._loads(group, origins, number), group.forward, *ends]

        if self._meets(False, lanes, groups):
            every = lots(groups, None, max(self._slots.count, self._executor.threads))  # whose order nothing depends on
            numbered = self._phased.phases(False, lanes, groups, every, None, lambda number, group: predicting(group, number))
            return self._stages_of(numbered)
        usable_threads = min(self._executor.threads, groups)
        tasks = []
        for thread in range(usable_threads):
            group = self.group(thread, False, lanes)
            tasks.append(group.task(predicting(group), thread, groups, usable_threads))
        return self._stages_of([tasks])
