"""Activations of straight lines, element by element, as in ``activation``."""

import numpy as np

from ...arrays import Array


def leaky_relu(x: Array, slope: Array, y: Array) -> None:
    """y = x where x > 0, else slope · x."""
    y[...] = np.where(x > 0, x, slope * x)


def leaky_relu_dx(x: Array, slope: Array, dy: Array, dx: Array) -> None:
    """dx = dy where x > 0, else slope · dy."""
    dx[...] = np.where(x > 0, dy, slope * dy)


def clamp(x: Array, ramp: Array, y: Array) -> None:
    """y = slope · min(max(x + shift, low), high), ramp = shift, low, high, slope."""
    shift, low, high, slope = ramp
    y[...] = slope * np.minimum(np.maximum(x + shift, low), high)


def clamp_dx(y: Array, ramp: Array, dy: Array, dx: Array) -> None:
    """dx = slope · dy where slope · low < y < slope · high, else 0."""
    _, low, high, slope = ramp
    dx[...] = np.where((y <= slope * low) | (y >= slope * high), 0, slope * dy)


def hardswish(x: Array, y: Array) -> None:
    """y = x · min(max(x + 3, 0), 6)/6."""
    y[...] = x * np.clip(x + 3, 0, 6) / 6


def hardswish_dx(x: Array, dy: Array, dx: Array) -> None:
    """dx = dy · (x/3 + 1/2) between −3 and 3, 0 below, dy above."""
    dx[...] = dy * np.where(x >= 3, 1, np.where(x <= -3, 0, x / 3 + 0.5))


def prelu(x: Array, W: Array, y: Array) -> None:
    """y[c] = x[c] where x > 0, else W[c] · x[c]; x (C, P)."""
    leaky_relu(x, W[:, None], y)


def prelu_dx(x: Array, W: Array, dy: Array, dx: Array) -> None:
    """dx[c] = dy[c] where x > 0, else W[c] · dy[c]."""
    leaky_relu_dx(x, W[:, None], dy, dx)


def prelu_dW_add(x: Array, z: Array, dy: Array, dW: Array) -> None:
    """dW[c] += Σ_p z[c, p] · dy[c, p] where x ≤ 0."""
    dW += np.where(x > 0, 0, z * dy).sum(axis=1)
