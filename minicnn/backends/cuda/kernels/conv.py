"""Convolution with register tiles: the forward pass and the input gradient.

Legend: x (C, H, W, L), y and dy (F, OH, OW, L); window = [KH, KW, stride, stride, padding, padding, dilation, dilation], rows
before columns. Packed weights hold a block of filters (for dx: of channels) side by side. A thread handles one lane: a block of
filters × some neighbouring pixels of a row, so that a pixel is used by the whole block and a weight by all pixels. The threads
of a thread block share the weights in shared memory, CHUNK taps at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from ....arrays import Array
from ..device.launch import LANES, ROWS, THREADS, Shape, each, lanes, parts, pixels
from ..device.operation import Launch, launch, operation
from ..device.target import CudaFunction, cuda, inline

CHUNK = 64
"""Taps (channel, row, column) whose weights are in shared memory at the same time."""


def pack_filters_kernel(W: Array, packed: Array) -> None:
    """packed[block, c, kh, kw, i] = W[size·block + i, c, kh, kw], zero past the last filter."""
    F, taps = W.shape
    _, _, size = packed.shape
    n = cuda.grid(1)
    if n < packed.size:
        f, tap = n // (taps * size) * size + n % size, n // size % taps
        packed.flat[n] = W[f, tap] if f < F else W.dtype.type(0)


def pack_channels_kernel(W: Array, packed: Array) -> None:
    """packed[block, f, kh, kw, i] = W[f, size·block + i, kh, kw], zero past the last channel."""
    F, C, taps = W.shape
    _, _, _, size = packed.shape
    n = cuda.grid(1)
    if n < packed.size:
        c, f, tap = n // (F * taps * size) * size + n % size, n // (taps * size) % F, n // size % taps
        packed.flat[n] = W[f, c, tap] if c < C else W.dtype.type(0)


def pad_kernel(x: Array, top: int, left: int, padded: Array) -> None:
    """padded = x with a border of zeros around every map."""
    C, H, W, L = x.shape
    _, rows, columns, _ = padded.shape
    place, lane = cuda.blockIdx.x * ROWS + cuda.threadIdx.y, cuda.blockIdx.y * LANES + cuda.threadIdx.x
    if place < C * rows * columns and lane < L:
        c, h, w = place // (rows * columns), place // columns % rows - top, place % columns - left
        inside = 0 <= h < H and 0 <= w < W
        padded.flat[place * L + lane] = x.flat[((c * H + h) * W + w) * L + lane] if inside else x.dtype.type(0)


@inline
def share_weights(packed: Array, start: int, count: int, size: int, thread: int, weights: Array) -> None:
    """weights[i] = packed[start + i] for the taps of a chunk, ``size`` numbers each, between two barriers."""
    cuda.syncthreads()
    for i in range(thread, count * size, THREADS):
        weights.flat[i] = packed.flat[start * size + i]
    cuda.syncthreads()


@cache
def conv2d_kernel_of(size: int, width: int, padded: bool) -> CudaFunction:
    """The forward kernel with ``size`` filters × ``width`` pixels in a thread."""
    extent, tile = CHUNK * size, (size, width)

    def conv2d_kernel(
        x: Array, packed: Array, b: Array, KH: int, KW: int, sh: int, sw: int, ph: int, pw: int, dh: int, dw: int, y: Array
    ) -> None:
        """y[f, oy, ox] = b[f] + Σ_{c, kh, kw} W[f, c, kh, kw] · x[c, s·oy + d·kh − p, s·ox + d·kw − p]."""
        weights = cuda.shared.array(extent, x.dtype)
        t = cuda.local.array(tile, x.dtype)
        (C, H, W, L), (F, OH, OW, _) = x.shape, y.shape
        thread, block = cuda.threadIdx.y * LANES + cuda.threadIdx.x, cuda.blockIdx.z
        across = (OW + width - 1) // width
        place, lane = cuda.blockIdx.x * ROWS + cuda.threadIdx.y, cuda.blockIdx.y * LANES + cuda.threadIdx.x
        works = place < OH * across and lane < L
        oy, begin = (place // across, place % across * width) if works else (0, 0)
        ox = min(begin, OW - width)  # the last tile of a row starts earlier, and stores only what the one before has not
        lane = lane if works else 0
        for i in range(size):
            for j in range(width):
                t[i, j] = b[min(block * size + i, F - 1)]
        c = kh = kw = 0
        for start in range(0, C * KH * KW, CHUNK):
            count = min(CHUNK, C * KH * KW - start)
            share_weights(packed, block * C * KH * KW + start, count, size, thread, weights)
            for tap in range(count):
                iy, ix = oy * sh - ph + kh * dh, ox * sw - pw + kw * dw
                if not padded or 0 <= iy < H:
                    at = ((c * H + iy) * W + ix) * L + lane
                    for j in range(width):
                        column = ix + j * sw
                        inside = not padded or 0 <= column < W
                        pixel = x.flat[at + j * sw * L] if inside else x.dtype.type(0)
                        for i in range(size):
                            t[i, j] += weights.flat[tap * size + i] * pixel
                kw += 1
                if kw == KW:
                    kw, kh = 0, kh + 1
                    if kh == KH:
                        kh, c = 0, c + 1
        for i in range(size):
            for j in range(width):
                if works and block * size + i < F and ox + j >= begin:
                    y.flat[(((block * size + i) * OH + oy) * OW + ox + j) * L + lane] = t[i, j]

    return conv2d_kernel


@cache
def conv2d_dx_kernel_of(size: int, width: int, sh: int, sw: int) -> CudaFunction:
    """The input-gradient kernel with ``size`` channels × ``width`` pixels in a thread. Strides are constants, because threads
    divide by them.
    """
    extent, tile = CHUNK * size, (size, width)

    def conv2d_dx_kernel(dy: Array, packed: Array, KH: int, KW: int, ph: int, pw: int, dh: int, dw: int, dx: Array) -> None:
        """dx[c, iy, ix] = Σ W[f, c, kh, kw] · dy[f, oy, ox] over all f and all taps with s·o + d·k = i + padding."""
        weights = cuda.shared.array(extent, dy.dtype)
        t = cuda.local.array(tile, dy.dtype)
        (F, OH, OW, L), (C, H, W, _) = dy.shape, dx.shape
        thread, block = cuda.threadIdx.y * LANES + cuda.threadIdx.x, cuda.blockIdx.z
        across = (W + width - 1) // width
        place, lane = cuda.blockIdx.x * ROWS + cuda.threadIdx.y, cuda.blockIdx.y * LANES + cuda.threadIdx.x
        works = place < H * across and lane < L
        iy, begin = (place // across, place % across * width) if works else (0, 0)
        ix = min(begin, W - width)
        lane = lane if works else 0
        for i in range(size):
            for j in range(width):
                t[i, j] = 0
        f = kh = kw = 0
        for start in range(0, F * KH * KW, CHUNK):
            count = min(CHUNK, F * KH * KW - start)
            share_weights(packed, block * F * KH * KW + start, count, size, thread, weights)
            for tap in range(count):
                row, column = iy + ph - kh * dh, ix + pw - kw * dw
                if row % sh == 0 and 0 <= row // sh < OH:
                    at = (f * OH + row // sh) * OW
                    for j in range(width):
                        ox = (column + j) // sw
                        inside = (column + j) % sw == 0 and 0 <= ox < OW
                        pixel = dy.flat[(at + ox) * L + lane] if inside else dy.dtype.type(0)
                        for i in range(size):
                            t[i, j] += weights.flat[tap * size + i] * pixel
                kw += 1
                if kw == KW:
                    kw, kh = 0, kh + 1
                    if kh == KH:
                        kh, f = 0, f + 1
        for i in range(size):
            for j in range(width):
                if works and block * size + i < C and ix + j >= begin:
                    dx.flat[(((block * size + i) * H + iy) * W + ix + j) * L + lane] = t[i, j]

    return conv2d_dx_kernel


def tiled(maps: int, rows: int, columns: int, width: int, L: int) -> Shape:
    """One thread for each lane of each tile of ``width`` pixels, for each block of maps."""
    shape = lanes(L, rows * parts(columns, width))
    return Shape((*shape.grid, maps), shape.block)


@operation
def pack_filters(W: Array, packed: Array) -> Iterator[Launch]:
    """packed[block, c, kh, kw, i] = W[size·block + i, c, kh, kw], zero past the last filter."""
    size = packed.shape[-1]
    yield launch(pack_filters_kernel, each(packed.size), W.reshape(len(W), -1), packed.reshape(len(packed), -1, size))


@operation
def pack_channels(W: Array, packed: Array) -> Iterator[Launch]:
    """packed[block, f, kh, kw, i] = W[f, size·block + i, kh, kw], zero past the last channel."""
    (F, C), (blocks, size) = W.shape[:2], (len(packed), packed.shape[-1])
    yield launch(pack_channels_kernel, each(packed.size), W.reshape(F, C, -1), packed.reshape(blocks, F, -1, size))


@operation
def pad(x: Array, window: Array, padded: Array) -> Iterator[Launch]:
    """padded = x with a border of zeros around every map."""
    C, rows, columns, L = padded.shape
    yield launch(pad_kernel, lanes(L, C * rows * columns), x, int(window[4]), int(window[5]), padded)


@operation
def conv2d(x: Array, packed: Array, b: Array, window: Array, y: Array) -> Iterator[Launch]:
    """y[f, oy, ox] = b[f] + Σ W[f, c, kh, kw] · x[c, s·oy + d·kh − p, s·ox + d·kw − p], zeros outside the map."""
    patch, (_, H, W, _), (_, OH, OW, L) = [int(n) for n in window], x.shape, y.shape
    KH, KW, sh, sw, ph, pw, dh, dw = patch
    ends = ((OH - 1) * sh + (KH - 1) * dh - ph, (OW - 1) * sw + (KW - 1) * dw - pw)
    padded = ph > 0 or pw > 0 or ends[0] >= H or ends[1] >= W
    blocks, size, width = len(packed), packed.shape[-1], pixels(OW)
    yield launch(conv2d_kernel_of(size, width, padded), tiled(blocks, OH, OW, width, L), x, packed, b, *patch, y)


@operation
def conv2d_dx(dy: Array, packed: Array, window: Array, dx: Array) -> Iterator[Launch]:
    """dx[c, iy, ix] = Σ W[f, c, kh, kw] · dy[f, oy, ox] where s·o + d·k = i + padding."""
    KH, KW, sh, sw, ph, pw, dh, dw = (int(n) for n in window)
    _, H, W, L = dx.shape
    blocks, size, width = len(packed), packed.shape[-1], pixels(W)
    kernel = conv2d_dx_kernel_of(size, width, sh, sw)
    yield launch(kernel, tiled(blocks, H, W, width, L), dy, packed, KH, KW, ph, pw, dh, dw, dx)
