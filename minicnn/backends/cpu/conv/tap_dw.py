"""Weight gradient of a convolution of few channels with many filters: taps × filters, with filters along the vectors.

Legend: x (C, H, W, L) lies in a frame of zeros, so no tap meets a border; dy (F, OH, OW, L), dW (F, C, KH, KW), window and T as
in ``wide_dw.py``. A tap is one of the K = C · KH · KW numbers of a filter; offsets[k] is the distance of what it meets from the
first pixel of a window. dWt (K and some, F) holds the sums: rows behind the last tap are filled up and not read. A tile is some
taps × m vectors of filters, whatever channels and rows the taps are of, so few of its rows are empty.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from ....arrays import Array
from ...scratch import ScratchSpec
from ..compile.host import HOST
from ..compile.jit import Kernel, kernel
from ..tiles import tile_get, tile_places, tile_put, tile_width
from ..tiles.channels import tile_channels, tile_listed, tile_spread
from .wide_dw import FEWEST, SCRATCH_BYTES, add_turned, turn

VECTORS = 2
"""Vectors of filters of a tile."""

MOST_TAPS = 6
"""Taps of a tile: so many sums of two vectors fill 16 registers."""

IN_FLIGHT = 8
"""So many sums hide the latency of a multiply-add."""

STEPS = 4
"""Lanes that the inner loop takes at a time."""


@cache
def tap_dw(n: int) -> Kernel:
    """The kernel with tiles of n taps."""

    @kernel
    def conv2d_dW_taps(x: Array, dy: Array, window: Array, offsets: Array, T: Array, dWt: Array, dW: Array) -> None:
        """dW[f, c, kh, kw] += Σ_{oy, ox, lanes} dy[f, oy, ox] · x[c, s·oy + d·kh, s·ox + d·kw]."""
        (_, _, W, L), (_, OH, OW, _), (blocks, places, _, size) = x.shape, dy.shape, T.shape
        sh, sw, F, w = window[2], window[3], dWt.shape[1], tile_width(x)
        height, to = places // OW, tile_places(n, 0, n, 0, F)
        dWt[:] = 0
        for block in range(0, OH, height):
            some = min(height, OH - block)
            turn(dy, block, some, T)
            for f in range(blocks):
                for first in range(0, offsets.shape[0], n):
                    at, k = tile_listed(n, offsets, first), f * places * L * size
                    t = tile_get(tile_channels(dWt, 0, VECTORS, n), dWt, first * F + f * size, w, VECTORS, to)
                    for oy in range(some):
                        pixel = (block + oy) * sh * W * L
                        for _ in range(OW):
                            for lane in range(0, L, STEPS):
                                t = tile_spread(t, T, k, x, at, pixel + lane, STEPS)
                                k += STEPS * size
                            pixel += sw * L
                    tile_put(t, dWt, first * F + f * size, w, VECTORS, to)
        add_turned(dWt, dW)

    return conv2d_dW_taps


def applies(x: Array, dy: Array, window: Array, dW: Array) -> bool:
    """Whether channels are few, x lies in its frame, and filters are a multiple of two vectors, of float32 and 16 registers."""
    rows, columns = ((np.array(dy.shape[1:3]) - 1) * window[2:4] + window[6:] * (window[:2] - 1) + 1).tolist()
    inside = not window[4:6].any() and rows <= x.shape[1] and columns <= x.shape[2]
    few = HOST.few_registers and len(x) < FEWEST and dW[0].size > 1
    whole = len(dy) % (VECTORS * HOST.width(4)) == 0 and x.shape[3] % max(STEPS, HOST.width(4)) == 0
    return bool(few and inside and whole and x.dtype == np.float32 and dW.shape[1] == len(x))


def taps_of_tile(taps: int) -> int:
    """The taps of a tile with which so many take the fewest products, empty ones counted."""
    return min(range(1, MOST_TAPS + 1), key=lambda n: (-(-taps // n) * (max(VECTORS * n, IN_FLIGHT) + 1), n))


def rewritten(x: Array, dy: Array, window: Array, dW: Array) -> tuple[Kernel, tuple[Array | ScratchSpec, ...]]:
    """The kernel for a weight gradient, and its arrays with scratch buffers as in ``wide_dw.py``."""
    (_, high, wide, lanes), size, taps = dy.shape, VECTORS * HOST.width(dy.itemsize), dW[0].size
    n, (_, H, W, L) = taps_of_tile(taps), x.shape
    c, kh, kw = np.unravel_index(np.minimum(np.arange(-(-taps // n) * n), taps - 1), dW.shape[1:])
    offsets = ((c * H + kh * window[6]) * W + kw * window[7]) * L
    height = min(high, max(1, SCRATCH_BYTES // (len(dy) * wide * lanes * dy.itemsize)))
    T = ScratchSpec((len(dy) // size, height * wide, lanes, size), dy.dtype)
    return tap_dw(n), (x, dy, window, offsets, T, ScratchSpec((len(offsets), len(dy)), dW.dtype), dW)
