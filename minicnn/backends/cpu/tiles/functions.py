"""Scalar functions for the kernels: float32 forms that LLVM can vectorise, float64 forms from the C library.

In plain Python each is its NumPy function; in compiled code Numba chooses the form by dtype. The float32 forms are compiled
with ``contract`` only: reassociation would remove the rounding by a large constant and the split of ln 2 into two parts.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload, register_jitable

from ....arrays import Number

# e^x = 2^k e^r with k = round(x / ln 2) and |r| ≤ ln 2 / 2
ROUND = np.float32(1.5 * 2**23)  # t + ROUND has no bits for a fraction, so its low bits are the integer nearest to t
ROUND_BITS = np.int32(0x4B400000)
LOG2_E = np.float32(1.4426950408889634)
LN2_HIGH, LN2_LOW = np.float32(0.693359375), np.float32(-2.1219444e-4)  # k · LN2_HIGH is exact
EXPM1_MIN = np.float32(-30)  # e^x − 1 is −1 below
EXP_MIN, EXP_MAX = np.float32(-104), np.float32(89)  # e^x is 0 below and ∞ above
E = tuple(np.float32(1 / math.factorial(n)) for n in range(8))  # Taylor's remainder: a tenth of an ulp at |r| = ln 2 / 2

# tanh x = x P(x²) / Q(x²) for x² ≤ TANH_END, where it reaches 1: minimax in relative error, 0.4 · 2⁻²⁴ before rounding
TANH_END = np.float32(9.1**2)
P = tuple(map(np.float32, (1.0, 0.1338268667459488, 0.003497457830235362, 2.0635825421777554e-05, 1.3384293673368575e-08)))
Q = tuple(map(np.float32, (1.0, 0.46716007590293884, 0.025884361937642097, 0.00032885174732655287, 7.790250151629152e-07)))

# erf x = x R(x²) / S(x²) for x² ≤ ERF_END, where it reaches 1: minimax in relative error, 0.24 · 2⁻²⁴ before rounding
ERF_END = np.float32(3.85**2)
R = tuple(
    map(
        np.float32,
        (
            1.1283791509924201,
            0.1878997721167768,
            0.05247997564294146,
            0.003674017616141189,
            0.0002856764634701149,
            2.108260990796441e-06,
        ),
    )
)
S = tuple(
    map(
        np.float32,
        (1.0, 0.4998547115570508, 0.11312981265227783, 0.014785067841753057, 0.0011455214569581027, 3.873180787985445e-05),
    )
)


def like(x: Number, value: float) -> Number:
    """``value`` in the dtype of ``x``: a literal would turn float32 arithmetic into float64."""
    return type(x)(value)


def chosen(first: bool, x: Number, y: Number) -> Number:
    """x if ``first``, else y: both are computed."""
    return x if first else y


def exp(x: Number) -> Number:
    """e^x."""
    return np.exp(x)


def expm1(x: Number) -> Number:
    """e^x − 1 for x ≤ 0."""
    return np.expm1(x)


def tanh(x: Number) -> Number:
    """tanh x."""
    return np.tanh(x)


def erf(x: Number) -> Number:
    """The error function 2/√π ∫₀ˣ e^−t² dt."""
    return type(x)(math.erf(x))


def exp32(x: Number) -> Number:
    """e^x in float32, within 2 ulp, including subnormal results."""
    x = EXP_MIN if x < EXP_MIN else x  # comparisons are written so that a NaN passes through
    x = EXP_MAX if x > EXP_MAX else x
    t = np.float32(x * LOG2_E + ROUND)
    k = np.int32(t.view(np.int32) - ROUND_BITS)
    n = t - ROUND
    r = (x - n * LN2_HIGH) - n * LN2_LOW
    p = ((((((E[7] * r + E[6]) * r + E[5]) * r + E[4]) * r + E[3]) * r + E[2]) * r + E[1]) * r + E[0]
    half = np.int32(k >> 1)  # 2^k as two factors: k ranges from −150 to 128, an exponent from −126 to 127
    return p * power_of_two(half) * power_of_two(k - half)


def expm1_32(x: Number) -> Number:
    """e^x − 1 in float32 for x ≤ 0, within 2 ulp: 2^k (e^r − 1) + (2^k − 1)."""
    x = EXPM1_MIN if x < EXPM1_MIN else x
    t = np.float32(x * LOG2_E + ROUND)
    n = t - ROUND
    r = (x - n * LN2_HIGH) - n * LN2_LOW
    p = ((((((E[7] * r + E[6]) * r + E[5]) * r + E[4]) * r + E[3]) * r + E[2]) * r + E[1]) * r
    scale = power_of_two(np.int32(t.view(np.int32) - ROUND_BITS))
    return scale * p + (scale - E[0])


def power_of_two(k: Number) -> Number:
    """2^k for −126 ≤ k ≤ 127, from the bits of a float32."""
    return np.int32((k + np.int32(127)) << np.int32(23)).view(np.float32)


def tanh32(x: Number) -> Number:
    """tanh x in float32, within 5 ulp."""
    return bounded_rational(x, P, Q, TANH_END, np.float32(1))


def bounded_rational(x: Number, p: Number, q: Number, end: Number, bound: Number) -> Number:
    """x p(u) / q(u) with u = min(x², end), clamped to ±bound; beyond the end it grows with x."""
    u = x * x
    u = end if u > end else u  # a NaN passes
    above = (((p[4] * u + p[3]) * u + p[2]) * u + p[1]) * u + p[0]
    below = (((q[4] * u + q[3]) * u + q[2]) * u + q[1]) * u + q[0]
    y = x * above / below
    y = -bound if y < -bound else y
    return bound if y > bound else y


def erf32(x: Number) -> Number:
    """erf x in float32, within 5 ulp."""
    one, u = np.float32(1), x * x
    u = ERF_END if u > ERF_END else u
    above = ((((R[5] * u + R[4]) * u + R[3]) * u + R[2]) * u + R[1]) * u + R[0]
    below = ((((S[5] * u + S[4]) * u + S[3]) * u + S[2]) * u + S[1]) * u + S[0]
    y = x * above / below
    y = -one if y < -one else y
    return one if y > one else y


def exp64(x: Number) -> Number:
    """e^x in float64."""
    return math.exp(x)


def expm1_64(x: Number) -> Number:
    """e^x − 1 in float64."""
    return math.expm1(x)


def tanh64(x: Number) -> Number:
    """tanh x in float64."""
    return math.tanh(x)


def erf64(x: Number) -> Number:
    """erf x in float64."""
    return math.erf(x)


FLAGS: Any = {"fastmath": {"contract"}, "error_model": "numpy"}


def compile_as(function: Callable[..., Number], single: Callable[..., Number], double: Callable[..., Number]) -> None:
    """In kernels, compile ``function`` as ``single`` for a float32 first argument and as ``double`` for a float64 one."""

    def choose(x: types.Type, *rest: types.Type) -> Callable[..., Number] | None:
        return {types.float32: single, types.float64: double}.get(x)

    overload(function, jit_options=FLAGS, strict=False)(choose)


def frozen(builder: Any, value: Any) -> Any:
    """The same value. Where y[i] stays y[i] on one of two ways, LLVM would make a masked store, which is slow; not here."""
    instruction = ir.instructions.Instruction(builder.block, value.type, "freeze", [value])
    builder._insert(instruction)
    return instruction


@intrinsic
def _selected(typingctx: Any, first: Any, x: Any, y: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.select(args[0], *(frozen(builder, arg) for arg in args[1:]))

    return x(types.boolean, x, x), codegen


@overload(chosen, strict=False)
def _chosen(first: Any, x: Any, y: Any) -> Callable[..., Number]:
    return lambda first, x, y: _selected(first, x, y)  # type: ignore[call-arg]  # noqa: PLW0108 - Numba wants a function


register_jitable(**FLAGS)(power_of_two)
register_jitable(**FLAGS)(bounded_rational)
compile_as(exp, exp32, exp64)
compile_as(expm1, expm1_32, expm1_64)
compile_as(tanh, tanh32, tanh64)
compile_as(erf, erf32, erf64)
compile_as(like, lambda x, value: np.float32(value), lambda x, value: np.float64(value))
