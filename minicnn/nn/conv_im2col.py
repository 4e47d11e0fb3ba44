"""Convolution as the textbooks write it: im2col and a matrix product.

The columns of a few output rows at a time are kept, so that the buffer stays small whatever the map.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np

from ..arrays import Array, Shape
from ..backends.kernels import Kernels
from .base import Buffer
from .views import groups_of, maps
from .window import Pair, Window

COLUMNS = 1 << 14
"""About how many numbers an image's columns may hold at a time."""


def buffers(shape: Shape, in_shape: Shape, out: Pair, window: Window, groups: int) -> dict[str, Any]:
    """Room for the columns of as many output rows as fit into ``COLUMNS``, at least one."""
    row = prod(shape[1:]) * out[1]
    height = min(out[0], max(1, COLUMNS // row))
    return {"work": {"cols": Buffer((*shape[1:], height, out[1]))}}


def forward(k: Kernels, x: Array, y: Array, W: Array, b: Array, window: Array, cols: Array, groups: int) -> None:
    """y = W cols + b."""
    for xs, ys, ws, bs in groups_of(groups, x, y, W, b):
        for row, part, out in _chunks(cols, ys):
            k.im2col(xs, window, row, part)
            k.gemm_bias(maps(ws), part.reshape(prod(part.shape[:3]), -1), bs, out)


def backward(
    k: Kernels, x: Array, dy: Array, W: Array, window: Array, dx: Array | None, dW: Array, cols: Array, groups: int
) -> None:
    """dW += dy colsᵀ and dcols = Wᵀ dy, dx = col2im(dcols)."""
    for xs, dys, dws in groups_of(groups, x, dy, dW):
        for row, part, dout in _chunks(cols, dys):
            k.im2col(xs, window, row, part)
            k.gemm_nt_add(dout, part.reshape(prod(part.shape[:3]), -1), maps(dws))
    if dx is None:
        return
    for dxs, dys, ws in groups_of(groups, dx, dy, W):
        k.zero(dxs)
        for row, part, dout in _chunks(cols, dys):
            k.gemm_tn(maps(ws), dout, part.reshape(prod(part.shape[:3]), -1))
            k.col2im_add(part, window, row, dxs)


def _chunks(cols: Array, y: Array) -> Iterator[tuple[Array, Array, Array]]:
    """For a few output rows at a time: the first row, room for their columns, and their part of y as (F, P)."""
    height, lanes = cols.shape[3], cols.shape[5]
    for first in range(0, y.shape[1], height):
        count = min(height, y.shape[1] - first)
        shape = (*cols.shape[:3], count, *cols.shape[4:])
        part = cols.reshape(-1)[: prod(shape)].reshape(shape)
        start = first * y.shape[2] * lanes
        yield np.array([first]), part, maps(y)[:, start : start + count * y.shape[2] * lanes]
