"""3 × 3 convolution of one image by Winograd's F(2 × 2, 3 × 3), with channels and filters in the lanes of vectors.

Legend: as in ``conv.py``, and matrices as in ``conv/winograd.py``. U (blocks, 16, C, m·w) holds G w Gᵀ, V (16, patches · C)
Bᵀ x B for some patches of 4 × 4 pixels, M (16, patches · m·w) their products for one block of filters. A patch gives 2 × 2
outputs, so a maximum of 2 × 2 is that of one patch. V and M are a vector longer, so that their 16 parts do not meet in one
cache set.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numba.extending import register_jitable

from ....arrays import Array, Number
from ..compile.jit import Kernel, kernel
from ..conv.winograd import a_transposed, b_transposed, four_outputs, g, put_four
from ..tiles import (
    tile_activation,
    tile_places,
    tile_put,
    tile_store,
    tile_width,
    tile_zeros,
    vector_finite,
    vector_load,
)
from ..tiles.activation import NONE
from ..tiles.channels import tile_larger, tile_spread
from .pack import changed

TOGETHER = 24
"""About so many patches meet one block of filters while it is in the first cache."""

FEWEST = 16
"""Smallest numbers of channels and filters for which the transforms pay off."""

STEPS = 4
"""How many channels the inner loop takes at a time."""


def patches_at_once(patches: int) -> int:
    """How many of so many patches are transformed together: all parts alike, as far as can be."""
    return -(-patches // -(-patches // TOGETHER))


@kernel
def pack_winograd(W: Array, b: Array, U: Array, bias: Array, seen: Array) -> None:
    """U[block, point, c, k] = (G w Gᵀ)[point] for w = W[block · size + k, c] and bias = b; zeros for what there is not."""
    (F, C, _, _), size = W.shape, U.shape[3]
    if changed(W, b, seen):
        for f in range(F):
            bias[f] = b[f]
            for c in range(C):
                w = W[f, c]
                a0, b0, c0, d0 = g(w[0, 0], w[1, 0], w[2, 0])
                a1, b1, c1, d1 = g(w[0, 1], w[1, 1], w[2, 1])
                a2, b2, c2, d2 = g(w[0, 2], w[1, 2], w[2, 2])
                u = U[f // size, :, c, f % size]
                u[0], u[1], u[2], u[3] = g(a0, a1, a2)
                u[4], u[5], u[6], u[7] = g(b0, b1, b2)
                u[8], u[9], u[10], u[11] = g(c0, c1, c2)
                u[12], u[13], u[14], u[15] = g(d0, d1, d2)


@register_jitable
def row(x: Array, at: int, depth: int) -> tuple[Number, Number, Number, Number]:
    """Bᵀ times four pixels of a row."""
    a, b, c = vector_load(x, at), vector_load(x, at + depth), vector_load(x, at + 2 * depth)
    return b_transposed(a, b, c, vector_load(x, at + 3 * depth))


@register_jitable
def transform_patch(x: Array, first: int, V: Array, q: int) -> None:
    """V = Bᵀ x B for the patch at this place, number q of those together."""
    _, width, depth = x.shape
    for c in range(0, depth, tile_width(x)):
        a0, a1, a2, a3 = row(x, first + c, depth)
        b0, b1, b2, b3 = row(x, first + c + width * depth, depth)
        c0, c1, c2, c3 = row(x, first + c + 2 * width * depth, depth)
        d0, d1, d2, d3 = row(x, first + c + 3 * width * depth, depth)
        at, step = q * depth + c, V.shape[1]
        put_four(b_transposed(a0, b0, c0, d0), V, at, step, 4)
        put_four(b_transposed(a1, b1, c1, d1), V, at + step, step, 4)
        put_four(b_transposed(a2, b2, c2, d2), V, at + 2 * step, step, 4)
        put_four(b_transposed(a3, b3, c3, d3), V, at + 3 * step, step, 4)


@register_jitable
def column(p: Array, m: int, step: int) -> tuple[Number, Number]:
    """Aᵀ times the four products of a column, as numbers."""
    return a_transposed(p[m], p[m + 4 * step], p[m + 8 * step], p[m + 12 * step])


@register_jitable
def plain_or(y: Number, x: Array, at: int, W: Array, f: int) -> Number:
    """y where it is finite, else the plain sum of a filter over the window that begins there."""
    if abs(y) < np.inf:  # a comparison, because LLVM may simplify ``isfinite``
        return y
    (_, C, _, _), (_, width, depth), numbers, total = W.shape, x.shape, x.reshape(-1), x.dtype.type(0)
    for i in range(3):
        for j in range(3):
            for c in range(C):
                total += W[f, c, i, j] * numbers[at + (i * width + j) * depth + c]
    return total


@register_jitable
def mend(x: Array, at: int, W: Array, f: int, M: Array, m: int) -> None:
    """Replace the products of a patch and a filter whose outputs are not finite, so that each corner is for one output."""
    (_, width, depth), step, p = x.shape, M.shape[1], M.reshape(-1)
    e0, e1 = column(p, m, step)
    f0, f1 = column(p, m + step, step)
    g0, g1 = column(p, m + 2 * step, step)
    h0, h1 = column(p, m + 3 * step, step)
    (y00, y01), (y10, y11) = a_transposed(e0, f0, g0, h0), a_transposed(e1, f1, g1, h1)
    for point in range(16):
        p[m + point * step] = 0
    p[m] = plain_or(y00, x, at, W, f)
    p[m + 3 * step] = -plain_or(y01, x, at + depth, W, f)
    p[m + 12 * step] = -plain_or(y10, x, at + width * depth, W, f)
    p[m + 15 * step] = plain_or(y11, x, at + (width + 1) * depth, W, f)


@cache
def winograd(m: int, n: int, pooled: bool, activation_number: int) -> Kernel:
    """The kernel with tiles of m vectors of filters × n patches, with or without an activation function and maxima of 2 × 2."""

    @kernel
    def winograd_channels_last(
        x: Array, W: Array, U: Array, b: Array, corner: Array, area: Array, V: Array, M: Array, y: Array
    ) -> None:
        """y[oy, ox, f] = f(b[f] + Σ_{kh, kw, c} W[f, c, kh, kw] · x[oy + kh + top, ox + kw + left, c]), or 2 × 2 maxima."""
        (_, width, depth), (_, across, filters), w = x.shape, y.shape, tile_width(x)
        OH, OW, down, right = area[0], area[1], area[2], area[3]
        columns, block = (OW + 1) // 2, m * w
        patches, together = (OH + 1) // 2 * columns, (M.shape[1] - w) // block
        at, to = tile_places(n, 0, n, 0, depth), tile_places(n, 0, n, 0, block)
        for start in range(0, patches, together):
            begin = min(start, patches - together)  # the last patches overlap those before
            for q in range(together):
                oy, ox = (begin + q) // columns * 2, (begin + q) % columns * 2
                transform_patch(x, ((oy + corner[0]) * width + ox + corner[1]) * depth, V, q)
            for f in range(0, filters, block):
                k = f * 16 * depth
                for point in range(16):
                    for some in range(0, together, n):
                        q = min(some, together - n)
                        t, u = tile_zeros(x, m, n), k + point * depth * block
                        for c in range(0, depth, STEPS):
                            t = tile_spread(t, U, u, V, at, point * V.shape[1] + q * depth + c, STEPS)
                            u += STEPS * block
                        tile_put(t, M, point * M.shape[1] + q * block, w, m, to)
                finite, mended = False, False
                while not finite:
                    seen = tile_zeros(x, 1, 1)
                    for q in range(together):
                        oy, ox = (begin + q) // columns * 2, (begin + q) % columns * 2
                        for k in range(0, block, w):
                            y00, y01, y10, y11 = four_outputs(M, q * block + k, M.shape[1])
                            bias = vector_load(b, f + k)
                            y00, y01, y10, y11 = y00 + bias, y01 + bias, y10 + bias, y11 + bias
                            seen = seen + y00 * y01 + y10 * y11
                            if activation_number != NONE:
                                y00 = tile_activation(y00, activation_number)
                                y01 = tile_activation(y01, activation_number)
                                y10 = tile_activation(y10, activation_number)
                                y11 = tile_activation(y11, activation_number)
                            if pooled:
                                out = ((oy // 2 + down) * across + ox // 2 + right) * filters + f + k
                                tile_store(tile_larger(tile_larger(y00, y01), tile_larger(y10, y11)), y, out, 0, 1)
                            else:
                                out = ((oy + down) * across + ox + right) * filters + f + k
                                tile_store(y00, y, out, 0, 1)
                                if ox + 1 < OW:
                                    tile_store(y01, y, out + filters, 0, 1)
                                if oy + 1 < OH:
                                    tile_store(y10, y, out + across * filters, 0, 1)
                                if oy + 1 < OH and ox + 1 < OW:
                                    tile_store(y11, y, out + (across + 1) * filters, 0, 1)
                    finite = mended or vector_finite(seen)
                    if not finite:
                        for q in range(together):
                            oy, ox = (begin + q) // columns * 2, (begin + q) % columns * 2
                            first = ((oy + corner[0]) * width + ox + corner[1]) * depth
                            for k in range(min(block, len(W) - f)):
                                mend(x, first, W, f + k, M, q * block + k)
                    mended = True

    return winograd_channels_last
