"""Updates whose steps have the size of the rate whatever that of the gradients; legend as in ``update``.

All but ``lion`` divide by a root of squares of the gradients so far, with PyTorch's definitions.
"""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable

from ....arrays import Array, Number
from ..compile.jit import kernel
from ..compile.mode import INTERPRET
from ..runtime.denormals import keep_denormals, restore_mode
from .update import DOUBLE_EPS, SINGLE_EPS, second_moment

SLACK = 1 + 2.0**-20
"""``second_moment`` takes 1 − β and a number slightly above it."""


@register_jitable
def needs_denormals(p: Array, eps: Number) -> Number:
    """Whether ε is so small that the root of a denormal number matters beside it."""
    return not INTERPRET and eps < (SINGLE_EPS if p.itemsize == 4 else DOUBLE_EPS)


@kernel(flat=True)
def rmsprop(p: Array, dp: Array, v: Array, m: Array, u: Array, hyper: Array) -> None:
    """g = dp + wd p; v = α v + (1 − α) g²; s = g / (√v + ε); p −= lr s.

    Centred, m = α m + (1 − α) g, and v − m² stands for v in s. With momentum u = μ u + s, and p −= lr u.
    hyper = lr, α, ε, wd, μ, centred?; m and u are not looked at where they are not needed.
    """
    lr, alpha, eps, decay = p.dtype.type(hyper[0]), p.dtype.type(hyper[1]), p.dtype.type(hyper[2]), p.dtype.type(hyper[3])
    momentum, centered, zero = p.dtype.type(hyper[4]), hyper[5] != 0, p.dtype.type(0)
    fresh = p.dtype.type(1 - hyper[1])
    more = fresh * p.dtype.type(SLACK)
    needed, mode = needs_denormals(p, hyper[2]), 0
    if needed:
        mode = keep_denormals()
    for i in range(p.size):
        g = dp[i] + decay * p[i]
        v[i] = second_moment(v[i], g, alpha, fresh, more)
        spread = v[i]
        if centered:
            m[i] = alpha * m[i] + fresh * g
            spread = max(spread - m[i] * m[i], zero)  # below zero by rounding alone
        step = g / (np.sqrt(spread) + eps)
        if momentum > 0:
            u[i] = momentum * u[i] + step
            step = u[i]
        p[i] -= lr * step
    if needed:
        restore_mode(mode)


@kernel(flat=True)
def adagrad(p: Array, dp: Array, v: Array, hyper: Array) -> None:
    """g = dp + wd p; v += g²; p −= lr g / (√v + ε). hyper = lr, ε, wd."""
    lr, eps, decay = p.dtype.type(hyper[0]), p.dtype.type(hyper[1]), p.dtype.type(hyper[2])
    needed, mode = needs_denormals(p, hyper[1]), 0
    if needed:
        mode = keep_denormals()
    for i in range(p.size):
        g = dp[i] + decay * p[i]
        v[i] += g * g
        p[i] -= lr * g / (np.sqrt(v[i]) + eps)
    if needed:
        restore_mode(mode)


@kernel(flat=True)
def adadelta(p: Array, dp: Array, v: Array, u: Array, hyper: Array) -> None:
    """g = dp + wd p; v = ρ v + (1 − ρ) g²; s = g √(u + ε) / √(v + ε); u = ρ u + (1 − ρ) s²; p −= lr s.

    hyper = lr, ρ, ε, wd.
    """
    lr, rho, eps, decay = p.dtype.type(hyper[0]), p.dtype.type(hyper[1]), p.dtype.type(hyper[2]), p.dtype.type(hyper[3])
    fresh = p.dtype.type(1 - hyper[1])
    more = fresh * p.dtype.type(SLACK)
    for i in range(p.size):
        g = dp[i] + decay * p[i]
        v[i] = second_moment(v[i], g, rho, fresh, more)
        step = np.sqrt(u[i] + eps) / np.sqrt(v[i] + eps) * g
        u[i] = second_moment(u[i], step, rho, fresh, more)
        p[i] -= lr * step


@kernel(flat=True)
def nadam(p: Array, dp: Array, m: Array, v: Array, hyper: Array) -> None:
    """g = dp + wd p; m = β₁ m + (1 − β₁) g; v = β₂ v + (1 − β₂) g²; p = keep p − (a g + b m) / (√(v / c) + ε).

    hyper = a, b, β₁, β₂, ε, wd, keep, c: a and b hold the rate.
    """
    now, ahead, beta1, beta2 = p.dtype.type(hyper[0]), p.dtype.type(hyper[1]), p.dtype.type(hyper[2]), p.dtype.type(hyper[3])
    eps, decay, keep, root = p.dtype.type(hyper[4]), p.dtype.type(hyper[5]), p.dtype.type(hyper[6]), np.sqrt(hyper[7])
    fresh1, fresh2, root_of_c = p.dtype.type(1 - hyper[2]), p.dtype.type(1 - hyper[3]), p.dtype.type(root)
    more = fresh2 * p.dtype.type(SLACK)
    needed, mode = needs_denormals(p, hyper[4] * root), 0
    if needed:
        mode = keep_denormals()
    for i in range(p.size):
        g = dp[i] + decay * p[i]
        m[i] = beta1 * m[i] + fresh1 * g
        v[i] = second_moment(v[i], g, beta2, fresh2, more)
        p[i] = keep * p[i] - (now * g + ahead * m[i]) / (np.sqrt(v[i]) / root_of_c + eps)
    if needed:
        restore_mode(mode)


@kernel(flat=True)
def lion(p: Array, dp: Array, m: Array, hyper: Array) -> None:
    """p −= lr (sign(β₁ m + (1 − β₁) dp) + wd p), then m = β₂ m + (1 − β₂) dp. hyper = lr, β₁, β₂, wd."""
    lr, beta1, beta2, decay = p.dtype.type(hyper[0]), p.dtype.type(hyper[1]), p.dtype.type(hyper[2]), p.dtype.type(hyper[3])
    fresh1, fresh2 = p.dtype.type(1 - hyper[1]), p.dtype.type(1 - hyper[2])
    for i in range(p.size):
        p[i] -= lr * (np.sign(beta1 * m[i] + fresh1 * dp[i]) + decay * p[i])
        m[i] = beta2 * m[i] + fresh2 * dp[i]
