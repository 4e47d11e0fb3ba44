"""Conversions: integers are cut or extended; floats become integers in range; what becomes a float is rounded to nearest."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .lanes import Array
from .registers import dtype_of
from .value import FLOAT, Value, copy

WHOLE = ("u8", "s8", "u16", "s16", "u32", "s32", "u64", "s64")
TO_INTEGRAL: dict[str, Callable[[Array], Array]] = {"rni": np.rint, "rzi": np.trunc, "rmi": np.floor, "rpi": np.ceil}
MANTISSA = {"f32": 24, "f64": 53}


def cast(x: Array, out: Array) -> None:
    np.copyto(out, x, casting="unsafe")


def to_integral(way: str) -> Callable[..., None]:
    def rounded(x: Array, out: Array) -> None:
        out[...] = TO_INTEGRAL[way](x)

    return rounded


def to_integer(way: str, target: str, source: str) -> Callable[..., None]:
    """A float as the nearest integer there is; a NaN as 0, or, with 64 bits on either side, as the top bit alone."""
    dtype = dtype_of(target)
    limits, bits = np.iinfo(dtype), 8 * dtype.itemsize
    nan = 0 if source == "f32" and bits < 64 else (1 << (bits - 1))

    def converted(x: Array, out: Array) -> None:
        y = TO_INTEGRAL[way](x.astype(np.float64))
        low, high = y < limits.min, y >= float(2 ** (bits - (dtype.kind == "i")))
        result = np.where(low | high | np.isnan(y), 0, y).astype(dtype)
        result[low], result[high] = limits.min, limits.max
        result[np.isnan(y)] = np.array(nan, np.uint64).astype(dtype)
        out[...] = result

    return converted


def saturate(x: Array, out: Array) -> None:
    """Into [0, 1]; a NaN is 0."""
    out[...] = np.where(x > 0, np.minimum(x, 1), x.dtype.type(0))


CONVERSIONS = {
    **{f"cvt.{to}.{of}": Value(copy, to, (of,)) for to in WHOLE for of in WHOLE if to != of},
    **{f"cvt.rn.{to}.{of}": Value(cast, to, (of,)) for to in FLOAT for of in WHOLE},
    "cvt.f64.f32": Value(cast, "f64", ("f32",)),
    "cvt.rn.f32.f64": Value(cast, "f32", ("f64",)),
    **{f"cvt.{way}.{t}.{t}": Value(to_integral(way), t, (t,)) for way in TO_INTEGRAL for t in FLOAT},
    **{
        f"cvt.{way}.{to}.{of}": Value(to_integer(way, to, of), to, (of,)) for way in TO_INTEGRAL for to in WHOLE for of in FLOAT
    },
    "cvt.sat.f32.f32": Value(saturate, "f32", ("f32",)),
}
