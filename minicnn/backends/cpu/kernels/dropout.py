"""Dropout of elements and of whole channels with a counter-based random mask.

A hash of (seed, step, layer, image, element or channel) decides which are kept. The mask is the same for any number of lanes
and threads, for both dtypes, and in the backward pass.
"""

from __future__ import annotations

import numpy as np

from ....arrays import Array
from ..compile.jit import kernel
from .draw import KEY_1, KEY_2, key, mix, uniform
from .elementwise import same


@kernel
def dropout(x: Array, rng: Array, rate: Array, y: Array) -> None:
    """y[e, l] = x[e, l] · mask / (1 − rate); x, y (elements, L), rng = seed, step, layer, first image; y may be x."""
    E, L = x.shape
    zero, grow = x.dtype.type(0), x.dtype.type(1 / (1 - rate[0]))
    dropped = np.uint32(np.ceil(rate[0] * 2.0**24))  # this many of the 2²⁴ outcomes are dropped
    seed, step, layer, first = rng[0], rng[1], rng[2], np.uint32(rng[3])
    a, b, in_place = key(KEY_1, seed, step, layer), key(KEY_2, seed, step, layer), same(x, y)
    for e in range(E):
        u, v = mix(np.uint32(a ^ np.uint32(e))), mix(np.uint32(b ^ np.uint32(e)))
        row = y[e]
        if not in_place:
            for lane in range(L):
                row[lane] = x[e, lane]
        for lane in range(L):
            image = np.uint32(first + np.uint32(lane))
            row[lane] *= zero if uniform(image, u, v) < dropped else grow


@kernel
def dropout_channels(x: Array, rng: Array, rate: Array, y: Array) -> None:
    """y[c, p, l] = x[c, p, l] · mask[c, l] / (1 − rate), y is not x; meanwhile y[c, 0] holds the factors."""
    C, P, L = x.shape
    zero, grow = x.dtype.type(0), x.dtype.type(1 / (1 - rate[0]))
    dropped = np.uint32(np.ceil(rate[0] * 2.0**24))
    seed, step, layer, first = rng[0], rng[1], rng[2], np.uint32(rng[3])
    a, b = key(KEY_1, seed, step, layer), key(KEY_2, seed, step, layer)
    for c in range(C):
        u, v, factor = mix(np.uint32(a ^ np.uint32(c))), mix(np.uint32(b ^ np.uint32(c))), y[c, 0]
        for lane in range(L):
            factor[lane] = zero if uniform(np.uint32(first + np.uint32(lane)), u, v) < dropped else grow
        for p in range(P - 1, -1, -1):
            row = y[c, p]
            for lane in range(L):
                row[lane] = x[c, p, lane] * factor[lane]
