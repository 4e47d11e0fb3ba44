"""Counter-based random numbers: each is a hash of its position, without a generator state.

They do not depend on the number of lanes and threads or on the order, and they can be drawn again.
"""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable

from ....arrays import Number

MIX_1, MIX_2 = np.uint64(0x85EBCA6B), np.uint64(0xC2B2AE35)
KEY_1, KEY_2 = np.uint32(0x9E3779B9), np.uint32(0x7F4A7C15)
HALF = np.uint64(32)


@register_jitable
def mix(h: Number) -> Number:
    """The finaliser of MurmurHash3, a permutation of the 32-bit numbers; products are computed in 64 bits to avoid overflow."""
    h = np.uint32(h ^ (h >> np.uint32(16)))
    h = np.uint32(np.uint64(h) * MIX_1)
    h = np.uint32(h ^ (h >> np.uint32(13)))
    h = np.uint32(np.uint64(h) * MIX_2)
    return np.uint32(h ^ (h >> np.uint32(16)))


@register_jitable
def key(start: Number, seed: Number, step: Number, stream: Number) -> Number:
    """Hash three 64-bit numbers to 32 bits."""
    for word in (seed, step, stream):
        start = mix(np.uint32(start ^ np.uint32(word)))
        start = mix(np.uint32(start ^ np.uint32(word >> HALF)))
    return start


@register_jitable
def uniform(image: Number, u: Number, v: Number) -> Number:
    """24 random bits for an image, from the keys of its step and stream and of its element."""
    return np.uint32(mix(np.uint32(mix(np.uint32(image ^ u)) ^ v)) >> np.uint32(8))
