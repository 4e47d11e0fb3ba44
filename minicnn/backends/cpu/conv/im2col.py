"""Convolution as a matrix product: im2col copies every window into a column, col2im is its adjoint.

Legend: x (C, H, W, L) without padding; cols (C·KH·KW, R·OW·L) the columns of R output rows, from row[0] on;
window = [KH, KW, stride, stride, padding, padding, dilation, dilation], rows before columns.
"""

from __future__ import annotations

from ....arrays import Array
from ..compile.jit import kernel


@kernel
def im2col(x: Array, window: Array, row: Array, cols: Array) -> None:
    """cols[(c, kh, kw), (oy, ox)] = x[c, s·oy + d·kh − p, s·ox + d·kw − p], zero outside the map.

    cols is passed as (C, KH, KW, R, OW, L).
    """
    C, KH, KW, R, OW, L = cols.shape
    H, W = x.shape[1], x.shape[2]
    sh, sw, ph, pw, dh, dw = window[2], window[3], window[4], window[5], window[6], window[7]
    for c in range(C):
        for kh in range(KH):
            for kw in range(KW):
                for r in range(R):
                    h = (row[0] + r) * sh + kh * dh - ph
                    for ox in range(OW):
                        w = ox * sw + kw * dw - pw
                        to = cols[c, kh, kw, r, ox]
                        if 0 <= h < H and 0 <= w < W:
                            pixel = x[c, h, w]
                            for i in range(L):
                                to[i] = pixel[i]
                        else:
                            for i in range(L):
                                to[i] = x.dtype.type(0)


@kernel
def col2im_add(cols: Array, window: Array, row: Array, dx: Array) -> None:
    """dx[c, s·oy + d·kh − p, s·ox + d·kw − p] += cols[(c, kh, kw), (oy, ox)]: the adjoint of im2col."""
    C, KH, KW, R, OW, L = cols.shape
    H, W = dx.shape[1], dx.shape[2]
    sh, sw, ph, pw, dh, dw = window[2], window[3], window[4], window[5], window[6], window[7]
    for c in range(C):
        for kh in range(KH):
            for kw in range(KW):
                for r in range(R):
                    h = (row[0] + r) * sh + kh * dh - ph
                    if 0 <= h < H:
                        for ox in range(OW):
                            w = ox * sw + kw * dw - pw
                            if 0 <= w < W:
                                pixel = dx[c, h, w]
                                column = cols[c, kh, kw, r, ox]
                                for i in range(L):
                                    pixel[i] += column[i]
