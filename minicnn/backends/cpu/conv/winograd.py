"""3 × 3 convolution by Winograd's F(2 × 2, 3 × 3): 16 multiplications for four outputs instead of 36.

Legend: x (C, H, W, L), y (F, OH, OW, L). A patch of 4 × 4 pixels of x gives 2 × 2 pixels of y. B, G and A are Winograd's
matrices: y = Aᵀ [(G w Gᵀ) ⊙ (Bᵀ x B)] A for each patch and kernel, with the sum over channels taken before A. U (blocks, C,
16, size) holds G w Gᵀ for a block of filters side by side, V (16, C · patches, L) holds Bᵀ x B for a register tile of patches,
and M (16, filters · patches, L) their products for some filters. V and M are a vector longer than that, so that their 16 parts
do not meet in one cache set. Lavin and Gray, *Fast Algorithms for Convolutional Neural Networks*, 2016, section 4.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from numba.extending import register_jitable

from ....arrays import Array, Number
from ...scratch import ScratchSpec
from ...workspace import DerivedSpec
from ..compile.host import HOST, OUTSIDE
from ..compile.jit import Kernel, kernel
from ..tiles import (
    tile_activation,
    tile_multiply,
    tile_places,
    tile_put,
    tile_store,
    tile_width,
    tile_zeros,
    vector_all,
    vector_finite,
    vector_inside,
    vector_load,
    vector_mended,
    vector_of,
)
from ..tiles.activation import NONE
from .direct import tile_size
from .winograd_plain import packed_sum

FEWEST, SMALLEST = 32 if HOST.registers == 32 else 16, 4
"""Smallest numbers of maps on both sides, and of output rows and columns, for which the transforms pay off.

With 16 registers the tiles of the direct kernel are half as large and wait for memory, so that fewer maps do.
"""

TOGETHER = 32
"""Filters that meet one point of V while it is in the first cache."""

Rewritten = tuple[Kernel, tuple[Array | ScratchSpec | DerivedSpec, ...]]
"""A kernel and its arrays, scratch buffers and weights derived from the packed ones included."""


@register_jitable
def g(a: Number, b: Number, c: Number) -> tuple[Number, Number, Number, Number]:
    """G (a, b, c)ᵀ."""
    half = (a + c) * type(a)(0.5)
    return a, half + b * type(a)(0.5), half - b * type(a)(0.5), c


@register_jitable
def b_transposed(a: Number, b: Number, c: Number, d: Number) -> tuple[Number, Number, Number, Number]:
    """Bᵀ (a, b, c, d)ᵀ."""
    return a - c, b + c, c - b, b - d


@register_jitable
def a_transposed(a: Number, b: Number, c: Number, d: Number) -> tuple[Number, Number]:
    """Aᵀ (a, b, c, d)ᵀ."""
    return a + b + c, b - c - d


@register_jitable
def row(x: Array, places: Array, offset: int) -> tuple[Number, Number, Number, Number]:
    """Bᵀ times four pixels of a row."""
    a, b = vector_inside(x, places[0], offset), vector_inside(x, places[1], offset)
    return b_transposed(a, b, vector_inside(x, places[2], offset), vector_inside(x, places[3], offset))


@register_jitable
def put_four(four: tuple[Number, Number, Number, Number], V: Array, at: int, step: int, turn: int) -> None:
    """V[at + n·turn·step : +w] = four[n]."""
    tile_store(four[0], V, at, 0, 1)
    tile_store(four[1], V, at + turn * step, 0, 1)
    tile_store(four[2], V, at + 2 * turn * step, 0, 1)
    tile_store(four[3], V, at + 3 * turn * step, 0, 1)


@register_jitable
def find_patch(iy: int, ix: int, H: int, W: int, L: int, places: Array) -> None:
    """places[i, j] = the offset of pixel (iy + i, ix + j) in its map, or OUTSIDE."""
    for i in range(4):
        for j in range(4):
            inside = 0 <= iy + i < H and 0 <= ix + j < W
            places[i, j] = ((iy + i) * W + ix + j) * L if inside else OUTSIDE


@register_jitable
def transform_patches(x: Array, places: Array, V: Array) -> None:
    """V = Bᵀ x B for the patches at these offsets."""
    C, H, W, L = x.shape
    patches = places.shape[0]
    step = V.shape[1] * L
    for c in range(C):
        for j in range(patches):
            p = places[j]
            for lane in range(0, L, tile_width(x)):
                offset = c * H * W * L + lane
                a0, a1, a2, a3 = row(x, p[0], offset)
                b0, b1, b2, b3 = row(x, p[1], offset)
                c0, c1, c2, c3 = row(x, p[2], offset)
                d0, d1, d2, d3 = row(x, p[3], offset)
                at = (c * patches + j) * L + lane
                put_four(b_transposed(a0, b0, c0, d0), V, at, step, 4)
                put_four(b_transposed(a1, b1, c1, d1), V, at + step, step, 4)
                put_four(b_transposed(a2, b2, c2, d2), V, at + 2 * step, step, 4)
                put_four(b_transposed(a3, b3, c3, d3), V, at + 3 * step, step, 4)


@register_jitable
def put_row(four: tuple[Number, Number, Number, Number], u: Array, at: int, first: int, size: int, last: int) -> None:
    """Write the first, second, third and last of four numbers at the given offsets."""
    u[at + first], u[at + size], u[at + 2 * size], u[at + last] = four


@register_jitable
def transform_weights(packed: Array, size: int, first: int, last: int, U: Array) -> None:
    """U = G w Gᵀ. first = 0 and last = 3 take w as it is; 3 and 0 take w rotated by 180°."""
    w, u = packed.reshape(-1), U.reshape(-1)
    for n in range(packed.shape[0] * packed.shape[1]):
        p, q = 9 * size * n, 16 * size * n
        for i in range(size):
            a0, b0, c0, d0 = g(w[p + i], w[p + 3 * size + i], w[p + 6 * size + i])
            a1, b1, c1, d1 = g(w[p + size + i], w[p + 4 * size + i], w[p + 7 * size + i])
            a2, b2, c2, d2 = g(w[p + 2 * size + i], w[p + 5 * size + i], w[p + 8 * size + i])
            put_row(g(a0, a1, a2), u, q + 4 * first * size + i, first * size, size, last * size)
            put_row(g(b0, b1, b2), u, q + 4 * size + i, first * size, size, last * size)
            put_row(g(c0, c1, c2), u, q + 8 * size + i, first * size, size, last * size)
            put_row(g(d0, d1, d2), u, q + 4 * last * size + i, first * size, size, last * size)


@cache
def weights(size: int, turned: bool) -> Kernel:
    """The kernel that makes U of weights in blocks of ``size``. The same packed weights are never wanted both ways."""
    first, last = (3, 0) if turned else (0, 3)

    @kernel
    def winograd_weights(packed: Array, U: Array) -> None:
        """U = G w Gᵀ, of w as packed or rotated."""
        transform_weights(packed, size, first, last, U)

    return winograd_weights


@register_jitable
def column(M: Array, m: int, step: int) -> tuple[Number, Number]:
    """Aᵀ times the four products of a column."""
    a, b = vector_load(M, m), vector_load(M, m + 4 * step)
    return a_transposed(a, b, vector_load(M, m + 8 * step), vector_load(M, m + 12 * step))


@register_jitable
def four_outputs(M: Array, m: int, step: int) -> tuple[Number, Number, Number, Number]:
    """Aᵀ M A."""
    e0, e1 = column(M, m, step)
    f0, f1 = column(M, m + step, step)
    g0, g1 = column(M, m + 2 * step, step)
    h0, h1 = column(M, m + 3 * step, step)
    (y00, y01), (y10, y11) = a_transposed(e0, f0, g0, h0), a_transposed(e1, f1, g1, h1)
    return y00, y01, y10, y11


@register_jitable
def mend_products(
    M: Array, m: int, step: int, packed: Array, turned: bool, x: Array, f: int, top: int, left: int, lane: int
) -> None:
    """Replace products whose outputs are not finite by plain sums, stored so that each corner contributes to one output."""
    y00, y01, y10, y11 = four_outputs(M, m, step)
    zero = vector_all(x, 0)
    for point in range(16):
        tile_store(zero, M, m + point * step, 0, 1)
    tile_store(vector_mended(y00, packed_sum(packed, turned, x, f, top, left, lane)), M, m, 0, 1)
    tile_store(zero - vector_mended(y01, packed_sum(packed, turned, x, f, top, left + 1, lane)), M, m + 3 * step, 0, 1)
    tile_store(zero - vector_mended(y10, packed_sum(packed, turned, x, f, top + 1, left, lane)), M, m + 12 * step, 0, 1)
    tile_store(vector_mended(y11, packed_sum(packed, turned, x, f, top + 1, left + 1, lane)), M, m + 15 * step, 0, 1)


@register_jitable
def put_outputs(four: tuple[Number, Number, Number, Number], y: Array, f: int, oy: int, ox: int, lane: int) -> None:
    """y[f, oy : oy + 2, ox : ox + 2] = four, as far as they lie on the map."""
    _, OH, OW, L = y.shape
    at = ((f * OH + oy) * OW + ox) * L + lane
    tile_store(four[0], y, at, 0, 1)
    if ox + 1 < OW:
        tile_store(four[1], y, at + L, 0, 1)
    if oy + 1 < OH:
        tile_store(four[2], y, at + OW * L, 0, 1)
    if oy + 1 < OH and ox + 1 < OW:
        tile_store(four[3], y, at + (OW + 1) * L, 0, 1)


@cache
def winograd(rows: int, cols: int, size: int, activation_number: int, turned: bool) -> Kernel:
    """The kernel with tiles of ``rows`` filters × ``cols`` patches, for blocks of ``size``, with or without an activation."""

    @kernel
    def conv2d_winograd(
        x: Array, packed: Array, b: Array, border: Array, U: Array, places: Array, V: Array, M: Array, y: Array
    ) -> None:
        """y[f, oy, ox] = f(b[f] + Σ_{c, kh, kw} W[f, c, kh, kw] · x[c, oy + kh − p, ox + kw − p]), W as packed or rotated."""
        (C, H, W, L), (F, OH, OW, _), width = x.shape, y.shape, cols * y.shape[3]
        together = (M.shape[1] - 1) // cols
        across, step = (OW + 1) // 2, M.shape[1] * L
        patches = (OH + 1) // 2 * across
        at = tile_places(cols, 0, cols, 0, L)
        for start in range(0, patches, cols):
            p = min(start, patches - cols)  # the last tile overlaps the one before
            for j in range(cols):
                find_patch((p + j) // across * 2 - border[0], (p + j) % across * 2 - border[1], H, W, L, places[j])
            transform_patches(x, places, V)
            for begin in range(0, F, together):
                end = min(begin + together, F)
                for point in range(16):
                    for f in range(begin, end, rows):
                        for lane in range(0, L, tile_width(x)):
                            t = tile_zeros(x, rows, cols)
                            k, offset = (f // size * C * 16 + point) * size + f % size, point * V.shape[1] * L + lane
                            for _ in range(C):
                                t = tile_multiply(t, U, k, V, at, offset)
                                k += 16 * size
                                offset += width
                            tile_put(t, M, point * step + (f - begin) * width + lane, width, rows, at)
                for f in range(begin, end, rows):
                    for lane in range(0, L, tile_width(x)):
                        finite, mended = False, False
                        while not finite:
                            seen = tile_zeros(x, 1, 1)
                            for i in range(min(rows, F - f)):
                                bias = vector_of(b, f + i)
                                for j in range(cols):
                                    oy, ox = (p + j) // across * 2, (p + j) % across * 2
                                    m = (f - begin + i) * width + j * L + lane
                                    if mended:
                                        top, left = oy - border[0], ox - border[1]
                                        mend_products(M, m, step, packed, turned, x, f + i, top, left, lane)
                                    y00, y01, y10, y11 = four_outputs(M, m, step)
                                    y00, y01, y10, y11 = y00 + bias, y01 + bias, y10 + bias, y11 + bias
                                    seen = seen + y00 * y01 + y10 * y11
                                    if activation_number != NONE:
                                        y00 = tile_activation(y00, activation_number)
                                        y01 = tile_activation(y01, activation_number)
                                        y10 = tile_activation(y10, activation_number)
                                        y11 = tile_activation(y11, activation_number)
                                    put_outputs((y00, y01, y10, y11), y, f + i, oy, ox, lane)
                            finite = mended or vector_finite(seen)
                            mended = True

    return conv2d_winograd


def applies(x: Array, y: Array, window: Array) -> bool:
    """Whether a convolution is 3 × 3 with stride and dilation 1, and large enough for the transforms to pay off."""
    plain = (
        window[0] == window[1] == 3 and window[2] == window[3] == window[6] == window[7] == 1 and max(window[4], window[5]) <= 2
    )
    enough = min(len(x), len(y)) >= FEWEST and min(y.shape[1:3]) >= SMALLEST
    return bool(plain and enough and x.dtype == np.float32 and x.shape[3] > 1)


def rewritten(
    x: Array, packed: Array, b: Array, border: Sequence[int] | Array, y: Array, activation_number: int, turned: bool
) -> Rewritten:
    """The kernel for a convolution, and its arrays."""
    blocks, channels, _, _, size = packed.shape
    rows, cols = tile_size(size, ((y.shape[1] + 1) // 2) * ((y.shape[2] + 1) // 2))
    lanes = x.shape[3]
    maps = min(TOGETHER // rows, -(-len(y) // rows)) * rows
    V, M = (ScratchSpec((16, count * cols + 1, lanes), x.dtype) for count in (channels, maps))
    U = DerivedSpec(weights(size, turned), packed, (blocks, channels, 16, size))
    places = ScratchSpec((cols, 4, 4), np.dtype(np.int64))
    return winograd(rows, cols, size, activation_number, turned), (x, packed, b, np.array(border), U, places, V, M, y)
