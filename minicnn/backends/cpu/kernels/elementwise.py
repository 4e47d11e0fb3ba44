"""Elementwise kernels: activations and their derivatives, copy, zero, square.

Legend: y = f(x), dx = f'(x) dy; where possible, f' is written in terms of y. The output may be the same array as the first
input of its kind: y as x, dx as dy.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from numba.extending import register_jitable

from ....arrays import Array, Number
from ..compile.jit import kernel
from ..tiles import activation, functions

LINEAR = 20
"""Where softplus becomes x: PyTorch's default."""


@register_jitable
def same(x: Array, y: Array) -> bool:
    """Whether the two vectors begin at the same address."""
    return bool(x.ctypes.data == y.ctypes.data)


@register_jitable
def map_one(f: Callable[[Number], Number], x: Array, y: Array) -> None:
    """y[i] = f(x[i]). The case of one array has its own loop, because LLVM does not vectorise a loop over two aliases."""
    if same(x, y):
        for i in range(y.size):
            y[i] = f(y[i])
    else:
        for i in range(y.size):
            y[i] = f(x[i])


@register_jitable
def map_two(f: Callable[[Number, Number], Number], a: Array, dy: Array, dx: Array) -> None:
    """dx[i] = f(a[i], dy[i]), where dx may be dy."""
    if same(dy, dx):
        for i in range(dx.size):
            dx[i] = f(a[i], dx[i])
    else:
        for i in range(dx.size):
            dx[i] = f(a[i], dy[i])


@register_jitable
def map_given(f: Callable[[Number, Number], Number], c: Number, x: Array, y: Array) -> None:
    """y[i] = f(c, x[i]) for constants c."""
    if same(x, y):
        for i in range(y.size):
            y[i] = f(c, y[i])
    else:
        for i in range(y.size):
            y[i] = f(c, x[i])


@register_jitable
def map_two_given(f: Callable[[Number, Number, Number], Number], c: Number, a: Array, dy: Array, dx: Array) -> None:
    """dx[i] = f(c, a[i], dy[i]) for constants c, where dx may be dy."""
    if same(dy, dx):
        for i in range(dx.size):
            dx[i] = f(c, a[i], dx[i])
    else:
        for i in range(dx.size):
            dx[i] = f(c, a[i], dy[i])


@register_jitable
def _itself(x: Number) -> Number:
    return x


@register_jitable
def _squared(x: Number) -> Number:
    return x * x


@kernel(flat=True)
def copy(x: Array, y: Array) -> None:
    """y = x."""
    map_one(_itself, x, y)


@kernel(flat=True)
def zero(x: Array) -> None:
    """x = 0."""
    x[:] = 0


@kernel(flat=True)
def square(x: Array, y: Array) -> None:
    """y = x²."""
    map_one(_squared, x, y)


@kernel(flat=True)
def sigmoid(x: Array, y: Array) -> None:
    """y = 1 / (1 + e⁻ˣ)."""
    map_one(activation.sigmoid, x, y)


@kernel(flat=True)
def sigmoid_dx(y: Array, dy: Array, dx: Array) -> None:
    """dx = y (1 − y) dy."""
    map_two(activation.sigmoid_dx, y, dy, dx)


@kernel(flat=True)
def tanh(x: Array, y: Array) -> None:
    """y = tanh x."""
    map_one(functions.tanh, x, y)


@kernel(flat=True)
def tanh_dx(y: Array, dy: Array, dx: Array) -> None:
    """dx = (1 − y²) dy."""
    map_two(activation.tanh_dx, y, dy, dx)


@kernel(flat=True)
def scaled_tanh(x: Array, y: Array) -> None:
    """y = A tanh(S x) with A = 1.7159, S = 2/3."""
    map_one(activation.scaled_tanh, x, y)


@kernel(flat=True)
def scaled_tanh_dx(y: Array, dy: Array, dx: Array) -> None:
    """dx = A S (1 − (y / A)²) dy, exactly 0 where |y| = A."""
    map_two(activation.scaled_tanh_dx, y, dy, dx)


@kernel(flat=True)
def relu(x: Array, y: Array) -> None:
    """y = max(0, x)."""
    map_one(activation.relu, x, y)


@kernel(flat=True)
def relu_dx(y: Array, dy: Array, dx: Array) -> None:
    """dx = dy where y > 0, else 0."""
    map_two(activation.relu_dx, y, dy, dx)


@register_jitable
def leaky(slope: Number, x: Number) -> Number:
    """x where x > 0, else slope · x."""
    return functions.chosen(x > 0, x, slope * x)


@register_jitable
def leaky_dx(slope: Number, x: Number, dy: Number) -> Number:
    """dy where x > 0, else slope · dy."""
    return functions.chosen(x > 0, dy, slope * dy)


@kernel(flat=True)
def leaky_relu(x: Array, slope: Array, y: Array) -> None:
    """y = x where x > 0, else slope · x."""
    map_given(leaky, slope[0], x, y)


@kernel(flat=True)
def leaky_relu_dx(x: Array, slope: Array, dy: Array, dx: Array) -> None:
    """dx = dy where x > 0, else slope · dy."""
    map_two_given(leaky_dx, slope[0], x, dy, dx)


@register_jitable
def _softplus(x: Number, beta: Number) -> Number:
    scaled = x * beta
    return x if scaled > LINEAR else math.log1p(functions.exp(scaled)) / beta


@kernel(flat=True)
def softplus(x: Array, beta: Array, y: Array) -> None:
    """y = log(1 + e^βx)/β, and x itself from βx = 20 on."""
    for i in range(y.size):
        y[i] = _softplus(x[i], beta[0])


@kernel(flat=True)
def softplus_dx(x: Array, beta: Array, dy: Array, dx: Array) -> None:
    """dx = dy · σ(βx), and dy from βx = 20 on."""
    for i in range(dx.size):
        scaled = x[i] * beta[0]
        dx[i] = dy[i] if scaled > LINEAR else dy[i] * activation.sigmoid(scaled)
