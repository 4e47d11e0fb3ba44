"""Convolution of one image: vectors hold neighbouring pixels of an output row; weights are not packed.

Legend: x (C, H, W, 1), y and dy (F, OH, OW, 1), W and dW (F, C, KH, KW); window as in ``conv/direct.py``. A tile holds some
filters × some output rows, so that a loaded vector of pixels is used by every filter, and a weight by every row.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from ....arrays import Array
from ..compile.host import HOST
from ..compile.jit import Kernel, kernel, select
from ..tiles import tile_activation, tile_bias, tile_width, tile_zeros
from ..tiles.activation import NONE
from ..tiles.rows import tile_rows, tile_scale, tile_store_rows, tile_window

TILES = ((6, 4), (8, 2), (8, 1)) if HOST.registers >= 32 else ((3, 3), (4, 2), (6, 1))
"""Possible tiles, filters × rows."""


def tile_for(filters: int, rows: int) -> tuple[int, int]:
    """The tile that wastes least work for these filters and output rows."""

    def work(tile: tuple[int, int]) -> float:
        m, n = tile
        return -(-filters // m) * -(-rows // n) * (m * n + 0.5 * m + n)  # multiply-adds, plus the cost of loads

    return min((tile for tile in TILES if tile[1] <= rows), key=work)


def over_the_border(x: Array, window: Array, y: Array) -> bool:
    """Whether a window of x reaches beyond the map."""
    last = (np.array(y.shape[1:3]) - 1) * window[2:4] + (window[:2] - 1) * window[6:8] - window[4:6]
    return bool(window[4:6].any() or (last >= x.shape[1:3]).any())


@cache
def _forward(m: int, n: int, step: int, border: bool, activation_number: int) -> Kernel:
    """The kernel with tiles of m filters × n rows, for windows ``step`` columns apart, with or without a border."""

    @kernel
    def conv2d_image(x: Array, W: Array, b: Array, window: Array, y: Array) -> None:
        """y[f, oy, ox] = b[f] + Σ_{c, kh, kw} W[f, c, kh, kw] · x[c, s·oy + d·kh − p, s·ox + d·kw − p]."""
        C, H, width, _ = x.shape
        F, OH, OW, _ = y.shape
        KH, KW, sh, ph, pw, dh, dw = window[0], window[1], window[2], window[4], window[5], window[6], window[7]
        for f in range(0, F, m):
            rows = min(m, F - f)
            for start in range(0, OH, n):
                oy = min(start, OH - n)  # the last rows may overlap those before
                for ox in range(0, OW, tile_width(x)):
                    t = tile_bias(tile_zeros(x, m, n), b, f, rows)
                    at = f * C * KH * KW
                    for c in range(C):
                        for kh in range(KH):
                            iy, ix = oy * sh + kh * dh - ph, ox * step - pw
                            for _ in range(KW):
                                if border:
                                    v = tile_window(n, x, c * H * width, iy, sh, H, ix, step, width, OW - ox)
                                else:
                                    v = tile_rows(n, x, (c * H + iy) * width + ix, sh * width, n, step, OW - ox)
                                t = tile_scale(t, W, at, C * KH * KW, rows, v)
                                at += 1
                                ix += dw
                    if activation_number != NONE:
                        t = tile_activation(t, activation_number)
                    tile_store_rows(t, y, (f * OH + oy) * OW + ox, OH * OW, rows, OW, n, OW - ox)

    return conv2d_image


def conv2d_image_activated(activation_number: int, x: Array, window: Array, y: Array) -> Kernel:
    """Choose the kernel that also applies the activation function, by the number of filters and rows."""
    m, n = tile_for(y.shape[0], y.shape[1])
    return _forward(m, n, int(window[3]), over_the_border(x, window, y), activation_number)


@select
def conv2d_image(x: Array, W: Array, b: Array, window: Array, y: Array) -> Kernel:
    """Choose the kernel by the number of filters and rows."""
    return conv2d_image_activated(NONE, x, window, y)
