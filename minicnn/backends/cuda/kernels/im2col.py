"""Convolution as a matrix product: im2col copies every window into a column, col2im is its adjoint.

Legend: x (C, H, W, L) without padding; cols (C, KH, KW, R, OW, L) the columns of R output rows, from row[0] on;
window = [KH, KW, stride, stride, padding, padding, dilation, dilation], rows before columns.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from ....arrays import Array
from ..device.launch import LANES, ROWS, lanes
from ..device.operation import Launch, launch, operation
from ..device.target import CudaFunction, cuda


def im2col_kernel(x: Array, first: int, sh: int, sw: int, ph: int, pw: int, dh: int, dw: int, cols: Array) -> None:
    """cols[c, kh, kw, r, ox] = x[c, s·(first + r) + d·kh − p, s·ox + d·kw − p], zero outside the map."""
    (_, H, W, L), (C, KH, KW, R, OW, _) = x.shape, cols.shape
    place, lane = cuda.blockIdx.x * ROWS + cuda.threadIdx.y, cuda.blockIdx.y * LANES + cuda.threadIdx.x
    if place < C * KH * KW * R * OW and lane < L:
        ox, r, tap = place % OW, place // OW % R, place // (OW * R)
        kw, kh, c = tap % KW, tap // KW % KH, tap // (KW * KH)
        h, w = (first + r) * sh + kh * dh - ph, ox * sw + kw * dw - pw
        inside = 0 <= h < H and 0 <= w < W
        cols.flat[place * L + lane] = x.flat[((c * H + h) * W + w) * L + lane] if inside else x.dtype.type(0)


@cache
def col2im_add_kernel_of(sh: int, sw: int) -> CudaFunction:
    """The kernel for these strides, which are constants because threads divide by them."""

    def col2im_add_kernel(cols: Array, first: int, ph: int, pw: int, dh: int, dw: int, dx: Array) -> None:
        """dx[c, h, w] += Σ cols[c, kh, kw, r, ox] over the columns that contain the pixel."""
        (C, KH, KW, R, OW, L), (_, H, W, _) = cols.shape, dx.shape
        place, lane = cuda.blockIdx.x * ROWS + cuda.threadIdx.y, cuda.blockIdx.y * LANES + cuda.threadIdx.x
        if place < C * H * W and lane < L:
            w, h, c = place % W, place // W % H, place // (W * H)
            total = dx.flat[place * L + lane]
            for kh in range(KH):
                row = h + ph - kh * dh
                r = row // sh - first
                if row % sh == 0 and 0 <= r < R:
                    for kw in range(KW):
                        column = w + pw - kw * dw
                        ox = column // sw
                        if column % sw == 0 and 0 <= ox < OW:
                            total += cols.flat[((((c * KH + kh) * KW + kw) * R + r) * OW + ox) * L + lane]
            dx.flat[place * L + lane] = total

    return col2im_add_kernel


@operation
def im2col(x: Array, window: Array, row: Array, cols: Array) -> Iterator[Launch]:
    """cols[c, kh, kw, r, ox] = x[c, s·(row + r) + d·kh − p, s·ox + d·kw − p], zero outside the map."""
    _, _, *patch = (int(n) for n in window)
    C, KH, KW, R, OW, L = cols.shape
    yield launch(im2col_kernel, lanes(L, C * KH * KW * R * OW), x, int(row[0]), *patch, cols)


@operation
def col2im_add(cols: Array, window: Array, row: Array, dx: Array) -> Iterator[Launch]:
    """The adjoint of im2col, added to dx."""
    _, _, sh, sw, ph, pw, dh, dw = (int(n) for n in window)
    C, H, W, L = dx.shape
    yield launch(col2im_add_kernel_of(sh, sw), lanes(L, C * H * W), cols, int(row[0]), ph, pw, dh, dw, dx)
