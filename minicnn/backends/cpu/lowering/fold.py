"""Batch normalisation by running statistics, folded into the convolution or product below it: one pass over memory for both."""

from __future__ import annotations

from collections.abc import Sequence

from ....arrays import Array, same
from ...derived import Derived
from ...program import SOLE_READER, Call
from ..compile.jit import kernel

BELOW = {"conv2d": (1, 2), "gemm_bias": (0, 2)}
"""The calls that it may be folded into, y = W x + b, and which of their arrays are W and b."""


@kernel
def fold(W: Array, b: Array, stats: Array, scale: Array, shift: Array, V: Array, c: Array) -> None:
    """V = s · W and c = s · (b − mean) + shift, by rows, with s = scale/√(variance + ε): so V x + c is y normalised."""
    for row in range(W.shape[0]):
        s = scale[row] * stats[1, row]
        for i in range(W.shape[1]):
            V[row, i] = s * W[row, i]
        c[row] = s * (b[row] - stats[0, row]) + shift[row]


def folded(calls: Sequence[Call], derived: Derived) -> list[Call]:
    """The same calls, where nobody else reads what is normalised.

    Args:
        calls: those of a pass.
        derived: makes the weights, when the parameters or the statistics have changed.
    """
    done: list[Call] = []
    for call in calls:
        below = done[-1] if done else None
        if (
            below is not None
            and below.name in BELOW
            and call.name == "normalize"
            and same(below.arrays[-1], call.arrays[0])
            and SOLE_READER.items() <= call.options.items()
        ):
            done[-1] = _one(below, call, derived)
        else:
            done.append(call)
    return done


def _one(below: Call, call: Call, derived: Derived) -> Call:
    """The call below, with weights that do both."""
    order = BELOW[below.name]
    W, b = (below.arrays[number] for number in order)
    _, stats, scale, shift, y = call.arrays
    rows = W.reshape(len(W), -1)
    V, c = derived.several(call.where, fold, (rows, b, stats, scale, shift), (rows.shape, b.shape))
    arrays = list(below.arrays)
    arrays[order[0]], arrays[order[1]] = V.reshape(W.shape), c
    arrays[-1] = y.reshape(below.arrays[-1].shape)
    return Call(below.where, below.name, below.kernel, tuple(arrays), below.options, replaces=(*below.recorded, *call.recorded))
