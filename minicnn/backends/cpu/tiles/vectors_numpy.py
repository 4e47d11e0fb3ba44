"""NumPy forms of ``vectors.py``: their definition and oracle, and the code that runs under ``NUMBA_DISABLE_JIT=1``."""

from __future__ import annotations

import numpy as np

from ....arrays import Array
from ..compile.host import OUTSIDE
from .activation import activate_dx
from .tile_numpy import tile_width


def vector_load(a: Array, i: int) -> Array:
    """a[i : i + w]."""
    return a.reshape(-1)[i : i + tile_width(a)].reshape(1, 1, -1).copy()


def vector_inside(a: Array, place: int, offset: int) -> Array:
    """a[place + offset : +w], zeros if the place is OUTSIDE."""
    return vector_load(a, place + offset) if place != OUTSIDE else np.zeros((1, 1, tile_width(a)), a.dtype)


def vector_of(a: Array, i: int) -> Array:
    """a[i] in every lane."""
    return np.full((1, 1, tile_width(a)), a.reshape(-1)[i])


def vector_all(like: Array, value: float) -> Array:
    """A number in every lane, in the dtype of ``like``."""
    return np.full((1, 1, tile_width(like)), value, like.dtype)


def vector_wide(t: Array) -> Array:
    """The numbers of a vector in float64: two vectors, or itself."""
    return t if t.dtype == np.float64 else t.astype(np.float64).reshape(1, 2, -1)


def vector_slope(kind: int, y: Array, dy: Array) -> Array:
    """f'(a) dy for y = f(a), where f is the activation function with this number."""
    pairs = zip(y.reshape(-1), dy.reshape(-1), strict=True)
    return np.array([activate_dx(kind, *pair) for pair in pairs], dy.dtype).reshape(dy.shape)


def vector_finite(t: Array) -> bool:
    """Whether all lanes are finite."""
    return bool(np.isfinite(t).all())


def vector_mended(t: Array, s: Array) -> Array:
    """t where it is finite, else s."""
    return np.where(np.isfinite(t), t, s)


def vector_winner(t: Array, a: Array, b: Array, c: Array, argmax: Array, i: int) -> Array:
    """The largest of t, a, b, c (the first of equals, NaN before all); argmax[i : i + w] = its number, from 0."""
    best, at = t, np.zeros(t.shape, argmax.dtype)
    for number, value in enumerate((a, b, c), 1):
        wins = (value > best) | np.isnan(value)
        best, at = np.where(wins, value, best), np.where(wins, argmax.dtype.type(number), at)
    argmax.reshape(-1)[i : i + t.shape[2]] = at.reshape(-1)
    return best


def vector_lowest(like: Array, number: int) -> Array:
    """t[0, 0] = −∞, the largest so far, and t[0, 1] the number of the tap that it came from, in float64, which holds it."""
    start: Array = np.repeat(np.array([[[-np.inf], [number]]]), tile_width(like), axis=2)
    return start


def vector_better(t: Array, a: Array, i: int, number: int) -> Array:
    """t[0, 0], t[0, 1] = a[i : i + w], number where that is larger or NaN."""
    value = a.reshape(-1)[i : i + t.shape[2]]
    wins = (value > t[0, 0]) | np.isnan(value)
    return np.where(wins, np.stack([value, np.full(value.shape, float(number))]), t[0])[None]


def vector_put_best(t: Array, c: Array, argmax: Array, i: int) -> None:
    """c[i : i + w] = t[0, 0], argmax[i : i + w] = the numbers in t[0, 1]."""
    c.reshape(-1)[i : i + t.shape[2]], argmax.reshape(-1)[i : i + t.shape[2]] = t[0]


def vector_won(t: Array, argmax: Array, i: int, number: int) -> Array:
    """t where argmax[i : i + w] is this number, else 0."""
    w = t.shape[2]
    return np.where(argmax.reshape(-1)[i : i + w] == number, t, t.dtype.type(0))
