"""Depthwise convolution, where a filter reads one channel: all filters in one call, each with its taps in registers.

Legend: x (C, H, W, L), y and dy (F, OH, OW, L), W (F, 1, KH, KW) as it is, filter f reading channel f // m with m = F / C;
window as in ``direct.py``. A tile holds neighbouring pixels of a row. Each vector it reads is loaded once and meets all its
taps; rows off the map are skipped, and what lies beside the map is left out of the first and of the last tile of a row, which
are compiled by themselves for that. The last tile overlaps the one before where a row is no multiple of tiles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import NamedTuple

from ....arrays import Array
from ..compile.host import HOST
from ..compile.jit import Kernel, kernel, select
from ..tiles import tile_activation, tile_bias, tile_store, tile_sum_add, tile_width, tile_zeros
from ..tiles.activation import NONE
from ..tiles.taps import tile_filter, tile_filter_dot, tile_lines, tile_pixels, tile_weights

MOST_TAPS = 5
"""Kernels of at most so many rows and columns."""

STRIDES = (1, 2)

FEW = 4
"""So many pixels of dy a tile of the weight gradient has at least."""

COLUMNS = 8
"""Most pixels of a tile. With 16 registers some weights are reloaded for every tile, which costs less than more tiles would."""

Rule = tuple[int, int, int, int, int]
"""first, across, along, low, high, as in ``tap_tile.py``."""


class Row(NamedTuple):
    """How tiles cover a row.

    Attributes:
        columns: pixels of a tile.
        last: pixels of the last one.
        edge: so many pixels at the end are left to the last tile.
        rules: of the first tile, of those in the middle and of the last.
    """

    columns: int
    last: int
    edge: int
    rules: tuple[Rule, Rule, Rule]


Reads = Callable[[int, int], tuple[int, int, Rule]]
"""For a tile at a place, of so many columns: the first pixel it reads, how many, and its rule if all are on the map."""


def correlated(taps: int, stride: int, before: int) -> Reads:
    """What y reads of x: tap = pixel − s·place."""

    def reads(start: int, columns: int) -> tuple[int, int, Rule]:
        count = (columns - 1) * stride + taps
        return start * stride - before, count, (0, 1, -stride, 0, count)

    return reads


def convolved(taps: int, stride: int, before: int) -> Reads:
    """What dx reads of dy: s·pixel + tap = place + padding."""

    def reads(start: int, columns: int) -> tuple[int, int, Rule]:
        first = (start + before - taps + stride) // stride
        count = (start + before + columns - 1) // stride - first + 1
        return first, count, (start + before - stride * first, -stride, 1, 0, count)

    return reads


def cover_of(columns: int, edge: int, width: int, size: int, reads: Reads, grain: int, overlap: bool) -> Row | None:
    """The cover by tiles of this size, None where one in the middle would read beside the map.

    Args:
        columns: pixels of a tile.
        edge: see ``Row``.
        width: pixels of a row.
        size: pixels of a row that is read.
        reads: what tiles read.
        grain: tiles in the middle begin at a multiple of it.
        overlap: whether the last tile may overlap the one before.
    """
    last = columns if overlap else (width - 1) % columns + 1

    def on_map(start: int, columns: int) -> Rule:
        at, count, (first, across, along, _, _) = reads(start, columns)
        low = min(count, max(0, -at))
        return first, across, along, low, max(low, min(count, size - at))

    starts = list(middles(width, columns, edge, grain))
    _, _, middle = reads(starts[0] if starts else 0, columns)
    covered = max([columns, *(start + columns for start in starts)]) >= width - last
    if not covered or any(on_map(start, columns) != middle for start in starts):
        return None
    return Row(columns, last, edge, (on_map(0, columns), middle, on_map(width - last, last)))


def middles(width: int, columns: int, edge: int, grain: int) -> Iterator[int]:
    """Where the tiles between the first and the last begin, as the kernels count."""
    for start in range(columns, width - columns, columns):
        yield min(start, (width - edge - columns) // grain * grain)


def cover(width: int, size: int, reads: Reads, grain: int = 1, whole: bool = False) -> Row | None:
    """The cover with the fewest tiles that overlap least, if ``whole`` not at all; None where there is none."""
    sizes = [n for n in range(1, min(COLUMNS, width) + 1) if not (whole and width % n)]
    sizes.sort(key=lambda columns: (-(-width // columns), columns))
    tried = (cover_of(columns, edge, width, size, reads, grain, True) for columns in sizes for edge in range(MOST_TAPS))
    return next((found for found in tried if found is not None), None)


def forward_row(window: Array, x: Array, y: Array) -> Row | None:
    """How y is covered."""
    return cover(y.shape[2], x.shape[2], correlated(int(window[1]), int(window[3]), int(window[5])))


def dx_row(window: Array, dy: Array, dx: Array) -> Row | None:
    """How dx is covered, with tiles side by side where it is the sum over several filters."""
    reads = convolved(int(window[1]), int(window[3]), int(window[5]))
    return cover(dx.shape[2], dy.shape[2], reads, int(window[3]), whole=len(dy) > len(dx))


def taps_at_once(dW: Array) -> int:
    """How many rows of taps are summed at a time: all if the registers hold them and a few pixels, else one."""
    _, _, high, wide = dW.shape
    return high if high * wide + FEW + 1 <= HOST.registers else 1


def dW_row(window: Array, x: Array, dy: Array, dW: Array) -> Row | None:
    """How dy is covered, where no pixel may count twice: with the largest tiles for which the sums stay in registers."""
    reads = correlated(int(window[1]), int(window[3]), int(window[5]))
    most = min(COLUMNS, HOST.registers - taps_at_once(dW) * dW.shape[3] - 1, dy.shape[2])
    tried = (cover_of(columns, 0, dy.shape[2], x.shape[2], reads, 1, False) for columns in range(most, 0, -1))
    return next((found for found in tried if found is not None), None)


def applies(x: Array, W: Array, window: Array, y: Array) -> bool:
    """Whether these kernels convolve x, and make its gradient and that of W."""
    kernel, strides, dilation = window[:2], window[2:4], window[6:]
    own = W.shape[1] == 1 < len(x) and x.shape[3] > 1
    plain = max(kernel) <= MOST_TAPS and {*strides.tolist()} <= {*STRIDES} and (dilation == 1).all()
    return bool(own and plain) and None not in (forward_row(window, x, y), dx_row(window, y, x), dW_row(window, x, y, W))


@cache
def _forward(kernel_size: tuple[int, int], stride: int, lanes: int, row: Row, activation_number: int) -> Kernel:
    (KH, KW), (N, _, edge, (first, middle, last)) = kernel_size, row
    (f0, f1, f2, f3, f4), (m0, m1, m2, m3, m4), (l0, l1, l2, l3, l4) = first, middle, last

    @kernel
    def depthwise_conv2d(x: Array, W: Array, b: Array, window: Array, y: Array) -> None:
        """y[f, oy, ox] = b[f] + Σ_{kh, kw} W[f, 0, kh, kw] · x[f // m, s·oy + kh − p, s·ox + kw − p]."""
        (C, H, width, _), (F, OH, OW, _) = x.shape, y.shape
        sh, top, left = window[2], window[4], window[5]
        for f in range(F):
            u = tile_weights(W, f * KH * KW, KH, KW)
            channel = f // (F // C) * H * width * lanes
            for oy in range(OH):
                lines = tile_lines(KH, oy * sh - top, 1, 1, H, width * lanes)
                for ox in range(0, OW, N):
                    start = min(ox, OW - N) if ox + N >= OW else min(ox, OW - edge - N)
                    at, to = channel + (start * stride - left) * lanes, ((f * OH + oy) * OW + start) * lanes
                    for lane in range(0, lanes, tile_width(x)):
                        t = tile_bias(tile_zeros(x, N, 1), b, f, 1)
                        if ox == 0:
                            t = tile_filter(t, u, x, lines, at + lane, lanes, f0, f1, f2, f3, f4)
                        elif ox + N >= OW:
                            t = tile_filter(t, u, x, lines, at + lane, lanes, l0, l1, l2, l3, l4)
                        else:
                            t = tile_filter(t, u, x, lines, at + lane, lanes, m0, m1, m2, m3, m4)
                        if activation_number != NONE:
                            t = tile_activation(t, activation_number)
                        tile_store(t, y, to + lane, lanes, N)

    return depthwise_conv2d


@cache
def _dx(kernel_size: tuple[int, int], stride: int, lanes: int, row: Row) -> Kernel:
    (KH, KW), (N, _, edge, (first, middle, last)) = kernel_size, row
    (f0, f1, f2, f3, f4), (m0, m1, m2, m3, m4), (l0, l1, l2, l3, l4) = first, middle, last

    @kernel
    def depthwise_conv2d_dx(dy: Array, W: Array, window: Array, dx: Array) -> None:
        """dx[c, iy, ix] = Σ W[f, 0, kh, kw] · dy[f, oy, ox] over f with f // m = c and all taps with s·o + k = i + p."""
        (F, OH, OW, _), (C, H, width, _) = dy.shape, dx.shape
        sh, top, left = window[2], window[4], window[5]
        for f in range(F):
            u = tile_weights(W, f * KH * KW, KH, KW)
            c, rest = divmod(f, F // C)
            for iy in range(H):
                lines = tile_lines(KH, iy + top, -1, sh, OH, OW * lanes)
                for ix in range(0, width, N):
                    start = min(ix, width - N) if ix + N >= width else min(ix, (width - edge - N) // stride * stride)
                    at = (f * OH * OW + (start + left - KW + stride) // stride) * lanes
                    to = ((c * H + iy) * width + start) * lanes
                    for lane in range(0, lanes, tile_width(dy)):
                        t = tile_pixels(dx, to + lane, lanes, N) if rest else tile_zeros(dy, N, 1)
                        if ix == 0:
                            t = tile_filter(t, u, dy, lines, at + lane, lanes, f0, f1, f2, f3, f4)
                        elif ix + N >= width:
                            t = tile_filter(t, u, dy, lines, at + lane, lanes, l0, l1, l2, l3, l4)
                        else:
                            t = tile_filter(t, u, dy, lines, at + lane, lanes, m0, m1, m2, m3, m4)
                        tile_store(t, dx, to + lane, lanes, N)

    return depthwise_conv2d_dx


@cache
def _dW(kernel_size: tuple[int, int], stride: int, lanes: int, row: Row, tall: int) -> Kernel:
    """The kernel that sums ``tall`` rows of taps at a time."""
    (KH, KW), (N, some, _, (first, middle, last)) = kernel_size, row
    (f0, f1, f2, f3, f4), (m0, m1, m2, m3, m4), (l0, l1, l2, l3, l4) = first, middle, last

    @kernel
    def depthwise_conv2d_dW_add(x: Array, dy: Array, window: Array, dW: Array) -> None:
        """dW[f, 0, kh, kw] += Σ_{oy, ox, lanes} dy[f, oy, ox] · x[f // m, s·oy + kh − p, s·ox + kw − p]."""
        (C, H, width, _), (F, OH, OW, _) = x.shape, dy.shape
        sh, top, left = window[2], window[4], window[5]
        for f in range(F):
            channel = f // (F // C) * H * width * lanes
            for kh in range(0, KH, tall):
                u = tile_zeros(x, tall, KW)
                for oy in range(OH):
                    lines = tile_lines(tall, oy * sh - top + kh, 1, 1, H, width * lanes)
                    for ox in range(0, OW, N):
                        at, to = channel + (ox * stride - left) * lanes, ((f * OH + oy) * OW + ox) * lanes
                        for lane in range(0, lanes, tile_width(x)):
                            if ox + N >= OW:
                                d = tile_pixels(dy, to + lane, lanes, some)
                                u = tile_filter_dot(u, d, x, lines, at + lane, lanes, l0, l1, l2, l3, l4)
                            elif ox == 0:
                                d = tile_pixels(dy, to + lane, lanes, N)
                                u = tile_filter_dot(u, d, x, lines, at + lane, lanes, f0, f1, f2, f3, f4)
                            else:
                                d = tile_pixels(dy, to + lane, lanes, N)
                                u = tile_filter_dot(u, d, x, lines, at + lane, lanes, m0, m1, m2, m3, m4)
                tile_sum_add(u, dW, (f * KH + kh) * KW, KW, tall, 1, KW)

    return depthwise_conv2d_dW_add


def kernel_size(W: Array) -> tuple[int, int]:
    """Rows and columns of the taps."""
    return W.shape[2], W.shape[3]


def depthwise_activated(activation_number: int, x: Array, W: Array, window: Array, y: Array) -> Kernel:
    """Choose the forward kernel that also applies the activation function."""
    found = forward_row(window, x, y)
    assert found is not None
    return _forward(kernel_size(W), int(window[3]), x.shape[3], found, activation_number)


@select
def depthwise_conv2d(x: Array, W: Array, b: Array, window: Array, y: Array) -> Kernel:
    """Choose the forward kernel."""
    return depthwise_activated(NONE, x, W, window, y)


@select
def depthwise_conv2d_dx(dy: Array, W: Array, window: Array, dx: Array) -> Kernel:
    """Choose the input-gradient kernel."""
    found = dx_row(window, dy, dx)
    assert found is not None
    return _dx(kernel_size(W), int(window[3]), dx.shape[3], found)


@select
def depthwise_conv2d_dW_add(x: Array, dy: Array, window: Array, dW: Array) -> Kernel:
    """Choose the weight-gradient kernel."""
    found = dW_row(window, x, dy, dW)
    assert found is not None
    return _dW(kernel_size(dW), int(window[3]), x.shape[3], found, taps_at_once(dW))
