"""Euclidean radial basis functions and their derivatives. A thread computes one element of the output.

Legend: x (D, L), centres W (units, D), y, dy and hy (units, L).
"""

from __future__ import annotations

from collections.abc import Iterator

from ....arrays import Array
from ..device.launch import each
from ..device.operation import Launch, launch, operation
from ..device.target import cuda


def rbf_kernel(x: Array, W: Array, y: Array) -> None:
    """y[i] = Σ_j (x[j] − W[i, j])²."""
    (units, D), L = W.shape, x.shape[1]
    n = cuda.grid(1)
    if n < units * L:
        total = x.dtype.type(0)
        for j in range(D):
            e = x.flat[j * L + n % L] - W.flat[n // L * D + j]
            total += e * e
        y.flat[n] = total


def rbf_dx_kernel(dy: Array, x: Array, W: Array, dx: Array) -> None:
    """dx[j] = 2 Σ_i dy[i] (x[j] − W[i, j])."""
    (units, D), L = W.shape, x.shape[1]
    n = cuda.grid(1)
    if n < D * L:
        total = x.dtype.type(0)
        for i in range(units):
            total += dy.flat[i * L + n % L] * (x.flat[n] - W.flat[i * D + n // L])
        dx.flat[n] = x.dtype.type(2) * total


def rbf_dW_kernel(dy: Array, x: Array, W: Array, dW: Array) -> None:
    """dW[i, j] += 2 Σ_l dy[i, l] (W[i, j] − x[j, l])."""
    (units, D), L = W.shape, x.shape[1]
    n = cuda.grid(1)
    if n < units * D:
        total = x.dtype.type(0)
        for lane in range(L):
            total += dy.flat[n // D * L + lane] * (W.flat[n] - x.flat[n % D * L + lane])
        dW.flat[n] += x.dtype.type(2) * total


def rbf_hx_kernel(hy: Array, dy: Array, x: Array, W: Array, hx: Array) -> None:
    """hx[j] = 4 Σ_i hy[i] (x[j] − W[i, j])² + 2 max(Σ_i dy[i], 0)."""
    (units, D), L = W.shape, x.shape[1]
    n = cuda.grid(1)
    if n < D * L:
        two, zero = x.dtype.type(2), x.dtype.type(0)
        bent, own = zero, zero
        for i in range(units):
            e = x.flat[n] - W.flat[i * D + n // L]
            bent += hy.flat[i * L + n % L] * e * e
            own += dy.flat[i * L + n % L]
        hx.flat[n] = two * (two * bent + (zero if own < zero else own))


def rbf_hW_kernel(hy: Array, dy: Array, x: Array, W: Array, hW: Array) -> None:
    """hW[i, j] += Σ_l (4 hy[i, l] (x[j, l] − W[i, j])² + 2 max(dy[i, l], 0))."""
    (units, D), L = W.shape, x.shape[1]
    n = cuda.grid(1)
    if n < units * D:
        two, zero = x.dtype.type(2), x.dtype.type(0)
        total = zero
        for lane in range(L):
            at = n // D * L + lane
            e, own = x.flat[n % D * L + lane] - W.flat[n], dy.flat[at]
            total += two * hy.flat[at] * e * e + (zero if own < zero else own)
        hW.flat[n] += two * total


@operation
def rbf(x: Array, W: Array, y: Array) -> Iterator[Launch]:
    """y = Σ (x − W)²."""
    yield launch(rbf_kernel, each(y.size), x, W, y)


@operation
def rbf_dx(dy: Array, x: Array, W: Array, dx: Array) -> Iterator[Launch]:
    """dx = 2 Σ dy (x − W)."""
    yield launch(rbf_dx_kernel, each(dx.size), dy, x, W, dx)


@operation
def rbf_dW_add(dy: Array, x: Array, W: Array, dW: Array) -> Iterator[Launch]:
    """dW += 2 Σ dy (W − x)."""
    yield launch(rbf_dW_kernel, each(W.size), dy, x, W, dW)


@operation
def rbf_hx(hy: Array, dy: Array, x: Array, W: Array, hx: Array) -> Iterator[Launch]:
    """hx = 4 Σ hy (x − W)² + 2 max(Σ dy, 0)."""
    yield launch(rbf_hx_kernel, each(hx.size), hy, dy, x, W, hx)


@operation
def rbf_hW_add(hy: Array, dy: Array, x: Array, W: Array, hW: Array) -> Iterator[Launch]:
    """hW += Σ (4 hy (x − W)² + 2 max(dy, 0))."""
    yield launch(rbf_hW_kernel, each(W.size), hy, dy, x, W, hW)
