"""Activation functions on float32 vectors in registers, operation by operation as in ``functions.py``.

So a fused kernel gives the same bits as a kernel that stores, followed by an elementwise kernel.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from . import functions as f
from .activation import AMPLITUDE, BOUND, NONE, RELU, SCALED_END, SCALED_P, SCALED_Q, SCALED_TANH, SIGMOID, SLOPE, TANH
from .emit import I32, Emit

CONTRACT = ("contract",)
"""Flags of every sum, product and quotient here, as in ``functions.py``; otherwise Numba would set the kernel's own flags."""


def activated(emit: Emit, kind: int, x: Any) -> Any:
    """f(x), where f is the activation function with this number."""
    return {NONE: _same, RELU: _relu, SCALED_TANH: _scaled_tanh, TANH: _tanh, SIGMOID: _sigmoid}[kind](emit, x)


def slope(emit: Emit, kind: int, y: Any, dy: Any) -> Any:
    """f'(a) dy for y = f(a)."""
    b, one = emit.b, _number(emit, 1)
    if kind == RELU:
        zero = _number(emit, 0)
        return b.select(b.fcmp_ordered("<=", y, zero), zero, f.frozen(b, dy))
    if kind == SCALED_TANH:
        square = _times(emit, y, y)
        steep = emit.fma(b.fneg(_number(emit, SLOPE / AMPLITUDE)), square, _number(emit, SLOPE * AMPLITUDE))
        flat = b.fcmp_ordered(">=", square, _number(emit, BOUND * BOUND))
        return _times(emit, dy, b.select(flat, _number(emit, 0), steep))
    if kind == TANH:
        return _times(emit, dy, emit.fma(b.fneg(y), y, one))
    if kind == SIGMOID:
        return _times(emit, dy, _times(emit, y, b.fsub(one, y, flags=CONTRACT)))
    return dy


def _same(emit: Emit, x: Any) -> Any:
    return x


def _number(emit: Emit, value: Any) -> Any:
    return ir.Constant(emit.t.vector, [float(value)] * emit.t.w)


def _times(emit: Emit, x: Any, y: Any) -> Any:
    return emit.b.fmul(x, y, flags=CONTRACT)


def _over(emit: Emit, x: Any, y: Any) -> Any:
    return emit.b.fdiv(x, y, flags=CONTRACT)


def _at_least(emit: Emit, x: Any, low: Any) -> Any:
    """The larger of the two. Comparisons here are written so that a NaN is returned."""
    least = _number(emit, low)
    return emit.b.select(emit.b.fcmp_ordered("<", x, least), least, x)


def _at_most(emit: Emit, x: Any, high: Any) -> Any:
    """The smaller of the two."""
    most = _number(emit, high)
    return emit.b.select(emit.b.fcmp_ordered(">", x, most), most, x)


def _clamp(emit: Emit, x: Any, low: Any, high: Any) -> Any:
    """x between two numbers."""
    return _at_most(emit, _at_least(emit, x, low), high)


def _polynomial(emit: Emit, x: Any, coefficients: Any) -> Any:
    """Σ coefficients[n] xⁿ by Horner's rule."""
    *rest, value = (_number(emit, c) for c in coefficients)
    if coefficients[-1] == 1:
        value = emit.b.fadd(x, rest.pop(), flags=CONTRACT)
    for c in reversed(rest):
        value = emit.fma(value, x, c)
    return value


def _relu(emit: Emit, x: Any) -> Any:
    zero = _number(emit, 0)
    return emit.b.select(emit.b.fcmp_ordered("<=", x, zero), zero, f.frozen(emit.b, x))


def _tanh(emit: Emit, x: Any) -> Any:
    return _bounded_rational(emit, x, f.P, f.Q, f.TANH_END, 1)


def _scaled_tanh(emit: Emit, x: Any) -> Any:
    return _bounded_rational(emit, x, SCALED_P, SCALED_Q, SCALED_END, BOUND)


def _bounded_rational(emit: Emit, x: Any, p: Any, q: Any, end: Any, bound: Any) -> Any:
    u = _at_most(emit, _times(emit, x, x), end)
    y = _over(emit, _times(emit, x, _polynomial(emit, u, p)), _polynomial(emit, u, q))
    return _clamp(emit, y, -bound, bound)


def _sigmoid(emit: Emit, x: Any) -> Any:
    one = _number(emit, 1)
    return _over(emit, one, emit.b.fadd(one, _exp(emit, emit.b.fneg(x)), flags=CONTRACT))


def _exp(emit: Emit, x: Any) -> Any:
    b, ints = emit.b, ir.VectorType(I32, emit.t.w)
    x = _clamp(emit, x, f.EXP_MIN, f.EXP_MAX)
    t = emit.fma(x, _number(emit, f.LOG2_E), _number(emit, f.ROUND))
    k = b.sub(b.bitcast(t, ints), ir.Constant(ints, [int(f.ROUND_BITS)] * emit.t.w))
    n = b.fsub(t, _number(emit, f.ROUND), flags=CONTRACT)
    r = emit.fma(b.fneg(n), _number(emit, f.LN2_LOW), emit.fma(b.fneg(n), _number(emit, f.LN2_HIGH), x))
    half = b.ashr(k, ir.Constant(ints, [1] * emit.t.w))
    p = _polynomial(emit, r, f.E)
    return _times(emit, _times(emit, p, _power_of_two(emit, half)), _power_of_two(emit, b.sub(k, half)))


def _power_of_two(emit: Emit, k: Any) -> Any:
    ints = k.type
    raised = emit.b.add(k, ir.Constant(ints, [127] * emit.t.w))
    return emit.b.bitcast(emit.b.shl(raised, ir.Constant(ints, [23] * emit.t.w)), emit.t.vector)
