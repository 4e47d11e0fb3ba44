"""Normalisation by the moments of a whole batch, every channel by its own.

Legend: x, y, dy, dx (C, P, L) with P pixels; lanes [n] the number of real lanes; row float64 (3, C) what one group of lanes
tells: how many numbers a channel has, and two sums; rows (G, 3, C) those of all groups; moments float64 (2, C) mean and
variance of the batch; stats (2, C) mean and 1/√(variance + ε); x̂ = (x − stats[0]) · stats[1]; means float64 (2, C) the means of
dy and dy·x̂.
"""

from __future__ import annotations

import math

import numpy as np

from ....arrays import Array
from ..compile.jit import kernel
from ..tiles import tile_sum_add, tile_width, tile_zeros, vector_load, vector_of, vector_wide
from .elementwise import same


@kernel
def channel_moments(x: Array, lanes: Array, row: Array) -> None:
    """row = how many numbers of real lanes a channel has, their mean, and Σ (x − mean)².

    From d = x − x₀ in one pass: Σ (x − mean)² = Σ d² − (Σ d)²/n. As (x₀ − mean)² ≤ Σ (x − mean)², little cancels in float64.
    """
    (C, P, L), n, width = x.shape, lanes[0], tile_width(x)
    count, whole = P * n, n == L and P * L % width == 0
    for c in range(C):
        xc, first, one, two = x[c].reshape(P * L), np.float64(x[c, 0, 0]), 0.0, 0.0
        if not whole:
            for p in range(P):
                for i in range(p * L, p * L + n):
                    apart = np.float64(xc[i]) - first
                    one += apart
                    two += apart * apart
        row[1, c], row[2, c] = one, two
        if whole:
            start = vector_wide(vector_of(x, c * P * L))
            total = squares = vector_wide(tile_zeros(x, 1, 1))
            for at in range(c * P * L, (c + 1) * P * L, width):
                d = vector_wide(vector_load(x, at)) - start
                total, squares = total + d, squares + d * d
            tile_sum_add(total, row, C + c, 0, 1, 0, 2)
            tile_sum_add(squares, row, 2 * C + c, 0, 1, 0, 2)
        mean = row[1, c] / count
        row[0, c], row[1, c], row[2, c] = count, first + mean, row[2, c] - row[1, c] * mean


@kernel
def merge_moments(rows: Array, eps: Array, moments: Array, stats: Array) -> None:
    """moments and stats of all groups, merged in their order (Chan, Golub and LeVeque 1983)."""
    groups, _, C = rows.shape
    for c in range(C):
        count, mean, squares = 0.0, 0.0, 0.0
        for g in range(groups):
            more = rows[g, 0, c]
            d = rows[g, 1, c] - mean
            squares += rows[g, 2, c] + d * d * (count * more / (count + more))
            mean += d * (more / (count + more))
            count += more
        moments[0, c], moments[1, c] = mean, squares / count
        stats[0, c], stats[1, c] = mean, 1 / math.sqrt(squares / count + np.float64(eps[0]))


@kernel
def track_moments(rows: Array, moments: Array, momentum: Array, mean: Array, var: Array, batches: Array) -> None:
    """mean, var += m · (those of the batch, unbiased, − mean, var); m = momentum, or 1/batches where that is negative."""
    batches[0] += 1
    m = np.float64(momentum[0]) if momentum[0] >= 0 else 1 / np.float64(batches[0])
    for c in range(mean.size):
        count = 0.0
        for g in range(rows.shape[0]):
            count += rows[g, 0, c]
        mean[c] += m * (moments[0, c] - np.float64(mean[c]))
        var[c] += m * (moments[1, c] * (count / (count - 1)) - np.float64(var[c]))


@kernel
def fixed_stats(mean: Array, var: Array, eps: Array, stats: Array) -> None:
    """stats = mean and 1/√(var + ε)."""
    for c in range(mean.size):
        stats[0, c], stats[1, c] = mean[c], 1 / math.sqrt(np.float64(var[c]) + np.float64(eps[0]))


@kernel
def normalize(x: Array, stats: Array, W: Array, b: Array, y: Array) -> None:
    """y = W · x̂ + b."""
    C, P, L = x.shape
    for c in range(C):
        mean, scale, shift = stats[0, c], stats[1, c] * W[c], b[c]
        xc, yc = x[c].reshape(P * L), y[c].reshape(P * L)
        if same(xc, yc):  # LLVM does not vectorise a loop over two aliases
            for i in range(P * L):
                yc[i] = (yc[i] - mean) * scale + shift
        else:
            for i in range(P * L):
                yc[i] = (xc[i] - mean) * scale + shift


@kernel
def normalize_sums(x: Array, dy: Array, stats: Array, lanes: Array, row: Array) -> None:
    """row = how many numbers of real lanes a channel has, Σ dy, and Σ dy·x̂."""
    (C, P, L), width = x.shape, tile_width(x)
    for c in range(C):
        end, mean = (c + 1) * P * L, vector_wide(vector_of(stats, c))
        total = products = vector_wide(tile_zeros(x, 1, 1))
        for at in range(c * P * L, end - width + 1, width):  # dy is zero in padding lanes
            d = vector_wide(vector_load(dy, at))
            total, products = total + d, products + d * (vector_wide(vector_load(x, at)) - mean)
        row[0, c], row[1, c], row[2, c] = P * lanes[0], 0, 0
        tile_sum_add(total, row, C + c, 0, 1, 0, 2)
        tile_sum_add(products, row, 2 * C + c, 0, 1, 0, 2)
        xc, dyc = x[c].reshape(P * L), dy[c].reshape(P * L)
        for i in range(P * L // width * width, P * L):
            row[1, c] += np.float64(dyc[i])
            row[2, c] += np.float64(dyc[i]) * (np.float64(xc[i]) - np.float64(stats[0, c]))
        row[2, c] *= stats[1, c]


@kernel
def add_sums(row: Array, dW: Array, db: Array) -> None:
    """db += Σ dy and dW += Σ dy·x̂, as ``row`` tells them."""
    for c in range(dW.size):
        db[c] += row[1, c]
        dW[c] += row[2, c]


@kernel
def merge_sums(rows: Array, means: Array) -> None:
    """means = Σ dy and Σ dy·x̂ of all groups, added in their order, over how many numbers there are."""
    groups, _, C = rows.shape
    for c in range(C):
        count, total, products = 0.0, 0.0, 0.0
        for g in range(groups):
            count += rows[g, 0, c]
            total += rows[g, 1, c]
            products += rows[g, 2, c]
        means[0, c], means[1, c] = total / count, products / count


@kernel
def normalize_dx(x: Array, dy: Array, stats: Array, W: Array, means: Array, lanes: Array, dx: Array) -> None:
    """dx = W/√(variance + ε) · (dy − mean dy − x̂ · mean dy·x̂), 0 in padding lanes."""
    (C, P, L), n, zero = x.shape, lanes[0], x.dtype.type(0)
    for c in range(C):
        mean, scale = stats[0, c], stats[1, c] * W[c]
        shift, slope = x.dtype.type(means[0, c]), x.dtype.type(means[1, c] * stats[1, c])
        xc, dyc, dxc = x[c].reshape(P * L), dy[c].reshape(P * L), dx[c].reshape(P * L)
        if same(dyc, dxc):
            for i in range(P * L):
                dxc[i] = scale * (dxc[i] - shift - (xc[i] - mean) * slope)
        else:
            for i in range(P * L):
                dxc[i] = scale * (dyc[i] - shift - (xc[i] - mean) * slope)
        if n < L:
            for p in range(P):
                dx[c, p, n:] = zero
