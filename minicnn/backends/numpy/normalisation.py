"""Normalisation by the moments of a whole batch: x (C, P, L), what groups tell in rows (3, C), moments, stats, means (2, C)."""

import numpy as np

from ...arrays import Array


def normalized(x: Array, stats: Array) -> Array:
    """x̂ = (x − mean)·inverse deviation."""
    mean, inverse = stats[:, :, None, None]
    found: Array = (x - mean) * inverse
    return found


def channel_moments(x: Array, lanes: Array, row: Array) -> None:
    """row = how many numbers of real lanes a channel has, their mean, and Σ (x − mean)²."""
    real = x[..., : lanes[0]].reshape(len(x), -1).astype(np.float64)
    row[...] = np.full(len(x), real.shape[1]), real.mean(axis=1), real.var(axis=1) * real.shape[1]


def merge_moments(rows: Array, eps: Array, moments: Array, stats: Array) -> None:
    """moments, and stats = mean and 1/√(variance + ε), of all groups."""
    counts, means, squares = rows.transpose(1, 0, 2)
    mean = (counts * means).sum(axis=0) / counts.sum(axis=0)
    moments[...] = mean, (squares + counts * (means - mean) ** 2).sum(axis=0) / counts.sum(axis=0)
    fixed_stats(moments[0], moments[1], eps, stats)


def track_moments(rows: Array, moments: Array, momentum: Array, mean: Array, var: Array, batches: Array) -> None:
    """mean, var += m · (those of the batch, unbiased, − mean, var); m = momentum, or 1/batches where that is negative."""
    batches += 1
    m, count = (np.float64(momentum[0]) if momentum[0] >= 0 else 1 / batches[0]), rows[:, 0].sum(axis=0)
    mean += m * (moments[0] - mean)
    var += m * (moments[1] * count / (count - 1) - var)


def fixed_stats(mean: Array, var: Array, eps: Array, stats: Array) -> None:
    """stats = mean and 1/√(var + ε)."""
    stats[...] = mean, 1 / np.sqrt(var.astype(np.float64) + np.float64(eps[0]))


def normalize(x: Array, stats: Array, W: Array, b: Array, y: Array) -> None:
    """y = W · x̂ + b."""
    y[...] = W[:, None, None] * normalized(x, stats) + b[:, None, None]


def normalize_sums(x: Array, dy: Array, stats: Array, lanes: Array, row: Array) -> None:
    """row = how many numbers of real lanes a channel has, Σ dy, and Σ dy·x̂."""
    dy = dy.astype(np.float64)
    products = dy * normalized(x.astype(np.float64), stats)
    row[...] = np.full(len(x), x.shape[1] * lanes[0]), dy.sum(axis=(1, 2)), products.sum(axis=(1, 2))


def add_sums(row: Array, dW: Array, db: Array) -> None:
    """db += Σ dy and dW += Σ dy·x̂, as ``row`` tells them."""
    db += row[1]
    dW += row[2]


def merge_sums(rows: Array, means: Array) -> None:
    """means = Σ dy and Σ dy·x̂ of all groups over how many numbers there are."""
    means[...] = rows[:, 1:].sum(axis=0) / rows[:, 0].sum(axis=0)


def normalize_dx(x: Array, dy: Array, stats: Array, W: Array, means: Array, lanes: Array, dx: Array) -> None:
    """dx = W/√(variance + ε) · (dy − mean dy − x̂ · mean dy·x̂), 0 in padding lanes."""
    shift, slope = means.astype(dx.dtype)[:, :, None, None]
    dx[...] = (stats[1] * W)[:, None, None] * (dy - shift - normalized(x, stats) * slope)
    dx[..., lanes[0] :] = 0
