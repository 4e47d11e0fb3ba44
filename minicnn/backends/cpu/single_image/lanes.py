"""Loading one image: rows of pixels are copied without transposing.

Legend as in ``kernels/lanes.py`` and ``conv/direct.py``, with L = 1.
"""

from __future__ import annotations

from ....arrays import Array
from ..compile.jit import kernel
from ..tiles import tile_width
from ..tiles.rows import tile_store_rows, tile_window


@kernel
def gather_pixels(images: Array, affine: Array, index: Array, pad: Array, xl: Array) -> None:
    """xl[0, h + rows, w + columns, 0] = a · images[index[0], h, w] + b, and b in the border; a, b = affine."""
    _, H, W = images.shape
    rows, columns, scale, background = pad[0], pad[1], affine[0], affine[1]
    image = images[index[0]]
    xl[:] = background
    for h in range(H):
        for w in range(W):
            xl[0, h + rows, w + columns, 0] = scale * image[h, w] + background


ROWS = 8  # rows copied at a time


@kernel
def pad(x: Array, window: Array, padded: Array) -> None:
    """padded = x with a border of zeros around every map."""
    _, H, W, _ = x.shape
    C, height, width, _ = padded.shape
    for c in range(C):
        for h in range(0, height, ROWS):
            for w in range(0, width, tile_width(x)):
                v = tile_window(ROWS, x, c * H * W, h - window[4], 1, H, w - window[5], 1, W, width - w)
                tile_store_rows(v, padded, (c * height + h) * width + w, width, height - h, 0, 1, width - w)
