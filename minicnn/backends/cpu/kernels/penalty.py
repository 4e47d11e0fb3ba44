"""Losses over penalties, where the smallest output wins: LeCun et al. 1998, equations 8 and 9. Legend as in ``loss.py``.

rubbish [1] = j: the penalty of an extra class for patterns that belong to no other class.
"""

from __future__ import annotations

import math

from ....arrays import Array
from ..compile.jit import kernel
from ..tiles.functions import exp


@kernel
def penalty(y: Array, labels: Array, lanes: Array, scale: Array, value: Array) -> None:
    """value += scale Σ_l y[label]."""
    total = 0.0
    for lane in range(lanes[0]):
        total += y[labels[lane], lane]
    value[0] += scale[0] * total


@kernel
def penalty_dy(labels: Array, lanes: Array, scale: Array, dy: Array) -> None:
    """dy = scale at the label, 0 elsewhere."""
    (D, L), n, on, off = dy.shape, lanes[0], scale[0], dy.dtype.type(0)
    for d in range(D):
        for lane in range(L):
            dy[d, lane] = on if lane < n and labels[lane] == d else off


@kernel
def map_penalty(y: Array, labels: Array, rubbish: Array, lanes: Array, scale: Array, value: Array) -> None:
    """value += scale Σ_l (y[label] + log(e^−j + Σ_d e^−y[d]))."""
    D, total = y.shape[0], 0.0
    for lane in range(lanes[0]):
        least = rubbish[0]
        for d in range(D):
            least = y[d, lane] if y[d, lane] < least else least
        powers = 0.0
        powers += exp(least - rubbish[0])
        for d in range(D):
            powers += exp(least - y[d, lane])
        total += (y[labels[lane], lane] - least) + math.log(powers)
    value[0] += scale[0] * total


@kernel
def map_shares(y: Array, rubbish: Array, p: Array) -> None:
    """p[d] = e^−y[d] / (e^−j + Σ_c e^−y[c])."""
    D, L = y.shape
    for lane in range(L):
        least = rubbish[0]
        for d in range(D):
            least = y[d, lane] if y[d, lane] < least else least
        total = exp(least - rubbish[0])
        for d in range(D):
            total += exp(least - y[d, lane])
        for d in range(D):
            p[d, lane] = exp(least - y[d, lane]) / total


@kernel
def map_penalty_dy(labels: Array, lanes: Array, scale: Array, dy: Array) -> None:
    """dy = scale · (1 at the label − p); on entry dy holds the shares p."""
    (D, L), n, factor, zero, one = dy.shape, lanes[0], scale[0], dy.dtype.type(0), dy.dtype.type(1)
    for d in range(D):
        for lane in range(L):
            target = one if labels[lane] == d else zero
            dy[d, lane] = factor * (target - dy[d, lane]) if lane < n else zero


@kernel
def map_penalty_hy(lanes: Array, scale: Array, hy: Array) -> None:
    """hy = scale · p (1 − p); on entry hy holds the shares p."""
    (D, L), n, factor, zero, one = hy.shape, lanes[0], scale[0], hy.dtype.type(0), hy.dtype.type(1)
    for d in range(D):
        for lane in range(L):
            hy[d, lane] = factor * hy[d, lane] * (one - hy[d, lane]) if lane < n else zero


@kernel
def count_least(y: Array, labels: Array, lanes: Array, hits: Array) -> None:
    """hits += the number of live lanes whose smallest output is at the label; the first of equals counts, a NaN never.

    A label of −1 is none.
    """
    for lane in range(lanes[0]):
        label = labels[lane]
        least, hit = y[label, lane], label >= 0
        for d in range(y.shape[0]):
            hit = hit and (y[d, lane] > least or (y[d, lane] == least and d >= label))
        hits[0] += hit
