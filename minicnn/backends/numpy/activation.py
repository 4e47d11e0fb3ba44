"""Activations y = f(x), element by element, and dx = f'(x) · dy with f' in terms of y; y may be x, and dx may be dy."""

import numpy as np

from ...arrays import Array


def sigmoid(x: Array, y: Array) -> None:
    """y = 1 / (1 + e^−x)."""
    with np.errstate(over="ignore"):  # 1 / (1 + ∞) is 0, as it should be
        y[...] = 1 / (1 + np.exp(-x))


def sigmoid_dx(y: Array, dy: Array, dx: Array) -> None:
    """dx = dy · y·(1 − y)."""
    dx[...] = dy * y * (1 - y)


def tanh(x: Array, y: Array) -> None:
    """y = tanh x."""
    y[...] = np.tanh(x)


def tanh_dx(y: Array, dy: Array, dx: Array) -> None:
    """dx = dy · (1 − y²)."""
    dx[...] = dy * (1 - y * y)


def scaled_tanh(x: Array, y: Array) -> None:
    """y = 1.7159 · tanh(2x/3)."""
    y[...] = 1.7159 * np.tanh(2 / 3 * x)


def scaled_tanh_dx(y: Array, dy: Array, dx: Array) -> None:
    """dx = dy · 2/3 · (1.7159 − y²/1.7159), in a form that is exactly 0 where |y| is 1.7159."""
    dx[...] = dy * (2 / 3 * (1.7159 - y) * (1.7159 + y) / 1.7159)


def relu(x: Array, y: Array) -> None:
    """y = max(x, 0); NaN stays."""
    y[...] = np.where(x <= 0, 0, x)


def relu_dx(y: Array, dy: Array, dx: Array) -> None:
    """dx = dy where y > 0, else 0."""
    dx[...] = np.where(y <= 0, 0, dy)
