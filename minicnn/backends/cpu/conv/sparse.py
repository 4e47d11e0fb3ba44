"""Convolution over a table of links: only existing connections are computed.

Legend: x (C, H, W, L), y and dy (F, OH, OW, L), kernels W (K, KH, KW). A link (map, channel, kernel) means that an output map
reads a channel through a kernel. ``links`` (n, 3) is sorted by map in the forward pass and by channel in the backward
passes; ``first`` holds the first link of each map or channel.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from ....arrays import Array
from ..compile.host import HOST
from ..compile.jit import Kernel, kernel, select
from ..tiles import (
    tile_activation,
    tile_add,
    tile_bias,
    tile_convolve,
    tile_correlate,
    tile_dot_rows,
    tile_store,
    tile_sum_add_rows,
    tile_width,
    tile_zeros,
)
from ..tiles.activation import NONE

LINKS = (5, 4) if HOST.registers >= 32 else (2,)  # possible numbers of rows of a weight-gradient tile
TAPS = 5  # columns of a weight-gradient tile
WEIGHTS = (3, 5)  # kernel widths whose row of weights stays in registers; others are processed tap by tap
PIXELS = (14, 12, 10, 8, 7, 6, 5, 4, 3, 2, 1)  # possible numbers of neighbouring pixels of an output row in one tile


def taps_of(width: int) -> int:
    """Number of taps of a row of weights that are held in registers."""
    return width if width in WEIGHTS else 1


def covering_pixels(width: int, taps: int) -> int:
    """The tile for a row of ``width`` outputs if tiles may overlap: as few tiles as possible, then as small as possible."""
    fitting = [pixels for pixels in PIXELS if pixels <= width and pixels + taps + 1 <= HOST.registers]
    return min(fitting, key=lambda pixels: (-(-width // pixels), pixels))


def dividing_pixels(width: int, taps: int) -> int:
    """The largest tile that divides a row of ``width`` outputs: sums that are added must not overlap."""
    return next(pixels for pixels in PIXELS if width % pixels == 0 and pixels + 2 * taps <= HOST.registers)


def rows_for(first: Array) -> int:
    """Number of links in a weight-gradient tile, so that the largest channel needs the fewest tile rows."""
    links = int(np.diff(first).max())
    return min(LINKS, key=lambda n: -(-links // n) * n)


@cache
def _forward(pixels: int, taps: int, L: int, activation_number: int) -> Kernel:
    """The forward kernel with tiles of ``pixels`` pixels that process ``taps`` taps of a row at a time."""

    @kernel
    def sparse_conv2d(x: Array, W: Array, b: Array, first: Array, links: Array, y: Array) -> None:
        """y[f] = b[f] + Σ over the links (f, c, k) of W[k] ⋆ x[c]."""
        _, H, width, _ = x.shape
        F, OH, OW, _ = y.shape
        _, KH, KW = W.shape
        for f in range(F):
            for oy in range(OH):
                for start in range(0, OW, pixels):
                    ox = min(start, OW - pixels)
                    for lane in range(0, L, tile_width(x)):
                        t = tile_bias(tile_zeros(x, pixels, 1), b, f, 1)
                        for n in range(first[f], first[f + 1]):
                            c, at = links[n, 1], links[n, 2] * KH * KW
                            for kh in range(KH):
                                pixel = ((c * H + oy + kh) * width + ox) * L + lane
                                for kw in range(0, KW, taps):
                                    t = tile_correlate(t, W, at + kh * KW + kw, taps, x, pixel + kw * L, L)
                        if activation_number != NONE:
                            t = tile_activation(t, activation_number)
                        tile_store(t, y, ((f * OH + oy) * OW + ox) * L + lane, L, pixels)

    return sparse_conv2d


@cache
def _dx(pixels: int, taps: int, L: int) -> Kernel:
    """The input-gradient kernel for ``pixels`` pixels of dy and ``taps`` taps of a row at a time."""
    reach = pixels + taps - 1

    @kernel
    def sparse_conv2d_dx(dy: Array, W: Array, first: Array, links: Array, dx: Array) -> None:
        """dx[c, oy + kh, ox + kw] = Σ over the links (f, c, k) of W[k, kh, kw] · dy[f, oy, ox]."""
        _, OH, OW, _ = dy.shape
        C, H, width, _ = dx.shape
        _, KH, KW = W.shape
        for c in range(C):
            for iy in range(H):
                for ix in range(width):
                    pixel = dx[c, iy, ix]
                    for i in range(L):
                        pixel[i] = dx.dtype.type(0)
                for ox in range(0, OW, pixels):
                    for kw in range(0, KW, taps):
                        for lane in range(0, L, tile_width(dy)):
                            t = tile_zeros(dy, reach, 1)
                            for n in range(first[c], first[c + 1]):
                                f, at = links[n, 0], links[n, 2] * KH * KW + kw
                                for kh in range(max(0, iy - OH + 1), min(KH, iy + 1)):
                                    row = ((f * OH + iy - kh) * OW + ox) * L + lane
                                    t = tile_convolve(t, W, at + kh * KW, taps, dy, row, L)
                            tile_add(t, dx, ((c * H + iy) * width + ox + kw) * L + lane, L, reach, tile_width(dy))

    return sparse_conv2d_dx


@select
def sparse_conv2d(x: Array, W: Array, b: Array, first: Array, links: Array, y: Array) -> Kernel:
    """Choose the forward kernel by the width of the output maps."""
    return sparse_conv2d_activated(NONE, W, y)


def sparse_conv2d_activated(activation_number: int, W: Array, y: Array) -> Kernel:
    """Choose the forward kernel that also applies the activation function."""
    taps = taps_of(W.shape[2])
    return _forward(covering_pixels(y.shape[2], taps), taps, y.shape[3], activation_number)


@select
def sparse_conv2d_dx(dy: Array, W: Array, first: Array, links: Array, dx: Array) -> Kernel:
    """Choose the input-gradient kernel by the width of the output maps."""
    taps = taps_of(W.shape[2])
    return _dx(dividing_pixels(dy.shape[2], taps), taps, dy.shape[3])


@cache
def _dW(rows: int) -> Kernel:
    """The weight-gradient kernel with tiles of ``rows`` links of a channel × TAPS neighbouring taps of a row."""

    @kernel
    def sparse_conv2d_dW_add(x: Array, dy: Array, first: Array, maps: Array, kernels: Array, dW: Array) -> None:
        """dW[k, kh, kw] += Σ_{oy, ox, lanes} dy[f, oy, ox] · x[c, oy + kh, ox + kw] over the links (f, c, k).

        ``maps`` and ``kernels`` are the columns f and k of the links, sorted by channel. Links that share a kernel add to it.
        """
        C, H, width, L = x.shape
        _, OH, OW, _ = dy.shape
        _, KH, KW = dW.shape
        for c in range(C):
            for n in range(first[c], first[c + 1], rows):
                some = min(rows, first[c + 1] - n)
                for kh in range(KH):
                    for kw in range(0, KW, TAPS):
                        cols = min(TAPS, KW - kw)
                        t = tile_zeros(x, rows, TAPS)
                        for oy in range(OH):
                            left = oy * OW * L
                            right = ((c * H + oy + kh) * width + kw) * L
                            for i in range(0, OW * L, tile_width(x)):
                                t = tile_dot_rows(t, dy, left + i, OH * OW * L, maps, n, some, x, right + i, L, cols)
                        tile_sum_add_rows(t, dW, kh * KW + kw, KH * KW, kernels, n, some, cols)

    return sparse_conv2d_dW_add


@select
def sparse_conv2d_dW_add(x: Array, dy: Array, first: Array, maps: Array, kernels: Array, dW: Array) -> Kernel:
    """Choose the weight-gradient kernel by the number of links of a channel."""
    return _dW(rows_for(first))


@kernel
def spread(b: Array, group: Array, bias: Array) -> None:
    """bias[f] = b[group[f]]: copies one bias to all maps of its group."""
    for f in range(bias.size):
        bias[f] = b[group[f]]


@kernel
def group_sum_add(dy: Array, group: Array, db: Array) -> None:
    """db[group[f]] += Σ_p dy[f, p]: the adjoint of ``spread``."""
    for f in range(dy.shape[0]):
        row = dy[f]
        total = dy.dtype.type(0)
        for p in range(row.size):
            total += row[p]
        db[group[f]] += total
