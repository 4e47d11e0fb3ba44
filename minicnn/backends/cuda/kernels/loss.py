"""Losses over the live lanes of a group, with first and diagonal second derivatives. A thread handles one lane.

Legend: y (D, L) outputs or logits, lanes [n] the number of live lanes, scale [1 / N] for a batch of N, value [1] float64 the
loss of the batch, to which each group adds. Derivatives of padding lanes are zero, whatever y holds there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from ....arrays import Array
from ..device.launch import THREADS, each, images
from ..device.operation import SCRATCH, Launch, launch, operation
from ..device.target import CudaFunction, cuda
from .reduce import add_partials, fold
from .softmax import largest, softmax_lane


def mse_kernel(y: Array, target: Array, lanes: Array, scale: Array, partials: Array) -> None:
    """partials[block, 0] = scale / D · Σ (y − target)² over the lanes of a block, in float64."""
    sums = cuda.shared.array((1, THREADS), np.float64)
    D, L = y.shape
    lane, total = cuda.grid(1), 0.0
    if lane < lanes[0]:
        for d in range(D):
            e = y.flat[d * L + lane] - target.flat[d * L + lane]
            total += np.float64(e) * np.float64(e)
    sums[0, cuda.threadIdx.x] = total
    fold(sums, 1, cuda.threadIdx.x)
    if cuda.threadIdx.x == 0:
        partials[cuda.blockIdx.x, 0] = scale[0] * sums[0, 0] / D


def mse_dy_kernel(y: Array, target: Array, lanes: Array, scale: Array, dy: Array) -> None:
    """dy = 2 scale / D · (y − target)."""
    D, L = y.shape
    i = cuda.grid(1)
    if i < D * L:
        factor = y.dtype.type(2) * scale[0] / y.dtype.type(D)
        dy.flat[i] = factor * (y.flat[i] - target.flat[i]) if i % L < lanes[0] else y.dtype.type(0)


def cross_entropy_kernel(y: Array, labels: Array, smoothing: Array, lanes: Array, scale: Array, partials: Array) -> None:
    """partials[block, 0] = −scale · Σ_l [(1 − s) log p[label] + s · mean_d log p[d]], p = softmax y, s = smoothing."""
    sums = cuda.shared.array((1, THREADS), np.float64)
    D, L = y.shape
    lane, loss, s = cuda.grid(1), 0.0, np.float64(smoothing[0])
    if lane < lanes[0]:
        top, powers, offsets = largest(y, lane), 0.0, 0.0
        for d in range(D):
            offset = y.flat[d * L + lane] - top
            powers += math.exp(offset)
            offsets += offset
        log_powers = math.log(powers)
        loss += (1 - s) * (log_powers - (y.flat[labels[lane] * L + lane] - top))
        if s > 0:  # avoids 0 · ∞ if a logit is −∞
            loss += s * (log_powers - offsets / D)
    sums[0, cuda.threadIdx.x] = loss
    fold(sums, 1, cuda.threadIdx.x)
    if cuda.threadIdx.x == 0:
        partials[cuda.blockIdx.x, 0] = scale[0] * sums[0, 0]


def cross_entropy_dy_kernel(y: Array, labels: Array, smoothing: Array, lanes: Array, scale: Array, dy: Array) -> None:
    """dy = scale · (softmax y − target), where target is 1 − s + s / D at the label and s / D elsewhere."""
    D, L = y.shape
    lane = cuda.grid(1)
    if lane < lanes[0]:
        off = smoothing[0] / y.dtype.type(D)
        on = y.dtype.type(1) - smoothing[0] + off
        softmax_lane(y, lane, dy)
        for d in range(D):
            dy.flat[d * L + lane] = scale[0] * (dy.flat[d * L + lane] - (on if labels[lane] == d else off))
    elif lane < L:
        for d in range(D):
            dy.flat[d * L + lane] = 0


def mse_hy_kernel(lanes: Array, scale: Array, hy: Array) -> None:
    """hy = 2 scale / D."""
    D, L = hy.shape
    i = cuda.grid(1)
    if i < D * L:
        zero = hy.dtype.type(0)
        hy.flat[i] = hy.dtype.type(2) * scale[0] / hy.dtype.type(D) if i % L < lanes[0] else zero


def cross_entropy_hy_kernel(y: Array, lanes: Array, scale: Array, hy: Array) -> None:
    """hy = scale · p (1 − p), p = softmax y."""
    D, L = y.shape
    lane = cuda.grid(1)
    if lane < lanes[0]:
        softmax_lane(y, lane, hy)
        for d in range(D):
            p = hy.flat[d * L + lane]
            hy.flat[d * L + lane] = scale[0] * p * (y.dtype.type(1) - p)
    elif lane < L:
        for d in range(D):
            hy.flat[d * L + lane] = 0


def count_hits_kernel(y: Array, labels: Array, lanes: Array, partials: Array) -> None:
    """partials[block, 0] = the number of live lanes of a block whose largest output is at the label.

    The first of equals counts, and no lane with a NaN.
    """
    sums = cuda.shared.array((1, THREADS), np.int64)
    D, L = y.shape
    lane, hit = cuda.grid(1), 0
    if lane < lanes[0]:
        best, hit = y.flat[labels[lane] * L + lane], 1
        for d in range(D):
            value = y.flat[d * L + lane]
            if not (value < best or (value == best and d >= labels[lane])):
                hit = 0
    sums[0, cuda.threadIdx.x] = hit
    fold(sums, 1, cuda.threadIdx.x)
    if cuda.threadIdx.x == 0:
        partials[cuda.blockIdx.x, 0] = sums[0, 0]


def one_hot_kernel(labels: Array, lanes: Array, on_off: Array, target: Array) -> None:
    """target[d, l] = on if d is the label of a live lane, else off."""
    D, L = target.shape
    i = cuda.grid(1)
    if i < D * L:
        right = i % L < lanes[0] and labels[i % L] == i // L
        target.flat[i] = on_off[0] if right else on_off[1]


def summed(kernel: CudaFunction, y: Array, arguments: tuple[Array, ...], out: Array) -> Iterator[Launch]:
    """Add a sum over lanes to out [1]."""
    shape = images(y.shape[1])
    partials = SCRATCH.take((shape.grid[0], 1), out.dtype)
    yield launch(kernel, shape, y, *arguments, partials)
    yield add_partials(partials, out)


@operation
def mse(y: Array, target: Array, lanes: Array, scale: Array, value: Array) -> Iterator[Launch]:
    """value += scale/D · Σ (y − t)²."""
    yield from summed(mse_kernel, y, (target, lanes, scale), value)


@operation
def mse_dy(y: Array, target: Array, lanes: Array, scale: Array, dy: Array) -> Iterator[Launch]:
    """dy = 2·scale/D · (y − t)."""
    yield launch(mse_dy_kernel, each(y.size), y, target, lanes, scale, dy)


@operation
def cross_entropy(y: Array, labels: Array, smoothing: Array, lanes: Array, scale: Array, value: Array) -> Iterator[Launch]:
    """value −= scale · Σ q · log softmax(y), q the smoothed label."""
    yield from summed(cross_entropy_kernel, y, (labels, smoothing, lanes, scale), value)


@operation
def cross_entropy_dy(y: Array, labels: Array, smoothing: Array, lanes: Array, scale: Array, dy: Array) -> Iterator[Launch]:
    """dy = scale · (softmax(y) − q)."""
    yield launch(cross_entropy_dy_kernel, images(y.shape[1]), y, labels, smoothing, lanes, scale, dy)


@operation
def mse_hy(lanes: Array, scale: Array, hy: Array) -> Iterator[Launch]:
    """hy = 2·scale/D."""
    yield launch(mse_hy_kernel, each(hy.size), lanes, scale, hy)


@operation
def cross_entropy_hy(y: Array, lanes: Array, scale: Array, hy: Array) -> Iterator[Launch]:
    """hy = scale · p·(1 − p), p = softmax(y)."""
    yield launch(cross_entropy_hy_kernel, images(y.shape[1]), y, lanes, scale, hy)


@operation
def count_hits(y: Array, labels: Array, lanes: Array, hits: Array) -> Iterator[Launch]:
    """hits += the number of images whose (first) largest output is at the label."""
    yield from summed(count_hits_kernel, y, (labels, lanes), hits)


@operation
def one_hot(labels: Array, lanes: Array, on_off: Array, target: Array) -> Iterator[Launch]:
    """target = on_off[0] at the label, on_off[1] elsewhere."""
    yield launch(one_hot_kernel, each(target.size), labels, lanes, on_off, target)
