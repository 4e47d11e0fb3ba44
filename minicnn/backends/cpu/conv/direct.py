"""Direct convolution with register tiles, without im2col: the forward pass and the input gradient.

Legend: x (C, H, W, L), y and dy (F, OH, OW, L); window = [KH, KW, stride, stride, padding, padding, dilation, dilation], rows
before columns. Packed weights hold a block of filters (for dx: of channels) side by side; a tile multiplies them by one pixel.
A tile holds some filters × some pixels of the map in row-major order. Where all its taps lie on the map, the loop over
channels is outermost. At the border the loop over taps is, and pixels outside the map read as zeros without being stored.
"""

from __future__ import annotations

from functools import cache

from numba.extending import register_jitable

from ....arrays import Array
from ..compile.host import HOST
from ..compile.jit import Kernel, kernel, select
from ..tiles import (
    tile_activation,
    tile_bias,
    tile_inside,
    tile_multiply,
    tile_multiply_inside,
    tile_places,
    tile_put,
    tile_store,
    tile_width,
    tile_zeros,
    vector_load,
)
from ..tiles.activation import NONE


@register_jitable
def side_by_side(a: Array, block: int, size: int, packed: Array) -> None:
    """packed[n, k, i] = a[n, size·block + i, k], zero past the last map; ``size`` is a constant, so that LLVM unrolls i."""
    N, maps, K = a.shape
    first = size * block
    for n in range(N):
        for k in range(K):
            row = packed[n, k]
            if first + size <= maps:
                for i in range(size):
                    row[i] = a[n, first + i, k]
            else:
                for i in range(size):
                    row[i] = a[n, first + i, k] if first + i < maps else a.dtype.type(0)


@cache
def _pack_filters(size: int) -> Kernel:
    @kernel
    def pack_filters(W: Array, packed: Array) -> None:
        """packed[block, c, kh, kw, i] = W[size·block + i, c, kh, kw], zero past the last filter."""
        F, C, KH, KW = W.shape
        for block in range(packed.shape[0]):
            side_by_side(W.reshape(1, F, C * KH * KW), block, size, packed[block].reshape(1, C * KH * KW, size))

    return pack_filters


@cache
def _pack_channels(size: int) -> Kernel:
    @kernel
    def pack_channels(W: Array, packed: Array) -> None:
        """packed[block, f, kh, kw, i] = W[f, size·block + i, kh, kw], zero past the last channel."""
        F, C, KH, KW = W.shape
        for block in range(packed.shape[0]):
            side_by_side(W.reshape(F, C, KH * KW), block, size, packed[block].reshape(F, KH * KW, size))

    return pack_channels


@select
def pack_filters(W: Array, packed: Array) -> Kernel:
    """Choose the kernel for packed's block size."""
    return _pack_filters(packed.shape[4])


@select
def pack_channels(W: Array, packed: Array) -> Kernel:
    """Choose the kernel for packed's block size."""
    return _pack_channels(packed.shape[4])


@kernel
def pad(x: Array, window: Array, padded: Array) -> None:
    """padded = x with a border of zeros around every map."""
    (C, H, W, L), (_, Hf, Wf, _) = x.shape, padded.shape
    top, left = window[4], window[5]
    nothing = tile_zeros(x, 1, 1)
    for c in range(C):
        for h in range(Hf):
            row, to = (c * H + h - top) * W * L, (c * Hf + h) * Wf * L
            first, last = (left, left + W) if top <= h < top + H else (Wf, Wf)
            for lane in range(0, L, tile_width(x)):
                for w in range(first):
                    tile_store(nothing, padded, to + w * L + lane, 0, 1)
                for w in range(first, last):
                    tile_store(vector_load(x, row + (w - left) * L + lane), padded, to + w * L + lane, 0, 1)
                for w in range(last, Wf):
                    tile_store(nothing, padded, to + w * L + lane, 0, 1)


def tile_size(block: int, places: int) -> tuple[int, int]:
    """The best tile for maps of this many pixels: rows, which divide the block, and columns."""
    fitting = [
        (rows * cols, rows, cols)
        for rows in range(1, block + 1)
        for cols in range(1, min(places, 12) + 1)
        if block % rows == 0 and rows * cols + cols + 1 <= HOST.registers
    ]
    _, rows, cols = max(fitting)
    return rows, cols


@register_jitable
def touches(first: int, last: int, taps: int, dilation: int, size: int) -> bool:
    """Whether a tap of windows ``first`` to ``last`` lies outside 0 … size − 1."""
    return first < 0 or last + dilation * (taps - 1) >= size


@cache
def _forward(rows: int, cols: int, activation_number: int) -> Kernel:
    """The forward kernel with tiles of ``rows`` filters × ``cols`` pixels, with or without an activation function."""

    @kernel
    def conv2d(x: Array, packed: Array, b: Array, window: Array, y: Array) -> None:
        """y[f, oy, ox] = b[f] + Σ_{c, kh, kw} W[f, c, kh, kw] · x[c, s·oy + d·kh − p, s·ox + d·kw − p]."""
        C, H, W, L = x.shape
        F, OH, OW, _ = y.shape
        block = packed.shape[4]
        KH, KW, sh, sw, ph, pw, dh, dw = window[0], window[1], window[2], window[3], window[4], window[5], window[6], window[7]
        strip = max(1, OW // cols) * cols  # about one row: maps of a block are written in runs of this length
        for first in range(0, OH * OW, strip):
            for f in range(0, F, rows):
                weights = f // block * C * KH * KW * block + f % block
                for start in range(first, min(first + strip, OH * OW), cols):
                    p = min(start, OH * OW - cols)  # the last tile overlaps the one before
                    ys, xs = tile_places(cols, p, OW, sh, 0), tile_places(cols, p, OW, 0, sw)
                    at, to = tile_places(cols, p, OW, sh * W * L, sw * L), tile_places(cols, p, OW, OW * L, L)
                    top, bottom = ys[0] - ph, ys[cols - 1] - ph
                    left, right = (xs[0], xs[cols - 1]) if top == bottom else (0, (OW - 1) * sw)
                    border = touches(top, bottom, KH, dh, H) or touches(left - pw, right - pw, KW, dw, W)
                    for lane in range(0, L, tile_width(x)):
                        t = tile_bias(tile_zeros(x, rows, cols), b, f, min(rows, F - f))
                        if border:
                            for kh in range(KH):
                                if bottom + kh * dh < 0 or top + kh * dh >= H:
                                    continue
                                for kw in range(KW):
                                    on = tile_inside(ys, xs, kh * dh - ph, kw * dw - pw, H, W, L)
                                    k = weights + (kh * KW + kw) * block
                                    for c in range(C):
                                        t = tile_multiply_inside(t, packed, k, x, on, c * H * W * L + lane)
                                        k += KH * KW * block
                        else:
                            for kh in range(KH):
                                for kw in range(KW):
                                    offset = ((kh * dh - ph) * W + kw * dw - pw) * L + lane
                                    k = weights + (kh * KW + kw) * block
                                    for _ in range(C):
                                        t = tile_multiply(t, packed, k, x, at, offset)
                                        k += KH * KW * block
                                        offset += H * W * L
                        if activation_number != NONE:
                            t = tile_activation(t, activation_number)
                        tile_put(t, y, f * OH * OW * L + lane, OH * OW * L, min(rows, F - f), to)

    return conv2d


@register_jitable
def taps_of(residue: int, kernel_size: int, stride: int, padding: int, dilation: int) -> tuple[int, int]:
    """The taps k with dilation·k = i + padding (mod stride) for pixels i = residue (mod stride): the first tap and the step."""
    a, b = stride, dilation
    while b:
        a, b = b, a % b
    for k in range(min(kernel_size, stride // a)):
        if (residue + padding - dilation * k) % stride == 0:
            return k, stride // a
    return kernel_size, 1


@register_jitable
def leaves(low: int, high: int, shifted: int, dilation: int, first: int, last: int, stride: int, size: int) -> bool:
    """Whether taps ``first`` to ``last`` map a pixel n in low … high to an output outside 0 … size − 1."""
    return low + (shifted - dilation * last) // stride < 0 or high + (shifted - dilation * first) // stride >= size


@cache
def _dx(rows: int, cols: int) -> Kernel:
    """The input-gradient kernel with tiles of ``rows`` channels × ``cols`` pixels."""

    @kernel
    def conv2d_dx(dy: Array, packed: Array, window: Array, dx: Array) -> None:
        """dx[c, iy, ix] = Σ W[f, c, kh, kw] · dy[f, oy, ox] over all f and all taps with s·o + d·k = i + p.

        Pixels of one residue class mod s have the same taps: i = r + s·n, o = n + (r + p − d·k) / s.
        """
        F, OH, OW, L = dy.shape
        C, H, W, _ = dx.shape
        block = packed.shape[4]
        KH, KW, sh, sw, ph, pw, dh, dw = window[0], window[1], window[2], window[3], window[4], window[5], window[6], window[7]
        for ry in range(min(sh, H)):
            h_first, h_step = taps_of(ry, KH, sh, ph, dh)
            h_last = h_first + (KH - 1 - h_first) // h_step * h_step
            up_first, up_step = (ry + ph - dh * h_first) // sh, dh * h_step // sh
            for rx in range(min(sw, W)):
                w_first, w_step = taps_of(rx, KW, sw, pw, dw)
                w_last = w_first + (KW - 1 - w_first) // w_step * w_step
                back_first, back_step = (rx + pw - dw * w_first) // sw, dw * w_step // sw
                rows_of, columns_of = (H - ry + sh - 1) // sh, (W - rx + sw - 1) // sw
                for start in range(0, rows_of * columns_of, cols):
                    p = min(start, rows_of * columns_of - cols)
                    ys, xs = tile_places(cols, p, columns_of, 1, 0), tile_places(cols, p, columns_of, 0, 1)
                    top, bottom = ys[0], ys[cols - 1]
                    left, right = (xs[0], xs[cols - 1]) if top == bottom else (0, columns_of - 1)
                    border = leaves(top, bottom, ry + ph, dh, h_first, h_last, sh, OH)
                    border = border or leaves(left, right, rx + pw, dw, w_first, w_last, sw, OW)
                    at, to = tile_places(cols, p, columns_of, OW * L, L), tile_places(cols, p, columns_of, sh * W * L, sw * L)
                    for c in range(0, C, rows):
                        weights = c // block * F * KH * KW * block + c % block
                        for lane in range(0, L, tile_width(dy)):
                            t = tile_zeros(dy, rows, cols)
                            up = up_first + up_step
                            if border:
                                for kh in range(h_first, KH, h_step):
                                    up -= up_step
                                    if bottom + up < 0 or top + up >= OH:
                                        continue
                                    back = back_first + back_step
                                    for kw in range(w_first, KW, w_step):
                                        back -= back_step
                                        k = weights + (kh * KW + kw) * block
                                        on = tile_inside(ys, xs, up, back, OH, OW, L)
                                        for f in range(F):
                                            t = tile_multiply_inside(t, packed, k, dy, on, f * OH * OW * L + lane)
                                            k += KH * KW * block
                            else:
                                for kh in range(h_first, KH, h_step):
                                    up -= up_step
                                    back = back_first + back_step
                                    for kw in range(w_first, KW, w_step):
                                        back -= back_step
                                        k = weights + (kh * KW + kw) * block
                                        offset = (up * OW + back) * L + lane
                                        for _ in range(F):
                                            t = tile_multiply(t, packed, k, dy, at, offset)
                                            k += KH * KW * block
                                            offset += OH * OW * L
                            tile_put(t, dx, ((c * H + ry) * W + rx) * L + lane, H * W * L, min(rows, C - c), to)

    return conv2d_dx


@select
def conv2d(x: Array, packed: Array, b: Array, window: Array, y: Array) -> Kernel:
    """Choose the forward kernel whose tile fits the block of filters and the map."""
    return conv2d_activated(NONE, packed, y)


def conv2d_activated(activation_number: int, packed: Array, y: Array) -> Kernel:
    """Choose the forward kernel that also applies the activation function."""
    return _forward(*tile_size(packed.shape[4], y.shape[1] * y.shape[2]), activation_number)


@select
def conv2d_dx(dy: Array, packed: Array, window: Array, dx: Array) -> Kernel:
    """Choose the input-gradient kernel whose tile fits the block of channels and the smallest residue class."""
    places = max(1, dx.shape[1] // window[2]) * max(1, dx.shape[2] // window[3])
    return _dx(*tile_size(packed.shape[4], places))
