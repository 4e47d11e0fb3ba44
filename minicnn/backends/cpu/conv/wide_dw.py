"""Weight gradient of a convolution with many filters: a matrix product for each tap, with filters along the vectors.

Legend: x (C, H, W, L), dy (F, OH, OW, L), dW (F, C, KH, KW); window as in ``direct.py``. T (blocks, pixels, L, size) holds some
rows of dy with a block of filters side by side; dWt (C, KH, KW, F) holds the sums. A tile holds some channels × a block of
filters for one tap. It sums only over pixels where the tap lies on the map, so padding is never multiplied.
"""

from __future__ import annotations

from functools import cache

from numba.extending import register_jitable

from ....arrays import Array
from ...scratch import ScratchSpec
from ..compile.host import HOST
from ..compile.jit import Kernel, kernel
from ..tiles import tile_add, tile_outer, tile_store, tile_transposed, tile_width, tile_zeros
from .direct_dw import on_map

SCRATCH_BYTES = 256 << 10
"""Bytes of the scratch buffer T: a part of the second-level cache."""

FEWEST = 8
"""Smallest number of channels for which this kernel is used."""

POINTERS = 8
"""Most rows of a tile: each row needs an address in a general-purpose register."""


@register_jitable
def turn(dy: Array, first: int, rows: int, T: Array) -> None:
    """T[block, p, l, i] = dy[size·block + i, p, l] for the pixels p of ``rows`` rows, starting at ``first``."""
    _, OH, OW, L = dy.shape
    blocks, places, _, size = T.shape
    w = tile_width(dy)
    for f in range(0, blocks * size, w):
        to = f // size * places * L * size + f % size
        for p in range(rows * OW):
            for lane in range(0, L, w):
                t = tile_transposed(dy, ((f * OH + first) * OW + p) * L + lane, OH * OW * L, w)
                tile_store(t, T, to + (p * L + lane) * size, size, w)


@register_jitable
def add_turned(dWt: Array, dW: Array) -> None:
    """dW[f, k] += dWt[k, f]."""
    F, w = dW.shape[0], tile_width(dW)  # there may be more rows than taps
    K = dW.size // F
    for f in range(0, F, w):
        for k in range(0, K, w):
            some = min(w, K - k)
            tile_add(tile_transposed(dWt, k * F + f, F, some), dW, f * K + k, K, w, some)


@cache
def wide_dw(rows: int, cols: int) -> Kernel:
    """The kernel with tiles of ``rows`` channels × ``cols`` vectors of filters."""

    @kernel
    def conv2d_dW_wide(x: Array, dy: Array, window: Array, T: Array, dWt: Array, dW: Array) -> None:
        """dW[f, c, kh, kw] += Σ_{oy, ox, lanes} dy[f, oy, ox] · x[c, s·oy + d·kh − p, s·ox + d·kw − p]."""
        C, H, W, L = x.shape
        F, OH, OW, _ = dy.shape
        KH, KW, sh, sw, ph, pw, dh, dw = window[0], window[1], window[2], window[3], window[4], window[5], window[6], window[7]
        blocks, places, _, size = T.shape
        height = places // OW
        dWt[:] = 0
        for block in range(0, OH, height):
            some = min(height, OH - block)
            turn(dy, block, some, T)
            for f in range(blocks):
                for tap in range(KH * KW):
                    down, across = tap // KW * dh - ph, tap % KW * dw - pw
                    top, end = on_map(block * sh + down, sh, some, H)
                    low, high = on_map(across, sw, OW, W)
                    for c in range(0, C, rows):
                        t = tile_zeros(x, rows, cols)
                        for oy in range(top, end):
                            at = ((c * H + (block + oy) * sh + down) * W + low * sw + across) * L
                            k = ((f * places + oy * OW + low) * L) * size
                            for _ in range(low, high):
                                for lane in range(L):
                                    t = tile_outer(t, x, at + lane, H * W * L, min(rows, C - c), T, k)
                                    k += size
                                at += sw * L
                        tile_add(t, dWt, (c * KH * KW + tap) * F + f * size, KH * KW * F, min(rows, C - c), size)
        add_turned(dWt, dW)

    return conv2d_dW_wide


def tile_size(channels: int, vectors: int) -> tuple[int, int]:
    """The tile that needs the fewest instructions for these channels and vectors: rows and columns."""
    fitting = [
        (-(-channels // rows) * (vectors // cols) * (rows * cols + rows + cols), rows, cols)
        for cols in (2, 3, 4)
        for rows in range(1, POINTERS + 1)
        if vectors % cols == 0 and rows * cols + cols + 1 <= HOST.registers
    ]
    _, rows, cols = min(fitting)
    return rows, cols


def applies(x: Array, dy: Array) -> bool:
    """Whether there are enough channels, filters are a multiple of two or three vectors, and lanes are whole vectors."""
    width = HOST.width(dy.itemsize)
    vectors, rest = divmod(len(dy), width)
    return rest == 0 and (vectors % 2 == 0 or vectors % 3 == 0) and len(x) >= FEWEST and x.shape[3] % width == 0


def rewritten(x: Array, dy: Array, window: Array, dW: Array) -> tuple[Kernel, tuple[Array | ScratchSpec, ...]]:
    """The kernel for a weight gradient, and its arrays with scratch buffers for some rows of dy and for the sums."""
    (filters, high, wide, lanes), w = dy.shape, HOST.width(dy.itemsize)
    rows, cols = tile_size(len(x), filters // w)
    height = min(high, max(1, SCRATCH_BYTES // (filters * wide * lanes * dy.itemsize)))
    T = ScratchSpec((filters // (cols * w), height * wide, lanes, cols * w), dy.dtype)
    dWt = ScratchSpec((*dW.shape[1:], filters), dW.dtype)
    return wide_dw(rows, cols), (x, dy, window, T, dWt, dW)
