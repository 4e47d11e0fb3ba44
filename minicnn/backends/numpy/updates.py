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


def rmsprop(p: Array, dp: Array, v: Array, m: Array, u: Array, hyper: Array) -> None:
    """g = dp + wd p; v = α v + (1 − α) g²; s = g / (√(v − m² where centred) + ε); p −= lr s, or lr u, u = μ u + s."""
    lr, alpha, eps, decay, momentum, centered = hyper.tolist()
    g = dp + decay * p
    v[...] = alpha * v + (1 - alpha) * g * g
    if centered:
        m[...] = alpha * m + (1 - alpha) * g
    s = g / (np.sqrt(np.maximum(v - m * m, 0) if centered else v) + eps)
    if momentum:
        s = u[...] = momentum * u + s
    p -= lr * s


def adagrad(p: Array, dp: Array, v: Array, hyper: Array) -> None:
    """v += g²; p −= lr g / (√v + ε), g = dp + wd p."""
    lr, eps, decay = hyper.tolist()
    g = dp + decay * p
    v += g * g
    p -= lr * g / (np.sqrt(v) + eps)


def adadelta(p: Array, dp: Array, v: Array, u: Array, hyper: Array) -> None:
    """g = dp + wd p; v = ρ v + (1 − ρ) g²; s = g √(u + ε) / √(v + ε); u = ρ u + (1 − ρ) s²; p −= lr s."""
    lr, rho, eps, decay = hyper.tolist()
    g = dp + decay * p
    v[...] = rho * v + (1 - rho) * g * g
    s = np.sqrt(u + eps) / np.sqrt(v + eps) * g
    u[...] = rho * u + (1 - rho) * s * s
    p -= lr * s


def nadam(p: Array, dp: Array, m: Array, v: Array, hyper: Array) -> None:
    """g = dp + wd p; m = β₁ m + (1 − β₁) g; v = β₂ v + (1 − β₂) g²; p = keep p − (a g + b m) / (√(v / c) + ε)."""
    a, b, beta1, beta2, eps, decay, keep, c = hyper.tolist()
    g = dp + decay * p
    m[...] = beta1 * m + (1 - beta1) * g
    v[...] = beta2 * v + (1 - beta2) * g * g
    p[...] = keep * p - (a * g + b * m) / (np.sqrt(v / c) + eps)


def lion(p: Array, dp: Array, m: Array, hyper: Array) -> None:
    """p −= lr (sign(β₁ m + (1 − β₁) dp) + wd p); then m = β₂ m + (1 − β₂) dp."""
    lr, beta1, beta2, decay = hyper.tolist()
    p -= lr * (np.sign(beta1 * m + (1 - beta1) * dp) + decay * p)
    m[...] = beta2 * m + (1 - beta2) * dp
