"""Losses for outputs that are penalties, of which the smallest wins, and what to reject: LeCun et al. 1998, section II-C."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .arrays import Array
from .backends.protocol import Kernels
from .errors import number
from .losses import Loss


@dataclass(frozen=True)
class Penalty(Loss):
    """E = 1/N · Σ_n y_n,label: the penalty of the right class (equation 8).

    With centres that stay as they are it cannot collapse; with trained ones all may meet in one point.
    """

    def forward(self, k: Kernels, y: Array, labels: Array, lanes: Array, scale: Array, value: Array) -> None:
        """value += scale · Σ y at the label."""
        k.penalty(y, labels, lanes, scale, value)

    def backward(self, k: Kernels, labels: Array, lanes: Array, scale: Array, dy: Array) -> None:
        """dy = scale at the label, 0 elsewhere."""
        k.penalty_dy(labels, lanes, scale, dy)

    def curvature(self, k: Kernels, hy: Array) -> None:
        """hy = 0: the loss is linear in y."""
        k.zero(hy)


@dataclass(frozen=True)
class MAP(Loss):
    """E = 1/N · Σ_n [ y_n,label + log(e^−j + Σ_i e^−y_n,i) ] ≥ 0: the right class against all others (equation 9).

    e^−y are unnormalised probabilities, and j is the penalty of a rubbish class for patterns that are none of the others: it
    keeps penalties that are large already from growing. Its value is not published.

    Args:
        j: the penalty of the rubbish class, above 0.

    Raises:
        OptionError: j is not above 0 or not finite.

    >>> MAP(j=2.0).consts()
    {'rubbish': (2.0,)}
    """

    j: float = 1.0

    def __post_init__(self) -> None:
        number("MAP", "j", self.j, 0, math.inf, "()")

    def consts(self) -> Mapping[str, tuple[float, ...]]:
        """The rubbish class's penalty."""
        return {"rubbish": (self.j,)}

    def forward(self, k: Kernels, y: Array, labels: Array, rubbish: Array, lanes: Array, scale: Array, value: Array) -> None:
        """value += scale · Σ (y at the label + log(e^−j + Σ e^−y))."""
        k.map_penalty(y, labels, rubbish, lanes, scale, value)

    def backward(self, k: Kernels, y: Array, labels: Array, rubbish: Array, lanes: Array, scale: Array, dy: Array) -> None:
        """dy = scale · (1 at the label − p), p = e^−y / (e^−j + Σ e^−y)."""
        k.map_shares(y, rubbish, dy)
        k.map_penalty_dy(labels, lanes, scale, dy)

    def curvature(self, k: Kernels, y: Array, rubbish: Array, lanes: Array, scale: Array, hy: Array) -> None:
        """hy = scale · p·(1 − p)."""
        k.map_shares(y, rubbish, hy)
        k.map_penalty_hy(lanes, scale, hy)


class Decision(NamedTuple):
    """What penalties say of images.

    Attributes:
        classes: the class with the smallest penalty of each image, the first of equals.
        penalty: that penalty: large where the image looks like no class, ∞ where one of its penalties is NaN.
        margin: how far the second smallest is above it: small where it looks like two, 0 where a penalty is NaN.
    """

    classes: Array
    penalty: Array
    margin: Array


def decide(penalties: Array) -> Decision:
    """The class of each image, and two scores to reject it by: both reject an image of which a penalty is NaN.

    Args:
        penalties: (N, K), what a network that ends in ``RBF`` predicts, K at least 2.

    >>> decide(np.array([[0.5, 4.0, 9.0], [7.0, 6.5, 8.0]]))
    Decision(classes=array([0, 1]), penalty=array([0.5, 6.5]), margin=array([3.5, 0.5]))
    """
    unknown = np.isnan(penalties).any(axis=1)
    least, second = np.where(unknown, np.inf, np.partition(penalties, 1, axis=1)[:, :2].T)
    margin = np.zeros_like(least)
    np.subtract(second, least, out=margin, where=second != least)  # ∞ − ∞ would be NaN, which no rule rejects
    return Decision(penalties.argmin(axis=1), least, margin)
