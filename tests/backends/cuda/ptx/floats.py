"""Floating-point arithmetic: rounded once, to the nearest unless it says otherwise, with subnormals unless it says ``ftz``.

The ``approx`` instructions are computed in float64, put off by as much as the relative error that NVIDIA states (PTX ISA 9.0)
allows, a hash of the value deciding how far and to which side, and rounded: what passes here does not depend on how exact a
GPU is. NaNs are NaNs: which bits they carry is not looked at.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .lanes import Array
from .rounding import fma_rm_f32, fma_rn_f32, fma_rn_f64
from .value import FLOAT, Value


def extreme(function: np.ufunc, zero: Callable[[Array, Array], Array]) -> Callable[..., None]:
    """The smaller or larger one: of a number and a NaN the number, of two zeros by sign."""

    def minmax(x: Array, y: Array, out: Array) -> None:
        result = function(x, y)
        zeros = (x == 0) & (y == 0)
        if zeros.any():
            result = np.where(zeros, np.copysign(result, np.where(zero(np.signbit(x), np.signbit(y)), -1, 1)), result)
        out[...] = result

    return minmax


def copy_sign(sign: Array, x: Array, out: Array) -> None:
    np.copysign(x, sign, out=out)


def flushed(x: Array) -> Array:
    """Subnormal float32s as zeros of their sign."""
    return np.where(np.abs(x) < np.finfo(np.float32).tiny, np.copysign(np.float32(0), x), x)


def off_by(y: Array, error: float) -> Array:
    """float64s times 1 + e, |e| ≤ error, by a hash of their bits; whole powers of two are let alone."""
    mixed = y.view(np.uint64) * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(32)
    e = np.where(np.frexp(y)[0] == 0.5, 0.0, mixed.astype(np.float64) / 2.0**31 - 1)
    return y * (1 + error * e)


def approximate(function: np.ufunc, error: float) -> Callable[..., None]:
    """A float32 function to within a relative error, with subnormals on either side flushed."""
    margin = error - 2.0**-24  # what rounding adds

    def f(x: Array, out: Array) -> None:
        y = off_by(function(flushed(x).astype(np.float64)), margin)
        out[...] = flushed(y.astype(np.float32))

    return f


def upper_half(x: Array) -> Array:
    """A float64 with its low 32 bits cleared, subnormals as zeros."""
    y = (x.view(np.uint64) & np.uint64(0xFFFFFFFF00000000)).view(np.float64)
    return np.where(np.abs(y) < np.finfo(np.float64).tiny, np.copysign(0.0, y), y)


def gross_reciprocal(x: Array, out: Array) -> None:
    """``rcp.approx.ftz.f64``: of the upper half of x, and only its upper half is there."""
    out[...] = upper_half(off_by(1 / upper_half(np.ascontiguousarray(x)), 2.0**-21))


def reciprocal(x: Array, out: Array) -> None:
    np.divide(x.dtype.type(1), x, out=out)


BOTH = {"add": np.add, "sub": np.subtract, "mul": np.multiply}

FLOATS = {
    **{f"{name}{rn}.{t}": Value(f, t, (t, t)) for name, f in BOTH.items() for rn in ("", ".rn") for t in FLOAT},
    "fma.rn.f32": Value(fma_rn_f32, "f32", ("f32",) * 3),
    "fma.rm.f32": Value(fma_rm_f32, "f32", ("f32",) * 3),
    "fma.rn.f64": Value(fma_rn_f64, "f64", ("f64",) * 3),
    **{f"div.rn.{t}": Value(np.divide, t, (t, t)) for t in FLOAT},
    **{f"sqrt.rn.{t}": Value(np.sqrt, t, (t,)) for t in FLOAT},
    **{f"rcp.rn.{t}": Value(reciprocal, t, (t,)) for t in FLOAT},
    **{f"min.{t}": Value(extreme(np.fmin, np.logical_or), t, (t, t)) for t in FLOAT},
    **{f"max.{t}": Value(extreme(np.fmax, np.logical_and), t, (t, t)) for t in FLOAT},
    **{f"neg.{t}": Value(np.negative, t, (t,)) for t in FLOAT},
    **{f"abs.{t}": Value(np.absolute, t, (t,)) for t in FLOAT},
    **{f"copysign.{t}": Value(copy_sign, t, (t, t)) for t in FLOAT},
    "ex2.approx.ftz.f32": Value(approximate(np.exp2, 2.0**-22), "f32", ("f32",)),
    "rcp.approx.ftz.f32": Value(approximate(np.reciprocal, 2.0**-23), "f32", ("f32",)),
    "rcp.approx.ftz.f64": Value(gross_reciprocal, "f64", ("f64",)),
}
