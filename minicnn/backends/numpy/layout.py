"""Where the taps of a window fall on a map, and what only moves numbers by that: columns."""

from collections.abc import Iterator

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


def im2col(x: Array, window: Array, row: Array, cols: Array) -> None:
    """cols[c, kh, kw, r, ox] = x[c, s·(row + r) + d·kh − p, s·ox + d·kw − p], 0 outside the map."""
    cols[...] = 0
    for i, j, places, pixels in taps(window, x.shape[1:3], cols.shape[3:5], int(row[0])):
        cols[:, i, j][places] = x[pixels]


def col2im_add(cols: Array, window: Array, row: Array, dx: Array) -> None:
    """dx[c, s·(row + r) + d·kh − p, s·ox + d·kw − p] += cols[c, kh, kw, r, ox]."""
    for i, j, places, pixels in taps(window, dx.shape[1:3], cols.shape[3:5], int(row[0])):
        dx[pixels] += cols[:, i, j][places]
