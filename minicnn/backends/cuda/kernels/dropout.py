"""Dropout, with the mask of the CPU backend: a hash of (seed, step, layer, image, element)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ....arrays import Array
from ..device.launch import LANES, ROWS, lanes
from ..device.operation import Launch, launch, operation
from ..device.target import cuda
from .draw import KEY_1, KEY_2, key, mix, uniform


def dropout_kernel(x: Array, rng: Array, dropped: int, grow: float, y: Array) -> None:
    """y[e, l] = x[e, l] · mask · grow, where ``dropped`` of 2²⁴ outcomes are dropped."""
    E, L = x.shape
    e, lane = cuda.blockIdx.x * ROWS + cuda.threadIdx.y, cuda.blockIdx.y * LANES + cuda.threadIdx.x
    if e < E and lane < L:
        u = mix(np.uint32(key(KEY_1, rng[0], rng[1], rng[2]) ^ np.uint32(e)))
        v = mix(np.uint32(key(KEY_2, rng[0], rng[1], rng[2]) ^ np.uint32(e)))
        image = np.uint32(np.uint32(rng[3]) + np.uint32(lane))
        factor = x.dtype.type(0) if uniform(image, u, v) < dropped else x.dtype.type(grow)
        y.flat[e * L + lane] = x.flat[e * L + lane] * factor


@operation
def dropout(x: Array, rng: Array, rate: Array, y: Array) -> Iterator[Launch]:
    """y = x · m / (1 − rate), m a hash of rng, image and element; its own adjoint."""
    E, L = x.shape
    dropped, grow = int(np.ceil(float(rate[0]) * 2.0**24)), float(1 / (1 - rate[0]))
    yield launch(dropout_kernel, lanes(L, E), x, rng, dropped, grow, y)
