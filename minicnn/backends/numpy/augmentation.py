"""Images in lanes that are moved, erased, recoloured and mixed, by random numbers u (elements, L); x, y (C, H, W, L)."""

import numpy as np

from ...arrays import Array

TRIES = 10


def share_of(u: Array) -> Array:
    """Numbers uniform in ±1 as ones from 0 to 1."""
    return (u + 1) / 2


def move_inverse(u: Array, chances: Array, maps: Array) -> None:
    """maps[:, l] = o, A (row by row) with source = o + A · target: the inverse of the move that u[:, l] describes.

    In (row, column), target = scale · R · [[1, −ty], [0, 1]] · [[1, 0], [−tx, 1]] · flips · source + shift, R clockwise.
    """
    down, right, angle, scale, along, across = u[2:8]
    flips = np.where(share_of(u[:2]) < chances[:, None], -1, 1)
    cos, sin, tx, ty = np.cos(angle) / scale, np.sin(angle) / scale, np.tan(along), np.tan(across)
    first = np.stack([cos + ty * sin, ty * cos - sin])
    A = np.stack([flips[0] * first, flips[1] * (np.stack([sin, cos]) + tx * first)])
    shift = np.floor(np.stack([down, right]) + u.dtype.type(0.5))
    maps[:2], maps[2:] = -(A * shift).sum(axis=1), A.reshape(4, -1)


def sample(x: Array, maps: Array, bent: Array, at: Array, taps: Array, fill: Array, y: Array) -> None:
    """y[c, h, w] = x[c], bilinearly, at o + A · (h, w) + the spline down the columns of bent, and fill[0] outside.

    Places are counted from the centre, (h, w) too; bent is empty where there is no spline.
    """
    _, H, W, L = y.shape
    h, w = (np.arange(n, dtype=y.dtype) - (n - 1) / 2 for n in (H, W))
    o, A = maps[:2, None, None], maps[2:].reshape(2, 2, 1, 1, L)
    place = o + A[:, 0] * h[:, None, None] + A[:, 1] * w[:, None]  # (2, H, W, L): row and column
    if bent.size:
        place += sum(taps[:H, t, None, None] * bent[:, at[:H] + t] for t in range(4))
    r, s = (np.fmin(np.fmax(place[axis] + (n - 1) / 2, -1), n) for axis, n in enumerate((H, W)))  # NaN is clamped, too
    i, j = np.floor(r).astype(np.int64), np.floor(s).astype(np.int64)
    padded = np.pad(x, ((0, 0), (1, 2), (1, 2), (0, 0)), constant_values=fill[0])
    corners = [padded[:, i + 1 + a, j + 1 + b, np.arange(L)] for a in (0, 1) for b in (0, 1)]
    upper, lower = (left + (s - j) * (right - left) for left, right in (corners[:2], corners[2:]))
    y[...] = upper + (r - i) * (lower - upper)


def jitter(u: Array, greys: Array, x: Array) -> None:
    """x = b·x, then c·x + (1 − c) · the image's mean grey, then s·x + (1 − s) · the pixel's grey, each kept within 0 … 255."""
    brightness, contrast, saturation = u[:3]
    x[...] = np.clip(brightness * x, 0, 255)
    x[...] = np.clip(contrast * x + (1 - contrast) * np.tensordot(greys, x, 1).mean(axis=0), 0, 255)
    x[...] = np.clip(saturation * x + (1 - saturation) * np.tensordot(greys, x, 1), 0, 255)


def erase(u: Array, options: Array, fill: Array, x: Array) -> None:
    """x[c] = fill[c] in a rectangle, with chance p, at a random place; x stays if none of ten is smaller than the image.

    options = p, the least and greatest share of the area, logarithms of the least and greatest ratio of height to width.
    """
    (_, H, W, L), (chance, least, most, low, high), t = x.shape, options, share_of(u)
    pairs = t[1 : 1 + 2 * TRIES].reshape(TRIES, 2, L)
    pixels, ratio = (least + (most - least) * pairs[:, 0]) * (H * W), np.exp(low + (high - low) * pairs[:, 1])
    tall, wide = (np.floor(np.sqrt(found) + u.dtype.type(0.5)).astype(np.int64) for found in (pixels * ratio, pixels / ratio))
    for lane in np.flatnonzero(t[0] < chance):
        fitting = np.flatnonzero((tall[:, lane] < H) & (wide[:, lane] < W) & (tall[:, lane] > 0) & (wide[:, lane] > 0))
        if len(fitting):
            rows, columns = tall[fitting[0], lane], wide[fitting[0], lane]
            top, left = int(t[-2, lane] * u.dtype.type(H - rows + 1)), int(t[-1, lane] * u.dtype.type(W - columns + 1))
            x[:, top : top + rows, left : left + columns, lane] = fill[:, None, None]


def draw_mix(u: Array, pool: Array, quantiles: Array, partner: Array, share: Array) -> None:
    """partner[l] = one of pool, by u[0, l]; share[l] = the quantile of u[1, l], between the given ones linearly."""
    first, second = share_of(u[:2])
    partner[...] = pool[np.minimum((first * u.dtype.type(len(pool))).astype(np.int64), len(pool) - 1)]
    share[...] = np.interp(second * (len(quantiles) - 1), np.arange(len(quantiles)), quantiles)


def blend(other: Array, share: Array, x: Array) -> None:
    """x[d, l] = share[l] · x[d, l] + (1 − share[l]) · other[d, l]."""
    x[...] = share * x + (1 - share) * other


def cut_box(u: Array, size: Array, share: Array, box: Array) -> None:
    """box[:, l] = first and end row, first and end column about a random pixel, of 1 − share[l] of the area where it fits.

    size = rows, columns of the image; share becomes what the box leaves of it.
    """
    n = size[:, None]
    centre = np.minimum((share_of(u[:2]) * n.astype(u.dtype)).astype(np.int64), n - 1)
    reach = (np.sqrt(1 - share) / 2 * n.astype(u.dtype)).astype(np.int64)
    box[::2], box[1::2] = np.maximum(centre - reach, 0), np.minimum(centre + reach, n)
    share[...] = 1 - ((box[1::2] - box[::2]) / n).prod(axis=0)


def paste(other: Array, box: Array, x: Array) -> None:
    """x[:, h, w, l] = other[:, h, w, l] within the rows and columns of box[:, l]."""
    h, w = np.arange(x.shape[1])[:, None, None], np.arange(x.shape[2])[:, None]
    x[...] = np.where((h >= box[0]) & (h < box[1]) & (w >= box[2]) & (w < box[3]), other, x)


def mix_targets(labels: Array, index: Array, partner: Array, share: Array, target: Array) -> None:
    """target[:, l] = share[l] at labels[index[l]] plus 1 − share[l] at labels[partner[l]], 0 elsewhere."""
    one = np.eye(len(target), dtype=target.dtype)
    target[...] = share * one[labels[index]].T + (1 - share) * one[labels[partner]].T
