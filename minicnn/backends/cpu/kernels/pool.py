"""Pooling and LeNet-5's subsampling: sums and maxima over windows, and their adjoints.

Legend: x (C, H, W, L), y (C, OH, OW, L); window = kh, kw, sh, sw, ph, pw, dh, dw: windows of kh × kw taps with dilation dh, dw,
stride sh, sw and padding ph, pw. Tap (i, j) of output pixel (oh, ow) is the input pixel (oh·sh − ph + i·dh, ow·sw − pw + j·dw),
if it exists. Helpers work on one map, an array without the axis C.

The common case of adjacent 2 × 2 windows has its own loops, which keep the four pixels in registers.
"""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable

from ....arrays import Array, Number
from ..compile.jit import kernel
from ..tiles import (
    tile_dot,
    tile_store,
    tile_sum_add,
    tile_width,
    tile_zeros,
    vector_all,
    vector_better,
    vector_load,
    vector_lowest,
    vector_put_best,
    vector_winner,
    vector_won,
)


@register_jitable
def numbers(window: Array) -> tuple[int, int, int, int, int, int, int, int]:
    """The eight numbers of the window."""
    return window[0], window[1], window[2], window[3], window[4], window[5], window[6], window[7]


@register_jitable
def halves(window: Array) -> bool:
    """Whether the windows are 2 × 2 and adjacent."""
    return bool(numbers(window) == (2, 2, 2, 2, 0, 0, 1, 1))


@register_jitable
def inside(start: int, count: int, step: int, size: int) -> tuple[int, int]:
    """The range of the n < count for which 0 ≤ start + n·step < size."""
    if start >= 0 and start + (count - 1) * step < size:
        return 0, count
    return max(0, -(start // step)), min(count, (size - 1 - start) // step + 1)


@register_jitable
def window_sums(x: Array, window: Array, scale: Number, bias: Number, y: Array) -> None:
    """y = scale · Σ over the window of x + bias."""
    (H, W, L), (OH, OW, _) = x.shape, y.shape
    if halves(window):
        for oh in range(OH):
            for ow in range(OW):
                h, w, out = 2 * oh, 2 * ow, y[oh, ow]
                x00, x01, x10, x11 = x[h, w], x[h, w + 1], x[h + 1, w], x[h + 1, w + 1]
                for lane in range(L):
                    out[lane] = scale * (x00[lane] + x01[lane] + x10[lane] + x11[lane]) + bias
        return
    kh, kw, sh, sw, ph, pw, dh, dw = numbers(window)
    whole = L - L % tile_width(x)
    for oh in range(OH):
        top, bottom = inside(oh * sh - ph, kh, dh, H)
        for ow in range(OW):
            left, right = inside(ow * sw - pw, kw, dw, W)
            start = ((oh * sh - ph + top * dh) * W + ow * sw - pw + left * dw) * L
            for lane in range(0, whole, tile_width(x)):
                total, row = vector_all(x, bias), start + lane
                for _ in range(top, bottom):
                    at = row
                    for _ in range(left, right):
                        total = (
                            vector_all(x, scale) * vector_load(x, at) + total
                        )  # scaled first, so that the largest do not overflow
                        at += dw * L
                    row += dh * W * L
                tile_store(total, y, (oh * OW + ow) * L + lane, 0, 1)
            for lane in range(whole, L):
                y[oh, ow, lane] = bias
                for i in range(top, bottom):
                    for j in range(left, right):
                        y[oh, ow, lane] += scale * x[oh * sh - ph + i * dh, ow * sw - pw + j * dw, lane]


@register_jitable
def window_spread(dy: Array, window: Array, scale: Number, dx: Array) -> None:
    """dx = scale · Σ of dy over the windows that contain the pixel: the adjoint of ``window_sums``."""
    (H, W, L), (OH, OW, _) = dx.shape, dy.shape
    if not halves(window) or H > 2 * OH or W > 2 * OW:
        dx[:] = 0
    if halves(window):
        for oh in range(OH):
            for ow in range(OW):
                for i in range(2):
                    for j in range(2):
                        pixel, out = dx[2 * oh + i, 2 * ow + j], dy[oh, ow]
                        for lane in range(L):
                            pixel[lane] = scale * out[lane]
        return
    kh, kw, sh, sw, ph, pw, dh, dw = numbers(window)
    for oh in range(OH):
        top, bottom = inside(oh * sh - ph, kh, dh, H)
        for i in range(top, bottom):
            row = dx[oh * sh - ph + i * dh]
            for j in range(kw):
                left, right = inside(j * dw - pw, OW, sw, W)
                for ow in range(left, right):
                    pixel, out = row[ow * sw - pw + j * dw], dy[oh, ow]
                    for lane in range(L):
                        pixel[lane] += scale * out[lane]


@kernel
def avg_pool(x: Array, window: Array, y: Array) -> None:
    """y = 1 / (kh·kw) · Σ over the window of x, with padding counted as zeros."""
    scale, bias = x.dtype.type(1.0 / (window[0] * window[1])), x.dtype.type(0)
    for c in range(x.shape[0]):
        window_sums(x[c], window, scale, bias, y[c])


@kernel
def avg_pool_dx(dy: Array, window: Array, dx: Array) -> None:
    """dx = 1 / (kh·kw) · Σ of dy over the windows that contain the pixel."""
    scale = dy.dtype.type(1.0 / (window[0] * window[1]))
    for c in range(dy.shape[0]):
        window_spread(dy[c], window, scale, dx[c])


@kernel
def subsample(x: Array, coef: Array, b: Array, window: Array, y: Array) -> None:
    """y[c] = coef[c] · Σ over the window of x[c] + b[c]."""
    for c in range(x.shape[0]):
        window_sums(x[c], window, coef[c], b[c], y[c])


@kernel
def subsample_dx(dy: Array, coef: Array, window: Array, dx: Array) -> None:
    """dx[c] = coef[c] · Σ of dy[c] over the windows that contain the pixel."""
    for c in range(dy.shape[0]):
        window_spread(dy[c], window, coef[c], dx[c])


@kernel
def subsample_dcoef_add(x: Array, dy: Array, window: Array, dcoef: Array) -> None:
    """dcoef[c] += Σ dy[c] · (Σ over the window of x[c])."""
    (_, H, W, L), (C, OH, OW, _) = x.shape, dy.shape
    kh, kw, sh, sw, ph, pw, dh, dw = numbers(window)
    for c in range(C):
        t = tile_zeros(x, 1, 1)
        for oh in range(OH):
            top, bottom = inside(oh * sh - ph, kh, dh, H)
            for ow in range(OW):
                left, right = inside(ow * sw - pw, kw, dw, W)
                out = ((c * OH + oh) * OW + ow) * L
                for i in range(top, bottom):
                    for j in range(left, right):
                        pixel = ((c * H + oh * sh - ph + i * dh) * W + ow * sw - pw + j * dw) * L
                        for lane in range(0, L, tile_width(x)):
                            t = tile_dot(t, dy, out + lane, 0, 1, x, pixel + lane, 0, 1)
        tile_sum_add(t, dcoef, c, 0, 1, 0, 1)


@register_jitable
def better(x: Number, t: Number, best: Number, at: Number) -> tuple[Number, Number]:
    """The winner of two candidates by PyTorch's rule: the first of equals, and NaN is larger than everything."""
    return (x, t) if x > best or np.isnan(x) else (best, at)


@register_jitable
def window_maxima(x: Array, window: Array, y: Array, argmax: Array) -> None:
    """y = max over the window of x, argmax = i·kw + j of the winner."""
    (H, W, L), (OH, OW, _) = x.shape, y.shape
    kh, kw, sh, sw, ph, pw, dh, dw = numbers(window)
    whole = L - L % tile_width(x)
    for oh in range(OH):
        top, bottom = inside(oh * sh - ph, kh, dh, H)
        for ow in range(OW):
            left, right = inside(ow * sw - pw, kw, dw, W)
            first, out = top * kw + left if top < bottom and left < right else -1, (oh * OW + ow) * L
            start = ((oh * sh - ph + top * dh) * W + ow * sw - pw + left * dw) * L
            for lane in range(0, whole, tile_width(x)):
                t, row = vector_lowest(x, first), start + lane
                for i in range(top, bottom):
                    at = row
                    for j in range(left, right):
                        t = vector_better(t, x, at, i * kw + j)
                        at += dw * L
                    row += dh * W * L
                vector_put_best(t, y, argmax, out + lane)
            for lane in range(whole, L):
                best, winner = x.dtype.type(-np.inf), np.int32(first)
                for i in range(top, bottom):
                    for j in range(left, right):
                        value = x[oh * sh - ph + i * dh, ow * sw - pw + j * dw, lane]
                        best, winner = better(value, np.int32(i * kw + j), best, winner)
                y[oh, ow, lane], argmax[oh, ow, lane] = best, winner


@register_jitable
def maxima_of_halves(x: Array, y: Array, argmax: Array) -> None:
    """``max_pool`` for adjacent 2 × 2 windows whose lanes fill vectors."""
    (_, H, W, L), (C, OH, OW, _) = x.shape, y.shape
    for c in range(C):
        for oh in range(OH):
            for ow in range(OW):
                for lane in range(0, L, tile_width(x)):
                    at, out = ((c * H + 2 * oh) * W + 2 * ow) * L + lane, ((c * OH + oh) * OW + ow) * L + lane
                    x00, x01, below = vector_load(x, at), vector_load(x, at + L), at + W * L
                    best = vector_winner(x00, x01, vector_load(x, below), vector_load(x, below + L), argmax, out)
                    tile_store(best, y, out, 0, 1)


@kernel
def max_pool(x: Array, window: Array, y: Array, argmax: Array) -> None:
    """y = max over the window of x, argmax = i·kw + j of the winner; −∞ and −1 if the window lies in the padding."""
    fit = 2 * y.shape[1] <= x.shape[1] and 2 * y.shape[2] <= x.shape[2]  # the last window may reach beyond the map
    if halves(window) and fit and x.shape[3] % tile_width(x) == 0:
        maxima_of_halves(x, y, argmax)
    else:
        for c in range(x.shape[0]):
            window_maxima(x[c], window, y[c], argmax[c])


@register_jitable
def winner_spread_halves(dy: Array, argmax: Array, dx: Array) -> None:
    """``winner_spread`` for adjacent 2 × 2 windows, without the rows and columns that no window covers."""
    (OH, OW, L), zero = dy.shape, dy.dtype.type(0)
    for oh in range(OH):
        for ow in range(OW):
            for i in range(2):
                for j in range(2):
                    pixel, out, winner, t = dx[2 * oh + i, 2 * ow + j], dy[oh, ow], argmax[oh, ow], np.int32(2 * i + j)
                    for lane in range(L):
                        pixel[lane] = out[lane] if winner[lane] == t else zero


@register_jitable
def winner_spread(dy: Array, argmax: Array, window: Array, dx: Array) -> None:
    """dx = Σ of dy over the windows where the pixel is the winner."""
    (H, W, L), (OH, OW, _), zero = dx.shape, dy.shape, dy.dtype.type(0)
    adjacent = halves(window) and H >= 2 * OH and W >= 2 * OW
    if not adjacent or H > 2 * OH or W > 2 * OW:
        dx[:] = 0
    if adjacent:
        winner_spread_halves(dy, argmax, dx)
        return
    kh, kw, sh, sw, ph, pw, dh, dw = numbers(window)
    whole = L - L % tile_width(dy)
    for oh in range(OH):
        top, bottom = inside(oh * sh - ph, kh, dh, H)
        for i in range(top, bottom):
            row = dx[oh * sh - ph + i * dh]
            for j in range(kw):
                t = i * kw + j
                left, right = inside(j * dw - pw, OW, sw, W)
                for ow in range(left, right):
                    w, out = ow * sw - pw + j * dw, (oh * OW + ow) * L
                    for lane in range(0, whole, tile_width(dy)):
                        won = vector_won(vector_load(dy, out + lane), argmax, out + lane, t)
                        tile_store(vector_load(row, w * L + lane) + won, row, w * L + lane, 0, 1)
                    for lane in range(whole, L):
                        row[w, lane] += dy[oh, ow, lane] if argmax[oh, ow, lane] == np.int32(t) else zero


@kernel
def max_pool_dx(dy: Array, argmax: Array, window: Array, dx: Array) -> None:
    """dx = Σ of dy over the windows where the pixel is the winner."""
    for c in range(dy.shape[0]):
        winner_spread(dy[c], argmax[c], window, dx[c])
