"""Activations y = f(x), element by element, and dx = f'(x) · dy with f' in terms of y; y may be x, and dx may be dy."""

import math

import numpy as np

from ...arrays import Array

erf = np.vectorize(math.erf, otypes=[np.float64])


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


def elu(x: Array, slopes: Array, y: Array) -> None:
    """y = rise · x where x > 0, else fall · (e^x − 1); slopes = rise, fall."""
    y[...] = np.where(x > 0, slopes[0] * x, slopes[1] * np.expm1(np.minimum(x, 0)))


def elu_dx(y: Array, slopes: Array, dy: Array, dx: Array) -> None:
    """dx = dy · rise where y > 0, else dy · (y + fall)."""
    dx[...] = dy * np.where(y > 0, slopes[0], y + slopes[1])


def gelu(x: Array, y: Array) -> None:
    """y = x · Φ(x)."""
    y[...] = x * (1 + erf(x / math.sqrt(2))) / 2


def gelu_dx(x: Array, dy: Array, dx: Array) -> None:
    """dx = dy · (Φ(x) + x · e^(−x²/2)/√2π)."""
    dx[...] = dy * ((1 + erf(x / math.sqrt(2))) / 2 + x * np.exp(-x * x / 2) / math.sqrt(2 * math.pi))


def _gate(x: Array, cubic: Array) -> Array:
    """σ(u), u = cubic[0] · x + cubic[1] · x³; where |x| is 800, it is 0 or 1."""
    t = np.clip(x, -800, 800)
    with np.errstate(over="ignore"):
        shares: Array = 1 / (1 + np.exp(-t * (cubic[0] + cubic[1] * t * t)))
    return shares


def swish(x: Array, cubic: Array, y: Array) -> None:
    """y = x · σ(u)."""
    y[...] = x * _gate(x, cubic)


def swish_dx(x: Array, cubic: Array, dy: Array, dx: Array) -> None:
    """dx = dy · (σ(u) + x · u' · σ(u) · (1 − σ(u)))."""
    s = _gate(x, cubic)
    dx[...] = dy * (s + x * (cubic[0] + 3 * cubic[1] * x * x) * s * (1 - s))


def mish(x: Array, y: Array) -> None:
    """y = x · tanh(log(1 + e^x))."""
    y[...] = x * np.tanh(np.logaddexp(0, x))


def mish_dx(x: Array, dy: Array, dx: Array) -> None:
    """dx = dy · (t + x · σ(x) · (1 − t²)), t = tanh(log(1 + e^x))."""
    t = np.tanh(np.logaddexp(0, x))
    with np.errstate(over="ignore"):
        dx[...] = dy * (t + x / (1 + np.exp(-x)) * (1 - t * t))


def softplus(x: Array, beta: Array, y: Array) -> None:
    """y = log(1 + e^βx)/β, and x itself from βx = 20 on."""
    with np.errstate(over="ignore"):
        y[...] = np.where(beta * x > 20, x, np.log1p(np.exp(beta * x)) / beta)


def softplus_dx(x: Array, beta: Array, dy: Array, dx: Array) -> None:
    """dx = dy · σ(βx), and dy from βx = 20 on."""
    with np.errstate(over="ignore"):
        dx[...] = dy * np.where(beta * x > 20, 1, 1 / (1 + np.exp(-beta * x)))
