"""Convolutions as sums over the taps of the window: x (C, H, W, L), W (F, C/groups, KH, KW), y (F, OH, OW, L).

In a sparse one map f reads channel c through the kernel W[k] where there is a link (f, c, k), and no other channel.
"""

from collections.abc import Iterator

import numpy as np

from ...arrays import Array
from .layout import taps


def conv2d(x: Array, W: Array, b: Array, window: Array, y: Array) -> None:
    """y[f, oy, ox] = b[f] + Σ W[f, c, kh, kw] · x[c, s·oy + d·kh − p, s·ox + d·kw − p]."""
    y[...] = b[:, None, None, None]
    for own, ys, ws in by_group(W.shape[1], x, y, W):
        for i, j, places, pixels in taps(window, x.shape[1:3], y.shape[1:3]):
            ys[places] += np.tensordot(ws[:, :, i, j], own[pixels], 1)


def conv2d_dx(dy: Array, W: Array, window: Array, dx: Array) -> None:
    """dx[c, iy, ix] = Σ W[f, c, kh, kw] · dy[f, oy, ox] where s·o + d·k = i + p."""
    dx[...] = 0
    for own, dys, ws in by_group(W.shape[1], dx, dy, W):
        for i, j, places, pixels in taps(window, dx.shape[1:3], dy.shape[1:3]):
            own[pixels] += np.tensordot(ws[:, :, i, j].T, dys[places], 1)


def conv2d_dW_add(x: Array, dy: Array, window: Array, dW: Array) -> None:
    """dW[f, c, kh, kw] += Σ dy[f, oy, ox] · x[c, s·oy + d·kh − p, s·ox + d·kw − p]."""
    for own, dys, dws in by_group(dW.shape[1], x, dy, dW):
        for i, j, places, pixels in taps(window, x.shape[1:3], dy.shape[1:3]):
            dws[:, :, i, j] += np.tensordot(dys[places], own[pixels], axes=([1, 2, 3], [1, 2, 3]))


def by_group(channels: int, *arrays: Array) -> Iterator[tuple[Array, ...]]:
    """Views of the arrays' parts for one group of so many channels, and of its filters, after another; channels come first."""
    groups = len(arrays[0]) // channels if channels else 1  # a map without a link reads none
    return zip(*(np.split(a, groups) for a in arrays), strict=True)


def plain_window(W: Array) -> Array:
    """Of kernels (K, KH, KW) the window: stride 1, no padding, no dilation."""
    return np.array([*W.shape[1:], 1, 1, 0, 0, 1, 1])


def sparse_conv2d(x: Array, W: Array, b: Array, links: Array, y: Array) -> None:
    """y[f] = b[f] + Σ over the links of map f of W[k] ⋆ x[c]."""
    for f in range(len(y)):
        _, c, k = links[links[:, 0] == f].T
        conv2d(x[c], W[None, k], b[f : f + 1], plain_window(W), y[f : f + 1])


def sparse_conv2d_dx(dy: Array, W: Array, links: Array, dx: Array) -> None:
    """dx[c] = Σ over the links of channel c of W[k] ∗ dy[f]."""
    for c in range(len(dx)):
        f, _, k = links[links[:, 1] == c].T
        conv2d_dx(dy[f], W[k, None], plain_window(W), dx[c : c + 1])


def sparse_conv2d_dW_add(x: Array, dy: Array, links: Array, dW: Array) -> None:
    """dW[k] += dy[f] ⋆ x[c] over the links, of which several may share a kernel."""
    for f, c, k in links:
        conv2d_dW_add(x[c : c + 1], dy[f : f + 1], plain_window(dW), dW[k : k + 1, None])
