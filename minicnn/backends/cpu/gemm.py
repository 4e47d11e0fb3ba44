"""Matrix products from register tiles. Rows may be strided (a slice of columns), columns are contiguous.

Legend: W (M, K), x (K, P), y (M, P); P is a multiple of the 16 lanes that tiles are cut from.
"""

from __future__ import annotations

from ...arrays import Array
from .jit import kernel
from .tiles import (
    tile_add,
    tile_bias,
    tile_dot,
    tile_lanes,
    tile_outer,
    tile_store,
    tile_sum_add,
    tile_width,
    tile_zero,
    tile_zeros,
)

ROWS = 8  # rows of a product's tile: eight accumulators hide the latency of a fused multiply-add
SIDE = 4  # a tile of dot products is SIDE × SIDE


@kernel
def gemm_bias(W: Array, x: Array, b: Array, y: Array) -> None:
    """y = W x + b."""
    (M, K), P = W.shape, x.shape[1]
    w_row, x_row, y_row = W.strides[0] // W.itemsize, x.strides[0] // x.itemsize, y.strides[0] // y.itemsize
    for p in range(0, P, tile_lanes(x)):
        for m in range(0, M, ROWS):
            rows = min(ROWS, M - m)
            t = tile_bias(tile_zero(x, ROWS), b, m, rows)
            for k in range(K):
                t = tile_outer(t, W, m * w_row + k, w_row, rows, x, k * x_row + p)
            tile_store(t, y, m * y_row + p, y_row, rows)


@kernel
def gemm_tn(W: Array, dy: Array, dx: Array) -> None:
    """dx = Wᵀ dy."""
    (M, K), P = W.shape, dy.shape[1]
    w_row, dy_row, dx_row = W.strides[0] // W.itemsize, dy.strides[0] // dy.itemsize, dx.strides[0] // dx.itemsize
    for p in range(0, P, tile_lanes(dy)):
        for k in range(0, K, ROWS):
            rows = min(ROWS, K - k)
            t = tile_zero(dy, ROWS)
            for m in range(M):
                t = tile_outer(t, W, m * w_row + k, 1, rows, dy, m * dy_row + p)
            tile_store(t, dx, k * dx_row + p, dx_row, rows)


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


@kernel
def outer_add(dy: Array, x: Array, xt: Array, dW: Array) -> None:
    """dW += dy xᵀ for few columns; xt (P, K filled up to a multiple of 16) is room for xᵀ.

    With the long axis of dW in the vectors there is nothing to sum over lanes.
    """
    (M, P), K, padded = dy.shape, x.shape[0], xt.shape[1]
    for p in range(P):
        for k in range(K):
            xt[p, k] = x[k, p]
        for k in range(K, padded):
            xt[p, k] = x.dtype.type(0)
    for k in range(0, K, tile_lanes(x)):
        for m in range(0, M, ROWS):
            rows = min(ROWS, M - m)
            t = tile_zero(x, ROWS)
            for p in range(P):
                t = tile_outer(t, dy, m * P + p, P, rows, xt, p * padded + k)
            tile_add(t, dW, m * K + k, K, rows, K - k)


@kernel
def row_sum_add(dy: Array, db: Array) -> None:
    """db[m] += Σ_p dy[m, p]."""
    for m in range(dy.shape[0]):
        row = dy[m]
        total = dy.dtype.type(0)
        for p in range(row.size):
            total += row[p]
        db[m] += total
