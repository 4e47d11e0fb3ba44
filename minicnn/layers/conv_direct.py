"""Convolution from register tiles: the same sums as im2col, without columns.

Padding is a copy into a frame of zeros, so that the kernels meet no borders; weights are packed once per update.
"""

from __future__ import annotations

from typing import Any

from ..arrays import Array, Shape
from ..backends.protocol import Kernels
from ..geometry import FILTER_BLOCK, Pair, Window, blocks
from ..plan import Buffer
from .arrays import groups_of


def buffers(shape: Shape, in_shape: Shape, out: Pair, window: Window, groups: int) -> dict[str, Any]:
    """Packed weights for each group, and the framed input where there is padding."""
    filters, channels, kh, kw = shape
    each = filters // groups
    derived = {
        "packed": Buffer((groups, blocks(each), channels, kh, kw, FILTER_BLOCK), lanes=False),
        "packed_dx": Buffer((groups, blocks(channels), each, kh, kw, FILTER_BLOCK), lanes=False),
    }
    size = (in_shape[1], in_shape[2])
    saved = {"framed": Buffer((in_shape[0], *window.framed_size(size)))} if window.padded else {}
    return {"derived": derived, "saved": saved}


def prepare(k: Kernels, W: Array, packed: Array, packed_dx: Array) -> None:
    """Lay the weights side by side, filters for the forward pass and channels for dx."""
    for group, weights in enumerate(ws for (ws,) in groups_of(len(packed), W)):
        k.pack_filters(weights, packed[group])
        k.pack_channels(weights, packed_dx[group])


def forward(k: Kernels, x: Array, y: Array, b: Array, g: Array, packed: Array, framed: Array | None) -> None:
    """y = W ⋆ x + b, group by group."""
    if framed is not None:
        k.pad(x, g, framed)
        x = framed
    for group, (xs, ys, bs) in enumerate(groups_of(len(packed), x, y, b)):
        k.conv2d(xs, packed[group], bs, g, ys)


def backward(
    k: Kernels, x: Array, dy: Array, g: Array, dx: Array | None, dW: Array, packed_dx: Array, framed: Array | None
) -> None:
    """dW += dy ⋆ x and dx = W ∗ dy, group by group."""
    for xs, dys, dws in groups_of(len(packed_dx), x if framed is None else framed, dy, dW):
        k.conv2d_dW_add(xs, dys, g, dws)
    if dx is not None:
        for group, (dys, dxs) in enumerate(groups_of(len(packed_dx), dy, dx)):
            k.conv2d_dx(dys, packed_dx[group], g, dxs)
