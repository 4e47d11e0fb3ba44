"""Input gradient of a convolution with a stride, from tiles whose pixels of dy are gathered first.

Legend: dy (F, OH, OW, L), dx (C, H, W, L), window and packed weights as for ``direct.conv2d_dx``; V as in ``gathered.py``.
Pixels of dx of one residue class mod s have the same taps: i = r + s·n, o = n + (r + p − d·k) / s.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from ....arrays import Array
from ...scratch import ScratchSpec
from ..compile.host import HOST
from ..compile.jit import Kernel, kernel
from ..tiles import tile_inside, tile_multiply, tile_places, tile_put, tile_width, tile_zeros
from .direct import taps_of, tile_size
from .gathered import applies as gathering_pays
from .gathered import gather


@cache
def gathered_dx(rows: int, cols: int) -> Kernel:
    """The kernel with tiles of ``rows`` channels × ``cols`` pixels of a residue class."""

    @kernel
    def conv2d_dx_gathered(dy: Array, packed: Array, window: Array, places: Array, steps: Array, V: Array, dx: Array) -> None:
        """dx[c, iy, ix] = Σ W[f, c, kh, kw] · dy[f, oy, ox] over all f and all taps with s·o + d·k = i + p."""
        (F, OH, OW, L), (C, H, W, _), block, w = dy.shape, dx.shape, packed.shape[4], tile_width(dy)
        KH, KW, sh, sw, ph, pw, dh, dw = window[0], window[1], window[2], window[3], window[4], window[5], window[6], window[7]
        at = tile_places(cols, 0, cols, 0, w)
        for ry in range(min(sh, H)):
            h_first, h_step = taps_of(ry, KH, sh, ph, dh)
            for rx in range(min(sw, W)):
                w_first, w_step = taps_of(rx, KW, sw, pw, dw)
                wide = (KW - w_first + w_step - 1) // w_step
                count = (KH - h_first + h_step - 1) // h_step * wide
                rows_of, columns_of = (H - ry + sh - 1) // sh, (W - rx + sw - 1) // sw
                for start in range(0, rows_of * columns_of, cols):
                    p = min(start, rows_of * columns_of - cols)  # the last tile overlaps the one before
                    ys, xs = tile_places(cols, p, columns_of, 1, 0), tile_places(cols, p, columns_of, 0, 1)
                    to = tile_places(cols, p, columns_of, sh * W * L, sw * L)
                    for tap in range(count):
                        kh, kw = h_first + tap // wide * h_step, w_first + tap % wide * w_step
                        on = tile_inside(ys, xs, (ry + ph - dh * kh) // sh, (rx + pw - dw * kw) // sw, OH, OW, L)
                        steps[tap] = (kh * KW + kw) * block
                        for j in range(cols):
                            places[tap, j] = on[j]
                    for lane in range(0, L, w):
                        gather(dy, places[:count], lane, V)
                        for c in range(0, C, rows):
                            t, k, offset = tile_zeros(dy, rows, cols), c // block * F * KH * KW * block + c % block, 0
                            for _ in range(F):
                                for tap in range(count):
                                    t = tile_multiply(t, packed, k + steps[tap], V, at, offset)
                                    offset += cols * w
                                k += KH * KW * block
                            tile_put(t, dx, ((c * H + ry) * W + rx) * L + lane, H * W * L, min(rows, C - c), to)

    return conv2d_dx_gathered


def applies(dy: Array, dx: Array, window: Array) -> bool:
    """Whether the stride is above 1, and gathering pays for so many taps and channels; with 16 registers alone."""
    strided = max(window[2:4]) > 1 and window[0] * window[1] > 1
    return bool(HOST.few_registers and strided and gathering_pays(dy, len(dx), window))


def rewritten(dy: Array, packed: Array, window: Array, dx: Array) -> tuple[Kernel, tuple[Array | ScratchSpec, ...]]:
    """The kernel for an input gradient, and its arrays with scratch buffers for a tile's pixels."""
    rows, cols = tile_size(packed.shape[4], max(1, dx.shape[1] // window[2]) * max(1, dx.shape[2] // window[3]))
    taps, whole = int(window[0] * window[1]), np.dtype(np.int64)
    V = ScratchSpec((len(dy) * taps, cols, dy.shape[3]), dy.dtype)
    return gathered_dx(rows, cols), (dy, packed, window, ScratchSpec((taps, cols), whole), ScratchSpec((taps,), whole), V, dx)
