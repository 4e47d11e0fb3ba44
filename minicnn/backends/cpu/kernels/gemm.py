"""Matrix products with register tiles. Rows may be strided (a slice of columns), columns are contiguous.

Legend: W (M, K), x (K, P), y (M, P); P is a multiple of 16, the smallest number of lanes in a group.
"""

from __future__ import annotations

from functools import cache

from ....arrays import Array
from ..compile.host import HOST
from ..compile.jit import Kernel, kernel, select
from ..tiles import (
    tile_add,
    tile_bias,
    tile_dot,
    tile_outer,
    tile_set,
    tile_store,
    tile_sum_add,
    tile_transposed,
    tile_width,
    tile_zeros,
)

SIDE = 4  # a tile of dot products is SIDE × SIDE
WIDE = (8, 3) if HOST.registers >= 32 else (4, 2)  # rows and vectors of a tile for many columns
NARROW = (20, 1) if HOST.registers >= 32 else (10, 1)  # for as few columns as a group has lanes
STRIDED = (8, 1)  # the same, for strided weights
OUTER = (8, 2) if HOST.registers >= 32 else (4, 2)


@cache
def _bias(size: int, vectors: int) -> Kernel:
    @kernel
    def gemm_bias(W: Array, x: Array, b: Array, y: Array) -> None:
        """y = W x + b."""
        (M, K), P, span = W.shape, x.shape[1], vectors * tile_width(x)
        w_row, x_row, y_row = W.strides[0] // W.itemsize, x.strides[0] // x.itemsize, y.strides[0] // y.itemsize
        for start in range(0, P, span):
            p = min(start, P - span)  # the last tile overlaps the one before
            for m in range(0, M, size):
                rows = min(size, M - m)
                t = tile_bias(tile_zeros(x, size, vectors), b, m, rows)
                for k in range(K):
                    t = tile_outer(t, W, m * w_row + k, w_row, rows, x, k * x_row + p)
                tile_store(t, y, m * y_row + p, y_row, rows)

    return gemm_bias


@cache
def _tn(size: int, vectors: int) -> Kernel:
    @kernel
    def gemm_tn(W: Array, dy: Array, dx: Array) -> None:
        """dx = Wᵀ dy."""
        (M, K), P, span = W.shape, dy.shape[1], vectors * tile_width(dy)
        w_row, dy_row, dx_row = W.strides[0] // W.itemsize, dy.strides[0] // dy.itemsize, dx.strides[0] // dx.itemsize
        for start in range(0, P, span):
            p = min(start, P - span)
            for k in range(0, K, size):
                rows = min(size, K - k)
                t = tile_zeros(dy, size, vectors)
                for m in range(M):
                    t = tile_outer(t, W, m * w_row + k, 1, rows, dy, m * dy_row + p)
                tile_store(t, dx, k * dx_row + p, dx_row, rows)

    return gemm_tn


def many(array: Array) -> bool:
    """Whether a matrix has enough columns for wide tiles."""
    return bool(array.shape[1] * array.itemsize >= WIDE[1] * HOST.bytes)


@select
def gemm_bias(W: Array, x: Array, b: Array, y: Array) -> Kernel:
    """Choose the tile by the number of columns."""
    return _bias(*(WIDE if many(x) else STRIDED))


@select
def gemm_tn(W: Array, dy: Array, dx: Array) -> Kernel:
    """Choose the tile by the number of columns."""
    return _tn(*(WIDE if many(dy) else NARROW))


@kernel
def gemm_nt_add(dy: Array, x: Array, dW: Array) -> None:
    """dW += dy xᵀ."""
    (M, P), K = dy.shape, x.shape[0]
    dy_row, x_row, dw_row = dy.strides[0] // dy.itemsize, x.strides[0] // x.itemsize, dW.strides[0] // dW.itemsize
    for m in range(0, M, SIDE):
        rows = min(SIDE, M - m)
        for k in range(0, K, SIDE):
            cols = min(SIDE, K - k)
            t = tile_zeros(dy, SIDE, SIDE)
            for p in range(0, P, tile_width(dy)):
                t = tile_dot(t, dy, m * dy_row + p, dy_row, rows, x, k * x_row + p, x_row, cols)
            tile_sum_add(t, dW, m * dw_row + k, dw_row, rows, 1, cols)


@cache
def _outer(add: bool) -> Kernel:
    @kernel
    def outer_product(dy: Array, x: Array, xt: Array, dW: Array) -> None:
        """dW += dy xᵀ or dW = dy xᵀ, with vectors along the long axis of dW, so that no sum over lanes is needed."""
        (M, P), K, padded, width = dy.shape, x.shape[0], xt.shape[1], tile_width(x)
        for p in range(0, P, width):
            for k in range(0, K, width):
                tile_store(tile_transposed(x, k * P + p, P, min(width, K - k)), xt, p * padded + k, padded, width)
        size, vectors = OUTER
        for k in range(0, K, vectors * width):
            for m in range(0, M, size):
                rows = min(size, M - m)
                t = tile_zeros(x, OUTER[0], OUTER[1])
                for p in range(P):
                    t = tile_outer(t, dy, m * P + p, P, rows, xt, p * padded + k)
                if add:
                    tile_add(t, dW, m * K + k, K, rows, K - k)
                else:
                    tile_set(t, dW, m * K + k, K, rows, K - k)

    return outer_product


@select
def outer_add(dy: Array, x: Array, xt: Array, dW: Array) -> Kernel:
    """dW += dy xᵀ for few columns; xt (P, K rounded up to a multiple of 32) is scratch for xᵀ."""
    return _outer(add=True)


@select
def outer(dy: Array, x: Array, xt: Array, dW: Array) -> Kernel:
    """dW = dy xᵀ: like ``outer_add``, without clearing dW first."""
    return _outer(add=False)


@kernel
def row_sum_add(dy: Array, db: Array) -> None:
    """db[m] += Σ_p dy[m, p]."""
    for m in range(dy.shape[0]):
        row = dy[m]
        total = dy.dtype.type(0)
        for p in range(row.size):
            total += row[p]
        db[m] += total


@kernel
def row_add(b: Array, y: Array) -> None:
    """y[m, p] += b[m]."""
    for m in range(y.shape[0]):
        row, bias = y[m], b[m]
        for p in range(row.size):
            row[p] += bias
