"""Pooling with adjacent 2 × 2 windows, fused with the neighbouring activation layers: one pass over the maps.

Legend: x (C, 2·OH, 2·OW, L), y (C, OH, OW, L). ``above`` is the activation function after the pool, y = f(pool(x)); ``below``
is the one before it. dx is the gradient of the input of ``below``; db_below, its sum over each map, is the gradient of the bias
of the layer before. The rules in ``lowering.py`` say which calls each of these kernels replaces.
"""

from __future__ import annotations

from functools import cache

from ....arrays import Array
from ..compile.jit import Kernel, kernel
from ..tiles import (
    tile_activation,
    tile_store,
    tile_sum_add,
    tile_width,
    tile_zeros,
    vector_load,
    vector_of,
    vector_slope,
    vector_won,
)


@cache
def subsample_activated(above: int) -> Kernel:
    """The forward kernel of subsampling, followed by an activation function."""

    @kernel
    def subsample_activation(x: Array, coef: Array, b: Array, y: Array) -> None:
        """y[c] = f(coef[c] · Σ over the window of x[c] + b[c])."""
        C, OH, OW, L = y.shape
        right, down = L, 2 * OW * L
        for c in range(C):
            scale, bias = vector_of(coef, c), vector_of(b, c)
            for oh in range(OH):
                for ow in range(OW):
                    for lane in range(0, L, tile_width(x)):
                        at = (((c * OH + oh) * 2 * OW + ow) * 2) * L + lane
                        total = vector_load(x, at) + vector_load(x, at + right)
                        total = total + vector_load(x, at + down) + vector_load(x, at + down + right)
                        tile_store(tile_activation(scale * total + bias, above), y, ((c * OH + oh) * OW + ow) * L + lane, 0, 1)

    return subsample_activation


@cache
def subsample_backward(above: int, below: int) -> Kernel:
    """The backward kernel of subsampling between two activation functions."""

    @kernel
    def subsample_activation_backward(
        x: Array, y: Array, dy: Array, coef: Array, dx: Array, dcoef: Array, db: Array, db_below: Array
    ) -> None:
        """da = f'(a) dy, dcoef += Σ da · Σ window, db += Σ da, dx = g'(x) coef da, db_below += Σ dx."""
        C, OH, OW, L = y.shape
        right, down = L, 2 * OW * L
        for c in range(C):
            scale = vector_of(coef, c)
            s_coef = s_b = s_below = tile_zeros(x, 1, 1)
            for oh in range(OH):
                for ow in range(OW):
                    for lane in range(0, L, tile_width(x)):
                        out = ((c * OH + oh) * OW + ow) * L + lane
                        at = (((c * OH + oh) * 2 * OW + ow) * 2) * L + lane
                        x00, x01 = vector_load(x, at), vector_load(x, at + right)
                        x10, x11 = vector_load(x, at + down), vector_load(x, at + down + right)
                        da = vector_slope(above, vector_load(y, out), vector_load(dy, out))
                        s_b = s_b + da
                        s_coef = s_coef + da * (x00 + x01 + x10 + x11)
                        da = da * scale
                        d00, d01 = vector_slope(below, x00, da), vector_slope(below, x01, da)
                        d10, d11 = vector_slope(below, x10, da), vector_slope(below, x11, da)
                        tile_store(d00, dx, at, 0, 1)
                        tile_store(d01, dx, at + right, 0, 1)
                        tile_store(d10, dx, at + down, 0, 1)
                        tile_store(d11, dx, at + down + right, 0, 1)
                        s_below = s_below + (d00 + d01 + d10 + d11)
            tile_sum_add(s_coef, dcoef, c, 0, 1, 0, 1)
            tile_sum_add(s_b, db, c, 0, 1, 0, 1)
            tile_sum_add(s_below, db_below, c, 0, 1, 0, 1)

    return subsample_activation_backward


@cache
def max_pool_backward(below: int) -> Kernel:
    """The backward kernel of max pooling after an activation function."""

    @kernel
    def max_pool_activation_backward(x: Array, dy: Array, argmax: Array, dx: Array, db_below: Array) -> None:
        """dx = g'(x) dy at the winner of each window, 0 elsewhere; db_below += Σ dx."""
        C, OH, OW, L = dy.shape
        for c in range(C):
            s_below = tile_zeros(x, 1, 1)
            for oh in range(OH):
                for i in range(2):
                    for ow in range(OW):
                        for lane in range(0, L, tile_width(x)):
                            out = ((c * OH + oh) * OW + ow) * L + lane
                            at = (((c * OH + oh) * 2 + i) * OW + ow) * 2 * L + lane
                            dout = vector_load(dy, out)
                            left = vector_won(vector_slope(below, vector_load(x, at), dout), argmax, out, 2 * i)
                            right = vector_won(vector_slope(below, vector_load(x, at + L), dout), argmax, out, 2 * i + 1)
                            tile_store(left, dx, at, 0, 1)
                            tile_store(right, dx, at + L, 0, 1)
                            s_below = s_below + (left + right)
            tile_sum_add(s_below, db_below, c, 0, 1, 0, 1)

    return max_pool_activation_backward
