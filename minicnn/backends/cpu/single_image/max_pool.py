"""Max pooling of one image. Legend as in ``pool.py``; a tile holds the running maxima and the taps they came from."""

from __future__ import annotations

from functools import cache

from ....arrays import Array
from ..compile.jit import Kernel, kernel, select
from ..kernels import pool
from ..kernels.pool import numbers
from ..tiles import tile_width
from ..tiles.rows import (
    tile_beat,
    tile_keep,
    tile_lowest,
    tile_repeat,
    tile_rows,
    tile_store_rows,
    tile_store_taps,
    tile_window,
)
from .conv import over_the_border
from .conv_backward import rows_for
from .pool import MOST, side_by_side


@cache
def _max_pool(rows: int, step: int, border: bool) -> Kernel:
    """The kernel for ``rows`` rows of windows at a time, ``step`` columns apart, with or without a border."""

    @kernel
    def max_pool(x: Array, window: Array, y: Array, argmax: Array) -> None:
        """y = max over the window of x, argmax = i·kw + j of the winner; −∞ and −1 if the window lies in the padding."""
        _, H, W, _ = x.shape
        C, OH, OW, _ = y.shape
        kh, kw, sh, _, ph, pw, dh, dw = numbers(window)
        for c in range(C):
            for start in range(0, OH, rows):
                oy = min(start, OH - rows)  # the last rows may overlap those before
                for ox in range(0, OW, tile_width(x)):
                    t = tile_lowest(x, rows)
                    for i in range(kh):
                        for j in range(kw):
                            h, w = oy * sh + i * dh - ph, ox * step + j * dw - pw
                            if border:
                                v = tile_window(rows, x, c * H * W, h, sh, H, w, step, W, OW - ox)
                                t = tile_beat(t, v, i * kw + j, h, sh, H, w, step, W, OW - ox)
                            else:
                                v = tile_rows(rows, x, (c * H + h) * W + w, sh * W, rows, step, OW - ox)
                                t = tile_beat(t, v, i * kw + j, 0, 0, 1, 0, step, OW * step, OW - ox)
                    out = (c * OH + oy) * OW + ox
                    tile_store_rows(t, y, out, OW, rows, 0, 1, OW - ox)
                    tile_store_taps(t, argmax, out, OW, rows, OW - ox)

    return max_pool


@select
def max_pool(x: Array, window: Array, y: Array, argmax: Array) -> Kernel:
    """Choose the kernel by the height of the map, the stride and the border."""
    return _max_pool(rows_for(y.shape[1], MOST), int(window[3]), over_the_border(x, window, y))


@cache
def _max_pool_dx(rows: int, times: int) -> Kernel:
    """The kernel for ``rows`` rows of windows with ``times`` columns."""

    @kernel
    def max_pool_dx(dy: Array, argmax: Array, window: Array, dx: Array) -> None:
        """dx = dy where the pixel is the winner of its window, else 0."""
        C, OH, OW, _ = dy.shape
        _, H, W, _ = dx.shape
        kh = window[0]
        if OH * kh < H or OW * times < W:
            dx[:] = 0
        for c in range(C):
            for start in range(0, OH, rows):
                oy = min(start, OH - rows)
                for ox in range(0, OW, tile_width(dy) // times):
                    patch, end = (c * OH + oy) * OW + ox, (OW - ox) * times
                    v = tile_repeat(rows, times, dy, patch, OW, rows, end)
                    for i in range(kh):
                        won = tile_keep(v, times, argmax, patch, OW, rows, i * times, end)
                        pixel = (c * H + oy * kh + i) * W + ox * times
                        tile_store_rows(won, dx, pixel, kh * W, rows, 0, 1, end)

    return max_pool_dx


@select
def max_pool_dx(dy: Array, argmax: Array, window: Array, dx: Array) -> Kernel:
    """Choose the kernel by the height of the map and the width of the window; if not adjacent, use that over lanes."""
    fit = all(n * taps <= size for n, taps, size in zip(dy.shape[1:3], window[:2], dx.shape[1:3], strict=True))
    return _max_pool_dx(rows_for(dy.shape[1], MOST), int(window[1])) if side_by_side(window) and fit else pool.max_pool_dx
