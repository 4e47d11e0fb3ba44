"""NumPy forms of the tile functions for one image: their definition, and the code that runs under ``NUMBA_DISABLE_JIT=1``.

A tile is an array (m, n, w), a column of vectors (n, 1, w). An array is addressed as if it were flat.
"""

from __future__ import annotations

import numpy as np

from ....arrays import Array
from .tile_numpy import _clamped, _flat, tile_width


def _read(b: Array, places: Array, on: Array) -> Array:
    """b at the given places where ``on``, zeros elsewhere, as a column of vectors."""
    return np.where(on, _flat(b)[np.where(on, places, 0)], b.dtype.type(0))[:, None]


def _pixels(
    n: int, w: int, bi: int, y: int, ystep: int, height: int, x: int, step: int, width: int, high: int
) -> tuple[Array, Array]:
    """Offsets of the pixels (y + j·ystep, x + k·step) of a map at bi, and which lie on it, for k < high; each (n, w)."""
    k = np.arange(w)
    rows, columns = (y + ystep * np.arange(n))[:, None], x + step * k
    on = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width) & (k < high)
    return bi + rows * width + columns, on


def tile_rows(n: int, b: Array, bi: int, bstep: int, rows: int, step: int, high: int) -> Array:
    """v[j][k] = b[bi + min(j, rows − 1)·bstep + k·step] for j < n and k < high, else 0: rows past the last repeat it."""
    k = np.arange(tile_width(b))
    places = bi + bstep * _clamped(n, rows)[:, None] + step * k
    return _read(b, places, np.broadcast_to(k < high, places.shape))


def tile_listed(n: int, b: Array, bi: int, bstep: int, at: Array, ai: int, rows: int, high: int) -> Array:
    """v[j][k] = b[bi + at[ai + min(j, rows − 1)]·bstep + k] for j < n and k < high, zero elsewhere: rows from a list."""
    k = np.arange(tile_width(b))
    places = bi + bstep * at[ai + _clamped(n, rows)][:, None] + k
    return _read(b, places, np.broadcast_to(k < high, places.shape))


def tile_window(n: int, b: Array, bi: int, y: int, ystep: int, height: int, x: int, step: int, width: int, high: int) -> Array:
    """v[j][k] = the pixel (y + j·ystep, x + k·step) of the map of height × width at b[bi], for k < high; zero off the map."""
    return _read(b, *_pixels(n, tile_width(b), bi, y, ystep, height, x, step, width, high))


def tile_columns(
    n: int, b: Array, bi: int, bstep: int, rows: int, x: int, xstep: int, step: int, width: int, high: int
) -> Array:
    """``tile_rows``, zero also where row j's column x + min(j, rows − 1)·xstep + k·step is off a row of ``width`` pixels."""
    k, j = np.arange(tile_width(b)), _clamped(n, rows)[:, None]
    columns = x + xstep * j + step * k
    return _read(b, bi + bstep * j + step * k, (columns >= 0) & (columns < width) & (k < high))


def tile_scale(t: Array, a: Array, ai: int, astep: int, rows: int, v: Array) -> Array:
    """t[i, j] += a[ai + min(i, rows − 1)·astep] · v[j]: rows past the last repeat it, and are not stored."""
    return t + _flat(a)[ai + astep * _clamped(len(t), rows)][:, None, None] * v[None, :, 0]


def tile_taps(t: Array, a: Array, ai: int, astep: int, taps: int, v: Array) -> Array:
    """t[i, 0] += Σ_{k < taps} a[ai + k·astep] · v[i + k]: taps below each other over m + taps − 1 rows."""
    return t + sum(_flat(a)[ai + k * astep] * v[k : k + len(t)] for k in range(taps))


def tile_spread_taps(t: Array, a: Array, ai: int, astep: int, taps: int, v: Array) -> Array:
    """t[i + k, 0] += a[ai + k·astep] · v[i] for k < taps: the adjoint of tile_taps."""
    total = t.copy()
    for k in range(taps):
        total[k : k + len(v)] += _flat(a)[ai + k * astep] * v
    return total


def tile_products(t: Array, u: Array, v: Array) -> Array:
    """t[i, j] += u[i] · v[j], elementwise."""
    return t + u * v[None, :, 0]


def tile_plus(t: Array, s: float, v: Array) -> Array:
    """t[i, 0] += s · v[i]."""
    return t + s * v


def tile_store_rows(t: Array, c: Array, ci: int, istep: int, rows: int, jstep: int, columns: int, high: int) -> None:
    """c[ci + i·istep + j·jstep + k] = t[i, j][k] for i < rows, j < columns, k < high."""
    flat, count = _flat(c), max(0, min(high, t.shape[2]))
    for i in range(min(rows, t.shape[0])):
        for j in range(min(columns, t.shape[1])):
            start = ci + i * istep + j * jstep
            flat[start : start + count] = t[i, j, :count]


def tile_add_window(
    t: Array, c: Array, ci: int, y: int, ystep: int, height: int, x: int, step: int, width: int, high: int
) -> None:
    """The pixel (y + i·ystep, x + k·step) of the map of height × width at c[ci] += t[i, 0][k], for k < high, if it is on it."""
    places, on = _pixels(len(t), t.shape[2], ci, y, ystep, height, x, step, width, high)
    _flat(c)[places[on]] += t[:, 0][on]


def tile_fold_add(t: Array, c: Array, ci: int, istep: int, rows: int, columns: int) -> None:
    """c[ci + i·istep + j] += Σ_k t[i, j][k] for i < rows, j < columns."""
    tile_fold_add_listed(t, c, ci, istep, np.arange(len(t)), 0, rows, columns)


def tile_fold_add_listed(t: Array, c: Array, ci: int, istep: int, at: Array, ai: int, rows: int, columns: int) -> None:
    """c[ci + at[ai + i]·istep + j] += Σ_k t[i, j][k] for i < rows, j < columns: rows from a list."""
    flat, count = _flat(c), min(columns, t.shape[1])
    for i in range(min(rows, len(t))):
        start = ci + at[ai + i] * istep
        flat[start : start + count] += t[i, :count].sum(axis=1)


def tile_repeat(n: int, times: int, b: Array, bi: int, bstep: int, rows: int, high: int) -> Array:
    """v[j][k] = b[bi + min(j, rows − 1)·bstep + k // times] for j < n and k < high."""
    k = np.arange(tile_width(b))
    places = bi + bstep * _clamped(n, rows)[:, None] + k // times
    return _read(b, places, np.broadcast_to(k < high, places.shape))


def tile_keep(v: Array, times: int, b: Array, bi: int, bstep: int, rows: int, number: int, high: int) -> Array:
    """v[j][k] where b[bi + min(j, rows − 1)·bstep + k // times] = number + k mod times, zero elsewhere, for k < high."""
    k = np.arange(v.shape[2])
    places = bi + bstep * _clamped(len(v), rows)[:, None] + k // times
    on = np.broadcast_to(k < high, places.shape)
    won = _flat(b)[np.where(on, places, bi)] == number + k % times
    return np.where((won & on)[:, None], v, v.dtype.type(0))


def tile_lowest(like: Array, m: int) -> Array:
    """The initial tile of m rows: t[i, 0] = −∞, the running maximum, and t[i, 1] = −1, the tap it came from."""
    pair = np.array([-np.inf, -1], like.dtype)
    return np.broadcast_to(pair[None, :, None], (m, 2, tile_width(like))).copy()


def tile_beat(
    t: Array, v: Array, number: int, y: int, ystep: int, height: int, x: int, step: int, width: int, high: int
) -> Array:
    """t[i, 0], t[i, 1] = v[i], number where v[i] is larger, NaN or the first, at the pixels that ``tile_window`` reads."""
    _, on = _pixels(len(t), t.shape[2], 0, y, ystep, height, x, step, width, high)
    wins = on & ((v[:, 0] > t[:, 0]) | (t[:, 1] < 0) | np.isnan(v[:, 0]))
    return np.where(wins[:, None], np.stack([v[:, 0], np.full_like(v[:, 0], number)], axis=1), t)


def tile_store_taps(t: Array, c: Array, ci: int, istep: int, rows: int, high: int) -> None:
    """c[ci + i·istep + k] = t[i, 1][k] as an integer, for i < rows and k < high."""
    tile_store_rows(t[:, 1:], c, ci, istep, rows, 0, 1, high)
