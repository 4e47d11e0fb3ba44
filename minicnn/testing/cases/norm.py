"""Arguments of the kernels of normalisation and gates."""

from __future__ import annotations

import numpy as np

from ...arrays import Array
from .draw import Case, Draw


def batch(d: Draw) -> tuple[Array, Array]:
    """x with junk in padding lanes, and statistics of its channels."""
    x = d.with_junk(d.normal(d.size(), d.size(1, 9), d.L))
    return x, np.stack([d.normal(len(x)), 0.5 + d.uniform(len(x))])


def rows(d: Draw) -> Array:
    """What a few groups tell of as many channels."""
    told = d.rng.standard_normal((d.size(1, 4), 3, d.size()))
    told[:, 0] = d.whole(9, len(told), 1) + 2
    told[:, 2] **= 2
    return np.asarray(told)


def gradient(d: Draw, *shape: int) -> Array:
    """dy, zero in padding lanes."""
    dy = d.normal(*shape)
    dy[..., d.real :] = 0
    return dy


def channel_moments(d: Draw) -> Case:
    x, _ = batch(d)
    return [x, d.lanes, d.room(3, len(x), dtype=np.float64)], [2]


def merge_moments(d: Draw) -> Case:
    told = rows(d)
    channels = told.shape[2]
    return [told, d.few(0.01), d.room(2, channels, dtype=np.float64), d.room(2, channels)], [2, 3]


def track_moments(d: Draw) -> Case:
    told = rows(d)
    channels = told.shape[2]
    momentum, batches = d.few(-1 if d.size(0, 1) else 0.3), np.array([d.size()])
    moments = np.abs(d.rng.standard_normal((2, channels)))
    return [told, moments, momentum, d.normal(channels), d.uniform(channels), batches], [3, 4, 5]


def fixed_stats(d: Draw) -> Case:
    channels = d.size()
    return [d.normal(channels), d.uniform(channels), d.few(0.01), d.room(2, channels)], [3]


def normalize(d: Draw) -> Case:
    x, stats = batch(d)
    return [x, stats, d.normal(len(x)), d.normal(len(x)), d.room(*x.shape)], [4]


def normalize_sums(d: Draw) -> Case:
    x, stats = batch(d)
    return [x, gradient(d, *x.shape), stats, d.lanes, d.room(3, len(x), dtype=np.float64)], [4]


def add_sums(d: Draw) -> Case:
    channels = d.size()
    return [d.rng.standard_normal((3, channels)), d.normal(channels), d.normal(channels)], [1, 2]


def merge_sums(d: Draw) -> Case:
    told = rows(d)
    return [told, d.room(2, told.shape[2], dtype=np.float64)], [1]


def normalize_dx(d: Draw) -> Case:
    x, stats = batch(d)
    means = np.asarray(d.rng.standard_normal((2, len(x))))
    return [x, gradient(d, *x.shape), stats, d.normal(len(x)), means, d.lanes, d.room(*x.shape)], [6]


def image(d: Draw) -> tuple[Array, Array]:
    """x in groups of rows of pixels, and statistics of each group and image."""
    groups = d.size(1, 3)
    x = d.normal(groups, d.size(1, 4), d.size(2, 6), d.L)
    return x, np.stack([d.normal(groups, d.L), 0.5 + d.uniform(groups, d.L), *(d.normal(2, groups, d.L))], axis=1)


def group_stats(d: Draw) -> Case:
    x, stats = image(d)
    return [x, d.few(0.01), stats], [2]


def group_normalize(d: Draw) -> Case:
    x, stats = image(d)
    return [x, stats, d.normal(*x.shape[:2]), d.normal(*x.shape[:2]), d.room(*x.shape)], [4]


def group_norm_dW_add(d: Draw) -> Case:
    x, stats = image(d)
    return [x, gradient(d, *x.shape), stats, d.normal(*x.shape[:2])], [3]


def group_norm_dx(d: Draw) -> Case:
    x, stats = image(d)
    return [x, gradient(d, *x.shape), stats, d.normal(*x.shape[:2]), d.room(*x.shape)], [4]


def gate(d: Draw) -> Case:
    x, _ = batch(d)
    return [x, d.normal(len(x), d.L), d.room(*x.shape)], [2]


def gate_sum(d: Draw) -> Case:
    x, _ = batch(d)
    return [x, gradient(d, *x.shape), d.room(len(x), d.L)], [2]
