"""Losses over penalties, where the smallest output wins: LeCun et al. 1998, equations 8 and 9. Legend as in ``loss.py``.

rubbish [1] = j: the penalty of an extra class for patterns that belong to no other class.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from ....arrays import Array, Number
from ..device.launch import THREADS, each, images
from ..device.operation import Launch, launch, operation
from ..device.target import cuda, inline
from .loss import summed
from .reduce import fold


@inline
def least(y: Array, rubbish: Array, lane: int) -> Number:
    """min(j, y[d]) of one lane."""
    D, L = y.shape
    found = rubbish[0]
    for d in range(D):
        found = min(found, y.flat[d * L + lane])
    return found


@inline
def powers(y: Array, rubbish: Array, lane: int, shift: Number) -> Number:
    """e^(shift − j) + Σ_d e^(shift − y[d]) of one lane."""
    D, L = y.shape
    total = math.exp(shift - rubbish[0])
    for d in range(D):
        total += math.exp(shift - y.flat[d * L + lane])
    return total


def penalty_kernel(y: Array, labels: Array, lanes: Array, scale: Array, partials: Array) -> None:
    """partials[block, 0] = scale Σ_l y[label] over the lanes of a block, in float64."""
    sums = cuda.shared.array((1, THREADS), np.float64)
    lane = cuda.grid(1)
    sums[0, cuda.threadIdx.x] = y.flat[labels[lane] * y.shape[1] + lane] if lane < lanes[0] else 0.0
    fold(sums, 1, cuda.threadIdx.x)
    if cuda.threadIdx.x == 0:
        partials[cuda.blockIdx.x, 0] = scale[0] * sums[0, 0]


def penalty_dy_kernel(labels: Array, lanes: Array, scale: Array, dy: Array) -> None:
    """dy = scale at the label, 0 elsewhere."""
    D, L = dy.shape
    n = cuda.grid(1)
    if n < D * L:
        dy.flat[n] = scale[0] if n % L < lanes[0] and labels[n % L] == n // L else dy.dtype.type(0)


def map_penalty_kernel(y: Array, labels: Array, rubbish: Array, lanes: Array, scale: Array, partials: Array) -> None:
    """partials[block, 0] = scale Σ_l (y[label] + log(e^−j + Σ_d e^−y[d])) over the lanes of a block, in float64."""
    sums = cuda.shared.array((1, THREADS), np.float64)
    lane, loss = cuda.grid(1), 0.0
    if lane < lanes[0]:
        shift = least(y, rubbish, lane)
        loss += (y.flat[labels[lane] * y.shape[1] + lane] - shift) + math.log(powers(y, rubbish, lane, shift))
    sums[0, cuda.threadIdx.x] = loss
    fold(sums, 1, cuda.threadIdx.x)
    if cuda.threadIdx.x == 0:
        partials[cuda.blockIdx.x, 0] = scale[0] * sums[0, 0]


def map_shares_kernel(y: Array, rubbish: Array, p: Array) -> None:
    """p[d] = e^−y[d] / (e^−j + Σ_c e^−y[c])."""
    D, L = y.shape
    lane = cuda.grid(1)
    if lane < L:
        shift = least(y, rubbish, lane)
        total = powers(y, rubbish, lane, shift)
        for d in range(D):
            p.flat[d * L + lane] = math.exp(shift - y.flat[d * L + lane]) / total


def map_penalty_dy_kernel(labels: Array, lanes: Array, scale: Array, dy: Array) -> None:
    """dy = scale · (1 at the label − p); on entry dy holds the shares p."""
    D, L = dy.shape
    n = cuda.grid(1)
    if n < D * L:
        target = dy.dtype.type(1) if labels[n % L] == n // L else dy.dtype.type(0)
        dy.flat[n] = scale[0] * (target - dy.flat[n]) if n % L < lanes[0] else dy.dtype.type(0)


def map_penalty_hy_kernel(lanes: Array, scale: Array, hy: Array) -> None:
    """hy = scale · p (1 − p); on entry hy holds the shares p."""
    D, L = hy.shape
    n = cuda.grid(1)
    if n < D * L:
        p = hy.flat[n]
        hy.flat[n] = scale[0] * p * (hy.dtype.type(1) - p) if n % L < lanes[0] else hy.dtype.type(0)


def count_least_kernel(y: Array, labels: Array, lanes: Array, partials: Array) -> None:
    """partials[block, 0] = the number of live lanes of a block whose smallest output is at the label.

    The first of equals counts, and no lane with a NaN.
    """
    sums = cuda.shared.array((1, THREADS), np.int64)
    D, L = y.shape
    lane, hit = cuda.grid(1), 0
    if lane < lanes[0]:
        best, hit = y.flat[labels[lane] * L + lane], 1
        for d in range(D):
            value = y.flat[d * L + lane]
            if not (value > best or (value == best and d >= labels[lane])):
                hit = 0
    sums[0, cuda.threadIdx.x] = hit
    fold(sums, 1, cuda.threadIdx.x)
    if cuda.threadIdx.x == 0:
        partials[cuda.blockIdx.x, 0] = sums[0, 0]


@operation
def penalty(y: Array, labels: Array, lanes: Array, scale: Array, value: Array) -> Iterator[Launch]:
    """value += scale · Σ y at the label."""
    yield from summed(penalty_kernel, y, (labels, lanes, scale), value)


@operation
def penalty_dy(labels: Array, lanes: Array, scale: Array, dy: Array) -> Iterator[Launch]:
    """dy = scale at the label, 0 elsewhere."""
    yield launch(penalty_dy_kernel, each(dy.size), labels, lanes, scale, dy)


@operation
def map_penalty(y: Array, labels: Array, rubbish: Array, lanes: Array, scale: Array, value: Array) -> Iterator[Launch]:
    """value += scale · Σ (y at the label + log(e^−j + Σ e^−y))."""
    yield from summed(map_penalty_kernel, y, (labels, rubbish, lanes, scale), value)


@operation
def map_shares(y: Array, rubbish: Array, p: Array) -> Iterator[Launch]:
    """p = e^−y / (e^−j + Σ e^−y)."""
    yield launch(map_shares_kernel, images(y.shape[1]), y, rubbish, p)


@operation
def map_penalty_dy(labels: Array, lanes: Array, scale: Array, dy: Array) -> Iterator[Launch]:
    """dy = scale · (1 at the label − dy)."""
    yield launch(map_penalty_dy_kernel, each(dy.size), labels, lanes, scale, dy)


@operation
def map_penalty_hy(lanes: Array, scale: Array, hy: Array) -> Iterator[Launch]:
    """hy = scale · hy (1 − hy)."""
    yield launch(map_penalty_hy_kernel, each(hy.size), lanes, scale, hy)


@operation
def count_least(y: Array, labels: Array, lanes: Array, hits: Array) -> Iterator[Launch]:
    """hits += the number of images whose (first) smallest output is at the label."""
    yield from summed(count_least_kernel, y, (labels, lanes), hits)
