"""Matrix products with one column, or with any number of columns.

With one column, memory is the limit: plain loops along the rows of W, which LLVM vectorises, are fast enough. Other numbers of
columns occur with the im2col columns of one image (``conv/im2col.py``).

Legend: W (M, K), x (K, P), y (M, P), also as slices of columns of wider arrays.
"""

from __future__ import annotations

from ....arrays import Array
from ..compile.jit import Kernel, kernel, select


@kernel
def vector_bias(W: Array, x: Array, b: Array, y: Array) -> None:
    """y = W x + b for one column."""
    M, K = W.shape
    for m in range(M):
        row, total = W[m], b[m]
        for k in range(K):
            total += row[k] * x[k, 0]
        y[m, 0] = total


@kernel
def columns_bias(W: Array, x: Array, b: Array, y: Array) -> None:
    """y = W x + b for any number of columns."""
    (M, K), P = W.shape, x.shape[1]
    for m in range(M):
        out = y[m]
        for p in range(P):
            out[p] = b[m]
        for k in range(K):
            weight, row = W[m, k], x[k]
            for p in range(P):
                out[p] += weight * row[p]


@select
def gemm_bias(W: Array, x: Array, b: Array, y: Array) -> Kernel:
    """Choose the kernel for one column or for any number."""
    return vector_bias if x.shape[1] == 1 else columns_bias


@kernel
def vector_tn(W: Array, dy: Array, dx: Array) -> None:
    """dx = Wᵀ dy for one column: four rows of W at a time, to load and store dx less often."""
    M, K = W.shape
    fours = M - M % 4
    for k in range(K):
        dx[k, 0] = 0
    for m in range(0, fours, 4):
        a, b, c, d = W[m], W[m + 1], W[m + 2], W[m + 3]
        p, q, r, s = dy[m, 0], dy[m + 1, 0], dy[m + 2, 0], dy[m + 3, 0]
        for k in range(K):
            dx[k, 0] += p * a[k] + q * b[k] + r * c[k] + s * d[k]
    for m in range(fours, M):
        row, weight = W[m], dy[m, 0]
        for k in range(K):
            dx[k, 0] += weight * row[k]


@kernel
def columns_tn(W: Array, dy: Array, dx: Array) -> None:
    """dx = Wᵀ dy for any number of columns."""
    (M, K), P = W.shape, dy.shape[1]
    for k in range(K):
        out = dx[k]
        for p in range(P):
            out[p] = 0
        for m in range(M):
            weight, row = W[m, k], dy[m]
            for p in range(P):
                out[p] += weight * row[p]


@select
def gemm_tn(W: Array, dy: Array, dx: Array) -> Kernel:
    """Choose the kernel for one column or for any number."""
    return vector_tn if dy.shape[1] == 1 else columns_tn


@kernel
def vectors_nt_add(dy: Array, x: Array, dW: Array) -> None:
    """dW += dy xᵀ for one column."""
    M, K = dW.shape
    for m in range(M):
        row, weight = dW[m], dy[m, 0]
        for k in range(K):
            row[k] += weight * x[k, 0]


@kernel
def columns_nt_add(dy: Array, x: Array, dW: Array) -> None:
    """dW += dy xᵀ for any number of columns."""
    (M, K), P = dW.shape, dy.shape[1]
    for m in range(M):
        left = dy[m]
        for k in range(K):
            right, total = x[k], dW.dtype.type(0)
            for p in range(P):
                total += left[p] * right[p]
            dW[m, k] += total


@select
def gemm_nt_add(dy: Array, x: Array, dW: Array) -> Kernel:
    """Choose the kernel for one column or for any number."""
    return vectors_nt_add if dy.shape[1] == 1 else columns_nt_add


@kernel
def outer_add(dy: Array, x: Array, xt: Array, dW: Array) -> None:
    """dW += dy xᵀ for one column, where x needs no transposing."""
    M, K = dW.shape
    for m in range(M):
        row, weight = dW[m], dy[m, 0]
        for k in range(K):
            row[k] += weight * x[k, 0]


@kernel
def outer(dy: Array, x: Array, xt: Array, dW: Array) -> None:
    """dW = dy xᵀ for one column."""
    M, K = dW.shape
    for m in range(M):
        row, weight = dW[m], dy[m, 0]
        for k in range(K):
            row[k] = weight * x[k, 0]
