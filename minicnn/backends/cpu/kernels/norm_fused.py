"""Normalisation and sums of values, fused with what stands beside them: one pass over the maps for all of it.

Legend: as in ``norm.py``; f is the activation function behind the normalisation or the sum, y = f(…). The numbers of a channel
are a multiple of a vector. The rules in ``lowering/norms.py`` say which calls each of these kernels replaces.
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
    vector_wide,
)


@cache
def normalize_activated(kind: int, joined: bool) -> Kernel:
    """The forward kernel of a normalisation, with a sum behind it if ``joined``, and an activation function."""

    @kernel
    def normalize_activation(x: Array, stats: Array, W: Array, b: Array, other: Array, y: Array) -> None:
        """y = f(W · x̂ + b + other), without ``other`` where nothing is joined."""
        C, P, L = x.shape
        for c in range(C):
            mean, shift = vector_of(stats, c), vector_of(b, c)
            scale = vector_of(stats, C + c) * vector_of(W, c)
            for at in range(c * P * L, (c + 1) * P * L, tile_width(x)):
                t = (vector_load(x, at) - mean) * scale + shift
                if joined:
                    t = t + vector_load(other, at)
                tile_store(tile_activation(t, kind), y, at, 0, 1)

    return normalize_activation


@cache
def add_activated(kind: int) -> Kernel:
    """The forward kernel of a sum of two, followed by an activation function."""

    @kernel(flat=True)
    def add_activation(x: Array, other: Array, y: Array) -> None:
        """y = f(x + other)."""
        for at in range(0, y.size, tile_width(y)):
            tile_store(tile_activation(vector_load(x, at) + vector_load(other, at), kind), y, at, 0, 1)

    return add_activation


@cache
def add_slope(kind: int) -> Kernel:
    """The backward kernel of an activation function whose output has two readers."""

    @kernel(flat=True)
    def add_activation_dx(part: Array, y: Array, dy: Array) -> None:
        """dy = f'(a) · (dy + part) for y = f(a)."""
        for at in range(0, dy.size, tile_width(dy)):
            tile_store(vector_slope(kind, vector_load(y, at), vector_load(dy, at) + vector_load(part, at)), dy, at, 0, 1)

    return add_activation_dx


@cache
def normalize_sums_below(kind: int, joined: bool) -> Kernel:
    """The kernel of the sums that a normalisation needs of dy, below an activation function, and below a sum if ``joined``."""

    @kernel
    def normalize_sums_activation(x: Array, y: Array, part: Array, stats: Array, lanes: Array, dy: Array, row: Array) -> None:
        """dy = f'(a) · (dy + part) for y = f(a), and row of it; without ``part`` where nothing is joined."""
        C, P, L = x.shape
        for c in range(C):
            mean = vector_wide(vector_of(stats, c))
            total = products = vector_wide(tile_zeros(x, 1, 1))
            for at in range(c * P * L, (c + 1) * P * L, tile_width(x)):
                t = vector_load(dy, at)
                if joined:
                    t = t + vector_load(part, at)
                t = vector_slope(kind, vector_load(y, at), t)
                tile_store(t, dy, at, 0, 1)
                d = vector_wide(t)
                total, products = total + d, products + d * (vector_wide(vector_load(x, at)) - mean)
            row[0, c], row[1, c], row[2, c] = P * lanes[0], 0, 0
            tile_sum_add(total, row, C + c, 0, 1, 0, 2)
            tile_sum_add(products, row, 2 * C + c, 0, 1, 0, 2)
            row[2, c] *= stats[1, c]

    return normalize_sums_activation
