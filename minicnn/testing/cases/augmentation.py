"""Arguments of the kernels of augmentations."""

from __future__ import annotations

import numpy as np

from ...arrays import Array
from .draw import Case, Draw
from .training import splines


def draws(d: Draw, elements: int) -> Array:
    """Numbers uniform in ±1, as the kernel of distortions draws them."""
    return (d.rng.integers(-(2**23), 2**23, (elements, d.L)) / 2**23).astype(d.dtype)


def levels(d: Draw) -> Array:
    """Grey levels of small images."""
    return 255 * d.uniform(d.size(1, 4), d.size(1, 9), d.size(1, 9), d.L)


def move_inverse(d: Draw) -> Case:
    u = draws(d, 8)
    u[2:4] *= 5
    u[5] += 2
    return [u, d.few(0.5, d.rng.choice([0, 0.3, 1])), d.empty(6, d.L)], [2]


def sample(d: Draw) -> Case:
    x = levels(d)
    _, H, W, L = x.shape
    side, _, at, taps = splines(d, (H, W))
    bent = d.normal(2, side if d.rng.integers(2) else 0, W, L)
    maps = np.array([0, 0, 1, 0, 0, 1], d.dtype)[:, None] + d.normal(6, L) / 4
    return [x, maps, bent, at, taps, d.few(30), d.empty(*x.shape)], [6]


def jitter(d: Draw) -> Case:
    x = levels(d)[:, 0]
    greys = d.uniform(len(x))
    return [1 + draws(d, 3), greys / greys.sum(), x], [2]


def erase(d: Draw) -> Case:
    x = levels(d)
    least, low = float(d.rng.choice([0.02, 0.5])), float(d.rng.choice([-1.2, 0.7]))
    return [draws(d, 23), d.few(0.7, least, 2 * least, low, 1.2), d.uniform(len(x)), x], [3]


def draw_mix(d: Draw) -> Case:
    quantiles = np.sort(d.uniform(d.size(2, 9)))
    return [draws(d, 2), d.whole(1000, d.size(1, 30)), quantiles, d.empty(d.L, dtype=np.int64), d.empty(d.L)], [3, 4]


def blend(d: Draw) -> Case:
    D = d.size(1, 9)
    return [d.normal(D, d.L), d.uniform(d.L), d.normal(D, d.L)], [2]


def cut_box(d: Draw) -> Case:
    return [draws(d, 2), 1 + d.whole(40, 2), d.uniform(d.L), d.empty(4, d.L, dtype=np.int64)], [2, 3]


def paste(d: Draw) -> Case:
    x = levels(d)
    box = np.sort(np.stack([d.whole(n + 1, 2, d.L) for n in x.shape[1:3]]), axis=1)
    return [levels_like(d, x), box.reshape(4, d.L), x], [2]


def levels_like(d: Draw, x: Array) -> Array:
    """Other images of the same shape."""
    return 255 * d.uniform(*x.shape)


def mix_targets(d: Draw) -> Case:
    K = d.size(2, 9)
    index, partner = (d.whole(40, d.L) for _ in range(2))
    return [d.whole(K, 40), index, partner, d.uniform(d.L), d.empty(K, d.L)], [4]
