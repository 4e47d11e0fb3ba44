"""Pixels at the places that max pooling kept. Legend as in ``pool.py``."""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable

from ....arrays import Array
from ..compile.jit import kernel
from .pool import inside, numbers


@register_jitable
def winners(x: Array, argmax: Array, window: Array, y: Array) -> None:
    """y = the pixel of x that won the window, 0 where none did."""
    (H, W, L), (OH, OW, _) = x.shape, y.shape
    kh, kw, sh, sw, ph, pw, dh, dw = numbers(window)
    for oh in range(OH):
        y[oh] = 0
        top, bottom = inside(oh * sh - ph, kh, dh, H)
        for i in range(top, bottom):
            row = x[oh * sh - ph + i * dh]
            for j in range(kw):
                t = np.int32(i * kw + j)
                left, right = inside(j * dw - pw, OW, sw, W)
                for ow in range(left, right):
                    pixel, out, winner = row[ow * sw - pw + j * dw], y[oh, ow], argmax[oh, ow]
                    for lane in range(L):
                        out[lane] = pixel[lane] if winner[lane] == t else out[lane]


@kernel
def max_pool_take(x: Array, argmax: Array, window: Array, y: Array) -> None:
    """y = the pixel of x that won the window, 0 where none did: the adjoint of ``max_pool_dx``."""
    for c in range(x.shape[0]):
        winners(x[c], argmax[c], window, y[c])
