"""Clipping of a network's gradients between the backward pass and the step, as ``torch.nn.utils`` does."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ..errors import number

if TYPE_CHECKING:
    from ..network import Network

CHUNK = 1 << 13
"""So many squares are summed at a time, in float64 and in this order, whatever the number of threads."""

TINY = 1e-6
"""PyTorch divides by the norm plus this."""


def clip_grad_norm(net: Network, max_norm: float) -> float:
    """Scale all gradients so that their norm, that of one vector, is at most ``max_norm``: ``clip_grad_norm_``.

    Args:
        net: the network, after ``loss_and_grads``.
        max_norm: the norm, above 0.

    Returns:
        The norm before. Where it is not finite the gradients become NaN or 0, as in PyTorch.

    Raises:
        OptionError: max_norm is not above 0 or not finite.

    >>> from minicnn import Dense, Network
    >>> net = Network([Dense(1, bias=False)], in_shape=(2,), threads=1)
    >>> net.grads.flat[:] = 3, 4
    >>> clip_grad_norm(net, 1.0), net.grads.flat.round(3)
    (5.0, array([0.6, 0.8], dtype=float32))
    """
    number("clip_grad_norm", "max_norm", max_norm, 0, math.inf, "()")
    with net.atomic():
        flat, total = net.grads.flat, 0.0
        for first in range(0, len(flat), CHUNK):
            total += float(np.square(flat[first : first + CHUNK], dtype=np.float64).sum())
        norm = math.sqrt(total)
        factor = max_norm / (norm + TINY)
        if not factor >= 1:
            with np.errstate(invalid="ignore"):  # infinity times 0
                np.multiply(flat, flat.dtype.type(factor), out=flat)
    return norm


def clip_grad_value(net: Network, clip_value: float) -> None:
    """Bring every gradient into ±``clip_value``; a NaN stays: ``clip_grad_value_``.

    Args:
        net: the network, after ``loss_and_grads``.
        clip_value: the largest absolute value, above 0.

    Raises:
        OptionError: clip_value is not above 0 or not finite.
    """
    number("clip_grad_value", "clip_value", clip_value, 0, math.inf, "()")
    with net.atomic():
        flat = net.grads.flat
        np.clip(flat, -clip_value, clip_value, out=flat)
