"""Losses of how far outputs are from a target, and of distances themselves."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from ..arrays import Array
from ..backends.kernels import Kernels
from ..errors import number
from .losses import Loss


@dataclass(frozen=True)
class Huber(Loss):
    """E = 1/(N·D) · Σ_n Σ_d h(y_nd − t_nd): ``torch.nn.HuberLoss(delta=δ)``.

    h(e) = e²/2 up to |e| = δ, and δ·(|e| − δ/2) beyond, so that a target far off pulls no harder than one that is δ off
    (Huber, 1964). Class numbers as targets are made into vectors as by ``MSE``.

    Args:
        delta: δ, above 0.
        on: target value of the right class.
        off: target value of the others.

    Raises:
        OptionError: delta is not above 0, or a number is not finite.

    >>> Huber(delta=2.0).consts()
    {'delta': (2.0,), 'on_off': (1.0, 0.0)}
    """

    delta: float = 1.0
    on: float = 1.0
    off: float = 0.0
    vectors: ClassVar[bool] = True

    def __post_init__(self) -> None:
        number("Huber", "delta", self.delta, 0, math.inf, "()")
        for name in ("on", "off"):
            number("Huber", name, getattr(self, name), -math.inf, math.inf)

    def consts(self) -> Mapping[str, tuple[float, ...]]:
        """δ, and the two target values."""
        return {"delta": (self.delta,), "on_off": (self.on, self.off)}

    def forward(self, k: Kernels, y: Array, target: Array, delta: Array, lanes: Array, scale: Array, value: Array) -> None:
        """value += scale/D · Σ h(y − t)."""
        k.huber(y, target, delta, lanes, scale, value)

    def backward(self, k: Kernels, y: Array, target: Array, delta: Array, lanes: Array, scale: Array, dy: Array) -> None:
        """dy = scale/D · (y − t), no further from 0 than scale/D · δ."""
        k.huber_dy(y, target, delta, lanes, scale, dy)

    def curvature(self, k: Kernels, y: Array, target: Array, delta: Array, lanes: Array, scale: Array, hy: Array) -> None:
        """hy = scale/D where |y − t| ≤ δ, else 0."""
        k.huber_hy(y, target, delta, lanes, scale, hy)


@dataclass(frozen=True)
class L1(Loss):
    """E = 1/(N·D) · Σ_n Σ_d |y_nd − t_nd|: ``torch.nn.L1Loss()``.

    Class numbers as targets are made into vectors as by ``MSE``. It has no ``curvature``, which would be 0.

    Args:
        on: target value of the right class.
        off: target value of the others.

    Raises:
        OptionError: a target value is not a finite number.
    """

    on: float = 1.0
    off: float = 0.0
    vectors: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for name in ("on", "off"):
            number("L1", name, getattr(self, name), -math.inf, math.inf)

    def consts(self) -> Mapping[str, tuple[float, ...]]:
        """The two target values."""
        return {"on_off": (self.on, self.off)}

    def forward(self, k: Kernels, y: Array, target: Array, lanes: Array, scale: Array, value: Array) -> None:
        """value += scale/D · Σ |y − t|."""
        k.absolute(y, target, lanes, scale, value)

    def backward(self, k: Kernels, y: Array, target: Array, lanes: Array, scale: Array, dy: Array) -> None:
        """dy = scale/D · sign(y − t)."""
        k.absolute_dy(y, target, lanes, scale, dy)


@dataclass(frozen=True)
class Contrastive(Loss):
    """E = 1/(N·D) · Σ_n Σ_d [ (1 − t)·y²/2 + t·max(m − y, 0)²/2 ] of the distances y ≥ 0 of pairs.

    t is 0 for two of a kind, which are drawn together, and 1 for two unlike, which are pushed apart up to the margin m. The
    network gives the distance of a pair; targets are numbers of its output's shape, (N, 1) for one distance. (Hadsell, Chopra
    and LeCun, *Dimensionality Reduction by Learning an Invariant Mapping*, 2006, equation 4.)

    Args:
        margin: m, above 0.

    Raises:
        OptionError: margin is not above 0 or not finite.
    """

    margin: float = 1.0
    vectors: ClassVar[bool] = True
    classes: ClassVar[bool] = False

    def __post_init__(self) -> None:
        number("Contrastive", "margin", self.margin, 0, math.inf, "()")

    def consts(self) -> Mapping[str, tuple[float, ...]]:
        """The margin."""
        return {"margin": (self.margin,)}

    def forward(self, k: Kernels, y: Array, target: Array, margin: Array, lanes: Array, scale: Array, value: Array) -> None:
        """value += scale/D · Σ ((1 − t)·y²/2 + t·max(m − y, 0)²/2)."""
        k.contrastive(y, target, margin, lanes, scale, value)

    def backward(self, k: Kernels, y: Array, target: Array, margin: Array, lanes: Array, scale: Array, dy: Array) -> None:
        """dy = scale/D · ((1 − t)·y − t·max(m − y, 0))."""
        k.contrastive_dy(y, target, margin, lanes, scale, dy)
