"""Parameter updates over flat vectors, with exactly PyTorch's definitions.

Legend: p parameters, dp gradient, v velocity or second moment, m first moment, hyper the numbers of the update.
"""

from __future__ import annotations

import math

import numpy as np
from numba import types
from numba.extending import overload, register_jitable

from ....arrays import Array, Number
from ..compile.jit import kernel
from ..compile.mode import INTERPRET
from ..runtime.denormals import keep_denormals, restore_mode
from ..tiles.functions import FLAGS

BLOCK = 1 << 10
"""Moments are updated this many at a time, before the parameters. Every thread has read the parameters, and stores to cache
lines that another core also holds are several times as fast in a row as between stores to other lines."""

SINGLE_EPS, DOUBLE_EPS = 2.0**-38, 2.0**-458
"""From here on ε times √(1 − β₂ᵗ) is 2²⁵ or 2⁵³ times the root of any denormal v, which then changes no bit of the sum."""


@kernel(flat=True)
def add(x: Array, y: Array) -> None:
    """y += x."""
    for i in range(y.size):
        y[i] += x[i]


@register_jitable
def sgd_step(p: Array, dp: Array, v: Array, lr: Number, momentum: Number, decay: Number, nesterov: bool, first: bool) -> None:
    """One step of ``sgd`` with momentum, for a block."""
    for i in range(p.size):
        g = dp[i] + decay * p[i]
        v[i] = g if first else momentum * v[i] + g
    for i in range(p.size):
        p[i] -= lr * (dp[i] + decay * p[i] + momentum * v[i] if nesterov else v[i])


@kernel(flat=True)
def sgd(p: Array, dp: Array, v: Array, hyper: Array) -> None:
    """g = dp + wd p; v = μ v + g, at first v = g; p −= lr (g + μ v if Nesterov else v).

    hyper = lr, μ, Nesterov?, wd, first?.
    """
    lr, momentum, decay = p.dtype.type(hyper[0]), p.dtype.type(hyper[1]), p.dtype.type(hyper[3])
    nesterov, first = hyper[2] != 0, hyper[4] != 0
    if momentum == 0:
        for i in range(p.size):
            p[i] -= lr * (dp[i] + decay * p[i])
        return
    for start in range(0, p.size, BLOCK):
        part = slice(start, start + BLOCK)
        sgd_step(p[part], dp[part], v[part], lr, momentum, decay, nesterov, first)


@kernel(flat=True)
def sdlm(p: Array, dp: Array, r: Array, hyper: Array) -> None:
    """p −= lr r dp, r = 1 / (μ + curvature) of each parameter. hyper = lr."""
    lr = p.dtype.type(hyper[0])
    for i in range(p.size):
        p[i] -= lr * r[i] * dp[i]


@register_jitable(**FLAGS)
def share_of_square(fresh: Number, more: Number, g: Number) -> Number:
    """fresh · g², or more · g · g in this order if g² overflows. ``more`` is slightly above fresh: larger otherwise."""
    share, other = fresh * (g * g), more * g * g
    return other if other < share else share


def second_moment(v: Number, g: Number, beta2: Number, fresh2: Number, more: Number) -> Number:
    """β₂ v + (1 − β₂) g²; as in PyTorch, it does not overflow in float32 for gradients up to 10²⁰."""
    return beta2 * v + share_of_square(fresh2, more, g)


def plain_second_moment(v: Number, g: Number, beta2: Number, fresh2: Number, more: Number) -> Number:
    """``second_moment`` in float64, where g² does not overflow; LLVM rewrites it as g² + β₂ (v − g²)."""
    return beta2 * v + fresh2 * g * g


@overload(second_moment, strict=False)
def _second_moment(v: Number, g: Number, beta2: Number, fresh2: Number, more: Number) -> Number:
    return second_moment if v is types.float32 else plain_second_moment


@register_jitable
def adam_step(p: Array, dp: Array, m: Array, v: Array, hyper: Array, coupled: Number, decoupled: Number) -> None:
    """One step of ``adam``, with the weight decay in the gradient (coupled) or separate (decoupled).

    If ε is so small that a denormal v matters next to it, denormal numbers are not flushed to zero.
    """
    lr, beta1, beta2, eps = p.dtype.type(hyper[0]), p.dtype.type(hyper[1]), p.dtype.type(hyper[2]), p.dtype.type(hyper[3])
    one = p.dtype.type(1)
    fresh1, fresh2 = p.dtype.type(1 - hyper[1]), p.dtype.type(1 - hyper[2])
    step, root = lr / p.dtype.type(hyper[5]), p.dtype.type(math.sqrt(hyper[6]))
    keep = one - lr * decoupled
    more = fresh2 * p.dtype.type(1 + 2.0**-20)
    tiny, mode = hyper[3] * math.sqrt(hyper[6]) < (SINGLE_EPS if p.itemsize == 4 else DOUBLE_EPS), 0
    if tiny and not INTERPRET:
        mode = keep_denormals()
    for i in range(p.size):
        g = dp[i] + coupled * p[i]
        m[i] = beta1 * m[i] + fresh1 * g
        v[i] = second_moment(v[i], g, beta2, fresh2, more)
        p[i] = keep * p[i] - step * m[i] / (np.sqrt(v[i]) / root + eps)
    if tiny and not INTERPRET:
        restore_mode(mode)


@kernel(flat=True)
def adam(p: Array, dp: Array, m: Array, v: Array, hyper: Array) -> None:
    """g = dp + wd p; m = β₁ m + (1 − β₁) g; v = β₂ v + (1 − β₂) g²; p −= lr (m / c₁) / (√(v / c₂) + ε).

    hyper = lr, β₁, β₂, ε, wd, c₁, c₂ with c = 1 − βᵗ in step t = 1, 2, …
    """
    adam_step(p, dp, m, v, hyper, p.dtype.type(hyper[4]), p.dtype.type(0))


@kernel(flat=True)
def adamw(p: Array, dp: Array, m: Array, v: Array, hyper: Array) -> None:
    """``adam`` with decoupled weight decay: p −= lr wd p."""
    adam_step(p, dp, m, v, hyper, p.dtype.type(0), p.dtype.type(hyper[4]))
