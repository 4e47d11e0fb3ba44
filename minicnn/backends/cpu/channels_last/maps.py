"""What lies between convolutions: maps into frames, out of them and side by side; pools; sums of two maps.

Legend: x (H, W, C) and y (OH, OW, C) as in ``conv.py``, in frames of zeros; corner = top, left: where the map begins in x;
area = rows, columns, top, left: the size of a map, and where it begins in y.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from ....arrays import Array
from ..compile.jit import Kernel, kernel
from ..tiles import tile_activation, tile_places, tile_put, tile_store, tile_width, vector_load
from ..tiles.activation import NONE
from ..tiles.channels import tile_channels, tile_larger


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
def concat_channels_last(x: Array, corner: Array, area: Array, part: Array, y: Array) -> None:
    """y[top + h, left + w, first + c] = x[h, w, c] for c < number; part = first, number: the channels of y that x becomes."""
    (_, width, depth), (_, across, channels), first, number, w = x.shape, y.shape, part[0], part[1], tile_width(x)
    whole = number - number % w
    for h in range(area[0]):
        at = ((corner[0] + h) * width + corner[1]) * depth
        to = ((area[2] + h) * across + area[3]) * channels + first
        for p in range(area[1]):
            for c in range(0, whole, w):
                tile_store(vector_load(x, at + c), y, to + c, 0, 1)
            for c in range(whole, number):
                y[area[2] + h, area[3] + p, first + c] = x[corner[0] + h, corner[1] + p, c]
            at += depth
            to += channels


@kernel
def max_pool_channels_last(x: Array, size: Array, window: Array, area: Array, y: Array) -> None:
    """y = the largest tap of each window, −∞ where there is none; size = rows, columns, top, left of the map in x."""
    kh, kw, sh, sw, ph, pw, dh, dw = window[0], window[1], window[2], window[3], window[4], window[5], window[6], window[7]
    (_, width, depth), across = x.shape, y.shape[1]
    for oy in range(area[0]):
        for ox in range(area[1]):
            to = ((area[2] + oy) * across + area[3] + ox) * depth
            y[area[2] + oy, area[3] + ox] = -np.inf
            for c in range(0, depth, tile_width(x)):
                t = tile_channels(y, to + c, 1, 1)
                for i in range(kh):
                    h = oy * sh - ph + i * dh
                    if 0 <= h < size[0]:
                        row = (size[2] + h) * width + size[3]
                        for j in range(kw):
                            w = ox * sw - pw + j * dw
                            if 0 <= w < size[1]:
                                t = tile_larger(t, tile_channels(x, (row + w) * depth + c, 1, 1))
                tile_put(t, y, to + c, 0, 1, tile_places(1, 0, 1, 0, 0))


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
