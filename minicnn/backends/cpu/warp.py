"""Distortions: images drawn anew at displaced points, each by random numbers of its own.

Legend: u (elements, L) random numbers of each lane; an image's point is (row, column), rows downwards, from its centre.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba.extending import register_jitable

from ...arrays import Array
from .draw import KEY_1, KEY_2, key, mix, uniform
from .jit import kernel

UNIT = 2.0**-23  # of 24 random bits: from −1 up to but not including 1


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


@register_jitable
def bend(knots: Array, at: Array, taps: Array, h: int, bent: Array, where: Array) -> None:
    """where += the field of row h: bicubic splines over the knots, first down the columns (``bent``), then along the row."""
    (_, _, G, L), W, i = knots.shape, where.shape[1], at[h]
    for axis in range(2):
        for g in range(G):
            for lane in range(L):
                bent[g, lane] = (
                    taps[h, 0] * knots[axis, i, g, lane]
                    + taps[h, 1] * knots[axis, i + 1, g, lane]
                    + taps[h, 2] * knots[axis, i + 2, g, lane]
                    + taps[h, 3] * knots[axis, i + 3, g, lane]
                )
        for w in range(W):
            j, t0, t1, t2, t3 = at[w], taps[w, 0], taps[w, 1], taps[w, 2], taps[w, 3]
            for lane in range(L):
                where[axis, w, lane] += (
                    t0 * bent[j, lane] + t1 * bent[j + 1, lane] + t2 * bent[j + 2, lane] + t3 * bent[j + 3, lane]
                )


@register_jitable
def inside(place: Any, size: Any, like: Array) -> Any:
    """The place, moved to the nearest of 0 … size − 1."""
    place = max(place, like.dtype.type(0))
    return min(place, like.dtype.type(size - 1))


@kernel
def warp(framed: Array, maps: Array, knots: Array, at: Array, taps: Array, bent: Array, where: Array, y: Array) -> None:
    """y[0, h, w, l] = framed, bilinearly, at o + A · (h, w) + the field at (h, w); maps as of ``affine_inverse``.

    framed has one pixel of background on every side of y's plane, which goes on beyond. The field is a bicubic spline over
    knots (2, G, G, L): pixel h reads the four from at[h], with weights taps[h]; no field where G is 0. bent (G, L) and
    where (2, W, L) are room for one row.
    """
    (_, H, W, L), (_, Hf, Wf, _) = y.shape, framed.shape
    flat = framed.reshape(Hf * Wf * L)
    half = y.dtype.type(0.5)
    middle, centre = half * y.dtype.type(H - 1), half * y.dtype.type(W - 1)
    one = y.dtype.type(1)
    for h in range(H):
        down = y.dtype.type(h) - middle
        for w in range(W):
            across = y.dtype.type(w) - centre
            for lane in range(L):
                where[0, w, lane] = middle + one + (maps[0, lane] + maps[2, lane] * down + maps[3, lane] * across)
                where[1, w, lane] = centre + one + (maps[1, lane] + maps[4, lane] * down + maps[5, lane] * across)
        if knots.size > 0:
            bend(knots, at, taps, h, bent, where)
        for w in range(W):
            out = y[0, h, w]
            for lane in range(L):
                r, c = inside(where[0, w, lane], Hf, y), inside(where[1, w, lane], Wf, y)
                i, j = min(np.int32(r), np.int32(Hf - 2)), min(np.int32(c), np.int32(Wf - 2))
                s, t = r - y.dtype.type(i), c - y.dtype.type(j)
                k = np.uint32((i * Wf + j) * L + lane)
                upper = flat[k] + t * (flat[k + L] - flat[k])
                k = np.uint32(k + Wf * L)
                lower = flat[k] + t * (flat[k + L] - flat[k])
                out[lane] = upper + s * (lower - upper)
