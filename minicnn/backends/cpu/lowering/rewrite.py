"""What a rule of lowering gives, and how rules recognise the calls that they are for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ....arrays import Array, same
from ...program import Call
from ...scratch import ScratchSpec
from ...workspace import DerivedSpec
from ..compile.jit import Kernel
from ..tiles.activation import NONE, NUMBERS


class Rewrite(NamedTuple):
    """What stands for the first few calls.

    Attributes:
        replaced: how many they are.
        kernel: what is called in their place.
        arrays: what it works on, scratch, and what is derived from weights.
        moves: an output and the input it may be written over, element by element.
    """

    replaced: int
    kernel: Kernel
    arrays: tuple[Array | ScratchSpec | DerivedSpec, ...]
    moves: tuple[Array, Array] | None = None


def activation_of(call: Call, y: Array) -> int:
    """The number of the activation function that a call applies to y in place, NONE where it is another call."""
    number = NUMBERS.get(call.name, NONE)
    return number if number != NONE and same(call.arrays[0], y) and same(call.arrays[1], y) else NONE


def slope(call: Call, y: Array | None, dy: Array) -> int:
    """The number of the function by whose derivative, written in y, a call multiplies dy in place; else NONE."""
    number = NUMBERS.get(call.name.removesuffix("_dx"), NONE) if call.name.endswith("_dx") else NONE
    matches = number != NONE and same(call.arrays[1], dy) and same(call.arrays[2], dy)
    return number if matches and (y is None or same(call.arrays[0], y)) else NONE


def names(calls: Sequence[Call], *wanted: str) -> bool:
    """Whether the calls begin with these kernels."""
    return [call.name for call in calls[: len(wanted)]] == list(wanted)


def bias_below(call: Call, dx: Array) -> Array | None:
    """The gradient that a call adds the sums of each map of dx to, every map having its own."""
    if call.name not in ("row_sum_add", "group_sum_add") or not same(call.arrays[0], dx):
        return None
    *group, db = call.arrays[1:]
    own: Array | None = db if not group or np.array_equal(group[0], np.arange(len(db))) else None
    return own
