"""Pooling of one image: vectors hold neighbouring windows of a row.

Legend as in ``kernels/pool.py``, with x (C, H, W, 1) and y (C, OH, OW, 1). The backward passes here are for adjacent windows
without padding, where every pixel belongs to at most one window; others use the kernels over lanes.
"""

from __future__ import annotations

from functools import cache

from numba.extending import register_jitable

from ....arrays import Array, Number
from ..compile.jit import Kernel, kernel, select
from ..kernels import pool
from ..kernels.pool import numbers
from ..tiles import tile_bias, tile_sum_add, tile_width, tile_zeros
from ..tiles.rows import tile_plus, tile_products, tile_repeat, tile_rows, tile_store_rows, tile_window
from .conv import over_the_border
from .conv_backward import rows_for

MOST = 8
"""Most rows of windows in a tile."""

WIDEST = 4
"""Window widths whose gradient can be spread by a permutation of a vector."""


def side_by_side(window: Array) -> bool:
    """Whether the windows are narrow and adjacent, without padding."""
    return bool((window[:2] == window[2:4]).all() and not window[4:6].any() and (window[6:] == 1).all() and window[1] <= WIDEST)


@cache
def _avg_pool(rows: int, step: int, border: bool) -> Kernel:
    """The kernel for ``rows`` rows of windows at a time, ``step`` columns apart, with or without a border."""

    @kernel
    def avg_pool(x: Array, window: Array, y: Array) -> None:
        """y = 1 / (kh·kw) · Σ over the window of x, with padding counted as zeros."""
        _, H, W, _ = x.shape
        C, OH, OW, _ = y.shape
        kh, kw, sh, _, ph, pw, dh, dw = numbers(window)
        scale = x.dtype.type(1.0 / (kh * kw))
        for c in range(C):
            for start in range(0, OH, rows):
                oy = min(start, OH - rows)  # the last rows may overlap those before
                for ox in range(0, OW, tile_width(x)):
                    t = tile_zeros(x, rows, 1)
                    for i in range(kh):
                        for j in range(kw):
                            h, w = oy * sh + i * dh - ph, ox * step + j * dw - pw
                            if border:
                                v = tile_window(rows, x, c * H * W, h, sh, H, w, step, W, OW - ox)
                            else:
                                v = tile_rows(rows, x, (c * H + h) * W + w, sh * W, rows, step, OW - ox)
                            t = tile_plus(t, scale, v)
                    tile_store_rows(t, y, (c * OH + oy) * OW + ox, OW, rows, 0, 1, OW - ox)

    return avg_pool


@select
def avg_pool(x: Array, window: Array, y: Array) -> Kernel:
    """Choose the kernel by the height of the map, the stride and the border."""
    return _avg_pool(rows_for(y.shape[1], MOST), int(window[3]), over_the_border(x, window, y))


@cache
def _subsample(rows: int, step: int) -> Kernel:
    """The kernel for ``rows`` rows of windows at a time, ``step`` columns apart."""

    @kernel
    def subsample(x: Array, coef: Array, b: Array, window: Array, y: Array) -> None:
        """y[c] = coef[c] · Σ over the window of x[c] + b[c]."""
        _, H, W, _ = x.shape
        C, OH, OW, _ = y.shape
        for c in range(C):
            for start in range(0, OH, rows):
                oy = min(start, OH - rows)  # the last rows may overlap those before
                for ox in range(0, OW, tile_width(x)):
                    t = tile_bias(tile_zeros(x, rows, 1), b, c, 1)
                    for i in range(window[0]):
                        for j in range(window[1]):
                            pixel = (c * H + oy * window[2] + i) * W + ox * step + j
                            t = tile_plus(t, coef[c], tile_rows(rows, x, pixel, window[2] * W, rows, step, OW - ox))
                    tile_store_rows(t, y, (c * OH + oy) * OW + ox, OW, rows, 0, 1, OW - ox)

    return subsample


@select
def subsample(x: Array, coef: Array, b: Array, window: Array, y: Array) -> Kernel:
    """Choose the kernel by the height of the map and the stride."""
    return _subsample(rows_for(y.shape[1], MOST), int(window[3]))


@cache
def _subsample_dcoef(step: int) -> Kernel:
    """The kernel for windows ``step`` columns apart."""

    @kernel
    def subsample_dcoef_add(x: Array, dy: Array, window: Array, dcoef: Array) -> None:
        """dcoef[c] += Σ dy[c] · (Σ over the window of x[c])."""
        _, H, W, _ = x.shape
        C, OH, OW, _ = dy.shape
        one = x.dtype.type(1)
        for c in range(C):
            t = tile_zeros(x, 1, 1)
            for oy in range(OH):
                for ox in range(0, OW, tile_width(x)):
                    total = tile_zeros(x, 1, 1)
                    for i in range(window[0]):
                        for j in range(window[1]):
                            pixel = (c * H + oy * window[2] + i) * W + ox * step + j
                            total = tile_plus(total, one, tile_rows(1, x, pixel, 0, 1, step, OW - ox))
                    t = tile_products(t, tile_rows(1, dy, (c * OH + oy) * OW + ox, 0, 1, 1, OW - ox), total)
            tile_sum_add(t, dcoef, c, 0, 1, 0, 1)

    return subsample_dcoef_add


@select
def subsample_dcoef_add(x: Array, dy: Array, window: Array, dcoef: Array) -> Kernel:
    """Choose the kernel by the stride."""
    return _subsample_dcoef(int(window[3]))


@register_jitable
def spread(rows: Number, times: Number, dy: Array, c: int, scale: Number, height: int, dx: Array) -> None:
    """dx[c] = scale · dy[c] at every pixel of windows of height × times pixels, zero outside windows."""
    _, OH, OW, _ = dy.shape
    _, H, W, _ = dx.shape
    if OH * height < H or OW * times < W:
        dx[c] = 0
    for start in range(0, OH, rows):
        oy = min(start, OH - rows)
        for ox in range(0, OW, tile_width(dy) // times):
            end = (OW - ox) * times
            v = tile_repeat(rows, times, dy, (c * OH + oy) * OW + ox, OW, rows, end)
            t = tile_plus(tile_zeros(dy, rows, 1), scale, v)
            for i in range(height):
                tile_store_rows(t, dx, (c * H + oy * height + i) * W + ox * times, height * W, rows, 0, 1, end)


@cache
def _avg_pool_dx(rows: int, times: int) -> Kernel:
    """The kernel for ``rows`` rows of windows with ``times`` columns."""

    @kernel
    def avg_pool_dx(dy: Array, window: Array, dx: Array) -> None:
        """dx = dy / (kh·kw) at every pixel of the window."""
        scale = dy.dtype.type(1.0 / (window[0] * window[1]))
        for c in range(dy.shape[0]):
            spread(rows, times, dy, c, scale, window[0], dx)

    return avg_pool_dx


@select
def avg_pool_dx(dy: Array, window: Array, dx: Array) -> Kernel:
    """Choose the kernel by the height of the map and the width of the window; if not adjacent, use that over lanes."""
    return _avg_pool_dx(rows_for(dy.shape[1], MOST), int(window[1])) if side_by_side(window) else pool.avg_pool_dx


@cache
def _subsample_dx(rows: int, times: int) -> Kernel:
    """The kernel for ``rows`` rows of windows with ``times`` columns."""

    @kernel
    def subsample_dx(dy: Array, coef: Array, window: Array, dx: Array) -> None:
        """dx[c] = coef[c] · dy[c] at every pixel of the window."""
        for c in range(dy.shape[0]):
            spread(rows, times, dy, c, coef[c], window[0], dx)

    return subsample_dx


@select
def subsample_dx(dy: Array, coef: Array, window: Array, dx: Array) -> Kernel:
    """Choose the kernel by the height of the map and the width of the window; wide windows use that over lanes."""
    return _subsample_dx(rows_for(dy.shape[1], MOST), int(window[1])) if side_by_side(window) else pool.subsample_dx
