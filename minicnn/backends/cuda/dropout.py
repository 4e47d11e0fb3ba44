"""Dropout, with a mask that is a function of where it falls and of nothing else: the hash of the CPU backend, bit for bit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ...arrays import Array
from .launch import LANES, ROWS, lanes
from .operation import Launch, launch, operation
from .target import cuda, inline

MIX_1, MIX_2 = np.uint64(0x85EBCA6B), np.uint64(0xC2B2AE35)
KEY_1, KEY_2 = np.uint32(0x9E3779B9), np.uint32(0x7F4A7C15)
HALF = np.uint64(32)


@inline
def mix(h: Any) -> Any:
    """The finaliser of MurmurHash3, a permutation of the 32-bit numbers; products are taken in 64 bits, where they fit."""
    h = np.uint32(h ^ (h >> np.uint32(16)))
    h = np.uint32(np.uint64(h) * MIX_1)
    h = np.uint32(h ^ (h >> np.uint32(13)))
    h = np.uint32(np.uint64(h) * MIX_2)
    return np.uint32(h ^ (h >> np.uint32(16)))


@inline
def key(start: Any, rng: Array) -> Any:
    """32 bits from (seed, step, layer)."""
    for i in range(3):
        start = mix(np.uint32(start ^ np.uint32(rng[i])))
        start = mix(np.uint32(start ^ np.uint32(rng[i] >> HALF)))
    return start


def dropout_kernel(x: Array, rng: Array, dropped: int, grow: float, y: Array) -> None:
    """y[e, l] = x[e, l] · mask · grow, where ``dropped`` of 2²⁴ outcomes are dropped."""
    E, L = x.shape
    e, lane = cuda.blockIdx.x * ROWS + cuda.threadIdx.y, cuda.blockIdx.y * LANES + cuda.threadIdx.x
    if e < E and lane < L:
        u = mix(np.uint32(key(KEY_1, rng) ^ np.uint32(e)))
        v = mix(np.uint32(key(KEY_2, rng) ^ np.uint32(e)))
        image = np.uint32(np.uint32(rng[3]) + np.uint32(lane))
        bits = np.uint32(mix(np.uint32(mix(np.uint32(image ^ u)) ^ v)) >> np.uint32(8))
        factor = x.dtype.type(0) if bits < dropped else x.dtype.type(grow)
        y.flat[e * L + lane] = x.flat[e * L + lane] * factor


@operation
def dropout(x: Array, rng: Array, rate: Array, y: Array) -> Iterator[Launch]:
    """y = x · m / (1 − rate), m a hash of rng, image and element; its own adjoint."""
    E, L = x.shape
    dropped, grow = int(np.ceil(float(rate[0]) * 2.0**24)), float(1 / (1 - rate[0]))
    yield launch(dropout_kernel, lanes(L, E), x, rng, dropped, grow, y)
