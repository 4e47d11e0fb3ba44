"""Arguments of the kernels of losses, updates, lanes and distortions."""

from __future__ import annotations

import numpy as np

from ...arrays import Array, Shape
from ...data import Elastic
from .draw import Case, Draw

# --- losses ---


def outputs(d: Draw, positive: bool = False) -> tuple[Array, Array, Array]:
    D = d.size(1, 9)
    y = 5 * d.normal(D, d.L)
    return d.with_junk(np.abs(y) if positive else y), d.labels(D), d.empty(D, d.L)


def value(d: Draw) -> Array:
    """A loss to add to."""
    return np.array([7.0])


def one_hot(d: Draw) -> Case:
    _, labels, target = outputs(d)
    return [labels, d.lanes, d.few(1, -1), target], [3]


def count(d: Draw) -> Case:
    y, labels, _ = outputs(d)
    return [np.round(y), labels, d.lanes, np.array([5])], [3]


def penalty(d: Draw) -> Case:
    y, labels, _ = outputs(d, positive=True)
    return [y, labels, d.lanes, d.scale, value(d)], [4]


def penalty_dy(d: Draw) -> Case:
    _, labels, dy = outputs(d)
    return [labels, d.lanes, d.scale, dy], [3]


def map_penalty(d: Draw) -> Case:
    y, labels, _ = outputs(d, positive=True)
    return [y, labels, d.few(2.5), d.lanes, d.scale, value(d)], [5]


def map_shares(d: Draw) -> Case:
    y, _, p = outputs(d, positive=True)
    return [y, d.few(2.5), p], [2]


def map_penalty_dy(d: Draw) -> Case:
    _, labels, p = outputs(d)
    return [labels, d.lanes, d.scale, d.uniform(*p.shape)], [3]


def map_penalty_hy(d: Draw) -> Case:
    _, _, p = outputs(d)
    return [d.lanes, d.scale, d.uniform(*p.shape)], [2]


def mse(d: Draw) -> Case:
    y, _, _ = outputs(d)
    return [y, d.normal(*y.shape), d.lanes, d.scale, value(d)], [4]


def mse_dy(d: Draw) -> Case:
    y, _, dy = outputs(d)
    return [y, d.normal(*y.shape), d.lanes, d.scale, dy], [4]


def mse_hy(d: Draw) -> Case:
    _, _, hy = outputs(d)
    return [d.lanes, d.scale, hy], [2]


def huber(d: Draw) -> Case:
    y, _, _ = outputs(d)
    return [y, d.normal(*y.shape), d.few(0.7), d.lanes, d.scale, value(d)], [5]


def huber_dy(d: Draw) -> Case:
    y, _, dy = outputs(d)
    return [y, d.normal(*y.shape), d.few(0.7), d.lanes, d.scale, dy], [5]


huber_hy = huber_dy


def smoothing(d: Draw) -> Array:
    return d.few(d.rng.choice([0, 0.1, 1]))


def cross_entropy(d: Draw) -> Case:
    y, labels, _ = outputs(d)
    return [y, labels, smoothing(d), d.lanes, d.scale, value(d)], [5]


def cross_entropy_dy(d: Draw) -> Case:
    y, labels, dy = outputs(d)
    return [y, labels, smoothing(d), d.lanes, d.scale, dy], [5]


def cross_entropy_hy(d: Draw) -> Case:
    y, _, hy = outputs(d)
    return [y, d.lanes, d.scale, hy], [3]


def places(d: Draw) -> tuple[Array, Array, Array, Array]:
    """Outputs of classes at places, how much each class weighs there, memory for a derivative, and a weight for each class."""
    shape = d.size(1, 6), d.size(1, 4), d.L
    return d.with_junk(3 * d.normal(*shape)), d.with_junk(d.uniform(*shape)), d.empty(*shape), d.uniform(shape[0])


def class_targets(d: Draw) -> Case:
    _, _, target, weight = places(d)
    labels = d.rng.integers(-1, len(weight) + 1, target.shape[1:]).astype(d.rng.choice(["int64", d.dtype]))
    ignored = d.size(-1, len(weight) - 1)
    return [labels, weight, d.few(d.rng.choice([0, 0.1]), ignored), d.lanes, target], [4]


def count_map_hits(d: Draw) -> Case:
    y, _, _, _ = places(d)
    labels = d.rng.integers(-1, len(y) + 1, y.shape[1:]).astype(d.dtype)
    return [np.round(y), labels, d.few(d.size(-1, len(y) - 1)), d.lanes, np.array([5])], [4]


def smooth_targets(d: Draw) -> Case:
    _, target, _, weight = places(d)
    return [weight, d.few(d.rng.choice([0, 0.1]), -1), d.lanes, target], [3]


def soft_cross_entropy(d: Draw) -> Case:
    y, target, _, _ = places(d)
    return [y, target, d.lanes, d.scale, value(d)], [4]


def soft_cross_entropy_dy(d: Draw) -> Case:
    y, target, dy, _ = places(d)
    return [y, target, d.lanes, d.scale, dy], [4]


def bce_logits(d: Draw) -> Case:
    y, target, _, weight = places(d)
    return [y, target, weight, 3 * d.uniform(len(weight)), d.lanes, d.scale, value(d)], [6]


def bce_logits_dy(d: Draw) -> Case:
    y, target, dy, weight = places(d)
    return [y, target, weight, 3 * d.uniform(len(weight)), d.lanes, d.scale, dy], [6]


# --- updates ---


def vectors(d: Draw, count: int) -> list[Array]:
    n = d.size(1, 60)
    return [d.normal(n) for _ in range(count)]


def sgd(d: Draw) -> Case:
    momentum, nesterov = d.rng.choice([0, 0.9]), d.rng.integers(2)
    return [*vectors(d, 3), np.array([0.1, momentum, nesterov, d.rng.choice([0, 0.01]), d.rng.integers(2)])], [0, 2]


def sdlm(d: Draw) -> Case:
    return [*vectors(d, 3), np.array([0.1])], [0]


def adam(d: Draw) -> Case:
    p, dp, first, second = vectors(d, 4)
    return [p, dp, first, np.abs(second), np.array([0.01, 0.9, 0.999, 1e-6, d.rng.choice([0, 0.1]), 0.19, 0.002])], [0, 2, 3]


def rmsprop(d: Draw) -> Case:
    p, dp, square, mean, step = vectors(d, 5)
    hyper = np.array([0.01, 0.9, 1e-3, d.rng.choice([0, 0.1]), d.rng.choice([0, 0.9]), d.rng.integers(2)])
    return [p, dp, np.abs(square), mean, step, hyper], [0, 2, 3, 4]


def adagrad(d: Draw) -> Case:
    p, dp, total = vectors(d, 3)
    return [p, dp, np.abs(total), np.array([0.01, 1e-3, d.rng.choice([0, 0.1])])], [0, 2]


def adadelta(d: Draw) -> Case:
    p, dp, square, step = vectors(d, 4)
    return [p, dp, np.abs(square), np.abs(step), np.array([0.5, 0.9, 1e-3, d.rng.choice([0, 0.1])])], [0, 2, 3]


def nadam(d: Draw) -> Case:
    p, dp, first, second = vectors(d, 4)
    hyper = np.array([0.005, 0.01, 0.9, 0.999, 1e-6, d.rng.choice([0, 0.1]), d.rng.choice([1, 0.99]), 0.002])
    return [p, dp, first, np.abs(second), hyper], [0, 2, 3]


def lion(d: Draw) -> Case:
    return [*vectors(d, 3), np.array([0.01, 0.9, 0.99, d.rng.choice([0, 0.1])])], [0, 2]


# --- lanes ---


def choose_group(d: Draw) -> Case:
    total = d.size(1, 70)
    number = d.rng.integers(-(-total // d.L))
    own = [d.empty(n, dtype=np.int64) for n in (d.L, d.L, d.L, 1)]
    sizes = [d.whole(1000, 80), d.whole(10, 80), np.array([total]), np.array([5], np.uint64), np.array([number])]
    return [*sizes, *own, np.full((3, 4), 7, np.uint64)], [5, 6, 7, 8, 9]


def index(d: Draw, images: int = 40) -> Array:
    return d.rng.permutation(images)[: d.L]


def gather(d: Draw) -> Case:
    D = d.size(1, 40)
    return [d.normal(40, D), index(d), d.lanes, d.empty(D, d.L)], [3]


def scatter(d: Draw) -> Case:
    D = d.size(1, 40)
    return [d.normal(D, d.L), index(d), d.lanes, d.normal(40, D)], [3]


def grey(d: Draw) -> Array:
    return d.whole(256, 40, d.size(1, 9), d.size(1, 20)).astype(np.uint8)


def gather_pixels(d: Draw) -> Case:
    images, pads = grey(d), d.whole(4, 2)
    sides = [n + 2 * int(p) for n, p in zip(images.shape[1:], pads, strict=True)]
    return [images, d.few(0.01, -0.4), index(d), pads, d.empty(1, *sides, d.L)], [4]


def gather_resized(d: Draw) -> Case:
    return [grey(d), d.few(0.01, -0.4), index(d), d.lanes, d.empty(1, d.size(1, 12), d.size(1, 12), d.L)], [4]


# --- distortions ---


def draw_uniform(d: Draw) -> Case:
    elements = d.size(1, 9)
    return [d.words()[:2], d.words(), d.whole(2**32, d.L), np.abs(d.normal(elements)), d.empty(elements, d.L)], [4]


def affine_inverse(d: Draw) -> Case:
    return [d.normal(6 + 2 * d.size(0, 2) ** 2, d.L), d.empty(6, d.L)], [1]  # the knots of a spline may follow


def pack_quads(d: Draw) -> Case:
    images, (rows, columns) = grey(d), d.whole(4, 2)
    sides = (images.shape[1] + 2 * rows + 1, images.shape[2] + 2 * columns + 1)
    return [images, index(d), d.empty(d.L, *sides, dtype=np.uint32)], [2]


def splines(d: Draw, size: Shape) -> tuple[int, Array, Array, Array]:
    """Knots, and for the pixels of the longer side of a map the first of four and their weights."""
    at, taps = Elastic(1, float(d.rng.choice([1, 2.5, 20]))).spline(max(size))
    side = int(at[-1]) + 4
    return side, d.normal(2, side, side, d.L), at, taps.astype(d.dtype)


def spline_along(d: Draw) -> Case:
    size = (d.size(1, 9), d.size(1, 9))
    side, knots, at, taps = splines(d, size)
    return [knots, at, taps, d.empty(2, side, size[1], d.L)], [3]


def warp(d: Draw) -> Case:
    (H, W), L = (d.size(1, 9), d.size(1, 9)), d.L
    side, _, at, taps = splines(d, (H, W))
    bent = d.normal(2, side if d.rng.integers(2) else 0, W, L)
    quads = d.rng.integers(0, 2**32, (L, H + 1, W + 1), np.uint32)
    quads[:, 0], quads[:, -1], quads[..., 0], quads[..., -1] = 0, 0, 0, 0
    maps = np.array([0, 0, 1, 0, 0, 1], d.dtype)[:, None] + d.normal(6, L) / 4
    buffers = [d.empty(2, W, L), d.empty(W, L, dtype=np.uint32)]
    return [quads, d.few(0.01, -0.4), maps, bent, at, taps, *buffers, d.empty(1, H, W, L)], [8]
