"""Pooling and LeNet-5's subsampling: sums and maxima over windows, and their adjoints.

Legend: x (C, H, W, L), y (C, OH, OW, L); window = KH, KW, sh, sw, ph, pw, dh, dw: windows of KH × KW taps with dilation dh, dw,
stride sh, sw and padding ph, pw. A thread computes one lane of one pixel of its output. For dx it finds the windows that
contain the pixel by dividing by the strides, which are constants of the kernel.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache

import numpy as np

from ....arrays import Array, Number
from ..device.launch import LANES, ROWS, THREADS, Shape, lanes, share_rows
from ..device.operation import SCRATCH, Launch, launch, operation
from ..device.target import CudaFunction, cuda, inline
from .reduce import add_partials, fold


@inline
def window_sum(x: Array, top: int, left: int, KH: int, KW: int, dh: int, dw: int, plane: int, lane: int) -> Number:
    """Σ over the taps of a window that lie on the map; plane = c · H · W."""
    _, H, W, L = x.shape
    total = x.dtype.type(0)
    for i in range(KH):
        h = top + i * dh
        if 0 <= h < H:
            for j in range(KW):
                w = left + j * dw
                if 0 <= w < W:
                    total += x.flat[(plane + h * W + w) * L + lane]
    return total


def window_sums_kernel(
    x: Array, KH: int, KW: int, sh: int, sw: int, ph: int, pw: int, dh: int, dw: int, scale: Array, bias: Array, y: Array
) -> None:
    """y[c] = scale[c] · Σ over the window of x[c] + bias[c]."""
    (_, H, W, L), (C, OH, OW, _) = x.shape, y.shape
    place, lane = cuda.blockIdx.x * ROWS + cuda.threadIdx.y, cuda.blockIdx.y * LANES + cuda.threadIdx.x
    if place < C * OH * OW and lane < L:
        ow, oh, c = place % OW, place // OW % OH, place // (OW * OH)
        total = window_sum(x, oh * sh - ph, ow * sw - pw, KH, KW, dh, dw, c * H * W, lane)
        y.flat[place * L + lane] = scale[c] * total + bias[c]


@cache
def window_spread_kernel_of(sh: int, sw: int) -> CudaFunction:
    """The adjoint for these strides."""

    def window_spread_kernel(dy: Array, KH: int, KW: int, ph: int, pw: int, dh: int, dw: int, scale: Array, dx: Array) -> None:
        """dx[c] = scale[c] · Σ of dy[c] over the windows that contain the pixel."""
        (_, OH, OW, L), (C, H, W, _) = dy.shape, dx.shape
        place, lane = cuda.blockIdx.x * ROWS + cuda.threadIdx.y, cuda.blockIdx.y * LANES + cuda.threadIdx.x
        if place < C * H * W and lane < L:
            w, h, c = place % W, place // W % H, place // (W * H)
            total = dx.dtype.type(0)
            for i in range(KH):
                row = h + ph - i * dh
                if row % sh == 0 and 0 <= row // sh < OH:
                    for j in range(KW):
                        column = w + pw - j * dw
                        if column % sw == 0 and 0 <= column // sw < OW:
                            total += dy.flat[((c * OH + row // sh) * OW + column // sw) * L + lane]
            dx.flat[place * L + lane] = scale[c] * total

    return window_spread_kernel


def subsample_dcoef_kernel(
    x: Array, dy: Array, KH: int, KW: int, sh: int, sw: int, ph: int, pw: int, dh: int, dw: int, height: int, partials: Array
) -> None:
    """partials[s, c] = Σ dy[c] · (Σ over the window of x[c]) over slice s."""
    sums = cuda.shared.array((1, THREADS), x.dtype)
    (_, H, W, L), (_, OH, OW, _) = x.shape, dy.shape
    thread, c, s = cuda.threadIdx.y * LANES + cuda.threadIdx.x, cuda.blockIdx.x, cuda.blockIdx.y
    warps = (L + LANES - 1) // LANES
    lane, top = s % warps * LANES + cuda.threadIdx.x, s // warps * height
    total = x.dtype.type(0)
    if lane < L:
        for oh in range(top + cuda.threadIdx.y, min(top + height, OH), ROWS):
            for ow in range(OW):
                inside = window_sum(x, oh * sh - ph, ow * sw - pw, KH, KW, dh, dw, c * H * W, lane)
                total += dy.flat[((c * OH + oh) * OW + ow) * L + lane] * inside
    sums[0, thread] = total
    fold(sums, 1, thread)
    if thread == 0:
        partials[s, c] = sums[0, 0]


def max_pool_kernel(
    x: Array, KH: int, KW: int, sh: int, sw: int, ph: int, pw: int, dh: int, dw: int, y: Array, argmax: Array
) -> None:
    """y = max over the window, argmax = i·KW + j of the winner: the first of equals, and NaN is larger than everything.

    −∞ and −1 if the window lies in the padding.
    """
    (_, H, W, L), (C, OH, OW, _) = x.shape, y.shape
    place, lane = cuda.blockIdx.x * ROWS + cuda.threadIdx.y, cuda.blockIdx.y * LANES + cuda.threadIdx.x
    if place < C * OH * OW and lane < L:
        ow, oh, c = place % OW, place // OW % OH, place // (OW * OH)
        best, winner = x.dtype.type(-np.inf), -1
        for i in range(KH):
            h = oh * sh - ph + i * dh
            for j in range(KW):
                w = ow * sw - pw + j * dw
                if 0 <= h < H and 0 <= w < W:
                    pixel = x.flat[((c * H + h) * W + w) * L + lane]
                    if winner < 0 or pixel > best or math.isnan(pixel):
                        best, winner = pixel, i * KW + j
        y.flat[place * L + lane] = best
        argmax.flat[place * L + lane] = winner


@cache
def max_pool_dx_kernel_of(sh: int, sw: int) -> CudaFunction:
    """The adjoint for these strides."""

    def max_pool_dx_kernel(dy: Array, argmax: Array, KH: int, KW: int, ph: int, pw: int, dh: int, dw: int, dx: Array) -> None:
        """dx = Σ of dy over the windows where the pixel is the winner."""
        (_, OH, OW, L), (C, H, W, _) = dy.shape, dx.shape
        place, lane = cuda.blockIdx.x * ROWS + cuda.threadIdx.y, cuda.blockIdx.y * LANES + cuda.threadIdx.x
        if place < C * H * W and lane < L:
            w, h, c = place % W, place // W % H, place // (W * H)
            total = dx.dtype.type(0)
            for i in range(KH):
                row = h + ph - i * dh
                if row % sh == 0 and 0 <= row // sh < OH:
                    for j in range(KW):
                        column = w + pw - j * dw
                        if column % sw == 0 and 0 <= column // sw < OW:
                            at = ((c * OH + row // sh) * OW + column // sw) * L + lane
                            if argmax.flat[at] == i * KW + j:
                                total += dy.flat[at]
            dx.flat[place * L + lane] = total

    return max_pool_dx_kernel


def per_map(value: float, like: Array) -> Array:
    """A vector with the same number for every map."""
    return np.full(len(like), value, like.dtype)


def sums(x: Array, window: Array, scale: Array, bias: Array, y: Array) -> Launch:
    """y[c] = scale[c] · Σ over the window of x[c] + bias[c]."""
    C, OH, OW, L = y.shape
    return launch(window_sums_kernel, lanes(L, C * OH * OW), x, *(int(n) for n in window), scale, bias, y)


def spread(dy: Array, window: Array, scale: Array, dx: Array) -> Launch:
    """dx[c] = scale[c] · Σ of dy[c] over the windows that contain the pixel: the adjoint of ``sums``."""
    KH, KW, sh, sw, ph, pw, dh, dw = (int(n) for n in window)
    C, H, W, L = dx.shape
    return launch(window_spread_kernel_of(sh, sw), lanes(L, C * H * W), dy, KH, KW, ph, pw, dh, dw, scale, dx)


@operation
def avg_pool(x: Array, window: Array, y: Array) -> Iterator[Launch]:
    """y = 1 / (KH·KW) · Σ over the window of x, with padding counted as zeros."""
    yield sums(x, window, per_map(1 / (window[0] * window[1]), x), per_map(0, x), y)


@operation
def avg_pool_dx(dy: Array, window: Array, dx: Array) -> Iterator[Launch]:
    """dx = 1 / (KH·KW) · Σ of dy over the windows that contain the pixel."""
    yield spread(dy, window, per_map(1 / (window[0] * window[1]), dy), dx)


@operation
def subsample(x: Array, coef: Array, b: Array, window: Array, y: Array) -> Iterator[Launch]:
    """y[c] = coef[c] · Σ over the window of x[c] + b[c]."""
    yield sums(x, window, coef, b, y)


@operation
def subsample_dx(dy: Array, coef: Array, window: Array, dx: Array) -> Iterator[Launch]:
    """dx[c] = coef[c] · Σ of dy[c] over the windows that contain the pixel."""
    yield spread(dy, window, coef, dx)


@operation
def subsample_dcoef_add(x: Array, dy: Array, window: Array, dcoef: Array) -> Iterator[Launch]:
    """dcoef[c] += Σ dy[c] · (Σ over the window of x[c])."""
    C, OH, _, L = dy.shape
    height, count = share_rows(C, OH, L)
    partials = SCRATCH.take((count, C), dcoef.dtype)
    patch = (int(n) for n in window)
    yield launch(subsample_dcoef_kernel, Shape((C, count), (LANES, ROWS)), x, dy, *patch, height, partials)
    yield add_partials(partials, dcoef)


@operation
def max_pool(x: Array, window: Array, y: Array, argmax: Array) -> Iterator[Launch]:
    """y = max over the window of x, argmax = kh·KW + kw of the winner: the first of equals; NaN wins."""
    C, OH, OW, L = y.shape
    yield launch(max_pool_kernel, lanes(L, C * OH * OW), x, *(int(n) for n in window), y, argmax)


@operation
def max_pool_dx(dy: Array, argmax: Array, window: Array, dx: Array) -> Iterator[Launch]:
    """dx = Σ of dy over the windows where the pixel is the winner."""
    KH, KW, sh, sw, ph, pw, dh, dw = (int(n) for n in window)
    C, H, W, L = dx.shape
    yield launch(max_pool_dx_kernel_of(sh, sw), lanes(L, C * H * W), dy, argmax, KH, KW, ph, pw, dh, dw, dx)
