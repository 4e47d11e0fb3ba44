"""The gradient of a convolution's weights, in two stages.

Legend as in ``conv.py``; dW (F, C, KH, KW). A thread handles one lane: some filters × some taps of a row (or channels, for
kernels of one or two taps a row), for its part of a slice, that is, some output rows of some images. The block sums over its
threads; then the slices are added.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from ....arrays import Array
from ..device.launch import LANES, ROWS, THREADS, Shape, parts, share_rows
from ..device.operation import SCRATCH, Launch, launch, operation
from ..device.target import CudaFunction, cuda
from .reduce import add_partials, fold

FILTERS = 8
"""Possible numbers of filters in a thread."""

TAPS = (3, 5)
"""Tile columns are taps if a row has at least the first and at most the second number of taps; otherwise channels."""

CHANNELS = 4
"""Possible numbers of channels."""


@cache
def conv2d_dW_kernel_of(filters: int, columns: int, by_taps: bool, padded: bool) -> CudaFunction:
    """The kernel with ``filters`` filters × ``columns`` taps or channels in a thread."""
    tile, extent = (filters, columns), (filters * columns, THREADS)

    def conv2d_dW_kernel(
        x: Array, dy: Array, sh: int, sw: int, ph: int, pw: int, dh: int, dw: int, height: int, partials: Array
    ) -> None:
        """partials[s, f, c, kh, kw] = Σ dy[f, oy, ox] · x[c, s·oy + d·kh − p, s·ox + d·kw − p] over slice s."""
        sums = cuda.shared.array(extent, x.dtype)
        t = cuda.local.array(tile, x.dtype)
        (C, H, W, L), (F, OH, OW, _) = x.shape, dy.shape
        _, _, _, KH, KW = partials.shape
        thread, s = cuda.threadIdx.y * LANES + cuda.threadIdx.x, cuda.blockIdx.y
        warps = (L + LANES - 1) // LANES
        lane, top = s % warps * LANES + cuda.threadIdx.x, s // warps * height
        across = (KW + columns - 1) // columns if by_taps else KW
        channels = C if by_taps else (C + columns - 1) // columns
        n = cuda.blockIdx.x
        kw, kh, c = n % across, n // across % KH, n // (across * KH) % channels
        f = n // (across * KH * channels) * filters
        kw, c = (kw * columns, c) if by_taps else (kw, c * columns)
        for i in range(filters):
            for j in range(columns):
                t[i, j] = 0
        if lane < L:
            for oy in range(top + cuda.threadIdx.y, min(top + height, OH), ROWS):
                iy = oy * sh - ph + kh * dh
                if not padded or 0 <= iy < H:
                    for ox in range(OW):
                        ix = ox * sw - pw + kw * dw
                        at = ((c * H + iy) * W + ix) * L + lane
                        for i in range(filters):
                            left = dy.flat[((min(f + i, F - 1) * OH + oy) * OW + ox) * L + lane]
                            for j in range(columns):
                                if by_taps:
                                    tap = min(j, KW - 1 - kw) * dw
                                    inside, place = not padded or 0 <= ix + tap < W, at + tap * L
                                else:
                                    inside, place = not padded or 0 <= ix < W, at + min(j, C - 1 - c) * H * W * L
                                t[i, j] += left * (x.flat[place] if inside else x.dtype.type(0))
        for i in range(filters):
            for j in range(columns):
                sums[i * columns + j, thread] = t[i, j]
        fold(sums, filters * columns, thread)
        for v in range(thread, filters * columns, THREADS):
            i, j = v // columns, v % columns
            column, channel = (kw + j, c) if by_taps else (kw, c + j)
            if f + i < F and column < KW and channel < C:
                partials[s, f + i, channel, kh, column] = sums[v, 0]

    return conv2d_dW_kernel


def fitting(count: int, most: int) -> int:
    """The tile size up to ``most`` that wastes least for ``count`` items; the largest of equals.

    >>> [fitting(count, 8) for count in (1, 6, 10, 16)]
    [1, 6, 5, 8]
    """
    sizes = range(min(count, max(1, most // 2)), min(count, most) + 1)
    return min(sizes, key=lambda n: (parts(count, n) * n, -n))


@operation
def conv2d_dW_add(x: Array, dy: Array, window: Array, dW: Array) -> Iterator[Launch]:
    """dW[f, c, kh, kw] += Σ dy[f, oy, ox] · x[c, s·oy + d·kh − p, s·ox + d·kw − p]."""
    KH, KW, sh, sw, ph, pw, dh, dw = (int(n) for n in window)
    (_, H, W, L), (_, OH, OW, _), (F, C, _, _) = x.shape, dy.shape, dW.shape
    ends = ((OH - 1) * sh + (KH - 1) * dh - ph, (OW - 1) * sw + (KW - 1) * dw - pw)
    padded = ph > 0 or pw > 0 or ends[0] >= H or ends[1] >= W
    by_taps = TAPS[0] <= KW
    filters, columns = fitting(F, FILTERS), fitting(KW, TAPS[1]) if by_taps else fitting(C, CHANNELS)
    tiles = parts(F, filters) * KH * (C * parts(KW, columns) if by_taps else parts(C, columns) * KW)
    height, count = share_rows(tiles, OH, L)
    partials = SCRATCH.take((count, *dW.shape), dW.dtype)
    kernel = conv2d_dW_kernel_of(filters, columns, by_taps, padded)
    shape = Shape((tiles, count), (LANES, ROWS))
    yield launch(kernel, shape, x, dy, sh, sw, ph, pw, dh, dw, height, partials)
    yield add_partials(partials, dW.reshape(-1))
