"""Rewrite rules: neighbouring calls of a recorded program that one kernel does in one pass over memory.

Layers stay mathematics and record one call for each formula; here a run of calls that hand an array on to each other becomes
one call. A rule looks at the calls from some place on, and gives the call that stands for the first few of them, or nothing.
The fused kernels are for float32: float64 takes its functions from the C library, one number at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import cast

import numpy as np

from ....arrays import Array, same
from ...convolution import Convolutions
from ...operation import Operation
from ...program import Call, Function, Kernel, Program
from ...workspace import Workspace
from ..compile.jit import COMPILING, fitted
from ..compile.narrow import Fit
from ..conv import (
    depthwise,
    direct,
    direct_dw,
    gathered,
    gathered_dx,
    im2col,
    pointwise,
    strided_pointwise,
    tap_dw,
    wide_dw,
    winograd,
    winograd_links,
)
from ..conv.depthwise import depthwise_activated
from ..conv.direct import conv2d_activated
from ..conv.sparse import sparse_conv2d_activated
from ..kernels import elementwise
from ..kernels.pool_fused import max_pool_backward, subsample_activated, subsample_backward
from ..single_image import conv as image_conv
from ..single_image import conv_backward as image_conv_backward
from ..single_image import sparse_conv as image_sparse_conv
from ..single_image.conv import conv2d_image_activated
from ..tiles.activation import NONE
from . import by_lanes, channels_last, norms
from .alone import most_alone
from .fold import folded
from .rewrite import Rewrite, activation_of, bias_below, names, slope
from .wide import marked

HALVES = (2, 2, 2, 2, 0, 0, 1, 1)


def halves(x: Array, y: Array, window: Array) -> bool:
    """Whether a pool's windows are 2 × 2, lie side by side and cover the map, and there are lanes to fill vectors with."""
    return bool(tuple(window) == HALVES and x.shape[1:3] == (2 * y.shape[1], 2 * y.shape[2]) and x.shape[3] > 1)


def unit_stride(window: Array) -> bool:
    """Whether a window goes pixel by pixel, without gaps between its taps."""
    return bool(window[2] == window[3] == window[6] == window[7] == 1)


def convolution_activation(calls: Sequence[Call]) -> Rewrite | None:
    """y = W ⋆ x + b, y = f(y): in the tile's store."""
    if len(calls) < 2 or calls[0].name not in ("conv2d", "conv2d_image", "depthwise_conv2d", "sparse_conv2d"):
        return None
    arrays = calls[0].arrays
    if (kind := activation_of(calls[1], arrays[-1])) == NONE:
        return None
    if calls[0].name == "depthwise_conv2d":
        return Rewrite(2, depthwise_activated(kind, *arrays[:2], *arrays[3:]), arrays)
    if calls[0].name == "conv2d_image":
        return Rewrite(2, conv2d_image_activated(kind, arrays[0], arrays[3], arrays[-1]), arrays)
    sparse = sparse_conv2d_activated if arrays[-1].shape[-1] > 1 else image_sparse_conv.sparse_conv2d_activated
    activated = conv2d_activated if calls[0].name == "conv2d" else sparse
    return Rewrite(2, activated(kind, arrays[1], arrays[-1]), arrays)


def convolution_by_shape(calls: Sequence[Call]) -> Rewrite | None:
    """y = W ⋆ x + b, y = f(y) where that follows: with kernels of 3 × 3 or of one tap, by kernels of their own."""
    if calls[0].name != "conv2d":
        return None
    x, packed, b, g, y = calls[0].arrays
    kind = activation_of(calls[1], y) if len(calls) > 1 else NONE
    count = 1 if kind == NONE else 2
    if winograd.applies(x, y, g):
        return Rewrite(count, *winograd.rewritten(x, packed, b, g[4:6], y, kind, turned=False))
    if unit_stride(g) and winograd_links.applies(x, tuple(g[:2]), len(x) * len(y), y):
        return Rewrite(count, *winograd_links.dense(x, packed, b, g[4:6], y, kind, turned=False))
    if gathered.applies(x, len(y), g):
        return Rewrite(count, *gathered.rewritten(x, packed, b, g, y, kind))
    return Rewrite(count, *pointwise.rewritten(x, packed, b, y, kind)) if pointwise.applies(x, y, g) else None


def convolution_dx_by_shape(calls: Sequence[Call]) -> Rewrite | None:
    """dx = W ∗ dy: a convolution of dy with W turned, over a border that makes it as large as x; or Wᵀ dy for one tap.

    It is also the forward pass of a transposed convolution, y = W ∗ x; then y += b and y = f(y) may follow.
    """
    if calls[0].name != "conv2d_dx":
        return None
    dy, packed, g, dx = calls[0].arrays
    if max(g[2:4]) > 1:
        return strided_dx(dy, packed, g, dx)
    count, b = 1, np.zeros(len(dx), dx.dtype)
    if names(calls[1:], "row_add") and same(calls[1].arrays[1], dx):
        count, b = 2, calls[1].arrays[0]
    kind = activation_of(calls[count], dx) if len(calls) > count else NONE
    count += kind != NONE
    if winograd.applies(dy, dx, g):
        return Rewrite(count, *winograd.rewritten(dy, packed, b, 2 - g[4:6], dx, kind, turned=True))
    alike = 4 * dy[0].size >= 3 * dx[0].size  # otherwise most of what dx meets at its border is zeros
    if alike and unit_stride(g) and winograd_links.applies(dy, tuple(g[:2]), len(dy) * len(dx), dx):
        return Rewrite(count, *winograd_links.dense(dy, packed, b, 4 - g[4:6], dx, kind, turned=True))
    if gathered.applies_turned(dy, len(dx), g):
        return Rewrite(count, *gathered.rewritten(dy, packed, b, gathered.turned(g), dx, kind))
    return Rewrite(count, *pointwise.rewritten(dy, packed, b, dx, kind)) if pointwise.applies(dy, dx, g) else None


def strided_dx(dy: Array, packed: Array, g: Array, dx: Array) -> Rewrite | None:
    """The same for a stride above 1."""
    if gathered_dx.applies(dy, dx, g):
        return Rewrite(1, *gathered_dx.rewritten(dy, packed, g, dx))
    return Rewrite(1, *strided_pointwise.rewritten(dy, packed, g, dx)) if strided_pointwise.applies(dy, g) else None


def convolution_dw_by_shape(calls: Sequence[Call]) -> Rewrite | None:
    """dW += dy ⋆ x with many filters: by vectors of them."""
    if calls[0].name != "conv2d_dW_add":
        return None
    if wide_dw.applies(*calls[0].arrays[:2]):
        return Rewrite(1, *wide_dw.rewritten(*calls[0].arrays))
    return Rewrite(1, *tap_dw.rewritten(*calls[0].arrays)) if tap_dw.applies(*calls[0].arrays) else None


def sparse_convolution_by_rows(calls: Sequence[Call]) -> Rewrite | None:
    """y = W ⋆ x + b over links, y = f(y) where that follows: with kernels of 5 × 5, by Winograd's matrices for rows."""
    if calls[0].name != "sparse_conv2d":
        return None
    x, W, b, first, links, y = calls[0].arrays
    if not winograd_links.applies(x, W.shape[1:], len(links), y):
        return None
    kind = activation_of(calls[1], y) if len(calls) > 1 else NONE
    return Rewrite(1 if kind == NONE else 2, *winograd_links.forward(x, W, b, first, links, y, kind))


def sparse_convolution_backward_by_rows(calls: Sequence[Call]) -> Rewrite | None:
    """dW += dy ⋆ x and dx = W ∗ dy over links, which may be all there are: dy goes through the matrices once for both."""
    if not names(calls[1:], "sparse_conv2d_dx") or calls[0].name not in ("sparse_conv2d_dW_add", "conv2d_dW_add"):
        return None
    (x, dy, *rest, dW), (given, W, first, links, dx) = calls[0].arrays, calls[1].arrays
    maps, kernels = links[:, 0].copy(), links[:, 2].copy()
    if calls[0].name == "conv2d_dW_add":
        alike = tuple(rest[0]) == (*W.shape[1:], 1, 1, 0, 0, 1, 1) and np.array_equal(kernels, maps * len(x) + links[:, 1])
    else:
        alike = np.array_equal(maps, rest[1]) and np.array_equal(kernels, rest[2])
    if not (alike and same(dy, given) and winograd_links.applies(x, W.shape[1:], len(links), dy)):
        return None
    return Rewrite(2, *winograd_links.backward(x, dy, W, first, maps, kernels, dx, dW.reshape(W.shape)))


def subsample_activation(calls: Sequence[Call]) -> Rewrite | None:
    """y = coef · Σ window + b, y = f(y)."""
    if len(calls) < 2 or calls[0].name != "subsample":
        return None
    x, coef, b, g, y = calls[0].arrays
    kind = activation_of(calls[1], y)
    return Rewrite(2, subsample_activated(kind), (x, coef, b, y)) if kind != NONE and halves(x, y, g) else None


def subsample_activation_backward(calls: Sequence[Call]) -> Rewrite | None:
    """dy = f'(y) dy, the three gradients of a subsampling layer, dx = g'(x) dx, and the sums of dx for the bias below."""
    if len(calls) < 6 or not names(calls[1:], "subsample_dcoef_add", "row_sum_add", "subsample_dx"):
        return None
    (x, dy, g, dcoef), (_, db), (_, coef, _, dx) = (call.arrays for call in calls[1:4])
    above, below = slope(calls[0], None, dy), slope(calls[4], x, dx)
    db_below = bias_below(calls[5], dx)
    if NONE in (above, below) or db_below is None or not halves(x, dy, g):
        return None
    y = calls[0].arrays[0].reshape(dy.shape)
    return Rewrite(6, subsample_backward(above, below), (x, y, dy, coef, dx, dcoef, db, db_below), moves=(dx, x))


def max_pool_activation_backward(calls: Sequence[Call]) -> Rewrite | None:
    """dx = dy at the winners, dx = g'(x) dx, and the sums of dx for the bias below."""
    if len(calls) < 3 or not names(calls, "max_pool_dx"):
        return None
    dy, tap, g, dx = calls[0].arrays
    below, db_below = slope(calls[1], None, dx), bias_below(calls[2], dx)
    if below == NONE or db_below is None or not halves(dx, dy, g):
        return None
    x = calls[1].arrays[0].reshape(dx.shape)
    return Rewrite(3, max_pool_backward(below), (x, dy, tap, dx, db_below), moves=(dx, x))


RULES: tuple[Callable[[Sequence[Call]], Rewrite | None], ...] = (
    convolution_by_shape,
    convolution_dx_by_shape,
    sparse_convolution_by_rows,
    sparse_convolution_backward_by_rows,
    convolution_dw_by_shape,
    convolution_activation,
    subsample_activation,
    subsample_activation_backward,
    max_pool_activation_backward,
    *norms.RULES,
)


def rewrite(calls: Sequence[Call]) -> Rewrite | None:
    """What the first calls can be replaced by, or None."""
    if not calls[0].arrays or calls[0].arrays[0].dtype != np.float32:
        return None
    with COMPILING:  # kernels made on demand are made once
        return next((found for rule in RULES if (found := rule(calls)) is not None), None)


CONVOLUTIONS = Convolutions(
    {kernel.__name__: kernel for kernel in (
        by_lanes.gemm_bias, by_lanes.gemm_nt_add, by_lanes.gemm_tn, by_lanes.outer_add, by_lanes.pad, by_lanes.sparse_conv2d,
        by_lanes.sparse_conv2d_dW_add, by_lanes.sparse_conv2d_dx, depthwise.depthwise_conv2d, depthwise.depthwise_conv2d_dW_add,
        depthwise.depthwise_conv2d_dx, direct.conv2d, direct.conv2d_dx, direct_dw.conv2d_dW_add, direct.pack_channels,
        direct.pack_filters, im2col.col2im_add, im2col.im2col, elementwise.zero, image_conv.conv2d_image,
        image_conv_backward.conv2d_image_dW_add, image_conv_backward.conv2d_image_dx,
    )},
    depthwise.applies,
)  # fmt: skip

conv2d, conv2d_dx, conv2d_dW_add, sparse_conv2d, sparse_conv2d_dx, sparse_conv2d_dW_add, outer_add = (  # noqa: N816
    Operation(name, CONVOLUTIONS) for name in CONVOLUTIONS.names
)


def fused(calls: Sequence[Call], workspace: Workspace, moving: bool = False) -> list[Call]:
    """The same in fewer calls, by the rules."""
    done, rest = [], list(calls)
    while rest:
        found = rewrite(rest)
        if found is None:
            done.append(rest.pop(0))
            continue
        name = " + ".join(call.name for call in rest[: found.replaced])
        does = tuple(dict.fromkeys(one for call in rest[: found.replaced] for one in call.recorded))
        arrays, before = workspace.filled(rest[0].where, found.arrays)
        call = Call(rest[0].where, name, found.kernel, arrays, replaces=does)
        rest = rest[found.replaced :]
        if moving and found.moves is not None and not any(later.given(found.moves[1]) for later in rest):
            call, *rest = (each.moved(*found.moves) for each in (call, *rest))
        done += [*before, call]
    return done


FROM_ZERO = {"outer_add": by_lanes.outer}
"""Kernels that write what those of these names add to zeros: where they hold most of the parameters, zeros cost too much."""


class CpuLowering:
    """See ``interface.Lowering``.

    Args:
        fit: what kernels are fitted to, for groups of fewer lanes than usual.
    """

    def __init__(self, fit: Fit | None = None) -> None:
        self._fit, self.convolutions = fit, CONVOLUTIONS
        if fit is not None:
            self.convolutions = CONVOLUTIONS.of(lambda own: cast("Kernel", fitted(own, fit)))

    def lower(
        self,
        program: Program,
        workspace: Workspace,
        moving: bool = False,
        fuse: bool = True,
        results: Sequence[Array] | None = None,
    ) -> Program:
        """Convolutions by their shapes, then neighbours in one pass over memory."""
        calls = norms.gathered(folded(program.calls, workspace.derived))
        if fuse:
            calls = channels_last.lowered(calls, workspace, results)
        calls = self.convolutions.lowered(calls, workspace)
        calls = fused(calls, workspace, moving) if fuse else calls
        fit = self._fit
        if fit is not None:
            return Program([replace(call, kernel=fitted(call.kernel, fit)) for call in calls])
        return Program(marked(calls, workspace))

    def most_alone(self, program: Program) -> int:
        """A quarter of a group at least, where all kernels have a sibling for one image and weights stay in a cache."""
        return most_alone(program)

    def from_zero(self, call: Call) -> Function | None:
        """One that spares the zeros."""
        found = FROM_ZERO.get(call.name)
        return found if found is None or self._fit is None else fitted(found, self._fit)

    def check_call(self, where: str, function: Function) -> None:
        """Any function can be called."""


LOWERING = CpuLowering()
