"""Smooth activations, element by element, as in ``activation``."""

import math

import numpy as np

from ...arrays import Array

erf = np.vectorize(math.erf, otypes=[np.float64])


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
