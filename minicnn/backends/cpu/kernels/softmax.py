"""Softmax and its logarithm over the classes, their derivatives, and their diagonal second derivatives.

Legend: x, y, dy, dx, hy, hx (D, L): D classes, L lanes. Outputs must not alias inputs: their first rows serve as scratch.
"""

from __future__ import annotations

import math

from numba.extending import register_jitable

from ....arrays import Array, Number
from ..compile.jit import kernel
from ..tiles.functions import FLAGS, exp


@register_jitable
def column_maxima(x: Array, top: Array) -> None:
    """top[l] = max_d x[d, l]."""
    D, L = x.shape
    for lane in range(L):
        top[lane] = x[0, lane]
    for d in range(1, D):
        for lane in range(L):
            top[lane] = x[d, lane] if x[d, lane] > top[lane] else top[lane]


@register_jitable
def column_softmax(x: Array, y: Array) -> None:
    """y[d] = e^(x[d] − m) / s, m = max_d x[d], s = Σ_d e^(x[d] − m); meanwhile y[0] holds m and y[1] holds s."""
    D, L = x.shape
    if D == 1:
        for lane in range(L):
            y[0, lane] = exp(x[0, lane] - x[0, lane])  # 1, or NaN if x is not finite
        return
    m, s = y[0], y[1]
    column_maxima(x, m)
    for lane in range(L):
        s[lane] = exp(x[0, lane] - m[lane]) + exp(x[1, lane] - m[lane])
    for d in range(2, D):
        row = y[d]
        for lane in range(L):
            row[lane] = exp(x[d, lane] - m[lane])
            s[lane] += row[lane]
    for d in range(2, D):
        row = y[d]
        for lane in range(L):
            row[lane] /= s[lane]
    for lane in range(L):
        top, total = m[lane], s[lane]
        m[lane] = exp(x[0, lane] - top) / total
        s[lane] = exp(x[1, lane] - top) / total


@kernel
def softmax(x: Array, y: Array) -> None:
    """y[d] = e^x[d] / Σ_c e^x[c]."""
    column_softmax(x, y)


@kernel
def softmax_dx(y: Array, dy: Array, dx: Array) -> None:
    """dx[d] = y[d] (dy[d] − Σ_c y[c] dy[c]); dx[0] holds the sum until it is overwritten."""
    D, L = y.shape
    total = dx[0]
    for lane in range(L):
        total[lane] = y[0, lane] * dy[0, lane]
    for d in range(1, D):
        for lane in range(L):
            total[lane] += y[d, lane] * dy[d, lane]
    for d in range(D - 1, -1, -1):
        row = dx[d]
        for lane in range(L):
            row[lane] = y[d, lane] * (dy[d, lane] - total[lane])


@kernel
def softmax_hx(y: Array, hy: Array, hx: Array) -> None:
    """hx[d] = Σ_c (∂y[c]/∂x[d])² hy[c] = y[d]² ((1 − 2 y[d]) hy[d] + Σ_c y[c]² hy[c]); meanwhile hx[0] holds the sum."""
    D, L = y.shape
    total, two, one = hx[0], y.dtype.type(2), y.dtype.type(1)
    for lane in range(L):
        total[lane] = y[0, lane] * y[0, lane] * hy[0, lane]
    for d in range(1, D):
        for lane in range(L):
            total[lane] += y[d, lane] * y[d, lane] * hy[d, lane]
    for d in range(D - 1, -1, -1):
        row = hx[d]
        for lane in range(L):
            row[lane] = y[d, lane] * y[d, lane] * ((one - two * y[d, lane]) * hy[d, lane] + total[lane])


@register_jitable(**FLAGS)
def _twice_less(x: Number, m: Number, s: Number) -> Number:
    """(x − m) − s, in that order: beside a large m, m + s would lose s."""
    return (x - m) - s


@kernel
def log_softmax(x: Array, y: Array) -> None:
    """y[d] = x[d] − m − log Σ_c e^(x[c] − m), m = max_c x[c]; meanwhile y[0] holds m and y[1] holds the sum."""
    D, L = x.shape
    if D == 1:
        for lane in range(L):
            y[0, lane] = x[0, lane] - x[0, lane]  # 0, or NaN if x is not finite
        return
    m, s = y[0], y[1]
    column_maxima(x, m)
    for lane in range(L):
        s[lane] = exp(x[0, lane] - m[lane])
    for d in range(1, D):
        for lane in range(L):
            s[lane] += exp(x[d, lane] - m[lane])
    for lane in range(L):
        s[lane] = math.log(s[lane])
    for d in range(2, D):
        row = y[d]
        for lane in range(L):
            row[lane] = _twice_less(x[d, lane], m[lane], s[lane])
    for lane in range(L):
        top, total = m[lane], s[lane]
        m[lane] = _twice_less(x[0, lane], top, total)
        s[lane] = _twice_less(x[1, lane], top, total)


@kernel
def log_softmax_dx(y: Array, dy: Array, dx: Array) -> None:
    """dx[d] = dy[d] − e^y[d] Σ_c dy[c]; dx[0] holds the sum until it is overwritten."""
    D, L = y.shape
    total = dx[0]
    for lane in range(L):
        total[lane] = dy[0, lane]
    for d in range(1, D):
        for lane in range(L):
            total[lane] += dy[d, lane]
    for d in range(D - 1, -1, -1):
        row = dx[d]
        for lane in range(L):
            row[lane] = dy[d, lane] - exp(y[d, lane]) * total[lane]


@kernel
def log_softmax_hx(y: Array, hy: Array, hx: Array) -> None:
    """hx[d] = Σ_c (∂y[c]/∂x[d])² hy[c] = (1 − 2p) hy[d] + p² Σ_c hy[c], p = e^y[d]; hx[0] holds the sum until the end."""
    D, L = y.shape
    total, two, one = hx[0], y.dtype.type(2), y.dtype.type(1)
    for lane in range(L):
        total[lane] = hy[0, lane]
    for d in range(1, D):
        for lane in range(L):
            total[lane] += hy[d, lane]
    for d in range(D - 1, -1, -1):
        row = hx[d]
        for lane in range(L):
            p = exp(y[d, lane])
            row[lane] = (one - two * p) * hy[d, lane] + p * p * total[lane]
