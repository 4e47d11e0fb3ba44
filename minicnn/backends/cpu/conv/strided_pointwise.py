"""Input gradient of a strided 1 × 1 convolution. Most of it is zeros, which are written together with the values.

Legend: dy (F, OH, OW, L), dx (C, H, W, L); window and packed weights as in ``direct.py``. X (F, pixels, L) holds some rows of
dy, as in ``pointwise.py``.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from ....arrays import Array
from ...scratch import ScratchSpec
from ..compile.jit import Kernel, kernel
from ..tiles import tile_multiply, tile_places, tile_put, tile_width, tile_zeros
from .direct import tile_size
from .pointwise import SCRATCH_BYTES, take_places


@cache
def strided_pointwise_dx(rows: int, cols: int) -> Kernel:
    """The kernel with tiles of ``rows`` channels × ``cols`` pixels."""

    @kernel
    def conv2d_dx_strided(dy: Array, packed: Array, window: Array, X: Array, dx: Array) -> None:
        """dx[c, s·oy, s·ox] = Σ_f W[f, c] · dy[f, oy, ox], zero elsewhere."""
        (F, OH, OW, L), (C, H, W, _), size, sh, sw = dy.shape, dx.shape, packed.shape[4], window[2], window[3]
        places, rows_of_map = X.shape[1], dx.reshape(C, H * W * L)
        height = places // OW
        at = tile_places(cols, 0, cols, 0, L)
        for block in range(0, OH, height):
            count = min(height, OH - block) * OW
            take_places(dy, block * OW, count, X)
            below = min(H, (block + height) * sh) if block + height < OH else H
            for c in range(0, C, rows):
                some = min(rows, C - c)
                for n in range(c, c + some):
                    rows_of_map[n, block * sh * W * L : below * W * L] = 0
                for start in range(0, count, cols):
                    p = min(start, count - cols)
                    to = tile_places(cols, block * OW + p, OW, sh * W * L, sw * L)
                    for lane in range(0, L, tile_width(dy)):
                        t = tile_zeros(dy, rows, cols)
                        k, offset = c // size * F * size + c % size, p * L + lane
                        for _ in range(F):
                            t = tile_multiply(t, packed, k, X, at, offset)
                            k += size
                            offset += places * L
                        tile_put(t, dx, c * H * W * L + lane, H * W * L, some, to)

    return conv2d_dx_strided


def applies(dy: Array, window: Array) -> bool:
    """Whether a convolution is 1 × 1 with a stride above 1 and no padding."""
    strided = window[0] == window[1] == 1 and window[4] == window[5] == 0 and max(window[2], window[3]) > 1
    return bool(strided and dy.dtype == np.float32 and dy.shape[3] > 1)


def rewritten(dy: Array, packed: Array, window: Array, dx: Array) -> tuple[Kernel, tuple[Array | ScratchSpec, ...]]:
    """The kernel for an input gradient, and its arrays with a scratch buffer for some rows of dy."""
    filters, high, wide, lanes = dy.shape
    fitting = max(1, SCRATCH_BYTES // (filters * wide * lanes * dy.itemsize))
    places = min(fitting, high) * wide
    X = ScratchSpec((filters, places, lanes), dy.dtype)
    return strided_pointwise_dx(*tile_size(packed.shape[4], wide)), (dy, packed, window, X, dx)
