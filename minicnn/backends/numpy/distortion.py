"""Images read at displaced places, each by random numbers of its own: u (elements, L), y (1, H, W, L)."""

import numpy as np

from ...arrays import Array


def affine_inverse(u: Array, maps: Array) -> None:
    """maps[:, l] = o, A (row by row) with source = o + A · target: the inverse of the distortion that u[:, l] describes.

    u = shift down, shift right, log scale, log squeeze, shear, rotation; target = R(rotation) · K · S · source + shift with
    S = diag(scale / squeeze, scale · squeeze), K adding shear · row to the column, R anticlockwise by radians.
    """
    down, right, scale, squeeze, shear, angle = u[:6]
    cos, sin, rows, columns = np.cos(angle), np.sin(angle), np.exp(squeeze - scale), np.exp(-scale - squeeze)
    A = np.stack([rows * cos, rows * sin, -columns * (sin + shear * cos), columns * (cos - shear * sin)])
    maps[:2], maps[2:] = -(A[::2] * down + A[1::2] * right), A


def pack_quads(images: Array, index: Array, quads: Array) -> None:
    """quads[l, i, j] = pixels (i − 1, j − 1), (i − 1, j), (i, j − 1), (i, j) of image index[l] amid zeros, low byte first."""
    (_, H, W), (L, Hq, Wq) = images.shape, quads.shape
    top, left = (Hq - 1 - H) // 2 + 1, (Wq - 1 - W) // 2 + 1
    padded = np.zeros((L, Hq + 1, Wq + 1), np.uint32)
    padded[:, top : top + H, left : left + W] = images[index]
    upper, lower = padded[:, :-1], padded[:, 1:]
    quads[...] = upper[..., :-1] | upper[..., 1:] << 8 | lower[..., :-1] << 16 | lower[..., 1:] << 24


def spline_along(knots: Array, at: Array, taps: Array, bent: Array) -> None:
    """bent[axis, g, w] = Σ_t taps[w, t] · knots[axis, g, at[w] + t]: the cubic spline along row g of the knots at pixel w."""
    W = bent.shape[2]
    bent[...] = sum(taps[:W, t, None] * knots[:, :, at[:W] + t] for t in range(4))


def warp(
    quads: Array, affine: Array, maps: Array, bent: Array, at: Array, taps: Array, where: Array, quad: Array, y: Array
) -> None:
    """y[0, h, w] = affine of the grey level, bilinearly, at o + A · (h, w) + the spline down the columns of bent.

    Places are counted from the centre, (h, w) too; bent is empty where there is no spline. NumPy needs no scratch where, quad.
    """
    (_, H, W, L), (_, Hq, Wq) = y.shape, quads.shape
    h, w = (np.arange(n, dtype=y.dtype) - (n - 1) / 2 for n in (H, W))
    o, A = maps[:2, None, None], maps[2:].reshape(2, 2, 1, 1, L)
    place = o + A[:, 0] * h[:, None, None] + A[:, 1] * w[:, None]  # (2, H, W, L): row and column
    if bent.size:
        place += sum(taps[:H, t, None, None] * bent[:, at[:H] + t] for t in range(4))
    r, c = (np.fmin(np.fmax(place[axis] + n / 2, 0), n) for axis, n in enumerate((Hq, Wq)))  # counted in quads; NaN too
    i, j = np.minimum(r.astype(np.int64), Hq - 1), np.minimum(c.astype(np.int64), Wq - 1)
    found = quads[np.arange(L), i, j]
    upper_left, upper_right, lower_left, lower_right = ((found >> byte & 255).astype(y.dtype) for byte in (0, 8, 16, 24))
    upper, lower = upper_left + (c - j) * (upper_right - upper_left), lower_left + (c - j) * (lower_right - lower_left)
    y[0] = affine[0] * (upper + (r - i) * (lower - upper)) + affine[1]
