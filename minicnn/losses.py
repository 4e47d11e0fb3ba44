"""Losses. Like a layer, a loss is a value whose passes record kernel calls over named arrays.

Both give the **mean over the batch**, as PyTorch's do with ``reduction="mean"``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from .arrays import Array
from .backends.protocol import Kernels
from .errors import OptionError, number


@dataclass(frozen=True)
class Loss:
    """Base of all losses.

    ``forward`` adds this group's part of the loss to ``value`` and ``backward`` writes ``dy``. Both bind by name: ``y``
    and ``dy`` (D, L), ``target`` (D, L) or ``labels`` (L,), ``lanes``, ``scale`` (1/N for a batch of N), ``value``, and
    the arrays of ``consts``. An optional third pass, ``curvature``, writes ``hy`` (D, L): the diagonal of the second
    derivatives by y, zero in dead lanes as ``dy`` is.
    """

    forward: ClassVar[Callable[..., None]]
    backward: ClassVar[Callable[..., None]]
    curvature: ClassVar[Callable[..., None] | None] = None
    vectors: ClassVar[bool] = False
    """Whether a target may be vectors as well as class numbers."""

    def consts(self) -> Mapping[str, tuple[float, ...]]:
        """Numbers that the kernels need, by name."""
        return {}


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
class CrossEntropy(Loss):
    """E = −1/N · Σ_n Σ_k q_nk · log softmax(y_n)_k: ``torch.nn.CrossEntropyLoss(label_smoothing=s)``.

    y holds logits; q is 1 − s + s/K at the right one of K classes and s/K elsewhere.

    Args:
        label_smoothing: s, from 0 up to but not including 1.

    Raises:
        OptionError: label_smoothing outside [0, 1).
    """

    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        value = self.label_smoothing
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
            what = f"expected label_smoothing in [0, 1), got {self.label_smoothing!r}"
            raise OptionError("CrossEntropy", what, "give a number such as 0.1")

    def consts(self) -> Mapping[str, tuple[float, ...]]:
        """The smoothing."""
        return {"smoothing": (self.label_smoothing,)}

    def forward(self, k: Kernels, y: Array, labels: Array, smoothing: Array, lanes: Array, scale: Array, value: Array) -> None:
        """value −= scale · Σ q · log softmax(y)."""
        k.cross_entropy(y, labels, smoothing, lanes, scale, value)

    def backward(self, k: Kernels, y: Array, labels: Array, smoothing: Array, lanes: Array, scale: Array, dy: Array) -> None:
        """dy = scale · (softmax(y) − q)."""
        k.cross_entropy_dy(y, labels, smoothing, lanes, scale, dy)

    def curvature(self, k: Kernels, y: Array, lanes: Array, scale: Array, hy: Array) -> None:
        """hy = scale · p·(1 − p), p = softmax(y)."""
        k.cross_entropy_hy(y, lanes, scale, hy)
