"""Normalisation of every image by the moments of its groups: x (G, M, P, L), stats (G, 4, L), W and b (G, M)."""

import numpy as np

from ...arrays import Array


def _normalized(x: Array, stats: Array) -> Array:
    """x̂ = (x − mean)/√(variance + ε)."""
    found: Array = (x - stats[:, None, None, 0]) * stats[:, None, None, 1]
    return found


def group_stats(x: Array, eps: Array, stats: Array) -> None:
    """stats = mean and 1/√(variance + ε) over a group's rows and pixels, for each image."""
    stats[:, 0], stats[:, 1] = x.mean(axis=(1, 2)), 1 / np.sqrt(x.var(axis=(1, 2)) + eps[0])


def group_normalize(x: Array, stats: Array, W: Array, b: Array, y: Array) -> None:
    """y = W · x̂ + b."""
    y[...] = _normalized(x, stats) * W[:, :, None, None] + b[:, :, None, None]


def group_norm_dW_add(x: Array, dy: Array, stats: Array, dW: Array) -> None:
    """dW += Σ dy · x̂ over pixels and images."""
    dW += (dy * _normalized(x, stats)).sum(axis=(2, 3))


def group_norm_dx(x: Array, dy: Array, stats: Array, W: Array, dx: Array) -> None:
    """dx = 1/√(variance + ε) · (W·dy − mean W·dy − x̂ · mean W·dy·x̂)."""
    scaled, normal = W[:, :, None, None] * dy, _normalized(x, stats)
    mean, slope = (each.mean(axis=(1, 2), keepdims=True) for each in (scaled, scaled * normal))
    dx[...] = stats[:, None, None, 1] * (scaled - mean - normal * slope)
