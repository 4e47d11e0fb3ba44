"""Convolution straight from register tiles, without columns.

Legend: x (C, H, W, L) with its background already around it, y and dy (F, OH, OW, L), dW (F, C, KH, KW);
g = [KH, KW, stride, stride, padding, padding, dilation, dilation], rows before columns;
packed weights hold 8 filters (or, for dx, 8 channels) side by side: what one tile multiplies by one pixel.
"""

from __future__ import annotations

from functools import cache

from numba.extending import register_jitable

from ...arrays import Array
from ...geometry import FILTER_BLOCK
from .host import HOST
from .jit import Kernel, kernel, select
from .tiles import tile_bias, tile_dot, tile_lanes, tile_outer, tile_store, tile_sum_add, tile_width, tile_zero, tile_zeros

FILTERS = 4 if HOST.registers >= 32 else 2  # rows of a weight-gradient tile


@kernel
def pack_filters(W: Array, packed: Array) -> None:
    """packed[block, c, kh, kw, i] = W[8·block + i, c, kh, kw], zero past the last filter."""
    F, C, KH, KW = W.shape
    for block in range(packed.shape[0]):
        for c in range(C):
            for kh in range(KH):
                for kw in range(KW):
                    for i in range(FILTER_BLOCK):
                        f = FILTER_BLOCK * block + i
                        packed[block, c, kh, kw, i] = W[f, c, kh, kw] if f < F else W.dtype.type(0)


@kernel
def pack_channels(W: Array, packed: Array) -> None:
    """packed[block, f, kh, kw, i] = W[f, 8·block + i, kh, kw], zero past the last channel."""
    F, C, KH, KW = W.shape
    for block in range(packed.shape[0]):
        for f in range(F):
            for kh in range(KH):
                for kw in range(KW):
                    for i in range(FILTER_BLOCK):
                        c = FILTER_BLOCK * block + i
                        packed[block, f, kh, kw, i] = W[f, c, kh, kw] if c < C else W.dtype.type(0)


@kernel
def pad(x: Array, g: Array, framed: Array) -> None:
    """framed = x with a background of zeros around every map."""
    C, H, W, _ = x.shape
    top, left = g[4], g[5]
    for c in range(C):
        for h in range(framed.shape[1]):
            inside = top <= h < top + H
            for w in range(framed.shape[2]):
                row = framed[c, h, w]
                if inside and left <= w < left + W:
                    pixel = x[c, h - top, w - left]
                    for i in range(row.size):
                        row[i] = pixel[i]
                else:
                    for i in range(row.size):
                        row[i] = row.dtype.type(0)


@kernel
def conv2d(x: Array, packed: Array, b: Array, g: Array, y: Array) -> None:
    """y[f, oy, ox] = b[f] + Σ_{c, kh, kw} W[f, c, kh, kw] · x[c, s·oy + d·kh, s·ox + d·kw]."""
    C, H, W, L = x.shape
    F, OH, OW, _ = y.shape
    KH, KW, sh, sw, dh, dw = g[0], g[1], g[2], g[3], g[6], g[7]
    for oy in range(OH):
        for f in range(0, F, FILTER_BLOCK):
            rows = min(FILTER_BLOCK, F - f)
            for ox in range(OW):
                for lane in range(0, L, tile_lanes(x)):
                    t = tile_bias(tile_zero(x, FILTER_BLOCK), b, f, rows)
                    at = f * C * KH * KW
                    for c in range(C):
                        for kh in range(KH):
                            pixel = ((c * H + oy * sh + kh * dh) * W + ox * sw) * L + lane
                            for _ in range(KW):
                                t = tile_outer(t, packed, at, 1, FILTER_BLOCK, x, pixel)
                                at += FILTER_BLOCK
                                pixel += dw * L
                    tile_store(t, y, ((f * OH + oy) * OW + ox) * L + lane, OH * OW * L, rows)


@register_jitable
def taps_at(i: int, kernel_size: int, stride: int, padding: int, dilation: int, places: int) -> tuple[int, int, int]:
    """The taps k with stride·o + dilation·k = i + padding for some place o of the window: first, end, step.

    They are evenly spaced: a stride s and a dilation d meet every s / gcd(s, d) taps.
    """
    a, b = stride, dilation
    while b:
        a, b = b, a % b
    step = stride // a
    reach = i + padding
    end = min(kernel_size, reach // dilation + 1)
    first = max(0, -((stride * (places - 1) - reach) // dilation))
    for k in range(first, min(end, first + step)):
        if (reach - dilation * k) % stride == 0:
            return k, end, step
    return 0, 0, 1


@kernel
def conv2d_dx(dy: Array, packed: Array, g: Array, dx: Array) -> None:
    """dx[c, iy, ix] = Σ W[f, c, kh, kw] · dy[f, oy, ox] over all f and all taps with s·o + d·k = i + padding."""
    F, OH, OW, L = dy.shape
    C, H, W, _ = dx.shape
    KH, KW, sh, sw, ph, pw, dh, dw = g[0], g[1], g[2], g[3], g[4], g[5], g[6], g[7]
    for iy in range(H):
        h_first, h_end, h_step = taps_at(iy, KH, sh, ph, dh, OH)
        for c in range(0, C, FILTER_BLOCK):
            rows = min(FILTER_BLOCK, C - c)
            for ix in range(W):
                w_first, w_end, w_step = taps_at(ix, KW, sw, pw, dw, OW)
                ox_first = (ix + pw - dw * w_first) // sw
                back = w_step * dw // sw * L
                for lane in range(0, L, tile_lanes(dy)):
                    t = tile_zero(dy, FILTER_BLOCK)
                    for f in range(F):
                        for kh in range(h_first, h_end, h_step):
                            oy = (iy + ph - dh * kh) // sh
                            at = (((c * F + f * FILTER_BLOCK) * KH + kh * FILTER_BLOCK) * KW) + w_first * FILTER_BLOCK
                            pixel = ((f * OH + oy) * OW + ox_first) * L + lane
                            for _ in range(w_first, w_end, w_step):
                                t = tile_outer(t, packed, at, 1, FILTER_BLOCK, dy, pixel)
                                at += w_step * FILTER_BLOCK
                                pixel -= back
                    tile_store(t, dx, ((c * H + iy) * W + ix) * L + lane, H * W * L, rows)


@cache
def _dW_by_taps(filters: int, taps: int) -> Kernel:
    """A kernel whose tiles hold the gradients of some filters at some neighbouring taps of a row."""

    @kernel
    def conv2d_dW_add(x: Array, dy: Array, g: Array, dW: Array) -> None:
        """dW[f, c, kh, kw] += Σ_{oy, ox, lanes} dy[f, oy, ox] · x[c, s·oy + d·kh, s·ox + d·kw]."""
        C, H, W, L = x.shape
        F, OH, OW, _ = dy.shape
        KH, KW, sh, sw, dh, dw = g[0], g[1], g[2], g[3], g[6], g[7]
        for f in range(0, F, filters):
            rows = min(filters, F - f)
            for c in range(C):
                for kh in range(KH):
                    for kw in range(0, KW, taps):
                        cols = min(taps, KW - kw)
                        t = tile_zeros(x, filters, taps)
                        for oy in range(OH):
                            left = (f * OH + oy) * OW * L
                            right = ((c * H + oy * sh + kh * dh) * W + kw * dw) * L
                            for ox in range(OW):
                                for lane in range(0, L, tile_width(x)):
                                    at = right + ox * sw * L + lane
                                    t = tile_dot(t, dy, left + ox * L + lane, OH * OW * L, rows, x, at, dw * L, cols)
                        tile_sum_add(t, dW, ((f * C + c) * KH + kh) * KW + kw, C * KH * KW, rows, 1, cols)

    return conv2d_dW_add


CHANNELS = 4  # columns of the tile below


@kernel
def conv2d_dW_by_channels_add(x: Array, dy: Array, g: Array, dW: Array) -> None:
    """The same sums, a tile holding FILTERS filters × CHANNELS channels at one tap: for kernels with one tap a row."""
    C, H, W, L = x.shape
    F, OH, OW, _ = dy.shape
    KH, KW, sh, sw, dh, dw = g[0], g[1], g[2], g[3], g[6], g[7]
    for f in range(0, F, FILTERS):
        rows = min(FILTERS, F - f)
        for c in range(0, C, CHANNELS):
            cols = min(CHANNELS, C - c)
            for kh in range(KH):
                for kw in range(KW):
                    t = tile_zeros(x, FILTERS, CHANNELS)
                    for oy in range(OH):
                        left = (f * OH + oy) * OW * L
                        right = ((c * H + oy * sh + kh * dh) * W + kw * dw) * L
                        for ox in range(OW):
                            for lane in range(0, L, tile_width(x)):
                                at = right + ox * sw * L + lane
                                t = tile_dot(t, dy, left + ox * L + lane, OH * OW * L, rows, x, at, H * W * L, cols)
                    tile_sum_add(t, dW, ((f * C + c) * KH + kh) * KW + kw, C * KH * KW, rows, KH * KW, cols)


@select
def conv2d_dW_add(x: Array, dy: Array, g: Array, dW: Array) -> Kernel:
    """The weight gradient's kernel for this width of row."""
    F, _, _, width = dW.shape
    if width == 1:
        return conv2d_dW_by_channels_add
    filters = min((FILTERS, 3), key=lambda n: -(-F // n) * n)  # the fewer idle rows, else the larger tile
    return _dW_by_taps(filters, 3 if width <= 3 else 5)
