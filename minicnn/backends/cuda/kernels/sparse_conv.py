"""Convolution over a table of links: only existing connections are computed.

Legend: x (C, H, W, L), y and dy (F, OH, OW, L), kernels W (K, KH, KW). A link (map, channel, kernel) means that an output map
reads a channel through a kernel. ``links`` (n, 3) is sorted by map in the forward pass and by channel in the backward
passes; ``first`` holds the first link of each map or channel. A thread handles one lane and some neighbouring pixels of a row,
and multiplies them by ``taps`` weights of a row at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np

from ....arrays import Array
from ..device.launch import LANES, ROWS, THREADS, Shape, each, parts, pixels, share_rows
from ..device.operation import SCRATCH, Launch, launch, operation
from ..device.target import CudaFunction, cuda
from .conv import tiled
from .conv_dw import fitting
from .reduce import fold

WEIGHTS = (3, 5)
"""Kernel widths whose row of weights is processed at once; others are processed tap by tap."""

LINKS, TAPS = 5, 5
"""Links of a channel × taps of a row in one thread of the weight gradient."""


def taps_of(width: int) -> int:
    """Number of taps of a row of weights that are processed at once."""
    return width if width in WEIGHTS else 1


@cache
def sparse_conv2d_kernel_of(width: int, taps: int) -> CudaFunction:
    """The forward kernel with ``width`` pixels in a thread."""
    reach = width + taps - 1

    def sparse_conv2d_kernel(x: Array, W: Array, b: Array, first: Array, links: Array, y: Array) -> None:
        """y[f] = b[f] + Σ over the links (f, c, k) of W[k] ⋆ x[c]."""
        t = cuda.local.array(width, x.dtype)
        row = cuda.local.array(reach, x.dtype)
        (_, H, columns, L), (_, OH, OW, _), (_, KH, KW) = x.shape, y.shape, W.shape
        across = (OW + width - 1) // width
        place, lane = cuda.blockIdx.x * ROWS + cuda.threadIdx.y, cuda.blockIdx.y * LANES + cuda.threadIdx.x
        f = cuda.blockIdx.z
        if place < OH * across and lane < L:
            oy, begin = place // across, place % across * width
            ox = min(begin, OW - width)  # the last tile of a row starts earlier, and stores only what the one before has not
            for j in range(width):
                t[j] = b[f]
            for n in range(first[f], first[f + 1]):
                c, k = links[n, 1], links[n, 2]
                for kh in range(KH):
                    for kw in range(0, KW, taps):
                        at = ((c * H + oy + kh) * columns + ox + kw) * L + lane
                        for j in range(reach):
                            row[j] = x.flat[at + j * L]
                        for q in range(taps):
                            weight = W.flat[(k * KH + kh) * KW + kw + q]
                            for j in range(width):
                                t[j] += weight * row[j + q]
            for j in range(width):
                if ox + j >= begin:
                    y.flat[((f * OH + oy) * OW + ox + j) * L + lane] = t[j]

    return sparse_conv2d_kernel


@cache
def sparse_conv2d_dx_kernel_of(width: int, taps: int) -> CudaFunction:
    """The input-gradient kernel with ``width`` pixels in a thread."""
    reach = width + taps - 1

    def sparse_conv2d_dx_kernel(dy: Array, W: Array, first: Array, links: Array, dx: Array) -> None:
        """dx[c, iy, ix] = Σ over the links (f, c, k) of W[k, kh, kw] · dy[f, iy − kh, ix − kw]."""
        t = cuda.local.array(width, dy.dtype)
        row = cuda.local.array(reach, dy.dtype)
        (_, OH, OW, L), (_, H, columns, _), (_, KH, KW) = dy.shape, dx.shape, W.shape
        across = (columns + width - 1) // width
        place, lane = cuda.blockIdx.x * ROWS + cuda.threadIdx.y, cuda.blockIdx.y * LANES + cuda.threadIdx.x
        c = cuda.blockIdx.z
        if place < H * across and lane < L:
            iy, begin = place // across, place % across * width
            ix = min(begin, columns - width)
            for j in range(width):
                t[j] = 0
            for n in range(first[c], first[c + 1]):
                f, k = links[n, 0], links[n, 2]
                for kh in range(max(0, iy - OH + 1), min(KH, iy + 1)):
                    for kw in range(0, KW, taps):
                        ox = ix - kw - taps + 1
                        for j in range(reach):
                            inside = 0 <= ox + j < OW
                            row[j] = dy.flat[((f * OH + iy - kh) * OW + ox + j) * L + lane] if inside else dy.dtype.type(0)
                        for q in range(taps):
                            weight = W.flat[(k * KH + kh) * KW + kw + q]
                            for j in range(width):
                                t[j] += weight * row[j + taps - 1 - q]
            for j in range(width):
                if ix + j >= begin:
                    dx.flat[((c * H + iy) * columns + ix + j) * L + lane] = t[j]

    return sparse_conv2d_dx_kernel


@cache
def sparse_conv2d_dW_kernel_of(links: int, taps: int) -> CudaFunction:
    """The weight-gradient kernel with ``links`` links of a channel × ``taps`` taps of a row in a thread."""
    tile, extent = (links, taps), (links * taps, THREADS)

    def sparse_conv2d_dW_kernel(x: Array, dy: Array, bundles: Array, maps: Array, height: int, partials: Array) -> None:
        """partials[s, n, kh, kw] = Σ dy[f, oy, ox] · x[c, oy + kh, ox + kw] over slice s, for link n = (f, c, k).

        bundles (count, 3): a channel, and the first and end of a range of its links.
        """
        sums = cuda.shared.array(extent, x.dtype)
        t = cuda.local.array(tile, x.dtype)
        (_, H, columns, L), (_, OH, OW, _), (_, _, KH, KW) = x.shape, dy.shape, partials.shape
        thread, s = cuda.threadIdx.y * LANES + cuda.threadIdx.x, cuda.blockIdx.y
        warps, across = (L + LANES - 1) // LANES, (KW + taps - 1) // taps
        lane, top = s % warps * LANES + cuda.threadIdx.x, s // warps * height
        kw, kh, bundle = cuda.blockIdx.x % across * taps, cuda.blockIdx.x // across % KH, cuda.blockIdx.x // (across * KH)
        c, begin, end = bundles[bundle, 0], bundles[bundle, 1], bundles[bundle, 2]
        for i in range(links):
            for j in range(taps):
                t[i, j] = 0
        if lane < L:
            for oy in range(top + cuda.threadIdx.y, min(top + height, OH), ROWS):
                for ox in range(OW):
                    at = ((c * H + oy + kh) * columns + ox + kw) * L + lane
                    for i in range(links):
                        f = maps[min(begin + i, end - 1)]
                        left = dy.flat[((f * OH + oy) * OW + ox) * L + lane]
                        for j in range(taps):
                            t[i, j] += left * x.flat[at + min(j, KW - 1 - kw) * L]
        for i in range(links):
            for j in range(taps):
                sums[i * taps + j, thread] = t[i, j]
        fold(sums, links * taps, thread)
        for v in range(thread, links * taps, THREADS):
            i, j = v // taps, v % taps
            if begin + i < end and kw + j < KW:
                partials[s, begin + i, kh, kw + j] = sums[v, 0]

    return sparse_conv2d_dW_kernel


def add_link_partials_kernel(partials: Array, kernels: Array, dW: Array) -> None:
    """dW[k, tap] += Σ partials[s, n, tap] over the slices and the links n that use kernel k."""
    slices, count, taps = partials.shape
    i = cuda.grid(1)
    if i < dW.size:
        total = dW.dtype.type(0)
        for n in range(count):
            if kernels[n] == i // taps:
                for s in range(slices):
                    total += partials[s, n, i % taps]
        dW[i] += total


def spread_kernel(b: Array, group: Array, bias: Array) -> None:
    """bias[f] = b[group[f]]."""
    f = cuda.grid(1)
    if f < bias.size:
        bias[f] = b[group[f]]


def bundles_of(first: Array, size: int) -> Array:
    """The links of every channel in bundles of up to ``size``: channel, first link, end."""
    found = [
        (c, n, min(n + size, int(first[c + 1])))
        for c in range(len(first) - 1)
        for n in range(int(first[c]), int(first[c + 1]), size)
    ]
    return np.array(found, np.int64)


@operation
def sparse_conv2d(x: Array, W: Array, b: Array, first: Array, links: Array, y: Array) -> Iterator[Launch]:
    """y[f] = b[f] + Σ over the links (f, c, k) of W[k] ⋆ x[c]."""
    F, OH, OW, L = y.shape
    width = pixels(OW)
    kernel = sparse_conv2d_kernel_of(width, taps_of(W.shape[2]))
    yield launch(kernel, tiled(F, OH, OW, width, L), x, W, b, first, links, y)


@operation
def sparse_conv2d_dx(dy: Array, W: Array, first: Array, links: Array, dx: Array) -> Iterator[Launch]:
    """dx[c] = Σ over the links (f, c, k) of W[k] ∗ dy[f]."""
    C, H, columns, L = dx.shape
    width = pixels(columns)
    kernel = sparse_conv2d_dx_kernel_of(width, taps_of(W.shape[2]))
    yield launch(kernel, tiled(C, H, columns, width, L), dy, W, first, links, dx)


@operation
def sparse_conv2d_dW_add(x: Array, dy: Array, first: Array, maps: Array, kernels: Array, dW: Array) -> Iterator[Launch]:
    """dW[k] += dy[f] ⋆ x[c] over the links (f, c, k), sorted by channel; links that share a kernel add to it."""
    (_, KH, KW), (_, OH, _, L) = dW.shape, dy.shape
    size, taps = fitting(int(np.diff(first).max()), LINKS), fitting(KW, TAPS)
    bundles = bundles_of(first, size)
    tiles = len(bundles) * KH * parts(KW, taps)
    height, count = share_rows(tiles, OH, L)
    partials = SCRATCH.take((count, len(maps), KH, KW), dW.dtype)
    kernel, shape = sparse_conv2d_dW_kernel_of(size, taps), Shape((tiles, count), (LANES, ROWS))
    yield launch(kernel, shape, x, dy, bundles, maps, height, partials)
    by_link = partials.reshape(count, len(maps), KH * KW)
    yield launch(add_link_partials_kernel, each(dW.size), by_link, kernels, dW.reshape(-1))


@operation
def spread(b: Array, group: Array, bias: Array) -> Iterator[Launch]:
    """bias[f] = b[group[f]]: copies one bias to all maps of its group."""
    yield launch(spread_kernel, each(bias.size), b, group, bias)
