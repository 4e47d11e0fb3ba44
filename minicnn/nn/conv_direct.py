"""Convolution from register tiles: the same sums as im2col, without columns. Weights are packed once per update.

The kernels meet the border by themselves, at some cost for every tap; where there are few channels to share it, x is copied
into a frame of zeros instead.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array, Shape
from ..backends.kernels import Kernels
from .base import Buffer
from .views import groups_of
from .window import Pair, Window, blocks, filter_block

FEW = 4
"""Up to so many channels a frame pays."""

SPREAD = 5
"""Rows of so many taps are spread: with fewer, what dx meets outside dy costs less than the steps between the tiles."""


def spreads(window: Window, groups: int) -> bool:
    """Whether dx is made by spreading every row of dy over the taps, which needs a window without border, gaps and steps."""
    plain = window.stride == window.dilation == (1, 1) and not window.padded
    return plain and groups == 1 and window.kernel[1] == SPREAD


def links_by_channel(filters: int, channels: int) -> dict[str, Array]:
    """A dense convolution as links (map, channel, kernel), sorted by channel, and where those of each channel begin."""
    c, f = np.divmod(np.arange(filters * channels), filters)
    return {"sources": np.stack([f, c, f * channels + c], axis=1), "first_source": np.arange(channels + 1) * filters}


def buffers(shape: Shape, in_shape: Shape, out: Pair, window: Window, groups: int) -> dict[str, Any]:
    """Packed weights for each group."""
    filters, channels, kh, kw = shape
    each = filters // groups
    size, size_dx = filter_block(each), filter_block(channels)
    derived = {"packed": Buffer((groups, blocks(each, size), channels, kh, kw, size), lanes=False)}
    if spreads(window, groups):
        return {"derived": derived, "consts": links_by_channel(filters, channels)}
    derived["packed_dx"] = Buffer((groups, blocks(channels, size_dx), each, kh, kw, size_dx), lanes=False)
    if not window.padded or channels > FEW:
        return {"derived": derived}
    inner = Window(window.kernel, window.stride, dilation=window.dilation)
    frame = Buffer((in_shape[0], *window.padded_size((in_shape[1], in_shape[2]))))
    return {"derived": derived, "saved": {"padded": frame}, "consts": {"inner": inner.array()}}


def prepare(k: Kernels, W: Array, packed: Array, packed_dx: Array | None) -> None:
    """Lay the weights side by side, filters for the forward pass and channels for dx."""
    for group, weights in enumerate(ws for (ws,) in groups_of(len(packed), W)):
        k.pack_filters(weights, packed[group])
        if packed_dx is not None:
            k.pack_channels(weights, packed_dx[group])


def forward(
    k: Kernels, x: Array, y: Array, b: Array, window: Array, packed: Array, padded: Array | None, inner: Array | None
) -> None:
    """y = W ⋆ x + b, group by group."""
    if padded is not None and inner is not None:
        k.pad(x, window, padded)
        x, window = padded, inner
    for group, (xs, ys, bs) in enumerate(groups_of(len(packed), x, y, b)):
        k.conv2d(xs, packed[group], bs, window, ys)


def dW_add(
    k: Kernels, x: Array, dy: Array, window: Array, dW: Array, groups: int, padded: Array | None, inner: Array | None
) -> None:
    """dW += dy ⋆ x, group by group."""
    seen, patch = (x, window) if padded is None or inner is None else (padded, inner)
    for xs, dys, dws in groups_of(groups, seen, dy, dW):
        k.conv2d_dW_add(xs, dys, patch, dws)


def dx_packed(k: Kernels, dy: Array, packed_dx: Array, window: Array, dx: Array) -> None:
    """dx = W ∗ dy, group by group."""
    for group, (dys, dxs) in enumerate(groups_of(len(packed_dx), dy, dx)):
        k.conv2d_dx(dys, packed_dx[group], window, dxs)


def dx_spread(k: Kernels, dy: Array, W: Array, first_source: Array, sources: Array, dx: Array) -> None:
    """dx = W ∗ dy, every kernel a link."""
    k.sparse_conv2d_dx(dy, W.reshape(-1, *W.shape[2:]), first_source, sources, dx)
