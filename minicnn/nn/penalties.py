"""The paper's losses over the penalties of an RBF layer (LeCun et al. 1998, section II-C)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from ..arrays import Array
from ..backends.kernels import Kernels
from ..errors import number
from .losses import Loss


@dataclass(frozen=True)
class MLE(Loss):
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
        rubbish_penalty: the penalty of the rubbish class, above 0.

    Raises:
        OptionError: rubbish_penalty is not above 0 or not finite.

    >>> MAP(rubbish_penalty=2.0).consts()
    {'rubbish': (2.0,)}
    """

    rubbish_penalty: float = 1.0

    def __post_init__(self) -> None:
        number("MAP", "rubbish_penalty", self.rubbish_penalty, 0, math.inf, "()")

    def consts(self) -> Mapping[str, tuple[float, ...]]:
        """The rubbish class's penalty."""
        return {"rubbish": (self.rubbish_penalty,)}

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
