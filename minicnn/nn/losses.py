"""Losses. Like a layer, a loss is a value whose passes record kernel calls over named arrays.

Both give the **mean over the batch**, as PyTorch's do with ``reduction="mean"``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..arrays import Array
from ..backends.kernels import Kernels
from ..errors import number
from .base import Layer


@dataclass(frozen=True)
class Loss:
    """Base of all losses.

    ``forward`` adds this group's part of the loss to ``value`` and ``backward`` writes ``dy``. Both bind by name: ``y``
    and ``dy`` (D, L), ``target`` (D, L) or ``labels`` (L,), ``lanes``, ``scale`` (1/N for a batch of N), ``value``, and
    the arrays of ``consts``. An optional third pass, ``curvature``, writes ``hy`` (D, L): the diagonal of the second
    derivatives by y, zero in padding lanes as ``dy`` is. An optional pass before them, ``aim``, makes ``target`` of
    ``labels``, of ``marks`` (P, L), a class number for each place of a map, or of ``target`` as it was given.
    """

    forward: ClassVar[Callable[..., None]]
    backward: ClassVar[Callable[..., None]]
    curvature: ClassVar[Callable[..., None] | None] = None
    vectors: ClassVar[bool] = False
    """Whether a target may be vectors as well as class numbers."""
    classes: ClassVar[bool] = True
    """Whether a target may be class numbers."""
    dense: ClassVar[bool] = False
    """Whether a target may say how much each class weighs, or be a class number for each place of a map."""
    aim: ClassVar[Callable[..., None] | None] = None
    total: ClassVar[Callable[..., float] | None] = None
    """Given the class numbers of a batch, what its sum is divided by for the mean; the number of images for None."""

    def consts(self) -> Mapping[str, tuple[float, ...]]:
        """Numbers that the kernels need, by name."""
        return {}

    def towards(self, kind: str, classes: int) -> Loss:
        """The loss for targets of a kind, ``"labels"``, ``"vectors"`` or ``"marks"``, and so many classes or channels."""
        return self

    def ignores(self) -> int | None:
        """The class number that says that there is none."""
        return None

    def doubts(self, last: Layer) -> str | None:
        """In words why it hardly belongs behind this last layer of a network; None where it may."""
        return None


def is_value(value: object) -> bool:
    """Whether something never changes, and is told from others by what it says: numbers, text, and losses with such fields."""
    if isinstance(value, tuple):
        return all(map(is_value, value))
    if isinstance(value, Loss):
        state = vars(value)
        return state.keys() <= type(value).__dataclass_fields__.keys() and all(map(is_value, state.values()))
    return value is None or isinstance(value, int | float | str | np.generic)


def _said(value: object) -> Hashable:
    """A value as a key: 1, 1.0 and True differ, as do 0.0 and −0.0."""
    if isinstance(value, tuple):
        return tuple(map(_said, value))
    if isinstance(value, Loss):
        return (type(value), *((name, _said(own)) for name, own in vars(value).items()))
    return type(value), repr(value)


class _Itself:
    """An object as a key: equal to itself alone, whatever its class takes for equal; and kept alive."""

    def __init__(self, value: object) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Itself) and other.value is self.value

    def __hash__(self) -> int:
        return id(self.value)


def told_apart(loss: Loss) -> Hashable:
    """What tells a loss from another one whose recorded calls would differ.

    A loss is a value, so two of one class with the same fields are one. Where there is more to it than numbers and text in
    fields, as in a subclass with an attribute of its own, it is itself alone, as it is at the moment.
    """
    state = vars(loss)
    if is_value(loss):
        return _said(loss)
    now = ((name, _said(value) if is_value(value) else _Itself(value)) for name, value in state.items())
    consts = ((name, np.array(value).tobytes()) for name, value in loss.consts().items())
    return (_Itself(loss), *now, *consts)


@dataclass(frozen=True)
class MSE(Loss):
    """E = 1/(N·D) · Σ_n Σ_d (y_nd − t_nd)²: ``torch.nn.MSELoss()``.

    Class numbers as targets are made into vectors that hold ``on`` at the class and ``off`` elsewhere.

    Args:
        on: target value of the right class.
        off: target value of the others.

    Raises:
        OptionError: a target value is not a finite number.

    >>> MSE().consts()
    {'on_off': (1.0, 0.0)}
    """

    on: float = 1.0
    off: float = 0.0
    vectors: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for name in ("on", "off"):
            number("MSE", name, getattr(self, name), -math.inf, math.inf)

    def consts(self) -> Mapping[str, tuple[float, ...]]:
        """The two target values."""
        return {"on_off": (self.on, self.off)}

    def forward(self, k: Kernels, y: Array, target: Array, lanes: Array, scale: Array, value: Array) -> None:
        """value += scale/D · Σ (y − t)²."""
        k.mse(y, target, lanes, scale, value)

    def backward(self, k: Kernels, y: Array, target: Array, lanes: Array, scale: Array, dy: Array) -> None:
        """dy = 2·scale/D · (y − t)."""
        k.mse_dy(y, target, lanes, scale, dy)

    def curvature(self, k: Kernels, lanes: Array, scale: Array, hy: Array) -> None:
        """hy = 2·scale/D."""
        k.mse_hy(lanes, scale, hy)


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
