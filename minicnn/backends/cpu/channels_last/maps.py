"""What lies between convolutions: maps into frames and out of them, pools, sums of two maps.

Legend: x (H, W, C) and y (OH, OW, C) as in ``conv.py``, in frames of zeros; corner = top, left: where the map begins in x;
area = rows, columns, top, left: the size of a map, and where it begins in y.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from ....arrays import Array
from ..compile.jit import Kernel, kernel
from ..tiles import tile_activation, tile_store, tile_width, vector_load
from ..tiles.activation import NONE


@kernel
def to_channels_last(x: Array, area: Array, y: Array) -> None:
    """y[top + h, left + w, c] = x[c, h, w, 0]."""
    C, H, W, _ = x.shape
    for h in range(H):
        out = y[area[2] + h, area[3] : area[3] + W]  # a slice, so that no index can be negative, which would be looked at
        for c in range(C):
            row = x[c, h]
            for w in range(W):
                out[w, c] = row[w, 0]


@kernel
def from_channels_last(x: Array, corner: Array, y: Array) -> None:
    """y[c, h, w, 0] = x[top + h, left + w, c]."""
    C, H, W, _ = y.shape
    for h in range(H):
        row = x[corner[0] + h, corner[1] : corner[1] + W]
        for c in range(C):
            out = y[c, h]
            for w in range(W):
                out[w, 0] = row[w, c]


@kernel
def max_pool_channels_last(x: Array, size: Array, window: Array, area: Array, y: Array) -> None:
    """y = the largest tap of each window, −∞ where there is none; size = rows, columns, top, left of the map in x."""
    kh, kw, sh, sw, ph, pw, dh, dw = window[0], window[1], window[2], window[3], window[4], window[5], window[6], window[7]
    for oy in range(area[0]):
        for ox in range(area[1]):
            out = y[area[2] + oy, area[3] + ox]
            out[:] = -np.inf
            for i in range(kh):
                h = oy * sh - ph + i * dh
                for j in range(kw):
                    w = ox * sw - pw + j * dw
                    if 0 <= h < size[0] and 0 <= w < size[1]:
                        pixel = x[size[2] + h, size[3] + w]
                        for c in range(len(out)):
                            larger = pixel[c] > out[c] or pixel[c] != pixel[c]  # NaN is larger than all
                            out[c] = pixel[c] if larger else out[c]


@kernel
def avg_pool_channels_last(x: Array, size: Array, window: Array, area: Array, y: Array) -> None:
    """y = the sum over each window, divided by the number of its taps, those in the padding too."""
    kh, kw, sh, sw, ph, pw, dh, dw = window[0], window[1], window[2], window[3], window[4], window[5], window[6], window[7]
    share = x.dtype.type(1 / (kh * kw))
    for oy in range(area[0]):
        for ox in range(area[1]):
            out = y[area[2] + oy, area[3] + ox]
            out[:] = 0
            for i in range(kh):
                h = oy * sh - ph + i * dh
                for j in range(kw):
                    w = ox * sw - pw + j * dw
                    if 0 <= h < size[0] and 0 <= w < size[1]:
                        pixel = x[size[2] + h, size[3] + w]
                        for c in range(len(out)):
                            out[c] += share * pixel[c]


@cache
def add_maps(activation_number: int) -> Kernel:
    """The kernel that adds, with or without an activation function."""

    @kernel
    def add_channels_last(x: Array, corner: Array, other: Array, beside: Array, area: Array, y: Array) -> None:
        """y = f(x + other); corner and beside: where the two begin."""
        C = y.shape[2]
        for h in range(area[0]):
            left = ((corner[0] + h) * x.shape[1] + corner[1]) * C
            right = ((beside[0] + h) * other.shape[1] + beside[1]) * C
            to = ((area[2] + h) * y.shape[1] + area[3]) * C
            for at in range(0, area[1] * C, tile_width(x)):
                t = vector_load(x, left + at) + vector_load(other, right + at)
                if activation_number != NONE:
                    t = tile_activation(t, activation_number)
                tile_store(t, y, to + at, 0, 1)

    return add_channels_last
