"""Rules for normalisations, for sums of two values, and for the activation functions beside them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ....arrays import Array, same
from ...meeting import Barrier
from ...program import Call
from ..compile.host import LANES
from ..kernels.norm_fused import add_activated, add_slope, normalize_activated, normalize_sums_below
from ..tiles.activation import NONE
from .rewrite import Rewrite, activation_of, names, slope

READING = ("row_sum_add", "conv2d_dW_add", "conv2d_dx")
"""Calls that write their last array alone, and that sums over the same dy may come before."""


def gathered(calls: Sequence[Call]) -> list[Call]:
    """The same calls, in an order in which the rules find them side by side.

    A normalisation comes directly before the sum that reads it, and the sums over a gradient directly behind what writes it,
    where the calls between have to do with neither. What would copy an array to itself is left out.
    """
    done = [call for call in calls if call.name != "copy" or not same(*call.arrays)]
    for call in [call for call in done if call.name == "normalize"]:
        first = done.index(call)
        reader = next((i for i in range(first + 1, len(done)) if _meet(done[i], call)), len(done))
        if reader < len(done) and done[reader].name == "add":
            done.insert(reader, call)
            del done[first]
    for call in [call for call in done if call.name == "normalize_sums"]:
        last = done.index(call)
        writer = next((i for i in range(last - 1, -1, -1) if not _passes(done[i], call)), -1)
        if writer >= 0 and (done[writer].name == "add" or done[writer].name.endswith("_dx")):
            del done[last]
            done.insert(writer + 1, call)
    return done


def _meet(one: Call, other: Call) -> bool:
    """Whether two calls are given the same memory, or one is a barrier."""
    return isinstance(one, Barrier) or any(one.given(array) for array in other.arrays)


def _passes(call: Call, sums: Call) -> bool:
    """Whether the sums of a gradient may be made before a call: it writes nothing that they are given."""
    if call.name in READING:
        return not any(np.may_share_memory(call.arrays[-1], array) for array in sums.arrays)
    return not _meet(call, sums)


def _vectors(channels: int, *arrays: Array) -> bool:
    """Whether a part of the arrays, one for each channel, is whole vectors, as lanes are."""
    fill = (array.shape[-1] > 1 or array.size // channels % LANES == 0 for array in arrays)
    return all(fill) and all(array.flags.c_contiguous for array in arrays)


def _other(calls: Sequence[Call], y: Array) -> Array | None:
    """What the first call adds to y, None where it is another call."""
    if not names(calls, "add") or not same(calls[0].arrays[1], y) or np.may_share_memory(calls[0].arrays[0], y):
        return None
    return calls[0].arrays[0]


def _activation(calls: Sequence[Call], y: Array) -> int:
    """The number of the function that the first call applies to y in place, NONE where it is another call."""
    return activation_of(calls[0], y) if calls and calls[0].arrays else NONE


def normalize_activation(calls: Sequence[Call]) -> Rewrite | None:
    """y = W x̂ + b, y += other, y = f(y), or without one of the last two."""
    if calls[0].name != "normalize":
        return None
    x, stats, W, b, y = calls[0].arrays
    other = _other(calls[1:], y)
    kind = _activation(calls[1 + (other is not None) :], y)
    count = 1 + (other is not None) + (kind != NONE)
    if count == 1 or not _vectors(len(x), x, y, *([] if other is None else [other])):
        return None
    beside = y if other is None else other.reshape(y.shape)
    return Rewrite(count, normalize_activated(kind, other is not None), (x, stats, W, b, beside, y))


def sum_activation(calls: Sequence[Call]) -> Rewrite | None:
    """y = x, y += other, y = f(y), or two of the three with the sum among them."""
    first = calls[0]
    if first.name not in ("copy", "add"):
        return None
    count, (x, y) = (1, first.arrays) if first.name == "copy" else (0, (first.arrays[1],) * 2)
    other = _other(calls[count:], y)
    if other is None:
        return None
    kind = _activation(calls[count + 1 :], y)
    count += 1 + (kind != NONE)
    return Rewrite(count, add_activated(kind), (x, other, y)) if count > 1 and _vectors(1, x, other, y) else None


def sum_slope(calls: Sequence[Call]) -> Rewrite | None:
    """dy += part, dy = f'(a) dy for y = f(a)."""
    if len(calls) < 2 or calls[0].name != "add":
        return None
    dy = calls[0].arrays[1]
    part, kind = _other(calls, dy), slope(calls[1], None, dy)
    if part is None or kind == NONE or not _vectors(1, part, dy):
        return None
    return Rewrite(2, add_slope(kind), (part, calls[1].arrays[0], dy))


def normalize_sums_activation(calls: Sequence[Call]) -> Rewrite | None:
    """dy += part, dy = f'(a) dy for y = f(a), or one of the two; and the sums of dy for the normalisation below."""
    dy = calls[0].arrays[-1]
    part = _other(calls, dy)
    at = 0 if part is None else 1
    kind = slope(calls[at], None, dy) if len(calls) > at and calls[at].arrays else NONE
    count = at + (kind != NONE)
    if not count or not names(calls[count:], "normalize_sums") or not same(calls[count].arrays[1], dy):
        return None
    x, _, stats, lanes, row = calls[count].arrays
    y = x if kind == NONE else calls[at].arrays[0].reshape(x.shape)
    parts = dy if part is None else part
    if not _vectors(len(x), x, y, dy, parts):
        return None
    arrays = (x, y, parts.reshape(x.shape), stats, lanes, dy.reshape(x.shape), row)
    return Rewrite(count + 1, normalize_sums_below(kind, part is not None), arrays)


RULES = (normalize_activation, sum_activation, normalize_sums_activation, sum_slope)
