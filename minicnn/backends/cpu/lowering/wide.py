"""Products whose weights are wider than the cache: made once for all groups of a batch, which meet each block of the weights.

Group by group such weights come from memory again for every group, and their gradient goes there. A product is marked if its
weights have at least as many bytes as the second cache of most processors, and as all that its group keeps: meeting costs that,
as a group's arrays are read from memory again after each meeting. Sums run over inputs, units or the images of a lot from the
first to the last, and sums of lots are added in order; so their bits are those of lots, or groups, on their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from ....arrays import Array
from ...derived import allocated
from ...meeting import Meeting, WideCall
from ...program import Call, Program
from ...workspace import Workspace
from ..compile.host import HOST, LANES
from ..compile.jit import COMPILING, Kernel
from ..kernels import wide_gemm

LEAST = 1 << 19
"""Bytes of weights that pay."""

LARGE = 1 << 22
"""Bytes of weights that pay in predictions with fewer registers: a core's share of the third cache."""

Made = tuple[Kernel, tuple[Array, ...]]
"""A kernel and what it is called with."""

PRODUCTS = {"gemm_bias": (0, (1, 3)), "gemm_tn": (0, (1, 2)), "outer_add": (3, (0, 1))}
"""Which array of a product has the shape of the weights, and which two belong to a group."""


def marked(calls: Sequence[Call], workspace: Workspace) -> list[Call]:
    """The calls, with those that groups should make together as such.

    With 16 registers a group's own product forward reaches more of the peak: there groups meet in predictions only where
    weights would come from memory for every group.
    """
    least = LARGE if HOST.few_registers and not workspace.train else LEAST
    return [_marked(call, calls, workspace.kept, least) for call in calls]


def _marked(call: Call, calls: Sequence[Call], kept: Array | None, least: int) -> Call:
    if kept is None or call.name not in PRODUCTS:
        return call
    number, own = PRODUCTS[call.name]
    weights, of_group = call.arrays[number], [call.arrays[n] for n in own]
    if weights.nbytes < max(least, kept.nbytes) or any(not _whole(array, kept) for array in of_group):
        return call
    if number == len(call.arrays) - 1 and any(other is not call and other.given(weights) for other in calls):
        return call  # what others add to the gradient as well is added group by group
    return WideCall(call.where, call.name, call.kernel, call.arrays, call.options, call.replaces, together=together)


def _whole(array: Array, kept: Array) -> bool:
    """Whether an array is the group's own, in one piece, and has lanes to fill vectors with."""
    own = np.may_share_memory(array, kept)
    return bool(own and array.ndim == 2 and array.flags.c_contiguous and array.shape[1] % LANES == 0)


def together(calls: Sequence[Call], meeting: Meeting) -> list[Program]:
    """What each thread does for the same call of all groups: its share of the weights, which meet all groups."""
    first, arrays, threads = calls[0].arrays, [*zip(*(call.arrays for call in calls), strict=True)], meeting.threads
    shares: Iterator[Sequence[Made]]
    if calls[0].name == "gemm_bias":
        shares = _forward(first[0], over_groups(arrays[1]), first[2], over_groups(arrays[3]), threads)
    elif calls[0].name == "gemm_tn":
        shares = _backward(first[0], over_groups(arrays[1]), over_groups(arrays[2]), threads)
    else:
        shares = _gradient(calls, over_groups(arrays[0]), over_groups(arrays[1]), meeting)
    with COMPILING:  # kernels made on demand are made once
        return [Program(Call(calls[0].where, kernel.__name__, kernel, own) for kernel, own in share) for share in shares]


def _forward(W: Array, x: Array, b: Array, y: Array, threads: int) -> Iterator[Sequence[Made]]:
    """y = W x + b by rows of W."""
    for part in cut(len(W), wide_gemm.ROWS, threads):
        yield [(wide_gemm.gemm_bias_wide(x), (W[part], x, b[part], y[:, part]))]


def _backward(W: Array, dy: Array, dx: Array, threads: int) -> Iterator[Sequence[Made]]:
    """dx = Wᵀ dy by columns of W."""
    for part in cut(W.shape[1], wide_gemm.ROWS, threads):
        packed = allocated(wide_gemm.packed(dy), dy.dtype)
        yield [(wide_gemm.gemm_tn_wide(dy), (W[:, part], dy, packed, dx[:, part]))]


def _gradient(calls: Sequence[Call], dy: Array, x: Array, meeting: Meeting) -> Iterator[Sequence[Made]]:
    """dW = dy xᵀ, or dW += dy xᵀ, by columns of dW: of each lot where it adds to, or of all lots where the first does."""
    lots = min(meeting.lots, len(calls))
    each = [(lots, slice(None), calls[0])] if meeting.all_here else [(1, slice(n, None, lots), calls[n]) for n in range(lots)]
    for part in cut(x.shape[1], wide_gemm.columns(x), meeting.threads):
        xt = allocated(max(wide_gemm.turned(x[own], count) for count, own, _ in each), x.dtype)
        yield [
            (
                wide_gemm.outer_wide(x, call.name == "outer_add"),
                (dy[own], x[own, part], np.array([count]), xt, call.arrays[3][:, part]),
            )
            for count, own, call in each
        ]


def cut(length: int, step: int, threads: int) -> list[slice]:
    """Shares of rows or columns for threads, in whole tiles of ``step``.

    >>> cut(20, 6, 2), cut(4, 6, 2)
    ([slice(0, 12, None), slice(12, 20, None)], [slice(0, 4, None)])
    """
    tiles = -(-length // step)
    ends = [min(length, tiles * part // min(threads, tiles) * step) for part in range(min(threads, tiles) + 1)]
    return [slice(first, end) for first, end in pairwise(ends)]


def over_groups(arrays: Sequence[Array]) -> Array:
    """The same array of all groups, which lie at equal distances, as one (G, …)."""
    places = [array.ctypes.data for array in arrays]
    (step,) = {second - first for first, second in pairwise(places)} or {arrays[0].nbytes}
    return np.lib.stride_tricks.as_strided(arrays[0], (len(arrays), *arrays[0].shape), (step, *arrays[0].strides))
