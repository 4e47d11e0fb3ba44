"""Pools over windows: x (C, H, W, L), y (C, OH, OW, L)."""

import numpy as np

from ...arrays import Array, Shape
from .layout import taps


def window_sums(x: Array, window: Array, places: Shape) -> Array:
    """Σ of x over every window; pixels outside the map count as zeros."""
    total = np.zeros((len(x), *places, x.shape[3]), x.dtype)
    for _, _, at, pixels in taps(window, x.shape[1:3], places):
        total[at] += x[pixels]
    return total


def window_sums_dx(dy: Array, window: Array, dx: Array) -> None:
    """dx = Σ of dy over the windows that the pixel is in: the adjoint of ``window_sums``."""
    dx[...] = 0
    for _, _, at, pixels in taps(window, dx.shape[1:3], dy.shape[1:3]):
        dx[pixels] += dy[at]


def subsample(x: Array, coef: Array, b: Array, window: Array, y: Array) -> None:
    """y[c] = coef[c] · Σ window + b[c]."""
    y[...] = coef[:, None, None, None] * window_sums(x, window, y.shape[1:3]) + b[:, None, None, None]


def subsample_dx(dy: Array, coef: Array, window: Array, dx: Array) -> None:
    """dx = coef[c] · dy at every pixel of the window."""
    window_sums_dx(coef[:, None, None, None] * dy, window, dx)


def subsample_dcoef_add(x: Array, dy: Array, window: Array, dcoef: Array) -> None:
    """dcoef[c] += Σ dy · Σ window."""
    dcoef += (dy * window_sums(x, window, dy.shape[1:3])).sum(axis=(1, 2, 3))


def avg_pool(x: Array, window: Array, y: Array) -> None:
    """y = Σ window / (KH·KW)."""
    y[...] = window_sums(x, window, y.shape[1:3]) / float(window[0] * window[1])


def avg_pool_dx(dy: Array, window: Array, dx: Array) -> None:
    """dx = Σ over the windows at the pixel of dy / (KH·KW)."""
    window_sums_dx(dy / float(window[0] * window[1]), window, dx)


def max_pool(x: Array, window: Array, y: Array, argmax: Array) -> None:
    """y = max of the window, argmax = kh·KW + kw of the winner: the first of equals; NaN wins."""
    y[...], argmax[...] = -np.inf, -1
    for i, j, at, pixels in taps(window, x.shape[1:3], y.shape[1:3]):
        wins = (x[pixels] > y[at]) | np.isnan(x[pixels]) | (argmax[at] < 0)
        y[at] = np.where(wins, x[pixels], y[at])
        argmax[at] = np.where(wins, i * window[1] + j, argmax[at])


def max_pool_dx(dy: Array, argmax: Array, window: Array, dx: Array) -> None:
    """dx = Σ of dy over the windows that the pixel won."""
    dx[...] = 0
    for i, j, at, pixels in taps(window, dx.shape[1:3], dy.shape[1:3]):
        dx[pixels] += np.where(argmax[at] == i * window[1] + j, dy[at], 0)


def max_pool_take(x: Array, argmax: Array, window: Array, y: Array) -> None:
    """y = the pixel of x that won the window, 0 where none did."""
    y[...] = 0
    for i, j, at, pixels in taps(window, x.shape[1:3], y.shape[1:3]):
        y[at] = np.where(argmax[at] == i * window[1] + j, x[pixels], y[at])


def axes(taps: Array, weights: Array, tall: int, size: Shape) -> tuple[Array, Array]:
    """The matrices A (OH, H) and B (OW, W) of the tables."""
    both = np.zeros((len(taps), max(size) + 1), weights.dtype)  # its last column takes what taps of −1 give
    np.add.at(both, (np.arange(len(taps))[:, None], taps), weights)
    return both[:tall, : size[0]], both[tall:, : size[1]]


def resample(x: Array, taps: Array, weights: Array, y: Array) -> None:
    """y[c] = A · x[c] · Bᵀ."""
    y[...] = np.einsum("oh,pw,chwl->copl", *axes(taps, weights, y.shape[1], x.shape[1:3]), x, optimize=True)


def resample_dx(dy: Array, taps: Array, weights: Array, dx: Array) -> None:
    """dx[c] = Aᵀ · dy[c] · B."""
    dx[...] = np.einsum("oh,pw,copl->chwl", *axes(taps, weights, dy.shape[1], dx.shape[1:3]), dy, optimize=True)
