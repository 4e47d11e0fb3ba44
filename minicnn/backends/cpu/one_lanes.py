"""One image on its way in: rows of pixels are copied as they lie. Legend as in ``lanes.py`` and ``conv.py``, with L = 1."""

from __future__ import annotations

from ...arrays import Array
from .jit import kernel


@kernel
def gather_pixels(images: Array, affine: Array, index: Array, pad: Array, xl: Array) -> None:
    """xl[0, h + rows, w + columns, 0] = a · images[index[0], h, w] + b, and b around; a, b = affine."""
    _, H, W = images.shape
    rows, columns, scale, background = pad[0], pad[1], affine[0], affine[1]
    image = images[index[0]]
    xl[:] = background
    for h in range(H):
        for w in range(W):
            xl[0, h + rows, w + columns, 0] = scale * image[h, w] + background


@kernel
def pad(x: Array, g: Array, framed: Array) -> None:
    """framed = x with a background of zeros around every map."""
    C, H, W, _ = x.shape
    top, left = g[4], g[5]
    framed[:] = 0
    for c in range(C):
        for h in range(H):
            for w in range(W):
                framed[c, h + top, w + left, 0] = x[c, h, w, 0]
