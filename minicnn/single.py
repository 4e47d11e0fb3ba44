"""Batches of one image: a group with a single lane, whose kernels lay vectors over pixels, and nobody to share it with."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from .arrays import Array
from .door import Arrays, Source
from .group import Group, Setting
from .losses import Loss
from .parallel import Team
from .prepare import needed
from .program import Job, Program
from .slots import Slots

KEPT = 8
"""How many kinds of batch are remembered with their jobs."""


class Single:
    """The two groups for one image, for training and for inference, made when they are first needed.

    Sums run in another order than in a group with more lanes, so results differ from those in a larger batch by rounding.

    Args:
        setting: what groups have in common.
        team: who runs jobs.
        prepare: refreshes what is derived from the parameters.
        slots: where gradients are added.
    """

    def __init__(self, setting: Setting, team: Team, prepare: Program, slots: Slots) -> None:
        self._setting, self._team, self._prepare, self._slots = replace(setting, lanes=1), team, prepare, slots
        self._groups: dict[bool, Group] = {}
        self._jobs: dict[Any, tuple[Any, list[Job]]] = {}
        self._scale = np.ones(1, setting.dtype)

    def predict(self, source: Source, image: int) -> Array:
        """The output (1, …) for an image of a source."""
        group = self._group(train=False)
        self._enter(group, "in", source, image)
        key = _origin(source)
        if key not in self._jobs:
            self._keep(key, source, group, [*_loads(group, source), group.forward])
        self._team.run(self._jobs[key][1])
        return group.y.reshape(1, *self._setting.out_shape).copy()

    def score(
        self, loss: Loss, source: Source, image: int, label: int | None, vectors: Arrays | None, step: int, train: bool
    ) -> tuple[float, int]:
        """The loss of an image and whether it was recognised, with gradients added up in training."""
        group, slot = self._group(train), self._slots.take(1)[0]
        self._enter(group, "in", source, image)
        if label is not None:
            group["labels"][0] = label
        elif vectors is not None:
            self._enter(group, "target", vectors, image)
        group["rng"][:, 1] = step
        key = (loss, _origin(source), label is None, train)
        if key not in self._jobs:
            programs = [slot.reset] if train else []
            programs += [*_loads(group, source), group.forward, group.loss(loss, slot, self._scale, label is not None)]
            programs += [group.backward(slot, input_grad=False)] if train else []
            self._keep(key, source, group, programs)
        self._team.run(self._jobs[key][1])
        return float(slot.value[0]), int(slot.hits[0])

    def _group(self, train: bool) -> Group:
        if train not in self._groups:
            group = self._groups[train] = Group(self._setting, train)
            group["lanes"][0], group["place"][0], group["index"][0] = 1, 0, 0
            group["rng"][:, 3] = 0
        return self._groups[train]

    def _enter(self, group: Group, into: str, source: Source, image: int) -> None:
        """Copy an image of an array into the group, or tell the source's own kernels which one to fetch."""
        if isinstance(source, Arrays):
            group[into][..., 0] = source.values[image]
        else:
            group["index"][0] = image

    def _keep(self, key: Any, source: Source, group: Group, programs: list[Program]) -> None:
        """Remember a kind of batch, with its source where that has kernels of its own, and forget the oldest."""
        if len(self._jobs) >= KEPT:
            del self._jobs[next(iter(self._jobs))]
        prepare = needed(self._prepare, self._setting.layers, programs)
        job = group.job([prepare, *programs], 0, 1, 1)
        self._jobs[key] = (None if isinstance(source, Arrays) else source), [job]


def _origin(source: Source) -> int:
    """What tells kinds of batch apart: arrays are all alike, another source is itself."""
    return 0 if isinstance(source, Arrays) else id(source)


def _loads(group: Group, source: Source) -> list[Program]:
    """The kernels of a source that is no array."""
    return [] if isinstance(source, Arrays) else [group.load(source, "in")]
