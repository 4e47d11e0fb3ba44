"""Normalisation of every image by the moments of its groups.

Legend: x, y, dy, dx (G, M, P, L), G groups of M rows of P pixels, of which each row has its own W and b (G, M); stats (G, 4, L)
mean and 1/√(variance + ε) of each group and image, and the means of W·dy and W·dy·x̂; x̂ = (x − mean)/√(variance + ε).
"""

from __future__ import annotations

import math

import numpy as np

from ....arrays import Array
from ..compile.jit import kernel


@kernel
def group_stats(x: Array, eps: Array, stats: Array) -> None:
    """stats = mean and 1/√(variance + ε) over a group's rows and pixels, for each image."""
    G, M, P, L = x.shape
    zero, each = x.dtype.type(0), x.dtype.type(1 / (M * P))
    for g in range(G):
        rows, mean, other = x[g].reshape(M * P, L), stats[g, 0], stats[g, 1]
        for lane in range(L):
            mean[lane] = zero
            other[lane] = zero
        for i in range(M * P):
            for lane in range(L):
                mean[lane] += rows[i, lane]
        for lane in range(L):
            mean[lane] *= each
        for i in range(M * P):
            for lane in range(L):
                d = rows[i, lane] - mean[lane]
                other[lane] += d * d
        for lane in range(L):
            other[lane] = 1 / math.sqrt(np.float64(other[lane]) / (M * P) + np.float64(eps[0]))


@kernel
def group_normalize(x: Array, stats: Array, W: Array, b: Array, y: Array) -> None:
    """y = W · x̂ + b."""
    G, M, P, L = x.shape
    for g in range(G):
        for m in range(M):
            for p in range(P):
                for lane in range(L):
                    y[g, m, p, lane] = (x[g, m, p, lane] - stats[g, 0, lane]) * stats[g, 1, lane] * W[g, m] + b[g, m]


@kernel
def group_norm_dW_add(x: Array, dy: Array, stats: Array, dW: Array) -> None:
    """dW += Σ dy · x̂ over pixels and images."""
    G, M, P, L = x.shape
    for g in range(G):
        for m in range(M):
            total = x.dtype.type(0)
            for p in range(P):
                for lane in range(L):
                    total += dy[g, m, p, lane] * ((x[g, m, p, lane] - stats[g, 0, lane]) * stats[g, 1, lane])
            dW[g, m] += total


@kernel
def group_norm_dx(x: Array, dy: Array, stats: Array, W: Array, dx: Array) -> None:
    """dx = 1/√(variance + ε) · (W·dy − mean W·dy − x̂ · mean W·dy·x̂), by way of stats[:, 2:]."""
    G, M, P, L = x.shape
    zero, each = x.dtype.type(0), x.dtype.type(1 / (M * P))
    for g in range(G):
        mean, inverse, shift, slope = stats[g, 0], stats[g, 1], stats[g, 2], stats[g, 3]
        for lane in range(L):
            shift[lane] = zero
            slope[lane] = zero
        for m in range(M):
            for p in range(P):
                for lane in range(L):
                    value = W[g, m] * dy[g, m, p, lane]
                    shift[lane] += value
                    slope[lane] += value * ((x[g, m, p, lane] - mean[lane]) * inverse[lane])
        for lane in range(L):
            shift[lane] *= each
            slope[lane] *= each * inverse[lane]
        for m in range(M):
            for p in range(P):
                for lane in range(L):
                    value = W[g, m] * dy[g, m, p, lane] - shift[lane] - (x[g, m, p, lane] - mean[lane]) * slope[lane]
                    dx[g, m, p, lane] = inverse[lane] * value
