"""NumPy forms of the tile functions: their definition and oracle, and the code that runs under ``NUMBA_DISABLE_JIT=1``.

A tile is an array (m, n, w) here. The functions return the changed tile, as the compiled ones do.
"""

from __future__ import annotations

import numpy as np

from ....arrays import Array
from ..compile.host import OUTSIDE, PIXELS
from ..compile.narrow import vector_bytes_here
from .activation import activate


def tile_width(like: Array) -> int:
    """The number w of elements in a vector, for the dtype of ``like``."""
    return vector_bytes_here() // like.itemsize


def tile_zeros(like: Array, m: int, n: int) -> Array:
    """A tile of m × n vectors, all zeros."""
    return np.zeros((m, n, tile_width(like)), like.dtype)


def _vectors(array: Array, starts: Array, w: int) -> Array:
    """(*starts.shape, w): the vectors of w numbers that begin at ``starts``."""
    return _flat(array)[starts[..., None] + np.arange(w)]


def _flat(array: Array) -> Array:
    """The array's memory as one vector, even if its rows are strided."""
    if array.flags.c_contiguous:
        return array.reshape(-1)
    reach = 1 + sum(
        (extent - 1) * (stride // array.itemsize) for extent, stride in zip(array.shape, array.strides, strict=True)
    )
    return np.lib.stride_tricks.as_strided(array, (reach,), (array.itemsize,))


def tile_outer(t: Array, a: Array, ai: int, astep: int, rows: int, b: Array, bi: int) -> Array:
    """t[i, j] += a[ai + min(i, rows − 1)·astep] · b[bi + j·w : +w]: rows past the last repeat it, and are not stored."""
    m, n, w = t.shape
    weights = _flat(a)[ai + astep * _clamped(m, rows)]
    return t + weights[:, None, None] * _vectors(b, bi + w * np.arange(n), w)


def _clamped(size: int, count: int) -> Array:
    """min(i, count − 1) for i < size."""
    return np.minimum(np.arange(size), count - 1)


def tile_places(n: int, p: int, width: int, row: int, step: int) -> Array:
    """(p + j) // width · row + (p + j) % width · step for j < n: the offsets of n pixels in row-major order."""
    places = p + np.arange(n)
    return places // width * row + places % width * step


def tile_group_columns(n: int, v: int, count: int, parts: int, apart: int, width: int) -> Array:
    """For j < n, with u = min(v + j, count − 1): u // parts · apart + u % parts · width, the offsets of n vectors."""
    vectors = np.minimum(v + np.arange(n), count - 1)
    return vectors // parts * apart + vectors % parts * width


def tile_inside(ys: Array, xs: Array, top: int, left: int, height: int, width: int, step: int) -> Array:
    """((ys[j] + top)·width + xs[j] + left)·step if that is a pixel of a map of height × width, else OUTSIDE."""
    y, x = ys + top, xs + left
    return np.where((y >= 0) & (y < height) & (x >= 0) & (x < width), (y * width + x) * step, OUTSIDE)


def _inside(b: Array, places: Array, offset: int, w: int) -> Array:
    """The vectors at places + offset, zeros if a place is OUTSIDE."""
    on = places != OUTSIDE
    return np.where(on[:, None], _vectors(b, np.where(on, places + offset, 0), w), b.dtype.type(0))


def tile_multiply(t: Array, a: Array, ai: int, b: Array, places: Array, offset: int) -> Array:
    """t[i, j] += a[ai + i] · b[places[j] + offset : +w]."""
    m, _, w = t.shape
    return t + _flat(a)[ai : ai + m][:, None, None] * _vectors(b, places + offset, w)


def tile_multiply_rows(t: Array, a: Array, ai: int, astep: int, rows: int, b: Array, places: Array, offset: int) -> Array:
    """t[i, j] += a[ai + min(i, rows − 1)·astep] · b[places[j] + offset : +w]."""
    m, _, w = t.shape
    weights = _flat(a)[ai + astep * _clamped(m, rows)]
    return t + weights[:, None, None] * _vectors(b, places + offset, w)


def tile_multiply_inside(t: Array, a: Array, ai: int, b: Array, places: Array, offset: int) -> Array:
    """``tile_multiply`` where a place that is OUTSIDE holds zeros."""
    m, _, w = t.shape
    return t + _flat(a)[ai : ai + m][:, None, None] * _inside(b, places, offset, w)


def tile_transposed(a: Array, ai: int, astep: int, rows: int) -> Array:
    """t[i, 0][k] = a[ai + min(k, rows − 1)·astep + i] for i, k < w."""
    w = tile_width(a)
    return _vectors(a, ai + astep * _clamped(w, rows), w).T[:, None].copy()


def tile_correlate(t: Array, a: Array, ai: int, taps: int, b: Array, bi: int, step: int) -> Array:
    """t[i, 0] += Σ_{k < taps} a[ai + k] · b[bi + (i + k)·step : +w]: a row of taps over a row of m + taps − 1 pixels."""
    m, _, w = t.shape
    places = np.arange(m)[:, None] + np.arange(taps)
    return t + np.einsum("k,ikw->iw", _flat(a)[ai : ai + taps], _vectors(b, bi + places * step, w))[:, None]


def tile_convolve(t: Array, a: Array, ai: int, taps: int, b: Array, bi: int, step: int) -> Array:
    """t[i + k, 0] += a[ai + k] · b[bi + i·step : +w] for k < taps, i < m − taps + 1: the adjoint of tile_correlate."""
    m, _, w = t.shape
    pixels = _vectors(b, bi + step * np.arange(m - taps + 1), w)
    total = t.copy()
    for k in range(taps):
        total[k : k + len(pixels), 0] += _flat(a)[ai + k] * pixels
    return total


def tile_dot(t: Array, a: Array, ai: int, astep: int, rows: int, b: Array, bi: int, bstep: int, cols: int) -> Array:
    """t[i, j] += a[ai + min(i, rows − 1)·astep : +w] · b[bi + min(j, cols − 1)·bstep : +w], lane by lane."""
    m, n, w = t.shape
    left = _vectors(a, ai + astep * _clamped(m, rows), w)
    right = _vectors(b, bi + bstep * _clamped(n, cols), w)
    return t + left[:, None] * right[None]


def tile_dot_inside(
    t: Array, a: Array, ai: int, astep: int, rows: int, b: Array, bi: int, bstep: int, cols: int, x: int, xstep: int, width: int
) -> Array:
    """``tile_dot`` where a vector of b counts only if 0 ≤ x + min(j, cols − 1)·xstep < width, and is zeros elsewhere."""
    m, n, w = t.shape
    column, at = x + xstep * _clamped(n, cols), bi + bstep * _clamped(n, cols)
    right = _inside(b, np.where((column >= 0) & (column < width), at, OUTSIDE), 0, w)
    return t + _vectors(a, ai + astep * _clamped(m, rows), w)[:, None] * right


def tile_dot_rows(
    t: Array, a: Array, ai: int, astep: int, at: Array, k: int, rows: int, b: Array, bi: int, bstep: int, cols: int
) -> Array:
    """t[i, j] += a[ai + at[k + min(i, rows − 1)]·astep : +w] · b[bi + min(j, cols − 1)·bstep : +w]: rows from a list."""
    m, n, w = t.shape
    left = _vectors(a, ai + astep * at[k + _clamped(m, rows)], w)
    right = _vectors(b, bi + bstep * _clamped(n, cols), w)
    return t + left[:, None] * right[None]


def tile_bias(t: Array, b: Array, bi: int, rows: int) -> Array:
    """t[i, j] += b[bi + min(i, rows − 1)] in every lane."""
    return t + _flat(b)[bi + _clamped(len(t), rows)][:, None, None]


def tile_activation(t: Array, kind: int) -> Array:
    """t[i, j] = f(t[i, j]), where f is the activation function with this number."""
    return np.array([activate(kind, x) for x in t.reshape(-1)], t.dtype).reshape(t.shape)


def tile_store(t: Array, c: Array, ci: int, cstep: int, rows: int) -> None:
    """c[ci + i·cstep + j·w : +w] = t[i, j] for i < rows."""
    flat = _flat(c)
    for i in range(min(rows, len(t))):
        flat[ci + i * cstep : ci + i * cstep + t[i].size] = t[i].reshape(-1)


def tile_put(t: Array, c: Array, ci: int, rstep: int, rows: int, places: Array) -> None:
    """c[ci + i·rstep + places[j] : +w] = t[i, j] for i < rows."""
    flat, w = _flat(c), t.shape[2]
    for i in range(min(rows, len(t))):
        for j, place in enumerate(places):
            flat[ci + i * rstep + place : ci + i * rstep + place + w] = t[i, j]


def tile_get(t: Array, c: Array, ci: int, rstep: int, rows: int, places: Array) -> Array:
    """t[i, j] = c[ci + min(i, rows − 1)·rstep + places[j] : +w]."""
    return _vectors(c, ci + rstep * _clamped(len(t), rows)[:, None] + places, t.shape[2])


def tile_sum(t: Array, u: Array) -> Array:
    """t + u."""
    return t + u


def tile_sum_add(t: Array, c: Array, ci: int, rstep: int, rows: int, cstep: int, cols: int) -> None:
    """c[ci + i·rstep + j·cstep] += Σ over the lanes of t[i, j], for i < rows, j < cols."""
    flat = _flat(c)
    for i in range(min(rows, t.shape[0])):
        for j in range(min(cols, t.shape[1])):
            flat[ci + i * rstep + j * cstep] += t[i, j].sum()


def tile_sum_add_rows(t: Array, c: Array, ci: int, rstep: int, at: Array, k: int, rows: int, cols: int) -> None:
    """c[ci + at[k + i]·rstep + j] += Σ over the lanes of t[i, j], for i < rows, j < cols: rows from a list."""
    flat = _flat(c)
    for i in range(min(rows, t.shape[0])):
        for j in range(min(cols, t.shape[1])):
            flat[ci + at[k + i] * rstep + j] += t[i, j].sum()


def tile_set(t: Array, c: Array, ci: int, cstep: int, rows: int, cols: int) -> None:
    """c[ci + i·cstep + j·w : +w] = t[i, j] for i < rows, for columns below ``cols`` only."""
    flat = _flat(c)
    for i in range(min(rows, t.shape[0])):
        row = t[i].reshape(-1)[: max(0, cols)]
        flat[ci + i * cstep : ci + i * cstep + row.size] = row


def tile_add(t: Array, c: Array, ci: int, cstep: int, rows: int, cols: int) -> None:
    """c[ci + i·cstep + j·w : +w] += t[i, j] for i < rows, for columns below ``cols`` only."""
    flat = _flat(c)
    for i in range(min(rows, t.shape[0])):
        row = t[i].reshape(-1)[: max(0, cols)]
        flat[ci + i * cstep : ci + i * cstep + row.size] += row


def tile_grey(images: Array, index: Array, lane: int, at: int, affine: Array) -> Array:
    """t[p, 0] = affine[0] · images[index[lane : +w], at + p] + affine[1] for 16 pixels p, images (N, pixels) of bytes."""
    w = tile_width(affine)
    levels = images[index[lane : lane + w], at : at + PIXELS].astype(affine.dtype)
    return (levels.T * affine[0] + affine[1])[:, None]
