"""Random numbers as a hash of where they fall: the same for any lanes and threads, and when they are drawn again."""

import numpy as np

from ...arrays import Array

WORD = 2**32 - 1


def mix(h: Array) -> Array:
    """MurmurHash3's finaliser, a permutation of the numbers of 32 bits, which are held in 64 so that products fit."""
    h = (h ^ h >> 16) * 0x85EBCA6B & WORD
    h = (h ^ h >> 13) * 0xC2B2AE35 & WORD
    h = h ^ h >> 16
    return h


def hashed(words: Array, images: Array, elements: int) -> Array:
    """24 bits for every element of every image (elements, L), under two keys of 32 bits made of words of 64."""
    e, image = np.arange(elements, dtype=np.uint64)[:, None], images.astype(np.uint64) & WORD
    for start in np.array([[0x9E3779B9], [0x7F4A7C15]], np.uint64):
        key = start
        for word in words:
            key = mix(mix(key ^ word & WORD) ^ word >> 32)
        image = mix(image ^ mix(key ^ e))
    return image >> 8


def dropout(x: Array, rng: Array, rate: Array, y: Array) -> None:
    """y = x · m / (1 − rate), m = 0 for a share ``rate`` of the hashes; rng = seed, step, layer, first image."""
    (elements, L), share = x.shape, float(rate[0])
    kept = hashed(rng[:3], rng[3] + np.arange(L, dtype=np.uint64), elements) >= share * 2**24
    y[...] = x * kept / (1 - share)


def dropout_channels(x: Array, rng: Array, rate: Array, y: Array) -> None:
    """y[c] = x[c] · m[c] / (1 − rate), m of ``dropout`` for C elements."""
    m = np.ones((len(x), x.shape[-1]), x.dtype)
    dropout(m, rng, rate, m)
    y[...] = x * m[:, None]


def draw_uniform(seed: Array, rng: Array, index: Array, reach: Array, u: Array) -> None:
    """u[e, l] uniform in ±reach[e], a hash of seed = (seed, stream), the step rng[1], the image index[l] and e."""
    bits = hashed(np.array([seed[0], rng[1], seed[1]]), index, len(u))
    u[...] = reach[:, None] * (bits.astype(u.dtype) / 2**23 - 1)
