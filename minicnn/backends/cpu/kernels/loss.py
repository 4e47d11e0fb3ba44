"""Losses over the live lanes of a group, with their first derivatives and diagonal second derivatives.

Legend: y (D, L) outputs or logits, lanes [n] the number of live lanes, scale [1 / N] for a batch of N, value [1] float64 the
loss of the batch, to which each group adds. Derivatives of padding lanes are zero, whatever y holds there.
"""

from __future__ import annotations

import math

import numpy as np

from ....arrays import Array
from ..compile.jit import kernel
from ..tiles.functions import exp
from .softmax import column_softmax


@kernel
def mse(y: Array, target: Array, lanes: Array, scale: Array, value: Array) -> None:
    """value += scale / D · Σ (y − target)²."""
    D, n = y.shape[0], lanes[0]
    total = 0.0  # in float64
    for d in range(D):
        for lane in range(n):
            e = y[d, lane] - target[d, lane]
            total += np.float64(e) * e
    value[0] += scale[0] * total / D


@kernel
def mse_dy(y: Array, target: Array, lanes: Array, scale: Array, dy: Array) -> None:
    """dy = 2 scale / D · (y − target)."""
    (D, L), n, zero = y.shape, lanes[0], y.dtype.type(0)
    factor = y.dtype.type(2) * scale[0] / y.dtype.type(D)
    for d in range(D):
        for lane in range(L):
            dy[d, lane] = factor * (y[d, lane] - target[d, lane]) if lane < n else zero


@kernel
def cross_entropy(y: Array, labels: Array, smoothing: Array, lanes: Array, scale: Array, value: Array) -> None:
    """value += −scale · Σ_l [(1 − s) log p[label] + s · mean_d log p[d]], p = softmax y, s = smoothing."""
    D, s, total = y.shape[0], smoothing[0], 0.0
    for lane in range(lanes[0]):
        top = y[0, lane]
        for d in range(D):
            top = y[d, lane] if y[d, lane] > top else top
        powers, offsets = 0.0, 0.0
        for d in range(D):
            powers += exp(y[d, lane] - top)
            offsets += y[d, lane] - top
        log_powers = math.log(powers)
        total += (1 - s) * (log_powers - (y[labels[lane], lane] - top))
        if s > 0:  # avoids 0 · ∞ if a logit is −∞
            total += s * (log_powers - offsets / D)
    value[0] += scale[0] * total


@kernel
def cross_entropy_dy(y: Array, labels: Array, smoothing: Array, lanes: Array, scale: Array, dy: Array) -> None:
    """dy = scale · (softmax y − target), where target is 1 − s + s / D at the label and s / D elsewhere."""
    (D, L), n, factor, zero = y.shape, lanes[0], scale[0], y.dtype.type(0)
    off = smoothing[0] / y.dtype.type(D)
    on = y.dtype.type(1) - smoothing[0] + off
    column_softmax(y, dy)
    for d in range(D):
        for lane in range(L):
            target = on if labels[lane] == d else off
            dy[d, lane] = factor * (dy[d, lane] - target) if lane < n else zero


@kernel
def mse_hy(lanes: Array, scale: Array, hy: Array) -> None:
    """hy = 2 scale / D."""
    (D, L), n, zero = hy.shape, lanes[0], hy.dtype.type(0)
    value = hy.dtype.type(2) * scale[0] / hy.dtype.type(D)
    for d in range(D):
        for lane in range(L):
            hy[d, lane] = value if lane < n else zero


@kernel
def cross_entropy_hy(y: Array, lanes: Array, scale: Array, hy: Array) -> None:
    """hy = scale · p (1 − p), p = softmax y."""
    (D, L), n, zero, one = y.shape, lanes[0], y.dtype.type(0), y.dtype.type(1)
    column_softmax(y, hy)
    for d in range(D):
        for lane in range(L):
            hy[d, lane] = scale[0] * hy[d, lane] * (one - hy[d, lane]) if lane < n else zero


@kernel
def count_hits(y: Array, labels: Array, lanes: Array, hits: Array) -> None:
    """hits += the number of live lanes whose largest output is at the label; the first of equals counts, a NaN never.

    A label of −1 is none.
    """
    for lane in range(lanes[0]):
        label = labels[lane]
        top, hit = y[label, lane], label >= 0
        for d in range(y.shape[0]):
            hit = hit and (y[d, lane] < top or (y[d, lane] == top and d >= label))
        hits[0] += hit


@kernel
def one_hot(labels: Array, lanes: Array, on_off: Array, target: Array) -> None:
    """target[d, l] = on if d is the label of a live lane, else off."""
    (D, L), n, on, off = target.shape, lanes[0], on_off[0], on_off[1]
    for d in range(D):
        for lane in range(L):
            target[d, lane] = on if lane < n and labels[lane] == d else off


@kernel
def huber(y: Array, target: Array, delta: Array, lanes: Array, scale: Array, value: Array) -> None:
    """value += scale/D · Σ h(y − t), h(e) = e²/2 up to |e| = δ, and δ·(|e| − δ/2) beyond."""
    D, bound, total = y.shape[0], np.float64(delta[0]), 0.0
    for d in range(D):
        for lane in range(lanes[0]):
            e = abs(np.float64(y[d, lane]) - np.float64(target[d, lane]))
            total += e * e / 2 if e <= bound else bound * (e - bound / 2)
    value[0] += scale[0] * total / D


@kernel
def huber_dy(y: Array, target: Array, delta: Array, lanes: Array, scale: Array, dy: Array) -> None:
    """dy = scale/D · (y − t), no further from 0 than scale/D · δ."""
    (D, L), n, bound, zero = y.shape, lanes[0], delta[0], y.dtype.type(0)
    factor = scale[0] / y.dtype.type(D)
    for d in range(D):
        for lane in range(L):
            e = y[d, lane] - target[d, lane]
            e = -bound if e < -bound else bound if e > bound else e
            dy[d, lane] = factor * e if lane < n else zero


@kernel
def huber_hy(y: Array, target: Array, delta: Array, lanes: Array, scale: Array, hy: Array) -> None:
    """hy = scale/D where |y − t| ≤ δ, else 0."""
    (D, L), n, zero = y.shape, lanes[0], y.dtype.type(0)
    factor = scale[0] / y.dtype.type(D)
    for d in range(D):
        for lane in range(L):
            hy[d, lane] = factor if lane < n and abs(y[d, lane] - target[d, lane]) <= delta[0] else zero
