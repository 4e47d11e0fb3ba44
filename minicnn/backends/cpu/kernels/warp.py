"""Distortions: each image is resampled at displaced points, given by random numbers of its own.

Legend: u (elements, L) random numbers of each lane; a point of an image is (row, column), rows downwards, from the centre.
"""

from __future__ import annotations

import math

import numpy as np
from numba.extending import register_jitable

from ....arrays import Array, Number
from ..compile.jit import kernel
from .draw import KEY_1, KEY_2, key, mix, uniform

UNIT = 2.0**-23  # scales 24 random bits to −1 (included) up to 1 (excluded)


@kernel
def draw_uniform(seed: Array, rng: Array, index: Array, reach: Array, u: Array) -> None:
    """u[e, l] uniform in ±reach[e], a hash of seed = (seed, stream), the step rng[1], the image index[l] and e."""
    E, L = u.shape
    a, b = key(KEY_1, seed[0], rng[1], seed[1]), key(KEY_2, seed[0], rng[1], seed[1])
    unit, one = u.dtype.type(UNIT), u.dtype.type(1)
    for e in range(E):
        first, second, far, row = mix(np.uint32(a ^ np.uint32(e))), mix(np.uint32(b ^ np.uint32(e))), reach[e], u[e]
        for lane in range(L):
            row[lane] = far * (unit * u.dtype.type(uniform(np.uint32(index[lane]), first, second)) - one)


@kernel
def affine_inverse(u: Array, maps: Array) -> None:
    """maps[:, l] = o, A (row by row) with source = o + A · target, the inverse of the distortion that u[:, l] describes.

    u = shift down, shift right, log scale, log squeeze, shear, rotation; target = R(rotation) · K · S · source + shift with
    S = diag(scale / squeeze, scale · squeeze), K adding shear · row to the column, R anticlockwise by radians.
    """
    for lane in range(u.shape[1]):
        cos, sin = math.cos(u[5, lane]), math.sin(u[5, lane])
        rows, columns, shear = math.exp(u[3, lane] - u[2, lane]), math.exp(-u[2, lane] - u[3, lane]), u[4, lane]
        maps[2, lane], maps[3, lane] = rows * cos, rows * sin
        maps[4, lane], maps[5, lane] = -columns * (sin + shear * cos), columns * (cos - shear * sin)
        maps[0, lane] = -(maps[2, lane] * u[0, lane] + maps[3, lane] * u[1, lane])
        maps[1, lane] = -(maps[4, lane] * u[0, lane] + maps[5, lane] * u[1, lane])


@kernel
def pack_quads(images: Array, index: Array, quads: Array) -> None:
    """quads[l, i, j] = the bytes (i − 1, j − 1), (i − 1, j), (i, j − 1), (i, j) of image index[l], zero outside, lowest first.

    Bilinear sampling then needs one load instead of four; quads (L, H + 1, W + 1) of 32 bits for images of H × W pixels.
    """
    (_, rows, columns), (L, Hq, Wq) = images.shape, quads.shape
    top, left = (Hq - 1 - rows) // 2, (Wq - 1 - columns) // 2
    for lane in range(L):
        image, q = images[index[lane]], quads[lane]
        for i in range(Hq):
            for j in range(Wq):
                q[i, j] = 0
        for h in range(rows):
            row = image[h]
            for i, j, byte in ((1, 1, 0), (1, 0, 8), (0, 1, 16), (0, 0, 24)):
                part = q[top + h + i][left + j : left + j + columns]
                for w in range(columns):
                    part[w] |= np.uint32(np.uint32(row[w]) << np.uint32(byte))


@register_jitable
def affine_row(maps: Array, down: Number, rows: Number, columns: Number, where: Array) -> None:
    """where = o + A · target for the row ``down`` below the centre, relative to the point (rows, columns)."""
    (_, W, L), half = where.shape, where.dtype.type(0.5)
    for w in range(W):
        across = where.dtype.type(w) - half * where.dtype.type(W - 1)
        for lane in range(L):
            where[0, w, lane] = rows + (maps[0, lane] + maps[2, lane] * down + maps[3, lane] * across)
            where[1, w, lane] = columns + (maps[1, lane] + maps[4, lane] * down + maps[5, lane] * across)


@kernel
def spline_along(knots: Array, at: Array, taps: Array, bent: Array) -> None:
    """bent[axis, g, w] = the cubic spline along row g of the knots (2, G, G, L) at pixel w.

    Pixel w reads the four knots from at[w], with weights taps[w].
    """
    _, G, W, L = bent.shape
    for axis in range(2):
        for g in range(G):
            row = knots[axis, g]
            for w in range(W):
                j, t0, t1, t2, t3 = at[w], taps[w, 0], taps[w, 1], taps[w, 2], taps[w, 3]
                b0, b1, b2, b3, out = row[j], row[j + 1], row[j + 2], row[j + 3], bent[axis, g, w]
                for lane in range(L):
                    out[lane] = t0 * b0[lane] + t1 * b1[lane] + t2 * b2[lane] + t3 * b3[lane]


@register_jitable
def bend(bent: Array, at: Array, taps: Array, h: int, where: Array) -> None:
    """where += the spline down the columns of ``spline_along`` at pixel h."""
    (_, _, W, L), i, t0, t1, t2, t3 = bent.shape, at[h], taps[h, 0], taps[h, 1], taps[h, 2], taps[h, 3]
    rows = bent.reshape(2, bent.shape[1], W * L)
    places = where.reshape(2, W * L)
    for axis in range(2):
        b0, b1, b2, b3, out = rows[axis, i], rows[axis, i + 1], rows[axis, i + 2], rows[axis, i + 3], places[axis]
        for e in range(W * L):
            out[e] += t0 * b0[e] + t1 * b1[e] + t2 * b2[e] + t3 * b3[e]


@register_jitable
def fetch(quads: Array, where: Array, quad: Array) -> None:
    """quad = the four pixels around each position, clamped to the border of the image; where = its fractions."""
    (L, Hq, Wq), W = quads.shape, quad.shape[0]
    flat, zero = quads.reshape(L * Hq * Wq), where.dtype.type(0)
    bottom, right = where.dtype.type(Hq), where.dtype.type(Wq)
    for w in range(W):
        for lane in range(L):
            # In this order what is no number is kept within, too.
            r, c = min(bottom, max(zero, where[0, w, lane])), min(right, max(zero, where[1, w, lane]))
            i, j = min(np.int32(r), np.int32(Hq - 1)), min(np.int32(c), np.int32(Wq - 1))
            where[0, w, lane], where[1, w, lane] = r - where.dtype.type(i), c - where.dtype.type(j)
            quad[w, lane] = np.uint32((np.int32(lane * Hq) + i) * np.int32(Wq) + j)
    for w in range(W):
        for lane in range(L):
            quad[w, lane] = flat[quad[w, lane]]


@kernel
def warp(
    quads: Array, affine: Array, maps: Array, bent: Array, at: Array, taps: Array, where: Array, quad: Array, y: Array
) -> None:
    """y[0, h, w, l] = affine[0] · v + affine[1], v the grey level, bilinearly, at o + A · (h, w) + the field at (h, w).

    quads are those of ``pack_quads``, maps those of ``affine_inverse``, bent (2, G, W, L) that of ``spline_along``; the field
    is the spline down its columns, and absent if G is 0. where (2, W, L) and quad (W, L) are scratch for one row.
    """
    (_, H, W, L), half = y.shape, y.dtype.type(0.5)
    middle, centre = half * y.dtype.type(H - 1), half * y.dtype.type(W - 1)
    one, byte, scale, shift = y.dtype.type(1), np.uint32(255), affine[0], affine[1]
    for h in range(H):
        affine_row(maps, y.dtype.type(h) - middle, middle + one, centre + one, where)
        if bent.size > 0:
            bend(bent, at, taps, h, where)
        fetch(quads, where, quad)
        for w in range(W):
            out = y[0, h, w]
            for lane in range(L):
                q, s, t = quad[w, lane], where[0, w, lane], where[1, w, lane]
                a, b = y.dtype.type(np.int32(q & byte)), y.dtype.type(np.int32(q >> np.uint32(8) & byte))
                c, d = y.dtype.type(np.int32(q >> np.uint32(16) & byte)), y.dtype.type(np.int32(q >> np.uint32(24)))
                upper, lower = a + t * (b - a), c + t * (d - c)
                out[lane] = scale * (upper + s * (lower - upper)) + shift
