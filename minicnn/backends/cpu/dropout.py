"""Dropout, with a mask that is a function of where it falls and of nothing else.

A counter-based hash of (seed, step, layer, image, element) decides what is kept: the same for any number of lanes and
threads, for either dtype, and again in the backward pass.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.extending import register_jitable

from ...arrays import Array
from .jit import kernel
from .pointwise import same

MIX_1, MIX_2 = np.uint64(0x85EBCA6B), np.uint64(0xC2B2AE35)
KEY_1, KEY_2 = np.uint32(0x9E3779B9), np.uint32(0x7F4A7C15)
HALF = np.uint64(32)


@register_jitable
def mix(h: Any) -> Any:
    """The finaliser of MurmurHash3, a permutation of the 32-bit numbers; products are taken in 64 bits, where they fit."""
    h = np.uint32(h ^ (h >> np.uint32(16)))
    h = np.uint32(np.uint64(h) * MIX_1)
    h = np.uint32(h ^ (h >> np.uint32(13)))
    h = np.uint32(np.uint64(h) * MIX_2)
    return np.uint32(h ^ (h >> np.uint32(16)))


@register_jitable
def key(start: Any, rng: Array) -> Any:
    """32 bits from (seed, step, layer)."""
    for i in range(3):
        start = mix(np.uint32(start ^ np.uint32(rng[i])))
        start = mix(np.uint32(start ^ np.uint32(rng[i] >> HALF)))
    return start


@register_jitable
def uniform(image: Any, u: Any, v: Any) -> Any:
    """24 bits for the image, under the two keys of its step, layer and element."""
    return np.uint32(mix(np.uint32(mix(np.uint32(image ^ u)) ^ v)) >> np.uint32(8))


@kernel
def dropout(x: Array, rng: Array, rate: Array, y: Array) -> None:
    """y[e, l] = x[e, l] · mask / (1 − rate); x, y (elements, L), rng = seed, step, layer, first image; y may be x."""
    E, L = x.shape
    zero, grow = x.dtype.type(0), x.dtype.type(1 / (1 - rate[0]))
    dropped = np.uint32(np.ceil(rate[0] * 2.0**24))  # as many of the 2²⁴ outcomes
    first, a, b, in_place = np.uint32(rng[3]), key(KEY_1, rng), key(KEY_2, rng), same(x, y)
    for e in range(E):
        u, v = mix(np.uint32(a ^ np.uint32(e))), mix(np.uint32(b ^ np.uint32(e)))
        row = y[e]
        if not in_place:
            for lane in range(L):
                row[lane] = x[e, lane]
        for lane in range(L):
            image = np.uint32(first + np.uint32(lane))
            row[lane] *= zero if uniform(image, u, v) < dropped else grow
