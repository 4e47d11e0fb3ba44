"""NumPy forms of ``channel_tile.py``: their definition and oracle, and the code that runs under ``NUMBA_DISABLE_JIT=1``."""

from __future__ import annotations

import numpy as np

from ....arrays import Array
from .tile_numpy import tile_width


def _vectors(a: Array, k: int, m: int, w: int) -> Array:
    """(m, w): m vectors that lie side by side."""
    return a.reshape(-1)[k : k + m * w].reshape(m, w)


def tile_channels(a: Array, k: int, m: int, n: int) -> Array:
    """t[i, j] = a[k + i·w : +w] for i < m, j < n: the same channels for every pixel."""
    return np.repeat(_vectors(a, k, m, tile_width(a))[:, None], n, axis=1)


def tile_spread(t: Array, a: Array, k: int, b: Array, places: Array, offset: int, steps: int) -> Array:
    """t[i, j] += Σ_{s < steps} a[k + (s·m + i)·w : +w] · b[places[j] + offset + s]: filters in the lanes, pixels spread."""
    m, _, w = t.shape
    for s in range(steps):
        t = t + _vectors(a, k + s * m * w, m, w)[:, None] * b.reshape(-1)[np.asarray(places) + offset + s][:, None]
    return t


def tile_row_beside(t: Array, a: Array, k: int, b: Array, at: int, depth: int, taps: int, stride: int, dilation: int) -> Array:
    """t[0, j] += Σ_{i < taps} a[k + i·depth : +w] · b[at + (j·stride + i·dilation)·depth : +w], channel by channel."""
    _, n, w = t.shape
    for i in range(taps):
        pixels = [_vectors(b, at + (j * stride + i * dilation) * depth, 1, w) for j in range(n)]
        t = t + _vectors(a, k + i * depth, 1, w)[:, None] * np.stack(pixels, axis=1)
    return t


def tile_walk(n: int, down: int, across: int, width: int, row: int, step: int) -> Array:
    """(down + (across + j) // width) · row + (across + j) % width · step for j < n, where across < width."""
    columns = across + np.arange(n)
    return (down + columns // width) * row + columns % width * step


def tile_listed(n: int, a: Array, i: int) -> Array:
    """a[i + j] for j < n: offsets that were listed."""
    return a[i : i + n]


def tile_larger(t: Array, s: Array) -> Array:
    """max(t[i, j], s[i, j]), where NaN is larger than all."""
    return np.where((s > t) | np.isnan(s), s, t)
