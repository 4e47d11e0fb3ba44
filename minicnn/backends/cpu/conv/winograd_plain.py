"""Plain convolution sums, for outputs that Winograd's transforms do not leave finite.

The transforms add neighbouring pixels before they multiply. So an infinite pixel turns every output of its patch into NaN, and
large pixels overflow where the sum itself does not. A number that is not finite stays so through all sums and products.
Therefore it is enough to look at the outputs: finite ones are kept, the others are computed again here. The kernels do this
lane by lane, so that an image does not depend on the other images of its group.

Legend: as in ``winograd.py`` and ``winograd_rows.py``; K taps a row and a column.
"""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable

from ....arrays import Array, Number
from ..tiles import (
    tile_dot,
    tile_store,
    tile_sum_add,
    tile_width,
    tile_zeros,
    vector_finite,
    vector_load,
    vector_mended,
    vector_of,
)


@register_jitable
def window_sum(
    t: Number, w: Array, k: int, down: int, right: int, taps: int, x: Array, c: int, top: int, left: int, lane: int
) -> Number:
    """t + Σ_{i, j < taps} w[k + i·down + j·right] · x[c, top + i, left + j]; x is zero outside the map."""
    _, H, W, L = x.shape
    for i in range(max(0, -top), min(taps, H - top)):
        for j in range(max(0, -left), min(taps, W - left)):
            t = t + vector_of(w, k + i * down + j * right) * vector_load(x, ((c * H + top + i) * W + left + j) * L + lane)
    return t


@register_jitable
def packed_sum(packed: Array, turned: bool, x: Array, f: int, top: int, left: int, lane: int) -> Number:
    """Σ over the channels c of W[f, c] ⋆ x[c] at a window, for packed weights, as they are or rotated by 180°."""
    _, C, K, _, size = packed.shape
    t, step = tile_zeros(x, 1, 1), -size if turned else size
    for c in range(C):
        k = (f // size * C + c) * K * K * size + f % size + ((K * K - 1) * size if turned else 0)
        t = window_sum(t, packed, k, K * step, step, K, x, c, top, left, lane)
    return t


@register_jitable
def linked_sum(W: Array, first: Array, links: Array, x: Array, f: int, top: int, left: int, lane: int) -> Number:
    """Σ over the links (f, c, k) of W[k] ⋆ x[c] at a window."""
    K, t = W.shape[1], tile_zeros(x, 1, 1)
    for n in range(first[f], first[f + 1]):
        t = window_sum(t, W, links[n, 2] * K * K, K, 1, K, x, links[n, 1], top, left, lane)
    return t


@register_jitable
def mend_dx(dy: Array, W: Array, first: Array, maps: Array, kernels: Array, dx: Array, c: int, h: int) -> None:
    """dx[c, h] = Σ over the links (f, c, k) of W[k] ∗ dy[f], where it is not finite."""
    _, H, width, L = dx.shape
    K = W.shape[1]
    for ix in range(width):
        for lane in range(0, L, tile_width(dx)):
            at = ((c * H + h) * width + ix) * L + lane
            found = vector_load(dx, at)
            if not vector_finite(found):
                t = tile_zeros(dx, 1, 1)
                for n in range(first[c], first[c + 1]):
                    last = (kernels[n] + 1) * K * K - 1  # W rotated by 180°
                    t = window_sum(t, W, last, -K, -1, K, dy, maps[n], h - K + 1, ix - K + 1, lane)
                tile_store(vector_mended(found, t), dx, at, 0, 1)


@register_jitable
def all_finite(a: Array) -> bool:
    """Whether all numbers are finite. Uses a comparison, because LLVM may simplify the difference in ``isfinite`` to 0."""
    total, zero = a.dtype.type(0), a.dtype.type(0)
    for value in a.reshape(-1):
        total += value * zero
    return bool(abs(total) < np.inf)


@register_jitable
def mend_dW(x: Array, dy: Array, first: Array, maps: Array, kernels: Array, dW: Array, k: int, i: int, j: int) -> None:
    """dW[k, i, j] += Σ over the links (f, c, k) of dy[f] ⋆ x[c] at one tap."""
    (C, H, width, L), (_, OH, OW, _), K = x.shape, dy.shape, dW.shape[1]
    t = tile_zeros(x, 1, 1)
    for c in range(C):
        for n in range(first[c], first[c + 1]):
            if kernels[n] == k:
                for oy in range(OH):
                    left, right = (maps[n] * OH + oy) * OW * L, ((c * H + oy + i) * width + j) * L
                    for at in range(0, OW * L, tile_width(x)):
                        t = tile_dot(t, dy, left + at, 0, 1, x, right + at, 0, 1)
    tile_sum_add(t, dW, (k * K + i) * K + j, 0, 1, 0, 1)
