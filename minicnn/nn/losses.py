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
    derivatives by y, zero in padding lanes as ``dy`` is. An optional pass before them, ``prepare_target``, makes ``target`` of
    ``labels``, of ``class_map`` (P, L), a class number for each place of a map, or of ``target`` as it was given.

    Where images have weights, the passes are recorded for each image by itself, L = 1 and ``scale`` its share; so a pass looks
    at no other image.
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
    prepare_target: ClassVar[Callable[..., None] | None] = None
    total: ClassVar[Callable[..., float] | None] = None
    """Given the class numbers of a batch, what its sum is divided by for the mean; the number of images for None."""

    def consts(self) -> Mapping[str, tuple[float, ...]]:
        """Numbers that the kernels need, by name."""
        return {}

    def for_targets(self, kind: str, classes: int) -> Loss:
        """The loss for targets of a kind, ``"labels"``, ``"vectors"`` or ``"class_map"``, and so many classes or channels."""
        return self

    def ignores(self) -> int | None:
        """The class number that says that there is none."""
        return None

    def warning(self, last: Layer) -> str | None:
        """In words why it hardly belongs behind this last layer of a network; None where it may."""
        return None


def is_immutable(value: object) -> bool:
    """Whether a value never changes: a number, text, or a loss or tuple of such values."""
    if isinstance(value, tuple):
        return all(map(is_immutable, value))
    if isinstance(value, Loss):
        state = vars(value)
        return state.keys() <= type(value).__dataclass_fields__.keys() and all(map(is_immutable, state.values()))
    return value is None or isinstance(value, int | float | str | np.generic)


def _as_key(value: object) -> Hashable:
    """A value as a key: 1, 1.0 and True differ, as do 0.0 and −0.0."""
    if isinstance(value, tuple):
        return tuple(map(_as_key, value))
    if isinstance(value, Loss):
        return (type(value), *((name, _as_key(own)) for name, own in vars(value).items()))
    return type(value), repr(value)


class _Itself:
    """An object as a key: equal to itself alone, whatever its class takes for equal; and kept alive."""

    def __init__(self, value: object) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Itself) and other.value is self.value

    def __hash__(self) -> int:
        return id(self.value)


def cache_key(loss: Loss) -> Hashable:
    """A key that is equal for two losses if their recorded calls would be equal.

    A loss is a value, so two of one class with the same fields are one. Where there is more to it than numbers and text in
    fields, as in a subclass with an attribute of its own, it is itself alone, as it is at the moment.
    """
    state = vars(loss)
    if is_immutable(loss):
        return _as_key(loss)
    now = ((name, _as_key(value) if is_immutable(value) else _Itself(value)) for name, value in state.items())
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
