"""Convolutions as sums over the taps of the window: x (C, H, W, L), W (F, C, KH, KW), y (F, OH, OW, L).

In a sparse one map f reads channel c through the kernel W[k] where there is a link (f, c, k), and no other channel.
"""

import numpy as np

from ...arrays import Array
from .layout import taps, unpacked


def conv2d_image(x: Array, W: Array, b: Array, window: Array, y: Array) -> None:
    """y[f, oy, ox] = b[f] + Σ W[f, c, kh, kw] · x[c, s·oy + d·kh − p, s·ox + d·kw − p]."""
    y[...] = b[:, None, None, None]
    for i, j, places, pixels in taps(window, x.shape[1:3], y.shape[1:3]):
        y[places] += np.tensordot(W[:, :, i, j], x[pixels], 1)


def conv2d_image_dx(dy: Array, W: Array, window: Array, dx: Array) -> None:
    """dx[c, iy, ix] = Σ W[f, c, kh, kw] · dy[f, oy, ox] where s·o + d·k = i + p."""
    dx[...] = 0
    for i, j, places, pixels in taps(window, dx.shape[1:3], dy.shape[1:3]):
        dx[pixels] += np.tensordot(W[:, :, i, j].T, dy[places], 1)


def conv2d_image_dW_add(x: Array, dy: Array, window: Array, dW: Array) -> None:
    """dW[f, c, kh, kw] += Σ dy[f, oy, ox] · x[c, s·oy + d·kh − p, s·ox + d·kw − p]."""
    for i, j, places, pixels in taps(window, x.shape[1:3], dy.shape[1:3]):
        dW[:, :, i, j] += np.tensordot(dy[places], x[pixels], axes=([1, 2, 3], [1, 2, 3]))


def conv2d(x: Array, packed: Array, b: Array, window: Array, y: Array) -> None:
    """``conv2d_image`` of any number of images, from packed filters."""
    conv2d_image(x, unpacked(packed, len(y)), b, window, y)


def conv2d_dx(dy: Array, packed: Array, window: Array, dx: Array) -> None:
    """``conv2d_image_dx`` of any number of images, from packed channels."""
    conv2d_image_dx(dy, unpacked(packed, len(dx)).swapaxes(0, 1), window, dx)


def conv2d_dW_add(x: Array, dy: Array, window: Array, dW: Array) -> None:
    """``conv2d_image_dW_add`` of any number of images."""
    conv2d_image_dW_add(x, dy, window, dW)


def plain_window(W: Array) -> Array:
    """Of kernels (K, KH, KW) the window: stride 1, no padding, no dilation."""
    return np.array([*W.shape[1:], 1, 1, 0, 0, 1, 1])


def sparse_conv2d(x: Array, W: Array, b: Array, first: Array, links: Array, y: Array) -> None:
    """y[f] = b[f] + Σ over the links of map f of W[k] ⋆ x[c]; they are number first[f] up to first[f + 1]."""
    for f in range(len(y)):
        _, c, k = links[first[f] : first[f + 1]].T
        conv2d_image(x[c], W[None, k], b[f : f + 1], plain_window(W), y[f : f + 1])


def sparse_conv2d_dx(dy: Array, W: Array, first: Array, links: Array, dx: Array) -> None:
    """dx[c] = Σ over the links of channel c of W[k] ∗ dy[f]; they are number first[c] up to first[c + 1]."""
    for c in range(len(dx)):
        f, _, k = links[first[c] : first[c + 1]].T
        conv2d_image_dx(dy[f], W[k, None], plain_window(W), dx[c : c + 1])


def sparse_conv2d_dW_add(x: Array, dy: Array, first: Array, maps: Array, kernels: Array, dW: Array) -> None:
    """dW[k] += dy[f] ⋆ x[c] over the links; those of channel c are number first[c] up to first[c + 1]."""
    for c in range(len(x)):
        f, k = (column[first[c] : first[c + 1]] for column in (maps, kernels))
        own = np.zeros((len(k), 1, *dW.shape[1:]), dW.dtype)
        conv2d_image_dW_add(x[c : c + 1], dy[f], plain_window(dW), own)
        np.add.at(dW, k, own[:, 0])  # links may share a kernel
