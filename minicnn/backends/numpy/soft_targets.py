"""Losses over how much each class weighs at every place: y, target, dy (C, P, L); and over outputs that stand for themselves.

smoothing = s, the label to ignore; weight and positive (C,); the rest as in ``losses``.
"""

import numpy as np

from ...arrays import Array
from .losses import is_label, live
from .outputs import softmax


def class_targets(labels: Array, weight: Array, smoothing: Array, lanes: Array, target: Array) -> None:
    """target = w_c · (1 − s + s/C at the label, s/C elsewhere), 0 where the label is no class or to be ignored."""
    s, ignored = smoothing
    at = np.stack([is_label(row, len(target)) for row in labels], axis=1)
    counts = live((labels >= 0) & (labels < len(target)) & (labels != ignored), lanes)
    target[...] = weight[:, None, None] * ((1 - s) * at + s / len(target)) * counts


def count_map_hits(y: Array, labels: Array, ignored: Array, lanes: Array, hits: Array) -> None:
    """hits += at how many places the first largest class is the label; not where that is ignored, or with a NaN."""
    hits += live((y.argmax(axis=0) == labels) & (labels != ignored) & ~np.isnan(y).any(axis=0), lanes).sum()


def smooth_targets(weight: Array, smoothing: Array, lanes: Array, target: Array) -> None:
    """target = w_c · ((1 − s) · target + s/C)."""
    s = smoothing[0]
    target[...] = live(weight[:, None, None] * ((1 - s) * target + s / len(target)), lanes)


def soft_cross_entropy(y: Array, target: Array, lanes: Array, scale: Array, value: Array) -> None:
    """value −= scale · Σ target · log softmax(y); a class of weight 0 counts 0, also where its y is −∞."""
    z = y - y.max(axis=0)
    log_p = z - np.log(np.exp(z).sum(axis=0))
    value -= scale * live(target * np.where(target == 0, 0, log_p), lanes).sum()


def soft_cross_entropy_dy(y: Array, target: Array, lanes: Array, scale: Array, dy: Array) -> None:
    """dy = scale · (softmax(y) · Σ_c target − target)."""
    softmax(y, dy)
    dy[...] = live(scale * (dy * target.sum(axis=0) - target), lanes)


def soft_cross_entropy_hy(y: Array, target: Array, lanes: Array, scale: Array, hy: Array) -> None:
    """hy = scale · p·(1 − p) · Σ_c target, p = softmax(y)."""
    softmax(y, hy)
    hy[...] = live(scale * hy * (1 - hy) * target.sum(axis=0), lanes)


def bce_logits(y: Array, target: Array, weight: Array, positive: Array, lanes: Array, scale: Array, value: Array) -> None:
    """value += scale/(C·P) · Σ w_c · (p_c · t · log(1 + e^−y) + (1 − t) · log(1 + e^y))."""
    w, right = weight[:, None, None], positive[:, None, None] * target
    each = w * (right * np.logaddexp(0, -y) + (1 - target) * np.logaddexp(0, y))
    value += scale / (y.shape[0] * y.shape[1]) * live(each, lanes).sum()


def bce_logits_dy(y: Array, target: Array, weight: Array, positive: Array, lanes: Array, scale: Array, dy: Array) -> None:
    """dy = scale/(C·P) · w_c · ((1 − t + p_c·t) · σ(y) − p_c·t)."""
    w, right = weight[:, None, None], positive[:, None, None] * target
    share = np.exp(-np.logaddexp(0, -y))
    dy[...] = live(scale / (y.shape[0] * y.shape[1]) * w * ((1 - target + right) * share - right), lanes)


def bce_logits_hy(y: Array, target: Array, weight: Array, positive: Array, lanes: Array, scale: Array, hy: Array) -> None:
    """hy = scale/(C·P) · w_c · (1 − t + p_c·t) · σ(y)·σ(−y)."""
    both = weight[:, None, None] * (1 - target + positive[:, None, None] * target)
    shares = np.exp(-np.logaddexp(0, -y) - np.logaddexp(0, y))
    hy[...] = live(scale / (y.shape[0] * y.shape[1]) * both * shares, lanes)


def absolute(y: Array, target: Array, lanes: Array, scale: Array, value: Array) -> None:
    """value += scale/D · Σ |y − t|."""
    value += scale / len(y) * live(np.abs(y - target), lanes).sum()


def absolute_dy(y: Array, target: Array, lanes: Array, scale: Array, dy: Array) -> None:
    """dy = scale/D · sign(y − t)."""
    dy[...] = live(scale / len(y) * np.sign(y - target), lanes)


def contrastive(y: Array, target: Array, margin: Array, lanes: Array, scale: Array, value: Array) -> None:
    """value += scale/D · Σ ((1 − t) · y²/2 + t · max(m − y, 0)²/2)."""
    each = (1 - target) * y**2 + target * np.maximum(margin - y, 0) ** 2
    value += scale / len(y) * live(each / 2, lanes).sum()


def contrastive_dy(y: Array, target: Array, margin: Array, lanes: Array, scale: Array, dy: Array) -> None:
    """dy = scale/D · ((1 − t) · y − t · max(m − y, 0))."""
    dy[...] = live(scale / len(y) * ((1 - target) * y - target * np.maximum(margin - y, 0)), lanes)
