"""Convolution from register tiles: the same sums as im2col, without columns. Weights are packed once per update.

The kernels meet the border by themselves, at some cost for every tap; where there are few channels to share it, x is copied
into a frame of zeros instead.
"""

from __future__ import annotations

from typing import Any

from ..arrays import Array, Shape
from ..backends.protocol import Kernels
from ..geometry import Pair, Window, blocks, filter_block
from ..plan import Buffer
from .arrays import groups_of


FEW = 4
"""Up to so many channels a frame pays."""


def buffers(shape: Shape, in_shape: Shape, out: Pair, window: Window, groups: int) -> dict[str, Any]:
    """Packed weights for each group."""
    filters, channels, kh, kw = shape
    each = filters // groups
    size, size_dx = filter_block(each), filter_block(channels)
    derived = {
        "packed": Buffer((groups, blocks(each, size), channels, kh, kw, size), lanes=False),
        "packed_dx": Buffer((groups, blocks(channels, size_dx), each, kh, kw, size_dx), lanes=False),
    }
    if not window.padded or channels > FEW:
        return {"derived": derived}
    inner = Window(window.kernel, window.stride, dilation=window.dilation)
    frame = Buffer((in_shape[0], *window.framed_size((in_shape[1], in_shape[2]))))
    return {"derived": derived, "saved": {"framed": frame}, "consts": {"inner": inner.array()}}


def prepare(k: Kernels, W: Array, packed: Array, packed_dx: Array) -> None:
    """Lay the weights side by side, filters for the forward pass and channels for dx."""
    for group, weights in enumerate(ws for (ws,) in groups_of(len(packed), W)):
        k.pack_filters(weights, packed[group])
        k.pack_channels(weights, packed_dx[group])


def forward(
    k: Kernels, x: Array, y: Array, b: Array, g: Array, packed: Array, framed: Array | None, inner: Array | None
) -> None:
    """y = W ⋆ x + b, group by group."""
    if framed is not None and inner is not None:
        k.pad(x, g, framed)
        x, g = framed, inner
    for group, (xs, ys, bs) in enumerate(groups_of(len(packed), x, y, b)):
        k.conv2d(xs, packed[group], bs, g, ys)


def backward(
    k: Kernels,
    x: Array,
    dy: Array,
    g: Array,
    dx: Array | None,
    dW: Array,
    packed_dx: Array,
    framed: Array | None,
    inner: Array | None,
) -> None:
    """dW += dy ⋆ x and dx = W ∗ dy, group by group."""
    seen, window = (x, g) if framed is None or inner is None else (framed, inner)
    for xs, dys, dws in groups_of(len(packed_dx), seen, dy, dW):
        k.conv2d_dW_add(xs, dys, window, dws)
    if dx is not None:
        for group, (dys, dxs) in enumerate(groups_of(len(packed_dx), dy, dx)):
            k.conv2d_dx(dys, packed_dx[group], g, dxs)
