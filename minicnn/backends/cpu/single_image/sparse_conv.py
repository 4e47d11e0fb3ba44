"""Convolution of one image over a table of links: vectors hold neighbouring pixels, tiles hold the rows of one map.

Legend as in ``conv/sparse.py``, with x (C, H, W, 1), y and dy (F, OH, OW, 1). A vector of pixels is loaded once and multiplied
by a whole column of weights.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from ....arrays import Array
from ..compile.jit import Kernel, kernel, select
from ..tiles import tile_activation, tile_bias, tile_width, tile_zeros
from ..tiles.activation import NONE
from ..tiles.rows import (
    tile_add_window,
    tile_fold_add_listed,
    tile_listed,
    tile_products,
    tile_rows,
    tile_spread_taps,
    tile_store_rows,
    tile_taps,
    tile_window,
)
from .conv_backward import column_taps, rows_for


@cache
def _forward(rows: int, taps: int, activation_number: int) -> Kernel:
    """The forward kernel with tiles of ``rows`` rows that process ``taps`` taps of a column at a time."""
    reach = rows + taps - 1

    @kernel
    def sparse_conv2d(x: Array, W: Array, b: Array, first: Array, links: Array, y: Array) -> None:
        """y[f] = b[f] + Σ over the links (f, c, k) of W[k] ⋆ x[c]."""
        _, H, width, _ = x.shape
        F, OH, OW, _ = y.shape
        _, KH, KW = W.shape
        for f in range(F):
            for start in range(0, OH, rows):
                oy = min(start, OH - rows)  # the last rows may overlap those before
                for ox in range(0, OW, tile_width(x)):
                    t = tile_bias(tile_zeros(x, rows, 1), b, f, 1)
                    for n in range(first[f], first[f + 1]):
                        at = links[n, 2] * KH * KW
                        pixel = (links[n, 1] * H + oy) * width + ox
                        for kh in range(0, KH, taps):
                            for kw in range(KW):
                                v = tile_rows(reach, x, pixel + kh * width + kw, width, reach, 1, OW - ox)
                                t = tile_taps(t, W, at + kh * KW + kw, KW, taps, v)
                    if activation_number != NONE:
                        t = tile_activation(t, activation_number)
                    tile_store_rows(t, y, (f * OH + oy) * OW + ox, OW, rows, 0, 1, OW - ox)

    return sparse_conv2d


def sparse_conv2d_activated(activation_number: int, W: Array, y: Array) -> Kernel:
    """Choose the forward kernel that also applies the activation function, by the heights of maps and kernels."""
    return _forward(rows_for(y.shape[1]), column_taps(W.shape[1]), activation_number)


@select
def sparse_conv2d(x: Array, W: Array, b: Array, first: Array, links: Array, y: Array) -> Kernel:
    """Choose the forward kernel by the heights of maps and kernels."""
    return sparse_conv2d_activated(NONE, W, y)


@cache
def _dx(rows: int, taps: int, whole: bool) -> Kernel:
    """The input-gradient kernel for ``rows`` rows of dy and ``taps`` taps of a column; ``whole`` if rows divide the map."""
    reach = rows + taps - 1

    @kernel
    def sparse_conv2d_dx(dy: Array, W: Array, first: Array, links: Array, dx: Array) -> None:
        """dx[c, oy + kh, ox + kw] = Σ over the links (f, c, k) of W[k, kh, kw] · dy[f, oy, ox]."""
        _, OH, OW, _ = dy.shape
        C, H, width, _ = dx.shape
        _, KH, KW = W.shape
        dx[:] = 0
        for oy in range(0, OH, rows):
            for ox in range(0, OW, tile_width(dy)):
                for kh in range(0, KH, taps):
                    for kw in range(KW):
                        for c in range(C):  # innermost loop: a load from dx would wait for a store to the same row just before
                            t = tile_zeros(dy, reach, 1)
                            for n in range(first[c], first[c + 1]):
                                f, at = links[n, 0], (links[n, 2] * KH + kh) * KW + kw
                                if whole:
                                    v = tile_rows(rows, dy, (f * OH + oy) * OW + ox, OW, rows, 1, OW - ox)
                                else:
                                    v = tile_window(rows, dy, f * OH * OW, oy, 1, OH, ox, 1, OW, OW - ox)
                                t = tile_spread_taps(t, W, at, KW, taps, v)
                            tile_add_window(t, dx, c * H * width, oy + kh, 1, H, ox + kw, 1, width, OW - ox)

    return sparse_conv2d_dx


@select
def sparse_conv2d_dx(dy: Array, W: Array, first: Array, links: Array, dx: Array) -> Kernel:
    """Choose the input-gradient kernel by the heights of maps and kernels."""
    rows = rows_for(dy.shape[1])
    return _dx(rows, column_taps(W.shape[1]), dy.shape[1] % rows == 0)


@cache
def _dW(links: int, taps: int) -> Kernel:
    """The weight-gradient kernel with tiles of ``links`` links of a channel × ``taps`` neighbouring taps of a row."""

    @kernel
    def sparse_conv2d_dW_add(x: Array, dy: Array, first: Array, maps: Array, kernels: Array, dW: Array) -> None:
        """dW[k, kh, kw] += Σ_{oy, ox} dy[f, oy, ox] · x[c, oy + kh, ox + kw] over the links (f, c, k).

        ``maps`` and ``kernels`` are the columns f and k of the links, sorted by channel. Links that share a kernel add to it.
        """
        C, H, width, _ = x.shape
        _, OH, OW, _ = dy.shape
        _, KH, KW = dW.shape
        for c in range(C):
            for n in range(first[c], first[c + 1], links):
                some = min(links, first[c + 1] - n)
                for kh in range(KH):
                    for kw in range(0, KW, taps):
                        count = min(taps, KW - kw)
                        t = tile_zeros(x, links, taps)
                        for ox in range(0, OW, tile_width(x)):
                            for oy in range(OH):
                                u = tile_listed(links, dy, oy * OW + ox, OH * OW, maps, n, some, OW - ox)
                                v = tile_rows(taps, x, (c * H + oy + kh) * width + ox + kw, 1, count, 1, OW - ox)
                                t = tile_products(t, u, v)
                        tile_fold_add_listed(t, dW, kh * KW + kw, KH * KW, kernels, n, some, count)

    return sparse_conv2d_dW_add


@select
def sparse_conv2d_dW_add(x: Array, dy: Array, first: Array, maps: Array, kernels: Array, dW: Array) -> Kernel:
    """Choose the weight-gradient kernel by the number of links of a channel."""
    most = int(np.diff(first).max())
    return _dW(min((5, 4), key=lambda n: -(-most // n) * n), 5)
