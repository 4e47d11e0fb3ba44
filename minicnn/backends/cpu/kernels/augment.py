"""Augmentations: images in lanes that are moved, erased, recoloured and mixed, each by random numbers of its own.

Legend: x, y (C, H, W, L) grey levels in lanes; u (elements, L) random numbers of each lane, uniform in ±1 unless it is said.
"""

from __future__ import annotations

import math

from ....arrays import Array
from ..compile.jit import kernel

TRIES = 10  # rectangles that are drawn until one is smaller than the image


@kernel
def move_inverse(u: Array, chances: Array, maps: Array) -> None:
    """maps[:, l] = o, A (row by row) with source = o + A · target, the inverse of the move that u[:, l] describes.

    u = two uniform in ±1, shift down, shift right, rotation, scale, shear along the row, shear down the column. The image is
    turned upside down with chances[0], left to right with chances[1]; then column −= tan(shear) · row, and row −= tan(shear) ·
    column; then it is rotated clockwise by radians, scaled, and shifted by the nearest whole number of pixels.
    """
    half, one = maps.dtype.type(0.5), maps.dtype.type(1)
    for lane in range(u.shape[1]):
        rows = -one if half * (u[0, lane] + one) < chances[0] else one
        columns = -one if half * (u[1, lane] + one) < chances[1] else one
        down, right = math.floor(u[2, lane] + half), math.floor(u[3, lane] + half)
        cos, sin = math.cos(u[4, lane]) / u[5, lane], math.sin(u[4, lane]) / u[5, lane]
        along, across = math.tan(u[6, lane]), math.tan(u[7, lane])
        a, b = cos + across * sin, across * cos - sin
        maps[2, lane], maps[3, lane] = rows * a, rows * b
        maps[4, lane], maps[5, lane] = columns * (sin + along * a), columns * (cos + along * b)
        maps[0, lane] = -(maps[2, lane] * down + maps[3, lane] * right)
        maps[1, lane] = -(maps[4, lane] * down + maps[5, lane] * right)


@kernel
def sample(x: Array, maps: Array, bent: Array, at: Array, taps: Array, fill: Array, y: Array) -> None:
    """y[c, h, w, l] = x[c], bilinearly, at o + A · (h, w) + the field at (h, w), and fill[0] outside; y is not x.

    Places are counted from the centre; maps = o, A. bent (2, G, W, L) is that of ``spline_along``; the field is the spline down
    its columns, and absent if G is 0.
    """
    (C, H, W, L), half = y.shape, y.dtype.type(0.5)
    middle, centre = half * y.dtype.type(H - 1), half * y.dtype.type(W - 1)
    low, bottom, end, outside = y.dtype.type(-1), y.dtype.type(H), y.dtype.type(W), fill[0]
    for h in range(H):
        down = y.dtype.type(h) - middle
        for w in range(W):
            side = y.dtype.type(w) - centre
            for lane in range(L):
                r = middle + (maps[0, lane] + maps[2, lane] * down + maps[3, lane] * side)
                s = centre + (maps[1, lane] + maps[4, lane] * down + maps[5, lane] * side)
                if bent.size > 0:
                    for tap in range(4):
                        r += taps[h, tap] * bent[0, at[h] + tap, w, lane]
                        s += taps[h, tap] * bent[1, at[h] + tap, w, lane]
                r, s = min(bottom, max(low, r)), min(end, max(low, s))  # in this order what is no number is kept within, too
                i, j = math.floor(r), math.floor(s)
                r, s = r - y.dtype.type(i), s - y.dtype.type(j)
                above, below, left, right = 0 <= i < H, i + 1 < H, 0 <= j < W, j + 1 < W
                for c in range(C):
                    p = x[c, i, j, lane] if above and left else outside
                    q = x[c, i, j + 1, lane] if above and right else outside
                    upper = p + s * (q - p)
                    p = x[c, i + 1, j, lane] if below and left else outside
                    q = x[c, i + 1, j + 1, lane] if below and right else outside
                    y[c, h, w, lane] = upper + r * (p + s * (q - p) - upper)


@kernel
def jitter(u: Array, greys: Array, x: Array) -> None:
    """x = b·x, then c·x + (1 − c) · the image's mean grey, then s·x + (1 − s) · the pixel's grey, each kept within 0 … 255.

    u[:, l] = b, c, s; grey = Σ greys[c] · x[c]; x (C, P, L).
    """
    (C, P, L), zero, most = x.shape, x.dtype.type(0), x.dtype.type(255)
    for lane in range(L):
        total = 0.0
        for c in range(C):
            for p in range(P):
                x[c, p, lane] = min(max(u[0, lane] * x[c, p, lane], zero), most)
                total += greys[c] * x[c, p, lane]
        rest = (x.dtype.type(1) - u[1, lane]) * x.dtype.type(total / P)
        for p in range(P):
            grey = zero
            for c in range(C):
                x[c, p, lane] = min(max(u[1, lane] * x[c, p, lane] + rest, zero), most)
                grey += greys[c] * x[c, p, lane]
            for c in range(C):
                x[c, p, lane] = min(max(u[2, lane] * x[c, p, lane] + (x.dtype.type(1) - u[2, lane]) * grey, zero), most)


@kernel
def erase(u: Array, options: Array, fill: Array, x: Array) -> None:
    """x[c] = fill[c] in a rectangle, with chance p, at a random place; x stays if none of ten is smaller than the image.

    options = p, the least and greatest share of the area, logarithms of the least and greatest ratio of height to width;
    u[:, l] = the draw for p, ten pairs for area and ratio, and two for the place.
    """
    (C, H, W, L), half, one = x.shape, x.dtype.type(0.5), x.dtype.type(1)
    for lane in range(L):
        if half * (u[0, lane] + one) >= options[0]:
            continue
        rows, columns = 0, 0
        for n in range(TRIES):
            if rows == 0 or columns == 0:
                area = options[1] + (options[2] - options[1]) * (half * (u[1 + 2 * n, lane] + one))
                ratio = math.exp(options[3] + (options[4] - options[3]) * (half * (u[2 + 2 * n, lane] + one)))
                pixels = area * x.dtype.type(H * W)
                tall, wide = math.floor(math.sqrt(pixels * ratio) + half), math.floor(math.sqrt(pixels / ratio) + half)
                if 0 < tall < H and 0 < wide < W:
                    rows, columns = tall, wide
        top = int(half * (u[2 * TRIES + 1, lane] + one) * x.dtype.type(H - rows + 1))
        left = int(half * (u[2 * TRIES + 2, lane] + one) * x.dtype.type(W - columns + 1))
        for c in range(C):
            for h in range(top, min(top + rows, H)):
                for w in range(left, min(left + columns, W)):
                    x[c, h, w, lane] = fill[c]


@kernel
def draw_mix(u: Array, pool: Array, quantiles: Array, partner: Array, share: Array) -> None:
    """partner[l] = one of pool, by u[0, l]; share[l] = the quantile of u[1, l], between the given ones linearly."""
    half, one, last = share.dtype.type(0.5), share.dtype.type(1), quantiles.size - 1
    for lane in range(u.shape[1]):
        chosen = int(half * (u[0, lane] + one) * share.dtype.type(pool.size))
        partner[lane] = pool[min(chosen, pool.size - 1)]
        place = half * (u[1, lane] + one) * share.dtype.type(last)
        n = min(int(place), last - 1)
        share[lane] = quantiles[n] + (place - share.dtype.type(n)) * (quantiles[n + 1] - quantiles[n])


@kernel
def blend(other: Array, share: Array, x: Array) -> None:
    """x[d, l] = share[l] · x[d, l] + (1 − share[l]) · other[d, l]."""
    (D, L), one = x.shape, x.dtype.type(1)
    for d in range(D):
        row, beside = x[d], other[d]
        for lane in range(L):
            row[lane] = share[lane] * row[lane] + (one - share[lane]) * beside[lane]


@kernel
def cut_box(u: Array, size: Array, share: Array, box: Array) -> None:
    """box[:, l] = first and end row, first and end column about a random pixel, of 1 − share[l] of the area where it fits.

    size = rows, columns of the image; share becomes what the box leaves of it.
    """
    half, one = share.dtype.type(0.5), share.dtype.type(1)
    for lane in range(u.shape[1]):
        far, inside = half * math.sqrt(one - share[lane]), one
        for axis in range(2):
            n = int(size[axis])
            centre = min(int(half * (u[axis, lane] + one) * share.dtype.type(n)), n - 1)
            reach = int(far * share.dtype.type(n))
            box[2 * axis, lane], box[2 * axis + 1, lane] = max(centre - reach, 0), min(centre + reach, n)
            inside *= share.dtype.type(box[2 * axis + 1, lane] - box[2 * axis, lane]) / share.dtype.type(n)
        share[lane] = one - inside


@kernel
def paste(other: Array, box: Array, x: Array) -> None:
    """x[:, h, w, l] = other[:, h, w, l] within the rows and columns of box[:, l]."""
    for lane in range(x.shape[3]):
        for c in range(x.shape[0]):
            for h in range(box[0, lane], box[1, lane]):
                for w in range(box[2, lane], box[3, lane]):
                    x[c, h, w, lane] = other[c, h, w, lane]


@kernel
def mix_targets(labels: Array, index: Array, partner: Array, share: Array, target: Array) -> None:
    """target[:, l] = share[l] at labels[index[l]] plus 1 − share[l] at labels[partner[l]], 0 elsewhere."""
    K, L = target.shape
    for lane in range(L):
        for k in range(K):
            target[k, lane] = 0
        target[labels[index[lane]], lane] = share[lane]
        target[labels[partner[lane]], lane] += target.dtype.type(1) - share[lane]
