"""Cross-entropy with a target for every class, at every place of a map; binary cross-entropy, absolute and contrastive loss.

Legend: y (C, P, L) outputs of C classes at P places (one, for vectors), target (C, P, L) how much each class weighs there,
or y and target (D, L) where each output stands for itself; lanes, scale, value as in ``loss``.
"""

from __future__ import annotations

import math

import numpy as np
from numba.extending import register_jitable

from ....arrays import Array, Number
from ..compile.jit import kernel
from ..tiles.functions import exp
from .softmax import column_softmax


@kernel
def class_targets(labels: Array, weight: Array, smoothing: Array, lanes: Array, target: Array) -> None:
    """target[c] = w_c · (1 − s + s/C at the label, s/C elsewhere), 0 in padding and where the label is no class or ignored.

    smoothing = s, the label to ignore. labels (P, L) may be the last target[C − 1], which is written last.
    """
    (C, P, L), zero, ignored = target.shape, target.dtype.type(0), smoothing[1]
    off = smoothing[0] / target.dtype.type(C)
    on = target.dtype.type(1) - smoothing[0] + off
    for p in range(P):
        for c in range(C):
            for lane in range(L):
                label = labels[p, lane]
                counts = lane < lanes[0] and label >= 0 and label < C and label != ignored
                target[c, p, lane] = weight[c] * (on if label == c else off) if counts else zero


@kernel
def count_map_hits(y: Array, labels: Array, ignored: Array, lanes: Array, hits: Array) -> None:
    """hits += the number of places of live lanes whose largest class, the first of equals, is the label; a NaN never counts.

    labels (P, L) hold class numbers; places whose label is ignored[0] do not count.
    """
    C, P, _ = y.shape
    for p in range(P):
        for lane in range(lanes[0]):
            best, numbers = 0, True
            for c in range(C):
                numbers = numbers and y[c, p, lane] == y[c, p, lane]
                best = c if y[c, p, lane] > y[best, p, lane] else best
            hits[0] += numbers and labels[p, lane] == best and best != ignored[0]


@kernel
def smooth_targets(weight: Array, smoothing: Array, lanes: Array, target: Array) -> None:
    """target[c] = w_c · ((1 − s) · target[c] + s/C), 0 in padding. smoothing = s, and more that is not looked at."""
    (C, P, L), zero = target.shape, target.dtype.type(0)
    keep, off = target.dtype.type(1) - smoothing[0], smoothing[0] / target.dtype.type(C)
    for c in range(C):
        for p in range(P):
            for lane in range(L):
                target[c, p, lane] = weight[c] * (keep * target[c, p, lane] + off) if lane < lanes[0] else zero


@kernel
def soft_cross_entropy(y: Array, target: Array, lanes: Array, scale: Array, value: Array) -> None:
    """value −= scale · Σ target · log softmax(y), over classes, places and images."""
    C, P, _ = y.shape
    total = 0.0  # in float64
    for p in range(P):
        for lane in range(lanes[0]):
            top = y[0, p, lane]
            for c in range(C):
                top = y[c, p, lane] if y[c, p, lane] > top else top
            powers = 0.0
            for c in range(C):
                powers += exp(y[c, p, lane] - top)
            log_powers = math.log(powers)
            for c in range(C):
                if target[c, p, lane] != 0:  # avoids 0 · ∞ if a logit is −∞
                    total += np.float64(target[c, p, lane]) * (log_powers - (y[c, p, lane] - top))
    value[0] += scale[0] * total


@kernel
def soft_cross_entropy_dy(y: Array, target: Array, lanes: Array, scale: Array, dy: Array) -> None:
    """dy = scale · (softmax(y) · Σ_c target − target)."""
    (C, P, L), zero = y.shape, y.dtype.type(0)
    for p in range(P):
        column_softmax(y[:, p], dy[:, p])
        for lane in range(L):
            whole = zero
            for c in range(C):
                whole += target[c, p, lane]
            for c in range(C):
                dy[c, p, lane] = scale[0] * (dy[c, p, lane] * whole - target[c, p, lane]) if lane < lanes[0] else zero


@kernel
def soft_cross_entropy_hy(y: Array, target: Array, lanes: Array, scale: Array, hy: Array) -> None:
    """hy = scale · p·(1 − p) · Σ_c target, p = softmax(y)."""
    (C, P, L), zero, one = y.shape, y.dtype.type(0), y.dtype.type(1)
    for p in range(P):
        column_softmax(y[:, p], hy[:, p])
        for lane in range(L):
            whole = zero
            for c in range(C):
                whole += target[c, p, lane]
            for c in range(C):
                share = hy[c, p, lane]
                hy[c, p, lane] = scale[0] * whole * share * (one - share) if lane < lanes[0] else zero


@register_jitable
def log_one_plus_exp(x: Number) -> Number:
    """log(1 + e^x), which overflows nowhere."""
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


@kernel
def bce_logits(y: Array, target: Array, weight: Array, positive: Array, lanes: Array, scale: Array, value: Array) -> None:
    """value += scale/D · Σ w_c · (p_c · t · log(1 + e^−y) + (1 − t) · log(1 + e^y)), D = C·P."""
    C, P, _ = y.shape
    total = 0.0  # in float64
    for c in range(C):
        for p in range(P):
            for lane in range(lanes[0]):
                x, t = np.float64(y[c, p, lane]), np.float64(target[c, p, lane])
                both = 1 - t + positive[c] * t
                total += weight[c] * ((1 - t) * x + both * log_one_plus_exp(-x))
    value[0] += scale[0] * total / (C * P)


@kernel
def bce_logits_dy(y: Array, target: Array, weight: Array, positive: Array, lanes: Array, scale: Array, dy: Array) -> None:
    """dy = scale/D · w_c · ((1 − t + p_c·t) · σ(y) − p_c·t)."""
    (C, P, L), zero, one = y.shape, y.dtype.type(0), y.dtype.type(1)
    for c in range(C):
        factor = scale[0] / y.dtype.type(C * P) * weight[c]
        for p in range(P):
            for lane in range(L):
                t = target[c, p, lane]
                share = one / (one + exp(-y[c, p, lane]))
                right = positive[c] * t
                dy[c, p, lane] = factor * ((one - t + right) * share - right) if lane < lanes[0] else zero


@kernel
def bce_logits_hy(y: Array, target: Array, weight: Array, positive: Array, lanes: Array, scale: Array, hy: Array) -> None:
    """hy = scale/D · w_c · (1 − t + p_c·t) · σ(y)·(1 − σ(y))."""
    (C, P, L), zero, one = y.shape, y.dtype.type(0), y.dtype.type(1)
    for c in range(C):
        factor = scale[0] / y.dtype.type(C * P) * weight[c]
        for p in range(P):
            for lane in range(L):
                t = target[c, p, lane]
                share = one / (one + exp(-y[c, p, lane]))
                curved = factor * (one - t + positive[c] * t) * share * (one - share)
                hy[c, p, lane] = curved if lane < lanes[0] else zero


@kernel
def absolute(y: Array, target: Array, lanes: Array, scale: Array, value: Array) -> None:
    """value += scale/D · Σ |y − t|."""
    D, total = y.shape[0], 0.0  # in float64
    for d in range(D):
        for lane in range(lanes[0]):
            total += abs(np.float64(y[d, lane]) - np.float64(target[d, lane]))
    value[0] += scale[0] * total / D


@kernel
def absolute_dy(y: Array, target: Array, lanes: Array, scale: Array, dy: Array) -> None:
    """dy = scale/D · sign(y − t)."""
    (D, L), zero = y.shape, y.dtype.type(0)
    factor = scale[0] / y.dtype.type(D)
    for d in range(D):
        for lane in range(L):
            dy[d, lane] = factor * np.sign(y[d, lane] - target[d, lane]) if lane < lanes[0] else zero


@kernel
def contrastive(y: Array, target: Array, margin: Array, lanes: Array, scale: Array, value: Array) -> None:
    """value += scale/D · Σ ((1 − t) · y²/2 + t · max(m − y, 0)²/2)."""
    D, total = y.shape[0], 0.0  # in float64
    for d in range(D):
        for lane in range(lanes[0]):
            distance, t = np.float64(y[d, lane]), np.float64(target[d, lane])
            short = max(np.float64(margin[0]) - distance, 0.0)
            total += ((1 - t) * distance * distance + t * short * short) / 2
    value[0] += scale[0] * total / D


@kernel
def contrastive_dy(y: Array, target: Array, margin: Array, lanes: Array, scale: Array, dy: Array) -> None:
    """dy = scale/D · ((1 − t) · y − t · max(m − y, 0))."""
    (D, L), zero, one = y.shape, y.dtype.type(0), y.dtype.type(1)
    factor = scale[0] / y.dtype.type(D)
    for d in range(D):
        for lane in range(L):
            distance, t = y[d, lane], target[d, lane]
            short = max(margin[0] - distance, zero)
            dy[d, lane] = factor * ((one - t) * distance - t * short) if lane < lanes[0] else zero
