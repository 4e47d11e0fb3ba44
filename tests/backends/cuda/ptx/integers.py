"""Integer arithmetic: everything wraps around, shifts past the width leave nothing but the sign, division truncates."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .lanes import Array
from .value import INTEGER, UNTYPED, Value


def wide(kind: str) -> str:
    """The type of twice the size."""
    return f"{kind[0]}{2 * int(kind[1:])}"


def mul_wide(x: Array, y: Array, out: Array) -> None:
    np.multiply(x, y, out=out, dtype=out.dtype)


def mad_wide(x: Array, y: Array, z: Array, out: Array) -> None:
    out[...] = np.multiply(x, y, dtype=out.dtype) + z


def mad(x: Array, y: Array, z: Array, out: Array) -> None:
    out[...] = x * y + z


def mul_hi(x: Array, y: Array, out: Array) -> None:
    """The upper half of the product."""
    bits = 8 * out.itemsize
    if bits < 64:
        twice = np.dtype(f"{out.dtype.kind}{2 * out.itemsize}")
        out[...] = np.multiply(x, y, dtype=twice) >> bits
        return
    low, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    a, b = x.view(np.uint64), y.view(np.uint64)
    a0, a1, b0, b1 = a & low, a >> half, b & low, b >> half
    middle = a1 * b0 + ((a0 * b0) >> half)
    high = a1 * b1 + (middle >> half) + ((a0 * b1 + (middle & low)) >> half)
    if out.dtype.kind == "i":  # a negative factor counts 2⁶⁴ too much in unsigned numbers
        high = high - np.where(x < 0, b, np.uint64(0)) - np.where(y < 0, a, np.uint64(0))
    out[...] = high.view(out.dtype)


def quotient(x: Array, y: Array, out: Array) -> None:
    """Truncated towards zero; the most negative number by −1 is itself."""
    floor = np.floor_divide(x, y)
    out[...] = floor + ((floor < 0) & (floor * y != x)) if out.dtype.kind == "i" else floor


def remainder(x: Array, y: Array, out: Array) -> None:
    np.fmod(x, y, out=out)


def shift(operation: np.ufunc) -> Callable[..., None]:
    """A shift by an unsigned number that may be larger than the width."""

    def shifted(x: Array, amount: Array, out: Array) -> None:
        bits = 8 * out.itemsize
        if amount.size == 1 and amount[0] < bits:
            operation(x, int(amount[0]), out=out)
            return
        result = operation(x, np.minimum(amount, bits - 1).astype(out.dtype))
        out[...] = result if operation is np.right_shift and out.dtype.kind == "i" else np.where(amount < bits, result, 0)

    return shifted


SIGNED = tuple(t for t in INTEGER if t[0] == "s")
NARROW = tuple(t for t in INTEGER if not t.endswith("64"))

INTEGERS = {
    **{f"add.{t}": Value(np.add, t, (t, t)) for t in INTEGER},
    **{f"sub.{t}": Value(np.subtract, t, (t, t)) for t in INTEGER},
    **{f"mul.lo.{t}": Value(np.multiply, t, (t, t)) for t in INTEGER},
    **{f"mul.hi.{t}": Value(mul_hi, t, (t, t)) for t in INTEGER},
    **{f"mul.wide.{t}": Value(mul_wide, wide(t), (t, t)) for t in NARROW},
    **{f"mad.lo.{t}": Value(mad, t, (t, t, t)) for t in INTEGER},
    **{f"mad.wide.{t}": Value(mad_wide, wide(t), (t, t, wide(t))) for t in NARROW},
    **{f"div.{t}": Value(quotient, t, (t, t), divides=True) for t in INTEGER},
    **{f"rem.{t}": Value(remainder, t, (t, t), divides=True) for t in INTEGER},
    **{f"min.{t}": Value(np.minimum, t, (t, t)) for t in INTEGER},
    **{f"max.{t}": Value(np.maximum, t, (t, t)) for t in INTEGER},
    **{f"neg.{t}": Value(np.negative, t, (t,)) for t in SIGNED},
    **{f"abs.{t}": Value(np.absolute, t, (t,)) for t in SIGNED},
    **{f"{name}.{t}": Value(f, t, (t, t)) for name, f in (("and", np.bitwise_and), ("or", np.bitwise_or)) for t in UNTYPED},
    **{f"xor.{t}": Value(np.bitwise_xor, t, (t, t)) for t in UNTYPED},
    **{f"not.{t}": Value(np.invert, t, (t,)) for t in UNTYPED},
    **{f"shl.{t}": Value(shift(np.left_shift), t, (t, "u32")) for t in UNTYPED},
    **{f"shr.{t}": Value(shift(np.right_shift), t, (t, "u32")) for t in INTEGER},
    "and.pred": Value(np.logical_and, "pred", ("pred", "pred")),
    "or.pred": Value(np.logical_or, "pred", ("pred", "pred")),
    "xor.pred": Value(np.logical_xor, "pred", ("pred", "pred")),
    "not.pred": Value(np.logical_not, "pred", ("pred",)),
}
