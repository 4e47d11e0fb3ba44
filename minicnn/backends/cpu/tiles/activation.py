"""Activation functions inside other kernels, selected by number so that a compiled kernel can hold one as a constant.

A kernel specialised on such a number computes y = f(a) before it stores, or multiplies by f'(a), which is written in terms of
y. ``kernels/elementwise.py`` has the same functions as separate kernels. Products are evaluated in the written order: LLVM
makes two loops of one kernel, for whole vectors and for the rest, and these must round alike.
"""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable

from ....arrays import Number
from . import functions
from .functions import FLAGS, TANH_END, P, Q, bounded_rational, chosen, compile_as, like

NONE, RELU, SCALED_TANH, TANH, SIGMOID = range(5)

NUMBERS = {"relu": RELU, "scaled_tanh": SCALED_TANH, "tanh": TANH, "sigmoid": SIGMOID}
"""The number of an activation function, by the name of its kernel."""

AMPLITUDE, SLOPE = 1.7159, 2 / 3  # LeNet-5's activation function

# A tanh(S x) = x P(x²) / Q(x²): the coefficients of tanh with A and S included, scaled so that Q's highest one is 1
SCALED_P = tuple(np.float32(AMPLITUDE * SLOPE ** (2 * n + 1) * c / (SLOPE**8 * Q[4])) for n, c in enumerate(P))
SCALED_Q = tuple(np.float32(SLOPE ** (2 * n) * c / (SLOPE**8 * Q[4])) for n, c in enumerate(Q))
SCALED_END, BOUND = np.float32(TANH_END / SLOPE**2), np.float32(AMPLITUDE)


@register_jitable(**FLAGS)
def relu(x: Number) -> Number:
    """max(x, 0)."""
    return chosen(x <= 0, like(x, 0), x)  # a NaN is not ≤ 0, so it is returned


def scaled_tanh(x: Number) -> Number:
    """A tanh(S x)."""
    return like(x, AMPLITUDE) * functions.tanh(like(x, SLOPE) * x)


def scaled_tanh32(x: Number) -> Number:
    """A tanh(S x) in float32."""
    return bounded_rational(x, SCALED_P, SCALED_Q, SCALED_END, BOUND)


compile_as(scaled_tanh, scaled_tanh32, scaled_tanh)


@register_jitable(**FLAGS)
def sigmoid(x: Number) -> Number:
    """1 / (1 + e⁻ˣ)."""
    return like(x, 1) / (like(x, 1) + functions.exp(-x))


@register_jitable
def activate(kind: int, x: Number) -> Number:
    """f(x)."""
    if kind == RELU:
        return relu(x)
    if kind == SCALED_TANH:
        return scaled_tanh(x)
    if kind == TANH:
        return functions.tanh(x)
    if kind == SIGMOID:
        return sigmoid(x)
    return x


@register_jitable(**FLAGS)
def relu_dx(y: Number, dy: Number) -> Number:
    """dy where y > 0, else 0."""
    return chosen(y <= 0, like(dy, 0), dy)


@register_jitable(**FLAGS)
def scaled_tanh_dx(y: Number, dy: Number) -> Number:
    """dy A S (1 − (y/A)²), exactly 0 where |y| = A; the rounded constants alone would give about 10⁻⁸."""
    square, bound = y * y, like(y, AMPLITUDE)
    steep = like(y, SLOPE * AMPLITUDE) - like(y, SLOPE / AMPLITUDE) * square
    return dy * (like(y, 0) if square >= bound * bound else steep)


@register_jitable(**FLAGS)
def tanh_dx(y: Number, dy: Number) -> Number:
    """dy (1 − y²)."""
    return dy * (like(y, 1) - y * y)


@register_jitable(**FLAGS)
def sigmoid_dx(y: Number, dy: Number) -> Number:
    """dy y (1 − y)."""
    return dy * (y * (like(y, 1) - y))


@register_jitable
def activate_dx(kind: int, y: Number, dy: Number) -> Number:
    """f'(a) dy for y = f(a)."""
    if kind == RELU:
        return relu_dx(y, dy)
    if kind == SCALED_TANH:
        return scaled_tanh_dx(y, dy)
    if kind == TANH:
        return tanh_dx(y, dy)
    if kind == SIGMOID:
        return sigmoid_dx(y, dy)
    return dy
