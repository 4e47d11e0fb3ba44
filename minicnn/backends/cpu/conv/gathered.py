"""Convolution from tiles whose pixels are gathered first: with strides or gaps between taps, or where tiles have few filters.

Legend: x (C, H, W, L), y (F, OH, OW, L), window and packed weights as in ``direct.py``; V (C · taps, pixels, w) holds what the
pixels of one tile meet for one vector of lanes. Sums run over channels, then taps, as both lie in memory. The maps of x are
often a power of two apart in memory, so a pixel of all maps falls into few cache sets, and ``direct.py`` reads it anew for
every few filters. Here it is read once a tile.
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
    tile_inside,
    tile_multiply,
    tile_places,
    tile_put,
    tile_store,
    tile_width,
    tile_zeros,
    vector_inside,
)
from ..tiles.activation import NONE
from .direct import tile_size

FEWEST_FILTERS, FEWEST_CHANNELS, FEWEST_MEETING = 16, 32, 16
"""With fewer filters x is not read often enough, and with fewer channels it stays in the first cache for ``direct.py``.

The last holds for maps that lie whole pages apart: then a pixel of each meets those of the others in one cache set.
"""

SHORT_FILTERS, SHORT_MEETING, SHORT_CHANNELS = 32, 16, 8
"""The same with few registers, where a tile has four filters and not eight, so x is read twice as often; taps may be adjacent.

At least so many filters, or so many where maps lie whole pages apart, and so many channels.
"""

PAGE = 4096


@register_jitable
def gather(x: Array, places: Array, lane: int, V: Array) -> None:
    """V[c · taps + tap, j] = the pixel of map c at places[tap, j], zeros outside."""
    C, H, W, L = x.shape
    taps, cols = places.shape
    w = tile_width(x)
    for c in range(C):
        for tap in range(taps):
            to = (c * taps + tap) * cols * w
            for j in range(cols):
                tile_store(vector_inside(x, places[tap, j], c * H * W * L + lane), V, to + j * w, 0, 1)


@cache
def gathered(rows: int, cols: int, activation_number: int) -> Kernel:
    """The kernel with tiles of ``rows`` filters × ``cols`` pixels, with or without an activation function."""

    @kernel
    def conv2d_gathered(x: Array, packed: Array, b: Array, window: Array, places: Array, V: Array, y: Array) -> None:
        """y[f, oy, ox] = f(b[f] + Σ_{c, kh, kw} W[f, c, kh, kw] · x[c, s·oy + d·kh − p, s·ox + d·kw − p])."""
        (C, H, W, L), (F, OH, OW, _), block, w = x.shape, y.shape, packed.shape[4], tile_width(x)
        KH, KW, sh, sw, ph, pw, dh, dw = window[0], window[1], window[2], window[3], window[4], window[5], window[6], window[7]
        at = tile_places(cols, 0, cols, 0, w)
        for start in range(0, OH * OW, cols):
            p = min(start, OH * OW - cols)  # the last tile overlaps the one before
            ys, xs = tile_places(cols, p, OW, sh, 0), tile_places(cols, p, OW, 0, sw)
            to = tile_places(cols, p, OW, OW * L, L)
            for tap in range(KH * KW):
                on = tile_inside(ys, xs, tap // KW * dh - ph, tap % KW * dw - pw, H, W, L)
                for j in range(cols):
                    places[tap, j] = on[j]
            for lane in range(0, L, w):
                gather(x, places, lane, V)
                for f in range(0, F, rows):
                    t = tile_bias(tile_zeros(x, rows, cols), b, f, min(rows, F - f))
                    k, offset = f // block * C * KH * KW * block + f % block, 0
                    for _ in range(C * KH * KW):
                        t = tile_multiply(t, packed, k, V, at, offset)
                        k += block
                        offset += cols * w
                    if activation_number != NONE:
                        t = tile_activation(t, activation_number)
                    tile_put(t, y, f * OH * OW * L + lane, OH * OW * L, min(rows, F - f), to)

    return conv2d_gathered


def applies(x: Array, filters: int, window: Array) -> bool:
    """Whether gathering pays for sums over so many taps of x for so many filters."""
    several, apart = window[0] * window[1] > 1, max(window[2:4]) > 1 or max(window[6:]) > 1
    if x.dtype != np.float32 or x.shape[3] == 1 or not (several or apart):
        return False
    meeting = x[0].nbytes % PAGE == 0
    if HOST.few_registers:
        return len(x) >= SHORT_CHANNELS and filters >= (SHORT_MEETING if meeting else SHORT_FILTERS)
    return bool(several and apart and len(x) >= (FEWEST_MEETING if meeting else FEWEST_CHANNELS) and filters >= FEWEST_FILTERS)


def applies_turned(dy: Array, channels: int, window: Array) -> bool:
    """Whether it pays for the input gradient of so many channels, which is a convolution of dy where the stride is 1."""
    return bool(HOST.few_registers and window[2] == window[3] == 1 and applies(dy, channels, window))


def turned(window: Array) -> Array:
    """The window in which dy meets W turned: its pixel at tap k lies p − d·k further on, as dx[i] sums over dy[i + p − d·k]."""
    found: Array = window * np.array([1, 1, 1, 1, -1, -1, -1, -1])
    return found


def rewritten(
    x: Array, packed: Array, b: Array, window: Array, y: Array, activation_number: int
) -> tuple[Kernel, tuple[Array | ScratchSpec, ...]]:
    """The kernel for a convolution, and its arrays with scratch buffers for a tile's pixels."""
    rows, cols = tile_size(packed.shape[4], y.shape[1] * y.shape[2])
    taps = int(window[0] * window[1])
    places = ScratchSpec((taps, cols), np.dtype(np.int64))
    V = ScratchSpec((len(x) * taps, cols, x.shape[3]), x.dtype)
    return gathered(rows, cols, activation_number), (x, packed, b, window, places, V, y)
