"""Convolution of one image: the sums of ``conv_direct``, from weights as they are, so that nothing is packed."""

from __future__ import annotations

from ..arrays import Array
from ..backends.kernels import Kernels
from .views import groups_of


def alone(x: Array) -> bool:
    """Whether this is the only image of its group."""
    return bool(x.shape[-1] == 1)


def forward(
    k: Kernels, x: Array, y: Array, W: Array, b: Array, window: Array, groups: int, padded: Array | None, inner: Array | None
) -> None:
    """y = W ⋆ x + b, group by group."""
    if padded is not None and inner is not None:
        k.pad(x, window, padded)
        x, window = padded, inner
    for xs, ys, ws, bs in groups_of(groups, x, y, W, b):
        k.conv2d_image(xs, ws, bs, window, ys)


def backward(
    k: Kernels,
    x: Array,
    dy: Array,
    W: Array,
    window: Array,
    dx: Array | None,
    dW: Array,
    groups: int,
    padded: Array | None,
    inner: Array | None,
) -> None:
    """dW += dy ⋆ x and dx = W ∗ dy, group by group."""
    seen, patch = (x, window) if padded is None or inner is None else (padded, inner)
    for xs, dys, dws in groups_of(groups, seen, dy, dW):
        k.conv2d_image_dW_add(xs, dys, patch, dws)
    if dx is not None:
        for dys, ws, dxs in groups_of(groups, dy, W, dx):
            k.conv2d_image_dx(dys, ws, window, dxs)
