"""Euclidean radial basis functions and their derivatives.

Legend: x (D, L), centres W (units, D), y, dy and hy (units, L).
"""

from __future__ import annotations

from ....arrays import Array
from ..compile.jit import kernel


@kernel
def rbf(x: Array, W: Array, y: Array) -> None:
    """y[i] = Σ_j (x[j] − W[i, j])²."""
    (units, D), L = W.shape, x.shape[1]
    for i in range(units):
        for lane in range(L):
            y[i, lane] = 0
        for j in range(D):
            for lane in range(L):
                e = x[j, lane] - W[i, j]
                y[i, lane] += e * e


@kernel
def rbf_dx(dy: Array, x: Array, W: Array, dx: Array) -> None:
    """dx[j] = 2 Σ_i dy[i] (x[j] − W[i, j])."""
    (units, D), L, two = W.shape, x.shape[1], x.dtype.type(2)
    for j in range(D):
        for lane in range(L):
            dx[j, lane] = 0
        for i in range(units):
            for lane in range(L):
                dx[j, lane] += two * dy[i, lane] * (x[j, lane] - W[i, j])


@kernel
def rbf_dW_add(dy: Array, x: Array, W: Array, dW: Array) -> None:
    """dW[i, j] += 2 Σ_l dy[i, l] (W[i, j] − x[j, l])."""
    (units, D), L, two = W.shape, x.shape[1], x.dtype.type(2)
    for i in range(units):
        for j in range(D):
            total = x.dtype.type(0)
            for lane in range(L):
                total += dy[i, lane] * (W[i, j] - x[j, lane])
            dW[i, j] += two * total


@kernel
def rbf_hx(hy: Array, dy: Array, x: Array, W: Array, hx: Array) -> None:
    """hx[j] = 4 Σ_i hy[i] (x[j] − W[i, j])² + 2 max(Σ_i dy[i], 0)."""
    (units, D), L, two, four, zero = W.shape, x.shape[1], x.dtype.type(2), x.dtype.type(4), x.dtype.type(0)
    own = hx[0]
    for lane in range(L):
        own[lane] = 0
    for i in range(units):
        for lane in range(L):
            own[lane] += dy[i, lane]
    for lane in range(L):
        own[lane] = zero if own[lane] < zero else two * own[lane]
    for j in range(D - 1, -1, -1):  # first row last: until then it holds the initial value of all rows
        for lane in range(L):
            hx[j, lane] = own[lane]
        for i in range(units):
            for lane in range(L):
                e = x[j, lane] - W[i, j]
                hx[j, lane] += four * hy[i, lane] * e * e


@kernel
def rbf_hW_add(hy: Array, dy: Array, x: Array, W: Array, hW: Array) -> None:
    """hW[i, j] += Σ_l (4 hy[i, l] (x[j, l] − W[i, j])² + 2 max(dy[i, l], 0))."""
    (units, D), L, two, four, zero = W.shape, x.shape[1], x.dtype.type(2), x.dtype.type(4), x.dtype.type(0)
    for i in range(units):
        for j in range(D):
            total = zero
            for lane in range(L):
                e, own = x[j, lane] - W[i, j], dy[i, lane]
                total += four * hy[i, lane] * e * e + (zero if own < zero else two * own)
            hW[i, j] += total
