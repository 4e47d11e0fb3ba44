"""1 × 1 convolution: a matrix product over all pixels, a chunk at a time.

Legend: x (C, H, W, L), y (F, H, W, L), packed weights (blocks, C, 1, 1, size) as in ``direct.py``, X (C, pixels, L) a chunk of
x. The maps of x are often a power of two apart in memory, so the same pixel of all maps falls into few cache sets. X stores
the chunk contiguously while all filters read it.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numba.extending import register_jitable

from ....arrays import Array
from ...scratch import ScratchSpec
from ..compile.host import HOST
from ..compile.jit import Kernel, kernel
from ..tiles import (
    tile_activation,
    tile_bias,
    tile_multiply,
    tile_places,
    tile_put,
    tile_store,
    tile_width,
    tile_zeros,
    vector_load,
)
from ..tiles.activation import NONE
from .direct import tile_size

SCRATCH_BYTES = (24 if HOST.few_registers else 144) << 10
"""Bytes of the scratch buffer X: a part of the second cache; of the first where tiles have few filters, which read X often."""


@register_jitable
def take_places(x: Array, first: int, count: int, X: Array) -> None:
    """X[:, : count] = ``count`` pixels of x, starting at ``first``."""
    C, H, W, L = x.shape
    for c in range(C):
        at, to = (c * H * W + first) * L, c * X.shape[1] * L
        for i in range(0, count * L, tile_width(x)):
            tile_store(vector_load(x, at + i), X, to + i, 0, 1)


@cache
def pointwise(rows: int, cols: int, activation_number: int) -> Kernel:
    """The kernel with tiles of ``rows`` filters × ``cols`` pixels, with or without an activation function."""

    @kernel
    def conv2d_pointwise(x: Array, packed: Array, b: Array, X: Array, y: Array) -> None:
        """y[f] = f(b[f] + Σ_c W[f, c] · x[c])."""
        (C, places, L), F, P, size = X.shape, y.shape[0], y.shape[1] * y.shape[2], packed.shape[4]
        at = tile_places(cols, 0, cols, 0, L)
        for block in range(0, P, places):
            first = min(block, P - cols)  # at least one tile
            count = min(places, P - first)
            take_places(x, first, count, X)
            for f in range(0, F, rows):
                some = min(rows, F - f)
                for start in range(0, count, cols):
                    p = min(start, count - cols)  # the last tile overlaps the one before
                    for lane in range(0, L, tile_width(x)):
                        t = tile_bias(tile_zeros(x, rows, cols), b, f, some)
                        k, offset = f // size * C * size + f % size, p * L + lane
                        for _ in range(C):
                            t = tile_multiply(t, packed, k, X, at, offset)
                            k += size
                            offset += places * L
                        if activation_number != NONE:
                            t = tile_activation(t, activation_number)
                        tile_put(t, y, (f * P + first + p) * L + lane, P * L, some, at)

    return conv2d_pointwise


def applies(x: Array, y: Array, window: Array) -> bool:
    """Whether a convolution is 1 × 1 with stride 1 and no padding."""
    plain = (
        window[0] == window[1] == window[2] == window[3] == 1 and window[4] == window[5] == 0 and x.shape[1:3] == y.shape[1:3]
    )
    return bool(plain and x.dtype == np.float32 and x.shape[3] > 1)


def rewritten(
    x: Array, packed: Array, b: Array, y: Array, activation_number: int
) -> tuple[Kernel, tuple[Array | ScratchSpec, ...]]:
    """The kernel for a convolution, and its arrays with a scratch buffer for a chunk of x."""
    channels, rows_of, columns_of, lanes = x.shape
    rows, cols = tile_size(packed.shape[4], rows_of * columns_of)
    fitting = max(1, SCRATCH_BYTES // (channels * cols * lanes * x.itemsize))
    places = cols * min(fitting, rows_of * columns_of // cols)
    return pointwise(rows, cols, activation_number), (x, packed, b, ScratchSpec((channels, places, lanes), x.dtype), y)
