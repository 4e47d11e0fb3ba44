"""Convolution of one image: vectors hold neighbouring pixels of an output row, and weights are read as they lie.

Legend: x (C, H, W, 1) with its background already around it, y and dy (F, OH, OW, 1), W and dW (F, C, KH, KW);
g = [KH, KW, stride, stride, padding, padding, dilation, dilation], rows before columns. A tile holds some filters (for dx
channels) × some rows of the output, so that a vector of pixels meets every filter, and a weight every row.
"""

from __future__ import annotations

from functools import cache

from ...arrays import Array
from .host import HOST
from .jit import Kernel, kernel, select
from .row_tile import (
    tile_add_window,
    tile_fold_add,
    tile_products,
    tile_rows,
    tile_scale,
    tile_spread_taps,
    tile_store_rows,
    tile_window,
)
from .tiles import tile_bias, tile_sum_add, tile_width, tile_zeros

TILES = ((6, 4), (8, 2), (8, 1)) if HOST.registers >= 32 else ((3, 3), (4, 2), (6, 1))
"""Maps × rows that a tile may hold."""


def tile_for(maps: int, rows: int) -> tuple[int, int]:
    """The tile that wastes least on so many maps of so many rows."""

    def work(tile: tuple[int, int]) -> float:
        m, n = tile
        return -(-maps // m) * -(-rows // n) * (m * n + 0.5 * m + n)  # multiply-adds, and loads beside them

    return min((tile for tile in TILES if tile[1] <= rows), key=work)


@cache
def _forward(m: int, n: int, step: int, whole: bool) -> Kernel:
    """The forward kernel with m filters × n rows in a tile, for windows ``step`` columns apart."""

    @kernel
    def conv2d_image(x: Array, W: Array, b: Array, g: Array, y: Array) -> None:
        """y[f, oy, ox] = b[f] + Σ_{c, kh, kw} W[f, c, kh, kw] · x[c, s·oy + d·kh, s·ox + d·kw]."""
        C, H, width, _ = x.shape
        F, OH, OW, _ = y.shape
        KH, KW, sh, dh, dw = g[0], g[1], g[2], g[6], g[7]
        for f in range(0, F, m):
            rows = m if whole else min(m, F - f)
            for start in range(0, OH, n):
                oy = min(start, OH - n)  # the last rows may overlap those before
                for ox in range(0, OW, tile_width(x)):
                    t = tile_bias(tile_zeros(x, m, n), b, f, rows)
                    at = f * C * KH * KW
                    for c in range(C):
                        for kh in range(KH):
                            pixel = (c * H + oy * sh + kh * dh) * width + ox * step
                            for _ in range(KW):
                                v = tile_rows(n, x, pixel, sh * width, n, step, OW - ox)
                                t = tile_scale(t, W, at, C * KH * KW, rows, v)
                                at += 1
                                pixel += dw
                    tile_store_rows(t, y, (f * OH + oy) * OW + ox, OH * OW, rows, OW, n, OW - ox)

    return conv2d_image


@select
def conv2d_image(x: Array, W: Array, b: Array, g: Array, y: Array) -> Kernel:
    """The forward kernel whose tile suits the number of filters and of rows."""
    m, n = tile_for(y.shape[0], y.shape[1])
    return _forward(m, n, int(g[3]), y.shape[0] % m == 0)


ROWS = 14 if HOST.registers >= 32 else 8
"""Rows of the output gradient that a tile of the input gradient takes up at most."""


def column_taps(height: int) -> int:
    """How many taps below each other are held in registers; windows of other heights go tap by tap."""
    return height if height in (2, 3, 5) else 1


def covering(rows: int, most: int) -> int:
    """How many rows a tile has so that few tiles cover so many rows, with few rows over."""
    count = -(-rows // most)
    return -(-rows // count)


@cache
def _dx(rows: int, taps: int, step: int, whole: bool) -> Kernel:
    """The input gradient's kernel for some rows of dy and some taps below each other at a time."""
    reach = rows + taps - 1

    @kernel
    def conv2d_image_dx(dy: Array, W: Array, g: Array, dx: Array) -> None:
        """dx[c, s·oy + d·kh − p, s·ox + d·kw − p] += W[f, c, kh, kw] · dy[f, oy, ox], from zero.

        A tile sums over the filters what one column of taps sends to a channel; it is added to dx as far as it falls on it.
        """
        F, OH, OW, _ = dy.shape
        C, H, width, _ = dx.shape
        KH, KW, sh, ph, pw, dh, dw = g[0], g[1], g[2], g[4], g[5], g[6], g[7]
        dx[:] = 0
        for oy in range(0, OH, rows):
            for ox in range(0, OW, tile_width(dy)):
                for kh in range(0, KH, taps):
                    for kw in range(KW):
                        iy, ix = oy * sh + kh * dh - ph, ox * step + kw * dw - pw
                        top, left = -(iy // sh), -(ix // step)
                        bottom, right = (H - 1 - iy) // sh + 1, min((width - 1 - ix) // step + 1, OW - ox)
                        for c in range(C):  # innermost, as a load from dx waits for a store just before to the same row
                            t = tile_zeros(dy, reach, 1)
                            for f in range(F):
                                pixel = (f * OH + oy) * OW + ox
                                if whole:
                                    v = tile_rows(rows, dy, pixel, OW, rows, 1, OW - ox)
                                else:
                                    v = tile_window(rows, dy, pixel, OW, 0, OH - oy, 1, 0, OW - ox)
                                t = tile_spread_taps(t, W, ((f * C + c) * KH + kh) * KW + kw, KW, taps, v)
                            start = (c * H + iy) * width + ix
                            tile_add_window(t, dx, start, sh * width, top, bottom, step, left, right)

    return conv2d_image_dx


@select
def conv2d_image_dx(dy: Array, W: Array, g: Array, dx: Array) -> Kernel:
    """The input gradient's kernel whose tile suits the height of the maps and of the window."""
    rows = covering(dy.shape[1], ROWS)
    taps = column_taps(int(g[0])) if g[2] == g[6] == 1 else 1
    return _dx(rows, taps, int(g[3]), dy.shape[1] % rows == 0)

FILTERS, TAPS = (4, 5) if HOST.registers >= 32 else (2, 3)


@cache
def _dW(filters: int, columns: int, step: int, by_channels: bool, whole: bool) -> Kernel:
    """The weight gradient's kernel: some filters × neighbouring taps of a row, or × channels at one tap."""

    @kernel
    def conv2d_image_dW_add(x: Array, dy: Array, g: Array, dW: Array) -> None:
        """dW[f, c, kh, kw] += Σ_{oy, ox} dy[f, oy, ox] · x[c, s·oy + d·kh, s·ox + d·kw]."""
        C, H, width, _ = x.shape
        F, OH, OW, _ = dy.shape
        KH, KW, sh, dh, dw = g[0], g[1], g[2], g[6], g[7]
        c_step, kw_step = (columns, 1) if by_channels else (1, columns)
        apart = H * width if by_channels else dw
        for f in range(0, F, filters):
            rows = filters if whole else min(filters, F - f)
            for c in range(0, C, c_step):
                for kh in range(KH):
                    for kw in range(0, KW, kw_step):
                        count = columns if whole else min(columns, C - c if by_channels else KW - kw)
                        t = tile_zeros(x, filters, columns)
                        for ox in range(0, OW, tile_width(x)):
                            left = f * OH * OW + ox
                            right = (c * H + kh * dh) * width + ox * step + kw * dw
                            for _ in range(OH):
                                u = tile_rows(filters, dy, left, OH * OW, rows, 1, OW - ox)
                                v = tile_rows(columns, x, right, apart, count, step, OW - ox)
                                t = tile_products(t, u, v)
                                left += OW
                                right += sh * width
                        at = ((f * C + c) * KH + kh) * KW + kw
                        if by_channels:
                            tile_sum_add(t, dW, at, C * KH * KW, rows, KH * KW, count)
                        else:
                            tile_fold_add(t, dW, at, C * KH * KW, rows, count)

    return conv2d_image_dW_add


@select
def conv2d_image_dW_add(x: Array, dy: Array, g: Array, dW: Array) -> Kernel:
    """The weight gradient's kernel for this width of row."""
    F, C, _, width = dW.shape
    columns = 4 if width == 1 else 3 if width <= 3 else 5
    filters = min((8, 6) if columns < 5 else (5, 4, 3), key=lambda n: -(-F // n) * n)  # the fewer idle rows, else the larger tile
    whole = F % filters == 0 and (C if width == 1 else width) % columns == 0
    return _dW(filters, columns, int(g[3]), width == 1, whole)
