"""Radial basis functions of one image, with vectors along the centres. Legend as in ``kernels/rbf.py``, with L = 1."""

from __future__ import annotations

from ....arrays import Array
from ..compile.jit import kernel


@kernel
def rbf(x: Array, W: Array, y: Array) -> None:
    """y[i] = Σ_j (x[j] − W[i, j])²."""
    units, D = W.shape
    for i in range(units):
        row, total = W[i], x.dtype.type(0)
        for j in range(D):
            e = x[j, 0] - row[j]
            total += e * e
        y[i, 0] = total


@kernel
def rbf_dx(dy: Array, x: Array, W: Array, dx: Array) -> None:
    """dx[j] = 2 Σ_i dy[i] (x[j] − W[i, j])."""
    (units, D), two = W.shape, x.dtype.type(2)
    for j in range(D):
        dx[j, 0] = 0
    for i in range(units):
        row, weight = W[i], two * dy[i, 0]
        for j in range(D):
            dx[j, 0] += weight * (x[j, 0] - row[j])


@kernel
def rbf_dW_add(dy: Array, x: Array, W: Array, dW: Array) -> None:
    """dW[i, j] += 2 dy[i] (W[i, j] − x[j])."""
    (units, D), two = W.shape, x.dtype.type(2)
    for i in range(units):
        row, out, weight = W[i], dW[i], two * dy[i, 0]
        for j in range(D):
            out[j] += weight * (row[j] - x[j, 0])
