"""NumPy forms of ``tap_tile.py``: their definition and oracle, and the code that runs under ``NUMBA_DISABLE_JIT=1``."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ....arrays import Array
from ..compile.host import OUTSIDE
from .tile_numpy import tile_width


def _vector(a: Array, at: int) -> Array:
    """a[at : +w]."""
    return a.reshape(-1)[at : at + tile_width(a)]


def tile_weights(a: Array, k: int, m: int, n: int) -> Array:
    """u[i, j] = a[k + i·n + j] in every lane."""
    return np.repeat(a.reshape(-1)[k : k + m * n], tile_width(a)).reshape(m, n, -1)


def tile_pixels(a: Array, at: int, step: int, m: int) -> Array:
    """t[j, 0] = a[at + j·step : +w] for j < m."""
    return np.stack([_vector(a, at + j * step) for j in range(m)])[:, None]


def tile_lines(m: int, first: int, sign: int, stride: int, height: int, size: int) -> Array:
    """(first + sign·i) / stride · size for i < m, where that divides and is a row below ``height``; else OUTSIDE."""
    line, rest = np.divmod(first + sign * np.arange(m), stride)
    return np.where((rest == 0) & (line >= 0) & (line < height), line * size, OUTSIDE)


def _meetings(
    u: Array, m: int, x: Array, lines: Array, at: int, step: int, first: int, across: int, along: int, low: int, high: int
) -> Iterator[tuple[int, int, int, Array]]:
    """(i, tap, j, vector of x) wherever a pixel q meets a tap at place j: tap = first + across·q + along·j."""
    for i, line in enumerate(lines):
        for q in range(low, high) if line != OUTSIDE else ():
            for j in range(m):
                tap = first + across * q + along * j
                if 0 <= tap < u.shape[1]:
                    yield i, tap, j, _vector(x, line + at + q * step)


def tile_filter(
    t: Array, u: Array, x: Array, lines: Array, at: int, step: int, first: int, across: int, along: int, low: int, high: int
) -> Array:
    """t[j, 0] += Σ_i Σ_q u[i, tap] · x[lines[i] + at + q·step : +w] over the rows and pixels on the map that meet a tap."""
    total = t.copy()
    for i, tap, j, pixel in _meetings(u, len(t), x, lines, at, step, first, across, along, low, high):
        total[j, 0] += u[i, tap] * pixel
    return total


def tile_filter_dot(
    u: Array, d: Array, x: Array, lines: Array, at: int, step: int, first: int, across: int, along: int, low: int, high: int
) -> Array:
    """u[i, tap] += Σ_j Σ_q d[j, 0] · x[lines[i] + at + q·step : +w], lane by lane: the adjoint of tile_filter in u."""
    total = u.copy()
    for i, tap, j, pixel in _meetings(u, len(d), x, lines, at, step, first, across, along, low, high):
        total[i, tap] += d[j, 0] * pixel
    return total
