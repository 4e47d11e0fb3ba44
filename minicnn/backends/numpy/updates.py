"""Updates of the parameters p by their gradient dp, over flat vectors; h holds the numbers of an update, in float64."""

import numpy as np

from ...arrays import Array


def sgd(p: Array, dp: Array, v: Array, hyper: Array) -> None:
    """g = dp + wd p; v = μ v + g, at first v = g; p −= lr (g + μ v if Nesterov else v)."""
    lr, momentum, nesterov, decay, first = hyper.tolist()
    g = dp + decay * p
    if momentum:
        v[...] = g if first else momentum * v + g
        g = g + momentum * v if nesterov else v
    p -= lr * g


def sdlm(p: Array, dp: Array, r: Array, hyper: Array) -> None:
    """p −= lr · r · dp, a rate for each parameter."""
    p -= hyper.item() * r * dp


def adam(p: Array, dp: Array, m: Array, v: Array, hyper: Array) -> None:
    """g = dp + wd p; m = β₁ m + (1 − β₁) g; v = β₂ v + (1 − β₂) g²; p −= lr (m / c₁) / (√(v / c₂) + ε); c = 1 − βᵗ."""
    lr, beta1, beta2, eps, decay, c1, c2 = hyper.tolist()
    g = dp + decay * p
    m[...] = beta1 * m + (1 - beta1) * g
    v[...] = beta2 * v + (1 - beta2) * g * g
    p -= lr * (m / c1) / (np.sqrt(v / c2) + eps)


def adamw(p: Array, dp: Array, m: Array, v: Array, hyper: Array) -> None:
    """p −= lr wd p, then ``adam`` without weight decay."""
    p -= hyper[0].item() * hyper[4].item() * p
    adam(p, dp, m, v, hyper * (1, 1, 1, 1, 0, 1, 1))
