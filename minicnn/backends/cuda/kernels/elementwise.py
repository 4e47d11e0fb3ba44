"""Elementwise operations: activations and their derivatives, copy, zero, square.

Legend: y = f(x), dx = f'(x) dy; where possible, f' is written in terms of y. The output may be the same array as the first
input of its kind: y as x, dx as dy. A thread computes one element i.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from ....arrays import Array
from ..device.launch import each
from ..device.mirror import vector
from ..device.operation import Launch, launch, operation
from ..device.target import cuda

AMPLITUDE, SLOPE = 1.7159, 2 / 3  # LeNet-5's activation function


def copy_kernel(x: Array, y: Array) -> None:
    """y = x."""
    i = cuda.grid(1)
    if i < y.size:
        y[i] = x[i]


def zero_kernel(x: Array) -> None:
    """x = 0."""
    i = cuda.grid(1)
    if i < x.size:
        x[i] = 0


def square_kernel(x: Array, y: Array) -> None:
    """y = x²."""
    i = cuda.grid(1)
    if i < y.size:
        y[i] = x[i] * x[i]


def sigmoid_kernel(x: Array, y: Array) -> None:
    """y = 1 / (1 + e⁻ˣ)."""
    i = cuda.grid(1)
    if i < y.size:
        one = y.dtype.type(1)
        y[i] = one / (one + math.exp(-x[i]))


def sigmoid_dx_kernel(y: Array, dy: Array, dx: Array) -> None:
    """dx = y (1 − y) dy."""
    i = cuda.grid(1)
    if i < dx.size:
        dx[i] = dy[i] * (y[i] * (y.dtype.type(1) - y[i]))


def tanh_kernel(x: Array, y: Array) -> None:
    """y = tanh x."""
    i = cuda.grid(1)
    if i < y.size:
        y[i] = math.tanh(x[i])


def tanh_dx_kernel(y: Array, dy: Array, dx: Array) -> None:
    """dx = (1 − y²) dy."""
    i = cuda.grid(1)
    if i < dx.size:
        dx[i] = dy[i] * (y.dtype.type(1) - y[i] * y[i])


def scaled_tanh_kernel(x: Array, y: Array) -> None:
    """y = A tanh(S x) with A = 1.7159, S = 2/3."""
    i = cuda.grid(1)
    if i < y.size:
        y[i] = y.dtype.type(AMPLITUDE) * math.tanh(y.dtype.type(SLOPE) * x[i])


def scaled_tanh_dx_kernel(y: Array, dy: Array, dx: Array) -> None:
    """dx = A S (1 − (y / A)²) dy, exactly 0 where |y| = A."""
    i = cuda.grid(1)
    if i < dx.size:
        square, bound = y[i] * y[i], y.dtype.type(AMPLITUDE)
        steep = y.dtype.type(SLOPE * AMPLITUDE) - y.dtype.type(SLOPE / AMPLITUDE) * square
        dx[i] = dy[i] * (y.dtype.type(0) if square >= bound * bound else steep)


def relu_kernel(x: Array, y: Array) -> None:
    """y = max(0, x); a NaN is not ≤ 0, so it is returned."""
    i = cuda.grid(1)
    if i < y.size:
        y[i] = y.dtype.type(0) if x[i] <= 0 else x[i]


def relu_dx_kernel(y: Array, dy: Array, dx: Array) -> None:
    """dx = dy where y > 0, else 0."""
    i = cuda.grid(1)
    if i < dx.size:
        dx[i] = dx.dtype.type(0) if y[i] <= 0 else dy[i]


def leaky_relu_kernel(x: Array, slope: Array, y: Array) -> None:
    """y = x where x > 0, else slope · x."""
    i = cuda.grid(1)
    if i < y.size:
        y[i] = x[i] if x[i] > 0 else slope[0] * x[i]


def leaky_relu_dx_kernel(x: Array, slope: Array, dy: Array, dx: Array) -> None:
    """dx = dy where x > 0, else slope · dy."""
    i = cuda.grid(1)
    if i < dx.size:
        dx[i] = dy[i] if x[i] > 0 else slope[0] * dy[i]


@operation
def copy(x: Array, y: Array) -> Iterator[Launch]:
    """y = x."""
    yield launch(copy_kernel, each(y.size), vector(x), vector(y))


@operation
def zero(x: Array) -> Iterator[Launch]:
    """x = 0."""
    yield launch(zero_kernel, each(x.size), vector(x))


@operation
def square(x: Array, y: Array) -> Iterator[Launch]:
    """y = x²."""
    yield launch(square_kernel, each(y.size), vector(x), vector(y))


@operation
def sigmoid(x: Array, y: Array) -> Iterator[Launch]:
    """y = 1 / (1 + e⁻ˣ)."""
    yield launch(sigmoid_kernel, each(y.size), vector(x), vector(y))


@operation
def sigmoid_dx(y: Array, dy: Array, dx: Array) -> Iterator[Launch]:
    """dx = y (1 − y) dy."""
    yield launch(sigmoid_dx_kernel, each(dx.size), vector(y), vector(dy), vector(dx))


@operation
def tanh(x: Array, y: Array) -> Iterator[Launch]:
    """y = tanh x."""
    yield launch(tanh_kernel, each(y.size), vector(x), vector(y))


@operation
def tanh_dx(y: Array, dy: Array, dx: Array) -> Iterator[Launch]:
    """dx = (1 − y²) dy."""
    yield launch(tanh_dx_kernel, each(dx.size), vector(y), vector(dy), vector(dx))


@operation
def scaled_tanh(x: Array, y: Array) -> Iterator[Launch]:
    """y = A tanh(S x) with A = 1.7159, S = 2/3."""
    yield launch(scaled_tanh_kernel, each(y.size), vector(x), vector(y))


@operation
def scaled_tanh_dx(y: Array, dy: Array, dx: Array) -> Iterator[Launch]:
    """dx = A S (1 − (y / A)²) dy, exactly 0 where |y| = A."""
    yield launch(scaled_tanh_dx_kernel, each(dx.size), vector(y), vector(dy), vector(dx))


@operation
def relu(x: Array, y: Array) -> Iterator[Launch]:
    """y = max(0, x)."""
    yield launch(relu_kernel, each(y.size), vector(x), vector(y))


@operation
def relu_dx(y: Array, dy: Array, dx: Array) -> Iterator[Launch]:
    """dx = dy where y > 0, else 0."""
    yield launch(relu_dx_kernel, each(dx.size), vector(y), vector(dy), vector(dx))


@operation
def leaky_relu(x: Array, slope: Array, y: Array) -> Iterator[Launch]:
    """y = x where x > 0, else slope · x."""
    yield launch(leaky_relu_kernel, each(y.size), vector(x), slope, vector(y))


@operation
def leaky_relu_dx(x: Array, slope: Array, dy: Array, dx: Array) -> Iterator[Launch]:
    """dx = dy where x > 0, else slope · dy."""
    yield launch(leaky_relu_dx_kernel, each(dx.size), vector(x), slope, vector(dy), vector(dx))
