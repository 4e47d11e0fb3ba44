"""Activations that are straight lines, or a parabola between two of them, and their derivatives.

Legend: y = f(x), dx = f'(x) dy; the output may be the same array as x, or as dy.
"""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable

from ....arrays import Array, Number
from ..compile.jit import kernel
from ..tiles.functions import FLAGS, like
from .elementwise import leaky, leaky_dx, map_given, map_one, map_two, map_two_given


@register_jitable(**FLAGS)
def _clamp(c: Number, x: Number) -> Number:
    shift, low, high, slope = c
    t = x + shift
    t = low if t < low else t  # comparisons are written so that a NaN passes through
    return slope * (high if t > high else t)


@register_jitable(**FLAGS)
def _clamp_dx(c: Number, y: Number, dy: Number) -> Number:
    bottom, top, slope = c
    return like(dy, 0) if y <= bottom or y >= top else slope * dy


@kernel(flat=True)
def clamp(x: Array, ramp: Array, y: Array) -> None:
    """y = slope · min(max(x + shift, low), high), ramp = shift, low, high, slope."""
    map_given(_clamp, (ramp[0], ramp[1], ramp[2], ramp[3]), x, y)


@kernel(flat=True)
def clamp_dx(y: Array, ramp: Array, dy: Array, dx: Array) -> None:
    """dx = slope · dy where slope · low < y < slope · high, else 0."""
    map_two_given(_clamp_dx, (ramp[3] * ramp[1], ramp[3] * ramp[2], ramp[3]), y, dy, dx)


@register_jitable(**FLAGS)
def _hardswish(x: Number) -> Number:
    low, high = like(x, 0), like(x, 6)
    t = x + like(x, 3)
    t = low if t < low else t
    return x * ((high if t > high else t) * like(x, 1 / 6))


@register_jitable(**FLAGS)
def _hardswish_dx(x: Number, dy: Number) -> Number:
    steep = x * like(x, 1 / 3) + like(x, 0.5)
    steep = like(x, 0) if x <= like(x, -3) else steep
    return dy * (like(x, 1) if x >= like(x, 3) else steep)


@kernel(flat=True)
def hardswish(x: Array, y: Array) -> None:
    """y = x · min(max(x + 3, 0), 6)/6."""
    map_one(_hardswish, x, y)


@kernel(flat=True)
def hardswish_dx(x: Array, dy: Array, dx: Array) -> None:
    """dx = dy · (x/3 + 1/2) between −3 and 3, 0 below, dy above."""
    map_two(_hardswish_dx, x, dy, dx)


@kernel
def prelu(x: Array, W: Array, y: Array) -> None:
    """y[c] = x[c] where x > 0, else W[c] · x[c]; x (C, P)."""
    for c in range(W.size):
        map_given(leaky, W[c], x[c], y[c])


@kernel
def prelu_dx(x: Array, W: Array, dy: Array, dx: Array) -> None:
    """dx[c] = dy[c] where x > 0, else W[c] · dy[c]."""
    for c in range(W.size):
        map_two_given(leaky_dx, W[c], x[c], dy[c], dx[c])


@kernel
def prelu_dW_add(x: Array, z: Array, dy: Array, dW: Array) -> None:
    """dW[c] += Σ_p z[c, p] · dy[c, p] where x ≤ 0."""
    for c in range(dW.size):
        xc, zc, dyc, total = x[c], z[c], dy[c], 0.0  # in float64
        for p in range(xc.size):
            total += 0.0 if xc[p] > 0 else np.float64(zc[p]) * np.float64(dyc[p])
        dW[c] += total
