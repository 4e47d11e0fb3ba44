"""Direct weight gradient of a convolution, with register tiles.

Legend: x (C, H, W, L), dy (F, OH, OW, L), dW (F, C, KH, KW); window as in ``direct.py``. A tile holds some filters × some taps
of a row (or channels, for kernels of one tap), with separate lanes, which are summed at the end. All tiles process a few
output rows before the next rows, so that dy stays in the first-level cache.
"""

from __future__ import annotations

from functools import cache

from numba.extending import register_jitable

from ....arrays import Array
from ..compile.host import HOST
from ..compile.jit import Kernel, kernel, select
from ..tiles import tile_dot, tile_dot_inside, tile_sum_add, tile_width, tile_zeros

TAPS = 3  # kernels with at least this many taps a row use tile columns for taps, others for channels
CACHE = 40 << 10  # bytes of dy and x that all tiles read repeatedly: most of the first-level cache


@register_jitable
def on_map(first: int, step: int, count: int, size: int) -> tuple[int, int]:
    """The range of the n < count for which 0 ≤ first + n·step < size."""
    low = min(count, max(0, -(first // step)))
    return low, max(low, min(count, (size - 1 - first) // step + 1))


@cache
def _kernel(rows: int, cols: int, padded: bool, whole: bool) -> Kernel:
    """The kernel with tiles of ``rows`` filters × ``cols`` taps of a row, or × channels if a row has fewer than three taps.

    If ``whole``, tiles divide dW exactly, so that LLVM derives all addresses from one. Unless ``padded``, no tap lies left or
    right of x.
    """

    @kernel
    def conv2d_dW_add(x: Array, dy: Array, window: Array, dW: Array) -> None:
        """dW[f, c, kh, kw] += Σ_{oy, ox, lanes} dy[f, oy, ox] · x[c, s·oy + d·kh − p, s·ox + d·kw − p]."""
        C, H, W, L = x.shape
        F, OH, OW, _ = dy.shape
        KH, KW, sh, sw, ph, pw, dh, dw = window[0], window[1], window[2], window[3], window[4], window[5], window[6], window[7]
        by_taps = KW >= TAPS
        channels, taps = (1, cols) if by_taps else (cols, 1)
        tap, step, dw_step = (dw, dw * L, 1) if by_taps else (0, H * W * L, KH * KW)
        height, maps = max(1, CACHE // ((rows + channels) * OW * L * x.itemsize)), OH * OW * L
        for block in range(0, OH, height):
            for f in range(0, F, rows):
                some = rows if whole else min(rows, F - f)
                for c in range(0, C, channels):
                    for kh in range(KH):
                        top, end = on_map(block * sh + kh * dh - ph, sh, min(height, OH - block), H)
                        oy, iy = block + top, (block + top) * sh + kh * dh - ph
                        for kw in range(0, KW, taps):
                            rest = KW - kw if by_taps else C - c
                            count = cols if whole else min(cols, rest)
                            first = kw * dw - pw
                            low, high = on_map(first, sw, OW, W)
                            later, until = on_map(first + tap * (count - 1), sw, OW, W)
                            low, high = max(low, later), max(low, later, min(high, until))
                            t = tile_zeros(x, rows, cols)
                            for lane in range(0, L, tile_width(x)):
                                left = (f * OH + oy) * OW * L + lane
                                right, ox = ((c * H + iy) * W + first) * L + lane, 0
                                for _ in range((end - top) * OW):
                                    if not padded or low <= ox < high:
                                        t = tile_dot(t, dy, left, maps, some, x, right, step, count)
                                    else:
                                        ix = first + ox * sw
                                        t = tile_dot_inside(t, dy, left, maps, some, x, right, step, count, ix, tap, W)
                                    left += L
                                    right += sw * L
                                    ox += 1
                                    if ox == OW:  # go to the next row
                                        ox = 0
                                        right += (sh * W - OW * sw) * L
                            tile_sum_add(t, dW, ((f * C + c) * KH + kh) * KW + kw, C * KH * KW, some, dw_step, count)

    return conv2d_dW_add


STEP = 4  # overhead of one tile step, in multiply-adds


def tile_size(filters: int, cols: int) -> tuple[int, int]:
    """The fastest tile with this many columns for this many filters: rows and columns."""
    most = max(1, (HOST.registers - cols - 1) // cols)
    rows = min(range(1, most + 1), key=lambda n: (-(-filters // n) * (n * cols + STEP), -n))
    return rows, cols


@select
def conv2d_dW_add(x: Array, dy: Array, window: Array, dW: Array) -> Kernel:
    """Choose the kernel by the number of filters, the width of a row, and whether taps can lie outside the map."""
    F, C, _, width = dW.shape
    cols = width if TAPS <= width <= 5 else 4
    rows, cols = tile_size(F, cols)
    whole = F % rows == 0 and (width if width >= TAPS else C) % cols == 0
    first, last = -window[5], (dy.shape[2] - 1) * window[3] - window[5] + (width - 1) * window[7]
    return _kernel(rows, cols, bool(first < 0 or last >= x.shape[2]), whole)
