"""Where the taps of a window fall on a map, and what only moves numbers by that: borders, columns, packed weights."""

from collections.abc import Iterator

import numpy as np

from ...arrays import Array, Shape


def along(start: int, stride: int, pixels: int, places: int) -> tuple[slice, slice]:
    """The places of a window at which a tap lies on the map, and the pixels there; at place 0 it lies on pixel ``start``."""
    first = max(0, -(start // stride))
    end = max(first, min(places, (pixels - 1 - start) // stride + 1))
    return slice(first, end), slice(start + first * stride, start + end * stride, stride)


def taps(
    window: Array, size: Shape, places: Shape, row: int = 0
) -> Iterator[tuple[int, int, tuple[slice, ...], tuple[slice, ...]]]:
    """For every tap (i, j) of a window, in places from a row on: an index of the output, and one of the map's pixels there."""
    KH, KW, sh, sw, ph, pw, dh, dw = window.tolist()
    for i in range(KH):
        rows, h = along(row * sh + i * dh - ph, sh, size[0], places[0])
        for j in range(KW):
            columns, w = along(j * dw - pw, sw, size[1], places[1])
            yield i, j, (slice(None), rows, columns), (slice(None), h, w)


def pad(x: Array, window: Array, padded: Array) -> None:
    """framed = x with zeros around every map, g[4] rows above and g[5] columns to the left."""
    padded[...] = 0
    padded[:, window[4] : window[4] + x.shape[1], window[5] : window[5] + x.shape[2]] = x


def im2col(x: Array, window: Array, row: Array, cols: Array) -> None:
    """cols[c, kh, kw, r, ox] = x[c, s·(row + r) + d·kh − p, s·ox + d·kw − p], 0 outside the map."""
    cols[...] = 0
    for i, j, places, pixels in taps(window, x.shape[1:3], cols.shape[3:5], int(row[0])):
        cols[:, i, j][places] = x[pixels]


def col2im_add(cols: Array, window: Array, row: Array, dx: Array) -> None:
    """dx[c, s·(row + r) + d·kh − p, s·ox + d·kw − p] += cols[c, kh, kw, r, ox]."""
    for i, j, places, pixels in taps(window, dx.shape[1:3], cols.shape[3:5], int(row[0])):
        dx[pixels] += cols[:, i, j][places]


def pack_filters(W: Array, packed: Array) -> None:
    """packed[block, c, kh, kw, i] = W[size·block + i, c, kh, kw], 0 past the last filter."""
    blocks, *rest, size = packed.shape
    full = np.zeros((blocks * size, *rest), W.dtype)
    full[: len(W)] = W
    packed[...] = np.moveaxis(full.reshape(blocks, size, *rest), 1, -1)


def pack_channels(W: Array, packed: Array) -> None:
    """packed[block, f, kh, kw, i] = W[f, size·block + i, kh, kw], 0 past the last channel."""
    pack_filters(W.swapaxes(0, 1), packed)


def unpacked(packed: Array, maps: int) -> Array:
    """The weights before ``pack_filters``."""
    return np.moveaxis(packed, -1, 1).reshape(-1, *packed.shape[1:4])[:maps]
