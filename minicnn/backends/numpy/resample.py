"""Linear maps of rows and columns by tables: x (C, H, W, L), y (C, OH, OW, L), taps and weights (OH + OW, reads)."""

from collections.abc import Iterator

import numpy as np

from ...arrays import Array


def reads(taps: Array, weights: Array, tall: int) -> Iterator[tuple[Array, Array, Array, Array, Array]]:
    """For the i-th read of rows and the j-th of columns: the places that have both, the pixels there, and their weights."""
    for i, j in np.ndindex(taps.shape[1], taps.shape[1]):
        oh, ow = np.flatnonzero(taps[:tall, i] >= 0)[:, None], np.flatnonzero(taps[tall:, j] >= 0)
        yield oh, ow, taps[oh, i], taps[tall + ow, j], (weights[oh, i] * weights[tall + ow, j])[..., None]


def resample(x: Array, taps: Array, weights: Array, y: Array) -> None:
    """y[c, oh, ow] = Σ_i Σ_j weights[oh, i] · weights[OH + ow, j] · x[c, taps[oh, i], taps[OH + ow, j]]."""
    y[...] = 0
    for oh, ow, h, w, weight in reads(taps, weights, y.shape[1]):
        y[:, oh, ow] += weight * x[:, h, w]


def resample_dx(dy: Array, taps: Array, weights: Array, dx: Array) -> None:
    """dx = Σ of weight · dy over the places that read the pixel: the adjoint of ``resample``."""
    dx[...] = 0
    for oh, ow, h, w, weight in reads(taps, weights, dy.shape[1]):
        np.add.at(np.moveaxis(dx, 0, 2), (h, w), np.moveaxis(weight * dy[:, oh, ow], 0, 2))
