"""Distortions: each image is resampled at displaced points. A thread computes one lane of one point.

Legend: u (elements, L) random numbers of each lane; a point of an image is (row, column), rows downwards, from the centre.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from ....arrays import Array, Number
from ..device.launch import LANES, ROWS, each, lanes
from ..device.launch import images as by_image
from ..device.operation import Launch, launch, operation
from ..device.target import cuda, inline
from .draw import KEY_1, KEY_2, key, mix, uniform

UNIT = 2.0**-23  # scales 24 random bits to −1 (included) up to 1 (excluded)
QUARTER = math.pi / 2
QUARTER_HIGH, QUARTER_LOW = 1.5707963109016418, 1.5893254773528196e-08  # a quarter turn in two parts; the high one has 26 bits


def draw_uniform_kernel(seed: Array, rng: Array, index: Array, reach: Array, u: Array) -> None:
    """u[e, l] uniform in ±reach[e], a hash of seed = (seed, stream), the step rng[1], the image index[l] and e."""
    E, L = u.shape
    e, lane = cuda.blockIdx.x * ROWS + cuda.threadIdx.y, cuda.blockIdx.y * LANES + cuda.threadIdx.x
    if e < E and lane < L:
        first = mix(np.uint32(key(KEY_1, seed[0], rng[1], seed[1]) ^ np.uint32(e)))
        second = mix(np.uint32(key(KEY_2, seed[0], rng[1], seed[1]) ^ np.uint32(e)))
        bits = u.dtype.type(uniform(np.uint32(index[lane]), first, second))
        u.flat[e * L + lane] = reach[e] * (u.dtype.type(UNIT) * bits - u.dtype.type(1))


@inline
def cos_sin(angle: Number) -> Number:
    """cos and sin in float64, by Taylor's series reduced to a quarter turn. The library's versions use slow local memory."""
    angle = np.float64(angle)
    quarters = math.floor(angle / QUARTER + 0.5)
    r = (angle - quarters * QUARTER_HIGH) - quarters * QUARTER_LOW
    cos, sin = 1.0, 1.0
    for n in range(9, 0, -1):
        cos = 1 - r * r * cos * (1 / ((2 * n - 1) * (2 * n)))
        sin = 1 - r * r * sin * (1 / ((2 * n) * (2 * n + 1)))
    sin *= r
    if int(quarters) % 2 != 0:
        cos, sin = -sin, cos
    return (-cos, -sin) if int(quarters) % 4 > 1 else (cos, sin)


def affine_inverse_kernel(u: Array, maps: Array) -> None:
    """maps[:, l] = o, A (row by row) with source = o + A · target, the inverse of the distortion that u[:, l] describes."""
    lane = cuda.grid(1)
    if lane < u.shape[1]:
        cos, sin = cos_sin(u[5, lane])
        cos, sin = u.dtype.type(cos), u.dtype.type(sin)
        rows, columns, shear = math.exp(u[3, lane] - u[2, lane]), math.exp(-u[2, lane] - u[3, lane]), u[4, lane]
        a, b = rows * cos, rows * sin
        c, d = -columns * (sin + shear * cos), columns * (cos - shear * sin)
        maps[0, lane] = -(a * u[0, lane] + b * u[1, lane])
        maps[1, lane] = -(c * u[0, lane] + d * u[1, lane])
        maps[2, lane], maps[3, lane], maps[4, lane], maps[5, lane] = a, b, c, d


@inline
def grey_level(images: Array, image: int, h: int, w: int) -> Number:
    """A pixel, 0 outside the image."""
    _, H, W = images.shape
    return np.uint32(images.flat[(image * H + h) * W + w]) if 0 <= h < H and 0 <= w < W else np.uint32(0)


def pack_quads_kernel(images: Array, index: Array, quads: Array) -> None:
    """quads[l, i, j] = the bytes (i − 1, j − 1), (i − 1, j), (i, j − 1), (i, j) of image index[l], 0 outside, lowest first."""
    (_, rows, columns), (L, Hq, Wq) = images.shape, quads.shape
    n = cuda.grid(1)
    if n < L * Hq * Wq:
        h, w, image = n // Wq % Hq - (Hq - 1 - rows) // 2, n % Wq - (Wq - 1 - columns) // 2, index[n // (Wq * Hq)]
        upper = grey_level(images, image, h - 1, w - 1) | grey_level(images, image, h - 1, w) << np.uint32(8)
        lower = grey_level(images, image, h, w - 1) << np.uint32(16) | grey_level(images, image, h, w) << np.uint32(24)
        quads.flat[n] = np.uint32(upper | lower)


@inline
def spline(values: Array, at: int, step: int, taps: Array, pixel: int) -> Number:
    """A cubic spline at a pixel, from four values with stride ``step``, starting at ``at``."""
    near = taps[pixel, 0] * values.flat[at] + taps[pixel, 1] * values.flat[at + step]
    return near + taps[pixel, 2] * values.flat[at + 2 * step] + taps[pixel, 3] * values.flat[at + 3 * step]


def spline_along_kernel(knots: Array, at: Array, taps: Array, bent: Array) -> None:
    """bent[axis, g, w] = the cubic spline along row g of the knots (2, G, G, L) at pixel w."""
    _, G, W, L = bent.shape
    place, lane = cuda.blockIdx.x * ROWS + cuda.threadIdx.y, cuda.blockIdx.y * LANES + cuda.threadIdx.x
    if place < 2 * G * W and lane < L:
        row, w = place // W, place % W
        bent.flat[place * L + lane] = spline(knots, (row * G + at[w]) * L + lane, L, taps, w)


def warp_kernel(quads: Array, affine: Array, maps: Array, bends: int, bent: Array, at: Array, taps: Array, y: Array) -> None:
    """y[0, h, w, l] = affine[0] · v + affine[1], v the grey level, bilinearly, at o + A · (h, w) + the field at (h, w)."""
    (_, H, W, L), (_, Hq, Wq), half = y.shape, quads.shape, y.dtype.type(0.5)
    place, lane = cuda.blockIdx.x * ROWS + cuda.threadIdx.y, cuda.blockIdx.y * LANES + cuda.threadIdx.x
    if place < H * W and lane < L:
        h, w = place // W, place % W
        middle, centre = half * y.dtype.type(H - 1), half * y.dtype.type(W - 1)
        down, across, one = y.dtype.type(h) - middle, y.dtype.type(w) - centre, y.dtype.type(1)
        r = middle + one + (maps[0, lane] + maps[2, lane] * down + maps[3, lane] * across)
        c = centre + one + (maps[1, lane] + maps[4, lane] * down + maps[5, lane] * across)
        if bends != 0:
            G = bent.shape[1]
            r += spline(bent, (at[h] * W + w) * L + lane, W * L, taps, h)
            c += spline(bent, ((G + at[h]) * W + w) * L + lane, W * L, taps, h)
        r = min(y.dtype.type(Hq), max(y.dtype.type(0), r))  # clamped to the border of the image, even what is no number
        c = min(y.dtype.type(Wq), max(y.dtype.type(0), c))
        i, j = min(int(r), Hq - 1), min(int(c), Wq - 1)
        s, t = r - y.dtype.type(i), c - y.dtype.type(j)
        q, byte = quads.flat[(lane * Hq + i) * Wq + j], np.uint32(255)
        upper_left, upper_right = y.dtype.type(q & byte), y.dtype.type(q >> np.uint32(8) & byte)
        lower_left, lower_right = y.dtype.type(q >> np.uint32(16) & byte), y.dtype.type(q >> np.uint32(24))
        upper, lower = upper_left + t * (upper_right - upper_left), lower_left + t * (lower_right - lower_left)
        y.flat[place * L + lane] = affine[0] * (upper + s * (lower - upper)) + affine[1]


@operation
def draw_uniform(seed: Array, rng: Array, index: Array, reach: Array, u: Array) -> Iterator[Launch]:
    """u[e, l] uniform in ±reach[e], a hash of (seed, stream), the step, the image index[l] and e."""
    E, L = u.shape
    yield launch(draw_uniform_kernel, lanes(L, E), seed, rng, index, reach, u)


@operation
def affine_inverse(u: Array, maps: Array) -> Iterator[Launch]:
    """maps[:, l] = o, A with source = o + A · target, from shifts, log scale, log squeeze, shear and rotation in u[:, l]."""
    yield launch(affine_inverse_kernel, by_image(u.shape[1]), u, maps)


@operation
def pack_quads(images: Array, index: Array, quads: Array) -> Iterator[Launch]:
    """quads[l, i, j] = the four pixels around the corner (i, j) of image index[l] in 32 bits, with zeros outside the image."""
    yield launch(pack_quads_kernel, each(quads.size), images, index, quads)


@operation
def spline_along(knots: Array, at: Array, taps: Array, bent: Array) -> Iterator[Launch]:
    """bent[axis, g, w] = the cubic spline along row g of the knots at pixel w: knots at[w] … at[w] + 3, weights taps[w]."""
    _, G, W, L = bent.shape
    if bent.size:
        yield launch(spline_along_kernel, lanes(L, 2 * G * W), knots, at, taps, bent)


@operation
def warp(
    quads: Array, affine: Array, maps: Array, bent: Array, at: Array, taps: Array, where: Array, quad: Array, y: Array
) -> Iterator[Launch]:
    """y[0, h, w] = affine of the bilinear grey level at o + A · (h, w) + the spline down the columns of bent.

    ``where`` and ``quad``, scratch buffers on the CPU, are not used.
    """
    _, H, W, L = y.shape
    bends = int(bent.size > 0)
    field = bent if bends else np.zeros((2, 1, 1, 1), y.dtype)
    yield launch(warp_kernel, lanes(L, H * W), quads, affine, maps, bends, field, at, taps, y)
