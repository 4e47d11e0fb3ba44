"""5 × 5 convolution over a table of links, by Winograd's F(2, 5) along rows.

Legend: as in ``winograd_rows.py`` and ``sparse.py``. The tile functions treat a column of a patch like a row of pixels in a
direct convolution: it meets the five rows of a kernel. The forward pass works patch by patch, so V and M hold one column of
patches. The backward pass works channel by channel, so V holds one channel.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from numba.extending import register_jitable

from ....arrays import Array
from ...scratch import ScratchSpec
from ..compile.host import HOST
from ..compile.jit import Kernel, kernel
from ..tiles import (
    tile_activation,
    tile_convolve,
    tile_correlate,
    tile_dot_rows,
    tile_store,
    tile_sum_add_rows,
    tile_width,
    tile_zeros,
    vector_finite,
    vector_of,
)
from ..tiles.activation import NONE
from .sparse import rows_for
from .winograd import Rewritten
from .winograd_plain import all_finite, linked_sum, mend_dW, mend_dx, packed_sum
from .winograd_rows import (
    POINTS,
    TAPS,
    add_weights_back,
    g_transposed,
    mend_products,
    row_back,
    transform_border,
    transform_column,
    transform_gradients,
    transform_packed,
    transform_weights,
    two_outputs,
)


@cache
def _forward(height: int, activation_number: int, packed: bool, turned: bool, bordered: bool) -> Kernel:
    """The forward kernel for maps of ``height`` rows, with or without an activation function.

    Weights may be packed, and rotated by 180°. Only a ``bordered`` kernel contains the code for padding.
    """
    rows = height + TAPS - 1

    @kernel
    def winograd_links(
        x: Array, W: Array, b: Array, first: Array, links: Array, border: Array, U: Array, V: Array, M: Array, y: Array
    ) -> None:
        """y[f] = f(b[f] + Σ over the links (f, c, k) of W[k] ⋆ x[c]), with x padded by zeros."""
        C, (F, OH, OW, L), K, w = x.shape[0], y.shape, U.shape[1], tile_width(x)
        if packed:
            transform_packed(W, turned, U)
        else:
            transform_weights(W, U)
        for ox in range(0, OW, 2):
            for c in range(C):
                if bordered:
                    transform_border(x, c, -border[0], ox - border[1], rows, V, c * rows * L, C * rows * L)
                else:
                    transform_column(x, c, ox, V, c * rows * L, C * rows * L)
            for f in range(F):
                bias = vector_of(b, f)
                for lane in range(0, L, w):
                    for point in range(POINTS):
                        t = tile_zeros(x, height, 1)
                        for n in range(first[f], first[f + 1]):
                            column = (point * C + links[n, 1]) * rows * L + lane
                            t = tile_correlate(t, U, (point * K + links[n, 2]) * TAPS, TAPS, V, column, L)
                        tile_store(t, M, point * OH * w, w, height)
                    finite, mended = False, False
                    while not finite:
                        seen = tile_zeros(x, 1, 1)
                        for oy in range(OH):
                            if mended:
                                top, left = oy - border[0], ox - border[1]
                                if packed:
                                    sums = (
                                        packed_sum(W, turned, x, f, top, left, lane),
                                        packed_sum(W, turned, x, f, top, left + 1, lane),
                                    )
                                else:
                                    sums = (
                                        linked_sum(W, first, links, x, f, top, left, lane),
                                        linked_sum(W, first, links, x, f, top, left + 1, lane),
                                    )
                                mend_products(M, oy * w, OH * w, sums)
                            y0, y1 = two_outputs(M, oy * w, OH * w)
                            y0, y1 = y0 + bias, y1 + bias
                            seen = seen + y0 * y1
                            if activation_number != NONE:
                                y0, y1 = tile_activation(y0, activation_number), tile_activation(y1, activation_number)
                            at = ((f * OH + oy) * OW + ox) * L + lane
                            tile_store(y0, y, at, 0, 1)
                            tile_store(y1, y, at + L, 0, 1)
                        finite = mended or vector_finite(seen)
                        mended = True

    return winograd_links


@register_jitable
def add_finite_weights_back(x: Array, dy: Array, first: Array, maps: Array, kernels: Array, U: Array, dW: Array) -> None:
    """Add the weight gradients of ``add_weights_back`` that are finite; compute the others by plain sums."""
    number = dW.dtype.type
    for k in range(U.shape[1]):
        for kh in range(TAPS):
            a, b, c, d, e = g_transposed(U[0, k, kh], U[1, k, kh], U[2, k, kh], U[3, k, kh], U[4, k, kh], U[5, k, kh])
            row = number(a), number(b), number(c), number(d), number(e)
            for kw in range(TAPS):
                if abs(row[kw]) < np.inf:
                    dW[k, kh, kw] += row[kw]
                else:
                    mend_dW(x, dy, first, maps, kernels, dW, k, kh, kw)


@cache
def _backward(height: int, rows: int) -> Kernel:
    """The kernel of both gradients for outputs of ``height`` rows, with ``rows`` links in a weight-gradient tile."""
    reach = height + TAPS - 1

    @kernel
    def winograd_links_backward(
        x: Array,
        dy: Array,
        W: Array,
        first: Array,
        maps: Array,
        kernels: Array,
        both: Array,
        V: Array,
        M: Array,
        dx: Array,
        dW: Array,
    ) -> None:
        """dW[k] += dy[f] ⋆ x[c] and dx[c] = W[k] ∗ dy[f] over the links (f, c, k); ``maps`` and ``kernels`` hold f and k.

        ``both`` holds U and its gradient.
        """
        (C, H, _, L), (F, OH, _, _), K, P, w = x.shape, dy.shape, W.shape[0], V.shape[1], tile_width(x)
        U, dU = both[0], both[1]
        transform_weights(W, U)
        transform_gradients(dy, M)
        dU[:] = dU.dtype.type(0)
        for c in range(C):
            for p in range(P):
                transform_column(x, c, 2 * p, V, p * H * L, P * H * L)
            for point in range(POINTS):
                for n in range(first[c], first[c + 1], rows):
                    some = min(rows, first[c + 1] - n)
                    t = tile_zeros(x, rows, TAPS)
                    for p in range(P):
                        for i in range(0, OH * L, w):
                            left = (point * F * P + p) * OH * L + i
                            t = tile_dot_rows(t, M, left, P * OH * L, maps, n, some, V, (point * P + p) * H * L + i, L, TAPS)
                    tile_sum_add_rows(t, dU, point * K * TAPS, TAPS, kernels, n, some, TAPS)
            for point in range(POINTS):
                for p in range(P):
                    for lane in range(0, L, w):
                        t = tile_zeros(x, reach, 1)
                        for n in range(first[c], first[c + 1]):
                            column = ((point * F + maps[n]) * P + p) * OH * L + lane
                            t = tile_convolve(t, U, (point * K + kernels[n]) * TAPS, TAPS, M, column, L)
                        tile_store(t, V, (point * P + p) * H * L + lane, L, reach)
            for h in range(H):
                if not row_back(V, h, dx, c):
                    mend_dx(dy, W, first, maps, kernels, dx, c, h)
        if all_finite(dU):
            add_weights_back(dU, dW)
        else:
            add_finite_weights_back(x, dy, first, maps, kernels, dU, dW)

    return winograd_links_backward


def applies(x: Array, kernel: tuple[int, ...], links: int, y: Array) -> bool:
    """Whether kernels are 5 × 5, patches cover the rows, a column fits the registers, and there are enough links."""
    fits = kernel == (TAPS, TAPS) and y.shape[2] % 2 == 0 and y.shape[1] + 2 * TAPS <= HOST.registers
    return bool(fits and links >= 2 * (len(x) + len(y)) and x.dtype == np.float32 and x.shape[3] > 1)


def forward(x: Array, W: Array, b: Array, first: Array, links: Array, y: Array, activation_number: int) -> Rewritten:
    """The forward kernel over links, and its arrays with scratch buffers."""
    kernel = _forward(y.shape[1], activation_number, packed=False, turned=False, bordered=False)
    return kernel, (x, W, b, first, links, np.zeros(2, np.int64), *_buffers(x, len(W), y), y)


def dense(
    x: Array, packed: Array, b: Array, border: Sequence[int] | Array, y: Array, activation_number: int, turned: bool
) -> Rewritten:
    """The forward kernel over all pairs of a channel and a map, for packed weights, as they are or rotated by 180°."""
    F, C = len(y), len(x)
    f, c = np.divmod(np.arange(F * C), C)
    links, first = np.stack([f, c, np.arange(F * C)], axis=1), C * np.arange(F + 1)
    kernel = _forward(y.shape[1], activation_number, packed=True, turned=turned, bordered=any(border))
    return kernel, (x, packed, b, first, links, np.array(border), *_buffers(x, F * C, y), y)


def _buffers(x: Array, kernels: int, y: Array) -> list[ScratchSpec]:
    """Scratch buffers for U, V and M of the forward pass."""
    C, (_, OH, _, L) = len(x), y.shape
    return [ScratchSpec(shape, x.dtype) for shape in ((POINTS, kernels, TAPS), (POINTS, C, OH + TAPS - 1, L), (POINTS, OH, L))]


def backward(x: Array, dy: Array, W: Array, first: Array, maps: Array, kernels: Array, dx: Array, dW: Array) -> Rewritten:
    """The kernel of both gradients, and its arrays with scratch buffers."""
    (_, H, _, L), (F, OH, OW, _) = x.shape, dy.shape
    shapes = (2, POINTS, len(W), TAPS), (POINTS, OW // 2, H, L), (POINTS, F, OW // 2, OH, L)
    return _backward(OH, rows_for(first)), (
        x,
        dy,
        W,
        first,
        maps,
        kernels,
        *(ScratchSpec(shape, x.dtype) for shape in shapes),
        dx,
        dW,
    )
