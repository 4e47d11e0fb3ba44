"""Parameter updates over flat vectors, with exactly PyTorch's definitions. A thread updates one parameter.

Legend: p parameters, dp gradient, v velocity or second moment, m first moment. The numbers ``hyper`` of an update are read on
the host at every launch and passed as arguments.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from ....arrays import Array
from ..device.launch import each
from ..device.operation import Launch, launch, operation
from ..device.target import cuda


def add_kernel(x: Array, y: Array) -> None:
    """y += x."""
    i = cuda.grid(1)
    if i < y.size:
        y[i] += x[i]


def sgd_kernel(
    p: Array, dp: Array, v: Array, rate: float, momentum: float, nesterov: float, decay: float, first: float
) -> None:
    """g = dp + wd p; v = μ v + g, at first v = g; p −= lr (g + μ v if Nesterov else v). Without momentum v is not used."""
    i = cuda.grid(1)
    if i < p.size:
        mu = p.dtype.type(momentum)
        g = dp[i] + p.dtype.type(decay) * p[i]
        step = g
        if momentum != 0:
            v[i] = g if first != 0 else mu * v[i] + g
            step = g + mu * v[i] if nesterov != 0 else v[i]
        p[i] -= p.dtype.type(rate) * step


def sdlm_kernel(p: Array, dp: Array, r: Array, rate: float) -> None:
    """p −= lr r dp."""
    i = cuda.grid(1)
    if i < p.size:
        p[i] -= p.dtype.type(rate) * r[i] * dp[i]


def adam_kernel(
    p: Array,
    dp: Array,
    m: Array,
    v: Array,
    beta1: float,
    beta2: float,
    eps: float,
    coupled: float,
    keep: float,
    step: float,
    root: float,
) -> None:
    """g = dp + wd p; m = β₁ m + (1 − β₁) g; v = β₂ v + (1 − β₂) g²; p = keep · p − step · m / (√v / root + ε)."""
    i = cuda.grid(1)
    if i < p.size:
        g = dp[i] + p.dtype.type(coupled) * p[i]
        m[i] = p.dtype.type(beta1) * m[i] + p.dtype.type(1 - beta1) * g
        v[i] = p.dtype.type(beta2) * v[i] + p.dtype.type(1 - beta2) * g * g
        size = math.sqrt(v[i]) / p.dtype.type(root) + p.dtype.type(eps)
        p[i] = p.dtype.type(keep) * p[i] - p.dtype.type(step) * m[i] / size


@operation
def add(x: Array, y: Array) -> Iterator[Launch]:
    """y += x."""
    yield launch(add_kernel, each(y.size), x, y)


@operation
def sgd(p: Array, dp: Array, v: Array, hyper: Array) -> Iterator[Launch]:
    """g = dp + wd p; v = μ v + g, at first v = g; p −= lr (g + μ v if Nesterov else v).

    hyper = lr, μ, Nesterov?, wd, first?.
    """
    yield launch(sgd_kernel, each(p.size), p, dp, v, numbers=lambda: tuple(map(float, hyper)))


@operation
def sdlm(p: Array, dp: Array, r: Array, hyper: Array) -> Iterator[Launch]:
    """p −= lr r dp, r = 1 / (μ + curvature) of each parameter; hyper = lr."""
    yield launch(sdlm_kernel, each(p.size), p, dp, r, numbers=lambda: tuple(map(float, hyper)))


def adam_numbers(hyper: Array, decoupled: bool) -> tuple[float, ...]:
    """β₁, β₂, ε, the coupled weight decay, the factor on p, and the factors of m and √v, from ``hyper``."""
    rate, beta1, beta2, eps, decay, fresh1, fresh2 = map(float, hyper)
    coupled, keep = (0.0, 1 - rate * decay) if decoupled else (decay, 1.0)
    return beta1, beta2, eps, coupled, keep, rate / fresh1 if fresh1 else 0.0, math.sqrt(fresh2)


@operation
def adam(p: Array, dp: Array, m: Array, v: Array, hyper: Array) -> Iterator[Launch]:
    """g = dp + wd p; m = β₁ m + (1 − β₁) g; v = β₂ v + (1 − β₂) g²; p −= lr (m / c₁) / (√(v / c₂) + ε).

    hyper = lr, β₁, β₂, ε, wd, c₁, c₂ with c = 1 − βᵗ in step t = 1, 2, …
    """
    yield launch(adam_kernel, each(p.size), p, dp, m, v, numbers=lambda: adam_numbers(hyper, decoupled=False))


@operation
def adamw(p: Array, dp: Array, m: Array, v: Array, hyper: Array) -> Iterator[Launch]:
    """``adam`` with decoupled weight decay: p −= lr wd p."""
    yield launch(adam_kernel, each(p.size), p, dp, m, v, numbers=lambda: adam_numbers(hyper, decoupled=True))
