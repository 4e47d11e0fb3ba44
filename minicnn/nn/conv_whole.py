"""Convolution whose window is the whole map, as LeNet-5's C5: x as a vector is the one column, so it is a matrix product."""

from __future__ import annotations

from typing import Any

from ..arrays import Array, Shape
from ..backends.kernels import Kernels
from .views import groups_of, maps, room_for_transpose, rows, transposed_room
from .window import Pair, Window


def buffers(shape: Shape, in_shape: Shape, out: Pair, window: Window, groups: int) -> dict[str, Any]:
    """Room for the input of one group, transposed."""
    return {"work": {"xt": room_for_transpose(shape[1:])}}


def forward(k: Kernels, x: Array, y: Array, W: Array, b: Array, groups: int) -> None:
    """y = W x + b."""
    for xs, ys, ws, bs in groups_of(groups, x, y, W, b):
        k.gemm_bias(maps(ws), rows(xs), bs, maps(ys))


def backward(k: Kernels, x: Array, dy: Array, W: Array, dx: Array | None, dW: Array, xt: Array, groups: int) -> None:
    """dW += dy xᵀ and dx = Wᵀ dy."""
    for xs, dys, dws in groups_of(groups, x, dy, dW):
        k.outer_add(maps(dys), rows(xs), transposed_room(xt), maps(dws))
    if dx is not None:
        for dxs, dys, ws in groups_of(groups, dx, dy, W):
            k.gemm_tn(maps(ws), maps(dys), rows(dxs))
