"""Convolution of one image with filters in the lanes of vectors.

Legend: x (H, W, C) and y (H, W, F) lie in frames of zeros, so no tap meets a border; F and C are filled up to whole
vectors. window = kh, kw, sh, sw, top, left, dh, dw as in ``conv/direct.py``, but with the pixel of x that the first tap meets
in place of the padding; area = rows, columns, top, left: how many outputs there are, and where in y they begin; in
``conv2d`` then how many filters meet a tile's pixels before the next tile. packed
(blocks, kh, kw, c, m·w) holds m vectors of filters side by side, for the first c numbers of a pixel: those that are not
filled up. A tile is m vectors of filters × n pixels: each weight is loaded once for n pixels, each number of x once for m
vectors.
"""

from __future__ import annotations

from functools import cache

from ....arrays import Array
from ..compile.host import HOST
from ..compile.jit import Kernel, kernel
from ..tiles import tile_activation, tile_places, tile_put, tile_width
from ..tiles.activation import NONE
from ..tiles.channels import tile_channels, tile_larger, tile_row_beside, tile_spread, tile_walk

MOST_VECTORS, MOST_PIXELS = 4, 8
"""The largest tile: more pixels would need more addresses than there are registers for them."""

IN_FLIGHT = 8
"""So many sums hide the latency of a multiply-add: two a cycle that take four."""

TILE = 1
"""What a tile costs beside its products, as a share of a multiply-add for each number that a pixel has."""

STEPS = (4, 5, 3, 7, 2, 1)
"""How many numbers of a pixel one pass of the inner loop takes, the first that divides them."""

FEW = 2
"""So few in a pass take longer than some zeros do."""


MET = 1 << 18
"""Weights of so many bytes stay in the second cache, so that all of them meet the pixels of a tile before the next tile."""


def vectors_of(count: int, itemsize: int = 4) -> int:
    """How many vectors so many channels fill."""
    return -(-count // HOST.width(itemsize))


def tile_for(filters: int, pixels: int) -> tuple[int, int]:
    """The tile, vectors × pixels, that takes least time for so many filters and pixels, as loads or multiply-adds limit it."""
    vectors = vectors_of(filters)

    def time(tile: tuple[int, int]) -> tuple[float, int]:
        m, n = tile
        return -(-vectors // m) * -(-pixels // n) * (max(m * n, m + n, IN_FLIGHT) + TILE), -m * n

    tiles = [
        (m, n)
        for m in range(1, min(MOST_VECTORS, vectors) + 1)
        for n in range(1, min(MOST_PIXELS, pixels, (HOST.registers - 1 - m) // m) + 1)
    ]
    return min(tiles, key=time)


def numbers_for(channels: int, depth: int) -> int:
    """How many of the numbers of a pixel are summed over: those of its channels, or a few more if that suits the inner loop."""
    return channels if steps_for(channels) > FEW else min(depth, -(-channels // STEPS[0]) * STEPS[0])


def span_for(packed: Array, pooled: bool) -> int:
    """How many filters meet the pixels of a tile before the next tile: all, or those of one block."""
    blocks, size = len(packed), packed.shape[-1]
    return int(size if pooled or packed.nbytes > MET else blocks * size)


def steps_for(length: int) -> int:
    """How many numbers the inner loop takes at a time, of so many that lie side by side."""
    return next(steps for steps in STEPS if length % steps == 0)


@cache
def conv2d(m: int, n: int, steps: int, pooled: bool, activation_number: int) -> Kernel:
    """The kernel with tiles of m vectors × n pixels, with or without an activation function and maxima of 2 × 2.

    Args:
        m: vectors of filters of a tile.
        n: pixels of a tile.
        steps: numbers of a pixel that the inner loop takes at a time.
        pooled: whether y holds the maxima; two rows of sums are then kept in ``rows``.
        activation_number: the function, or NONE.
    """

    @kernel
    def conv2d_channels_last(x: Array, packed: Array, b: Array, window: Array, area: Array, rows: Array, y: Array) -> None:
        """y[oy, ox, f] = f(b[f] + Σ_{kh, kw, c} W[f, c, kh, kw] · x[s·oy + d·kh + top, s·ox + d·kw + left, c]), or maxima."""
        (_, width, depth), (_, across, filters), C, w = x.shape, y.shape, packed.shape[3], tile_width(x)
        KH, KW, sh, sw, north, west, dh, dw = (
            window[0],
            window[1],
            window[2],
            window[3],
            window[4],
            window[5],
            window[6],
            window[7],
        )
        OH, OW, down, beside, span = area[0], area[1], area[2], area[3], area[4]
        runs, length = (1, KW * C) if dw == 1 and depth == C else (KW, C)  # taps that lie side by side are one run
        high, block = (2 if pooled else OH), m * w
        for left in range(0, filters, span):
            for band in range(0, OH, high):
                first, y_row = ((band * sh + north) * width + west) * depth, ((band + down) * across + beside) * filters
                oy, ox = 0, 0
                for start in range(0, high * OW, n):
                    p = start
                    if p + n > high * OW:  # the last tile overlaps the one before
                        p = high * OW - n
                        oy, ox = p // OW, p % OW
                    at = tile_walk(n, oy, ox, OW, sh * width * depth, sw * depth)
                    to = tile_walk(n, oy, ox, OW, across * filters, filters)
                    for f in range(left, left + span, block):
                        t, k = tile_channels(b, f, m, n), f * KH * KW * C
                        for kh in range(KH):
                            for run in range(runs):
                                offset = first + (kh * dh * width + run * dw) * depth
                                for c in range(0, length, steps):
                                    t = tile_spread(t, packed, k, x, at, offset + c, steps)
                                    k += steps * block
                        if activation_number != NONE:
                            t = tile_activation(t, activation_number)
                        if pooled:
                            tile_put(t, rows, p * block, w, m, tile_places(n, 0, n, 0, block))
                        else:
                            tile_put(t, y, y_row + f, w, m, to)
                    ox += n
                    while ox >= OW:
                        ox -= OW
                        oy += 1
                if pooled:
                    for column in range(OW // 2):
                        k = 2 * column * block
                        top = tile_larger(tile_channels(rows, k, m, 1), tile_channels(rows, k + block, m, 1))
                        k += OW * block
                        low = tile_larger(tile_channels(rows, k, m, 1), tile_channels(rows, k + block, m, 1))
                        at_y = ((band // 2 + down) * across + column + beside) * filters + left
                        tile_put(tile_larger(top, low), y, at_y, w, m, tile_places(1, 0, 1, 0, 0))

    return conv2d_channels_last


def pixels_for(columns: int, taps: int) -> int:
    """The pixels of a tile of depthwise sums, which registers hold beside the weights of a row of taps and a pixel of x."""
    return max(1, min(MOST_PIXELS, columns, HOST.registers - 1 - taps))


@cache
def depthwise_conv2d(n: int, taps: int, stride: int, dilation: int, activation_number: int) -> Kernel:
    """The kernel with tiles of n pixels of a row, with or without an activation function.

    Args:
        n: pixels of a tile.
        taps: those of a row.
        stride: how many pixels of x neighbours of a row of y are apart.
        dilation: how many pixels of x neighbouring taps of a row are apart.
        activation_number: the function, or NONE.
    """

    @kernel
    def depthwise_channels_last(x: Array, packed: Array, b: Array, window: Array, area: Array, y: Array) -> None:
        """y[oy, ox, c] = f(b[c] + Σ_{kh, kw} W[c, 0, kh, kw] · x[s·oy + d·kh + top, s·ox + d·kw + left, c])."""
        (_, width, depth), (_, across, _), w = x.shape, y.shape, tile_width(x)
        KH, sh, north, west, dh = window[0], window[2], window[4], window[5], window[6]
        OH, OW, down, right = area[0], area[1], area[2], area[3]
        for oy in range(OH):
            for start in range(0, OW, n):
                ox = min(start, OW - n)  # the last tile overlaps the one before
                first = ((oy * sh + north) * width + ox * stride + west) * depth
                to = tile_places(n, 0, n, 0, depth)
                for c in range(0, depth, w):
                    t = tile_channels(b, c, 1, n)
                    for kh in range(KH):
                        at = first + kh * dh * width * depth + c
                        t = tile_row_beside(t, packed, kh * taps * depth + c, x, at, depth, taps, stride, dilation)
                    if activation_number != NONE:
                        t = tile_activation(t, activation_number)
                    tile_put(t, y, ((oy + down) * across + ox + right) * depth + c, 0, 1, to)

    return depthwise_channels_last
