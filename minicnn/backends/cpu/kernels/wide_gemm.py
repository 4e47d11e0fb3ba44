"""Matrix products of all groups of a batch at once, for weights wider than the cache: a block of them meets every group.

Legend: W (M, K), x (G, K, P), y (G, M, P) for G groups of P columns, a multiple of 16; groups lie at any distance, a group's
rows end to end. W and dW may be some columns of a larger matrix. Sums run over k, m or all columns of the groups of a lot, from
the first to the last, whatever part of the weights a call is given; sums of lots are added in their order.
"""

from __future__ import annotations

from functools import cache

from ....arrays import Array, Shape
from ..compile.host import HOST
from ..compile.jit import Kernel, kernel
from ..tiles import (
    tile_add,
    tile_bias,
    tile_get,
    tile_group_columns,
    tile_multiply,
    tile_multiply_rows,
    tile_outer,
    tile_places,
    tile_put,
    tile_set,
    tile_store,
    tile_sum,
    tile_transposed,
    tile_width,
    tile_zeros,
)

ROWS, VECTORS = (6, 4) if HOST.registers >= 32 else (6, 2)
"""A tile: with the vectors of a step and a weight in every lane it fills 16 or 32 registers."""

DEEP = 512
"""So many terms of a sum at a time, so that the columns of a tile stay in the first cache for all rows of a block."""

TALL = 48
"""Rows of a block, whose weights stay in the second cache while all groups meet them."""

PACKED = 96
"""The same where weights are packed: rows of W are read in pieces of so many."""

IMAGES = 256
"""Lots of so many images in all are summed into a part of a gradient while that is in the first cache."""

TURNED = 1 << 17
"""Bytes of x that are turned at once, a part of the second cache."""


@cache
def _bias(size: int, vectors: int) -> Kernel:
    @kernel
    def gemm_bias_wide(W: Array, x: Array, b: Array, y: Array) -> None:
        """y[g] = W x[g] + b."""
        (M, K), (G, _, P), w = W.shape, x.shape, tile_width(x)
        w_row, x_group, y_group = W.strides[0] // W.itemsize, x.strides[0] // x.itemsize, y.strides[0] // y.itemsize
        parts = P // w
        for first in range(0, K, DEEP):
            end = min(K, first + DEEP)
            for top in range(0, M, TALL):
                bottom = min(M, top + TALL)
                for v in range(0, G * parts, vectors):
                    xs = tile_group_columns(vectors, v, G * parts, parts, x_group, w)
                    ys = tile_group_columns(vectors, v, G * parts, parts, y_group, w)
                    for m in range(top, bottom, size):
                        rows = min(size, bottom - m)
                        t = tile_zeros(x, size, vectors)
                        t = tile_bias(t, b, m, rows) if first == 0 else tile_get(t, y, m * P, P, rows, ys)
                        for k in range(first, end):
                            t = tile_multiply_rows(t, W, m * w_row + k, w_row, rows, x, xs, k * P)
                        tile_put(t, y, m * P, P, rows, ys)

    return gemm_bias_wide


@cache
def _tn(size: int, vectors: int, pieces: int) -> Kernel:
    @kernel
    def gemm_tn_wide(W: Array, dy: Array, packed: Array, dx: Array) -> None:
        """dx[g] = Wᵀ dy[g]: columns of W are packed first, some rows at a time, as those of a tile lie far apart in W."""
        (M, K), (G, _, P), w = W.shape, dy.shape, tile_width(dy)
        w_row, dy_group, dx_group = W.strides[0] // W.itemsize, dy.strides[0] // dy.itemsize, dx.strides[0] // dx.itemsize
        parts, ahead = P // w, tile_places(pieces, 0, pieces, 0, w)
        each = DEEP * size + pieces * w
        for first in range(0, M, DEEP):
            end = min(M, first + DEEP)
            for top in range(0, K, PACKED):
                bottom = min(K, top + PACKED)
                whole = max(0, min(bottom - top - size, K - pieces * w - top) // size + 1)  # tiles that are read in vectors
                for m in range(first, end):
                    at, k = (m - first) * size, m * w_row + top
                    for _ in range(whole):  # what is written behind a row is the start of the next one
                        tile_store(tile_get(tile_zeros(W, 1, pieces), W, k, 0, 1, ahead), packed, at, 0, 1)
                        at, k = at + each, k + size
                for m in range(first, end):
                    for k in range(top + whole * size, bottom):
                        tile, row = (k - top) // size, (k - top) % size
                        packed[tile * each + (m - first) * size + row] = W[m, k]
                for v in range(0, G * parts, vectors):
                    dys = tile_group_columns(vectors, v, G * parts, parts, dy_group, w)
                    dxs = tile_group_columns(vectors, v, G * parts, parts, dx_group, w)
                    for k in range(top, bottom, size):
                        rows, at = min(size, bottom - k), (k - top) // size * each
                        t = tile_zeros(dy, size, vectors)
                        if first > 0:
                            t = tile_get(t, dx, k * P, P, rows, dxs)
                        for m in range(end - first):
                            t = tile_multiply(t, packed, at + m * size, dy, dys, (first + m) * P)
                        tile_put(t, dx, k * P, P, rows, dxs)

    return gemm_tn_wide


@cache
def _outer(size: int, vectors: int, add: bool) -> Kernel:
    @kernel
    def outer_wide(dy: Array, x: Array, lots: Array, xt: Array, dW: Array) -> None:
        """dW = Σ_l Σ_g dy[g] x[g]ᵀ, or dW += …, for g = l, l + lots, …: x is turned first, some columns of dW at a time."""
        (G, M, P), K, w, span, count = dy.shape, x.shape[1], tile_width(x), vectors * tile_width(x), lots[0]
        dw_row, dy_group, x_group = dW.strides[0] // dW.itemsize, dy.strides[0] // dy.itemsize, x.strides[0] // x.itemsize
        some = max(1, IMAGES // ((G + count - 1) // count * P))
        for first in range(0, count, some):
            end, groups = min(count, first + some), 0
            for lot in range(first, end):
                groups += (G - lot + count - 1) // count
            panel = groups * P * span
            wide = xt.size // panel * span
            for left in range(0, K, wide):
                right = min(K, left + wide)
                for k in range(left, right, w):
                    to, rows = (k - left) // span * panel + (k - left) % span, min(w, K - k)
                    for lot in range(first, end):
                        for g in range(lot, G, count):
                            for p in range(0, P, w):
                                tile_store(tile_transposed(x, g * x_group + k * P + p, P, rows), xt, to, span, w)
                                to += w * span
                for m in range(0, M, size):
                    rows = min(size, M - m)
                    for k in range(left, right, span):
                        at, total = (k - left) // span * panel, tile_zeros(x, size, vectors)
                        for lot in range(first, end):  # all of them while this part of dW is at hand
                            t, g = tile_zeros(x, size, vectors), lot
                            while g < G:  # a range would divide
                                for p in range(P):
                                    t = tile_outer(t, dy, g * dy_group + m * P + p, P, rows, xt, at + p * span)
                                g, at = g + count, at + P * span
                            if add or first > 0:
                                tile_add(t, dW, m * dw_row + k, dw_row, rows, K - k)
                            else:
                                total = tile_sum(total, t) if lot > 0 else t
                        if not add and first == 0:
                            tile_set(total, dW, m * dw_row + k, dw_row, rows, K - k)

    return outer_wide


def gemm_bias_wide(x: Array) -> Kernel:
    """The kernel for groups of such columns."""
    return _bias(*tile(x))


def gemm_tn_wide(dy: Array) -> Kernel:
    """The kernel for groups of such columns."""
    size, vectors = tile(dy)
    return _tn(size, vectors, -(-size // HOST.width(dy.itemsize)))


def outer_wide(x: Array, add: bool) -> Kernel:
    """The kernel that writes dW, or adds to it."""
    return _outer(ROWS, VECTORS, add)


def tile(x: Array) -> tuple[int, int]:
    """Rows and vectors of a tile: twice the rows if all groups together have but half its vectors."""
    vectors = len(x) * x.shape[2] // HOST.width(x.itemsize)
    return (ROWS, VECTORS) if vectors > VECTORS // 2 or VECTORS < 4 else (2 * ROWS, VECTORS // 2)


def columns(x: Array) -> int:
    """Columns of dW that a tile covers."""
    return VECTORS * HOST.width(x.itemsize)


def packed(dy: Array) -> Shape:
    """The shape of the scratch of ``gemm_tn_wide``."""
    size, w = tile(dy)[0], HOST.width(dy.itemsize)
    return (-(-PACKED // size) * (DEEP * size + -(-size // w) * w),)


def turned(x: Array, lots: int) -> Shape:
    """The shape of the scratch of ``outer_wide``, which holds as many columns of dW as fit, for the images of some lots."""
    each = -(-len(x) // lots) * x.shape[2]
    images = min(lots, max(1, IMAGES // each)) * each
    return (max(TURNED // x.itemsize, images * columns(x)),)
