"""Linear maps of rows and columns, y[c] = A · x[c] · Bᵀ, by tables of the few numbers in each row of A and of B."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..arrays import Array
from ..backends.kernels import Kernels
from .base import Layer


class Axis(NamedTuple):
    """What each place along one axis of y reads along that of x.

    Attributes:
        taps: (places, reads), the pixels of x; −1 where a place reads fewer.
        weights: (places, reads), what each is multiplied by.
    """

    taps: Array
    weights: Array


def ranges(first: Array, last: Array, weights: Array) -> Axis:
    """Place o reads the pixels from ``first[o]`` up to, not including, ``last[o]``, all with ``weights[o]``.

    >>> ranges(np.array([0, 2]), np.array([2, 3]), np.array([0.5, 1.0])).taps.tolist()
    [[0, 1], [2, -1]]
    """
    taps = first[:, None] + np.arange((last - first).max())
    inside = taps < last[:, None]
    return Axis(np.where(inside, taps, -1), np.where(inside, weights[:, None], 0.0))


def tables(name: str, rows: Axis, columns: Axis) -> dict[str, Array]:
    """Taps, under this name, and ``weights`` as ``k.resample`` takes them: those of rows, and below them those of columns."""
    reads = max(rows.taps.shape[1], columns.taps.shape[1])
    rest = [((0, 0), (0, reads - axis.taps.shape[1])) for axis in (rows, columns)]
    taps = [np.pad(axis.taps, more, constant_values=-1) for axis, more in zip((rows, columns), rest, strict=True)]
    weights = [np.pad(axis.weights, more) for axis, more in zip((rows, columns), rest, strict=True)]
    return {name: np.concatenate(taps), "weights": np.concatenate(weights).astype(np.float64)}


class _Separable(Layer):
    """A layer whose plan gives ``taps`` and ``weights``."""

    def forward(self, k: Kernels, x: Array, y: Array, taps: Array, weights: Array) -> None:
        """y[c] = A · x[c] · Bᵀ."""
        k.resample(x, taps, weights, y)

    def backward(self, k: Kernels, dy: Array, taps: Array, weights: Array, dx: Array | None) -> None:
        """dx[c] = Aᵀ · dy[c] · B."""
        if dx is not None:
            k.resample_dx(dy, taps, weights, dx)

    def curvature(self, k: Kernels, hy: Array, taps: Array, weights2: Array, hx: Array | None) -> None:
        """hx[c] = A²ᵀ · hy[c] · B², by the squares of all elements."""
        self.backward(k, hy, taps, weights2, hx)
