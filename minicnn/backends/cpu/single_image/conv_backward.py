"""The gradients of a convolution of one image. Legend as in ``conv.py``.

For the input gradient, a tile holds some rows of one channel of dx: a vector of dy is loaded once and multiplied by a column of
weights. For the weight gradient, it holds some filters × taps of a row, with separate pixels, which are summed at the end.
"""

from __future__ import annotations

from functools import cache

from ....arrays import Array
from ..compile.host import HOST
from ..compile.jit import Kernel, kernel, select
from ..conv.direct_dw import on_map, tile_size
from ..tiles import tile_sum_add, tile_width, tile_zeros
from ..tiles.rows import (
    tile_add_window,
    tile_columns,
    tile_fold_add,
    tile_products,
    tile_rows,
    tile_spread_taps,
    tile_window,
)
from .conv import over_the_border

ROWS = (14, 10, 8, 7, 5, 2, 1) if HOST.registers >= 32 else (8, 7, 5, 2, 1)
"""Possible numbers of output rows in a tile; only a few, because each is a kernel to compile."""


def column_taps(height: int) -> int:
    """Number of vertically adjacent taps held in registers; windows of other heights are processed tap by tap."""
    return height if height in (2, 3, 5) else 1


def rows_for(height: int, most: int = ROWS[0]) -> int:
    """Number of rows in a tile for a map of this height: few tiles, and few rows computed twice."""
    fitting = [rows for rows in ROWS if rows <= min(height, most)]
    return min(fitting, key=lambda rows: -(-height // rows) * (rows + 1))


@cache
def _dx(rows: int, taps: int, step: int, whole: bool) -> Kernel:
    """The kernel for ``rows`` rows of dy and ``taps`` vertical taps at a time; ``whole`` if rows divide the map."""
    reach = rows + taps - 1

    @kernel
    def conv2d_image_dx(dy: Array, W: Array, window: Array, dx: Array) -> None:
        """dx[c, s·oy + d·kh − p, s·ox + d·kw − p] += W[f, c, kh, kw] · dy[f, oy, ox], from zero.

        A tile sums one column of taps over the filters. The part of it that lies on the channel is added to dx.
        """
        F, OH, OW, _ = dy.shape
        C, H, width, _ = dx.shape
        KH, KW, sh, ph, pw, dh, dw = window[0], window[1], window[2], window[4], window[5], window[6], window[7]
        dx[:] = 0
        for oy in range(0, OH, rows):
            for ox in range(0, OW, tile_width(dy)):
                for kh in range(0, KH, taps):
                    for kw in range(KW):
                        iy, ix = oy * sh + kh * dh - ph, ox * step + kw * dw - pw
                        for c in range(C):  # innermost loop: a load from dx would wait for a store to the same row just before
                            t = tile_zeros(dy, reach, 1)
                            for f in range(F):
                                if whole:
                                    v = tile_rows(rows, dy, (f * OH + oy) * OW + ox, OW, rows, 1, OW - ox)
                                else:
                                    v = tile_window(rows, dy, f * OH * OW, oy, 1, OH, ox, 1, OW, OW - ox)
                                t = tile_spread_taps(t, W, ((f * C + c) * KH + kh) * KW + kw, KW, taps, v)
                            tile_add_window(t, dx, c * H * width, iy, sh, H, ix, step, width, OW - ox)

    return conv2d_image_dx


@select
def conv2d_image_dx(dy: Array, W: Array, window: Array, dx: Array) -> Kernel:
    """Choose the kernel by the height of the maps and of the window."""
    rows = rows_for(dy.shape[1])
    taps = column_taps(int(window[0])) if window[2] == window[6] == 1 else 1
    return _dx(rows, taps, int(window[3]), dy.shape[1] % rows == 0)


@cache
def _dW(rows: int, columns: int, step: int, border: bool, by_channels: bool, whole: bool) -> Kernel:
    """The kernel with tiles of filters × taps of a row, or × channels; ``whole`` if tiles divide dW."""

    @kernel
    def conv2d_image_dW_add(x: Array, dy: Array, window: Array, dW: Array) -> None:
        """dW[f, c, kh, kw] += Σ_{oy, ox} dy[f, oy, ox] · x[c, s·oy + d·kh − p, s·ox + d·kw − p]."""
        C, H, width, _ = x.shape
        F, OH, OW, _ = dy.shape
        KH, KW, sh, ph, pw, dh, dw = window[0], window[1], window[2], window[4], window[5], window[6], window[7]
        channels, taps = (columns, 1) if by_channels else (1, columns)
        apart, tap = (H * width, 0) if by_channels else (dw, dw)
        for f in range(0, F, rows):
            some = rows if whole else min(rows, F - f)
            for c in range(0, C, channels):
                for kh in range(KH):
                    first, end = on_map(kh * dh - ph, sh, OH, H)
                    for kw in range(0, KW, taps):
                        count = columns if whole else min(channels, C - c) if by_channels else min(taps, KW - kw)
                        t = tile_zeros(x, rows, columns)
                        for ox in range(0, OW, tile_width(x)):
                            ix = ox * step + kw * dw - pw
                            left = (f * OH + first) * OW + ox
                            right = (c * H + first * sh + kh * dh - ph) * width + ix
                            for _ in range(first, end):
                                u = tile_rows(rows, dy, left, OH * OW, some, 1, OW - ox)
                                if border:
                                    v = tile_columns(columns, x, right, apart, count, ix, tap, step, width, OW - ox)
                                else:
                                    v = tile_rows(columns, x, right, apart, count, step, OW - ox)
                                t = tile_products(t, u, v)
                                left += OW
                                right += sh * width
                        at = ((f * C + c) * KH + kh) * KW + kw
                        if by_channels:
                            tile_sum_add(t, dW, at, C * KH * KW, some, KH * KW, count)
                        else:
                            tile_fold_add(t, dW, at, C * KH * KW, some, count)

    return conv2d_image_dW_add


@select
def conv2d_image_dW_add(x: Array, dy: Array, window: Array, dW: Array) -> Kernel:
    """Choose the kernel by the number of filters and the width of the window."""
    F, C, _, width = dW.shape
    columns = width if 3 <= width <= 5 else 4
    by_channels = width < 3
    rows, _ = tile_size(F, columns)
    whole = F % rows == 0 and (C if by_channels else width) % columns == 0
    return _dW(rows, columns, int(window[3]), over_the_border(x, window, dy), by_channels, whole)
