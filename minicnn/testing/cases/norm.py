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
    measured = d.rng.standard_normal((d.size(1, 4), 3, d.size()))
    measured[:, 0] = d.whole(9, len(measured), 1) + 2
    measured[:, 2] **= 2
    return np.asarray(measured)


def gradient(d: Draw, *shape: int) -> Array:
    """dy, zero in padding lanes."""
    dy = d.normal(*shape)
    dy[..., d.real :] = 0
    return dy


def channel_moments(d: Draw) -> Case:
    x, _ = batch(d)
    return [x, d.lanes, d.empty(3, len(x), dtype=np.float64)], [2]


def merge_moments(d: Draw) -> Case:
    measured = rows(d)
    channels = measured.shape[2]
    return [measured, d.few(0.01), d.empty(2, channels, dtype=np.float64), d.empty(2, channels)], [2, 3]


def track_moments(d: Draw) -> Case:
    measured = rows(d)
    channels = measured.shape[2]
    momentum, batches = d.few(-1 if d.size(0, 1) else 0.3), np.array([d.size()])
    moments = np.abs(d.rng.standard_normal((2, channels)))
    return [measured, moments, momentum, d.normal(channels), d.uniform(channels), batches], [3, 4, 5]


def fixed_stats(d: Draw) -> Case:
    channels = d.size()
    return [d.normal(channels), d.uniform(channels), d.few(0.01), d.empty(2, channels)], [3]


def normalize(d: Draw) -> Case:
    x, stats = batch(d)
    return [x, stats, d.normal(len(x)), d.normal(len(x)), d.empty(*x.shape)], [4]


def normalize_sums(d: Draw) -> Case:
    x, stats = batch(d)
    return [x, gradient(d, *x.shape), stats, d.lanes, d.empty(3, len(x), dtype=np.float64)], [4]


def add_sums(d: Draw) -> Case:
    channels = d.size()
    return [d.rng.standard_normal((3, channels)), d.normal(channels), d.normal(channels)], [1, 2]


def merge_sums(d: Draw) -> Case:
    measured = rows(d)
    return [measured, d.empty(2, measured.shape[2], dtype=np.float64)], [1]


def normalize_dx(d: Draw) -> Case:
    x, stats = batch(d)
    means = np.asarray(d.rng.standard_normal((2, len(x))))
    return [x, gradient(d, *x.shape), stats, d.normal(len(x)), means, d.lanes, d.empty(*x.shape)], [6]


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
    return [x, stats, d.normal(*x.shape[:2]), d.normal(*x.shape[:2]), d.empty(*x.shape)], [4]


def group_norm_dW_add(d: Draw) -> Case:
    x, stats = image(d)
    return [x, gradient(d, *x.shape), stats, d.normal(*x.shape[:2])], [3]


def group_norm_dx(d: Draw) -> Case:
    x, stats = image(d)
    return [x, gradient(d, *x.shape), stats, d.normal(*x.shape[:2]), d.empty(*x.shape)], [4]


def gate(d: Draw) -> Case:
    x, _ = batch(d)
    return [x, d.normal(len(x), d.L), d.empty(*x.shape)], [2]


def gate_sum(d: Draw) -> Case:
    x, _ = batch(d)
    return [x, gradient(d, *x.shape), d.empty(len(x), d.L)], [2]
