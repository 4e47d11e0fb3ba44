"""Losses and their derivatives: y, target, dy (D, L), labels (L,); the first lanes[0] images are real, the others padding.

scale is 1/N of a batch of N images; padding lanes count nothing and get dy = hy = 0. Of penalties y the least wins;
j = rubbish[0] is that of the class of all patterns that are none of the others (LeCun et al. 1998, equation 9).
"""

import numpy as np

from ...arrays import Array
from .outputs import softmax


def live(values: Array, lanes: Array) -> Array:
    """The values in real lanes, 0 in padding lanes."""
    return np.where(np.arange(values.shape[-1]) < lanes[0], values, 0)


def at_label(y: Array, labels: Array) -> Array:
    """Of every image the value at its label: (L,)."""
    return y[labels, np.arange(len(labels))]


def is_label(labels: Array, classes: int) -> Array:
    """Whether d is the label: (D, L)."""
    return np.equal(np.arange(classes)[:, None], labels)


def one_hot(labels: Array, lanes: Array, on_off: Array, target: Array) -> None:
    """target = on_off[0] at the label of a real image, on_off[1] elsewhere."""
    target[...] = np.where(live(is_label(labels, len(target)), lanes), *on_off)


def count_hits(y: Array, labels: Array, lanes: Array, hits: Array) -> None:
    """hits += how many images have their first largest element at the label; none with a NaN."""
    hits += live((y.argmax(axis=0) == labels) & ~np.isnan(y).any(axis=0), lanes).sum()


def mse(y: Array, target: Array, lanes: Array, scale: Array, value: Array) -> None:
    """value += scale/D · Σ (y − t)²."""
    value += scale / len(y) * live((y - target) ** 2, lanes).sum()


def mse_dy(y: Array, target: Array, lanes: Array, scale: Array, dy: Array) -> None:
    """dy = 2·scale/D · (y − t)."""
    dy[...] = live(2 * scale / len(y) * (y - target), lanes)


def mse_hy(lanes: Array, scale: Array, hy: Array) -> None:
    """hy = 2·scale/D."""
    hy[...] = live(np.full_like(hy, 2 * scale / len(hy)), lanes)


def huber(y: Array, target: Array, delta: Array, lanes: Array, scale: Array, value: Array) -> None:
    """value += scale/D · Σ h(y − t), h(e) = e²/2 up to |e| = δ, and δ·(|e| − δ/2) beyond."""
    e = np.abs(y - target)
    value += scale / len(y) * live(np.where(e <= delta, e**2 / 2, delta * (e - delta / 2)), lanes).sum()


def huber_dy(y: Array, target: Array, delta: Array, lanes: Array, scale: Array, dy: Array) -> None:
    """dy = scale/D · (y − t), no further from 0 than scale/D · δ."""
    dy[...] = live(scale / len(y) * np.clip(y - target, -delta, delta), lanes)


def huber_hy(y: Array, target: Array, delta: Array, lanes: Array, scale: Array, hy: Array) -> None:
    """hy = scale/D where |y − t| ≤ δ, else 0."""
    hy[...] = live(scale / len(y) * (np.abs(y - target) <= delta), lanes)


def cross_entropy(y: Array, labels: Array, smoothing: Array, lanes: Array, scale: Array, value: Array) -> None:
    """value −= scale · Σ ((1 − s) · log p at the label + s · mean log p), p = softmax(y), s = smoothing."""
    s, z = smoothing[0], y - y.max(axis=0)
    log_p = z - np.log(np.exp(z).sum(axis=0))
    value -= scale * (1 - s) * live(at_label(log_p, labels), lanes).sum()
    if s > 0:  # else 0 · ∞ where a logit is −∞
        value -= scale * s * live(log_p.mean(axis=0), lanes).sum()


def cross_entropy_dy(y: Array, labels: Array, smoothing: Array, lanes: Array, scale: Array, dy: Array) -> None:
    """dy = scale · (softmax(y) − q), q = 1 − s + s/D at the label and s/D elsewhere."""
    q = (1 - smoothing) * is_label(labels, len(y)) + smoothing / len(y)
    softmax(y, dy)
    dy[...] = live(scale * (dy - q), lanes)


def cross_entropy_hy(y: Array, lanes: Array, scale: Array, hy: Array) -> None:
    """hy = scale · p·(1 − p), p = softmax(y)."""
    softmax(y, hy)
    map_penalty_hy(lanes, scale, hy)


def count_least(y: Array, labels: Array, lanes: Array, hits: Array) -> None:
    """hits += how many images have their first smallest element at the label; none with a NaN."""
    hits += live((y.argmin(axis=0) == labels) & ~np.isnan(y).any(axis=0), lanes).sum()


def penalty(y: Array, labels: Array, lanes: Array, scale: Array, value: Array) -> None:
    """value += scale · Σ y at the label."""
    value += scale * live(at_label(y, labels), lanes).sum()


def penalty_dy(labels: Array, lanes: Array, scale: Array, dy: Array) -> None:
    """dy = scale at the label, 0 elsewhere."""
    dy[...] = live(scale * is_label(labels, len(dy)), lanes)


def powers(y: Array, rubbish: Array) -> tuple[Array, Array]:
    """m = the least of j and y, and e^(m − y), e^(m − j) in the last row: with m taken off, nothing overflows."""
    all_y = np.concatenate([y, np.full_like(y[:1], rubbish)])
    least = all_y.min(axis=0)
    return least, np.exp(least - all_y)


def map_penalty(y: Array, labels: Array, rubbish: Array, lanes: Array, scale: Array, value: Array) -> None:
    """value += scale · Σ (y at the label + log(e^−j + Σ e^−y))."""
    least, p = powers(y, rubbish)
    value += scale * live(at_label(y, labels) - least + np.log(p.sum(axis=0)), lanes).sum()


def map_shares(y: Array, rubbish: Array, p: Array) -> None:
    """p = e^−y / (e^−j + Σ e^−y)."""
    _, parts = powers(y, rubbish)
    p[...] = parts[:-1] / parts.sum(axis=0)


def map_penalty_dy(labels: Array, lanes: Array, scale: Array, dy: Array) -> None:
    """dy = scale · (1 at the label − p), where dy holds p, the shares, before."""
    dy[...] = live(scale * (is_label(labels, len(dy)) - dy), lanes)


def map_penalty_hy(lanes: Array, scale: Array, hy: Array) -> None:
    """hy = scale · p·(1 − p), where hy holds p before."""
    hy[...] = live(scale * hy * (1 - hy), lanes)
