"""Cross-entropy of classes, one right or each with a weight, and of outputs that are each on or off."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import ClassVar

import numpy as np

from ..arrays import Array
from ..backends.kernels import Kernels
from ..errors import OptionError, ShapeError, number
from .base import Layer
from .losses import Loss
from .sigmoids import Sigmoid
from .softmax import Softmax

LOGITS = "{who}: expected logits, got the output of {layer}, which {who} applies itself; leave the last layer out of training"
MOST = 2**24
"""Up to here every whole number is a float32."""


def numbers(who: str, name: str, value: object) -> tuple[float, ...]:
    """An option that is a number for each class, finite and at least 0, as a tuple.

    Raises:
        OptionError: it is not.
    """
    given = value.tolist() if isinstance(value, np.ndarray) else value
    if not isinstance(given, tuple | list) or not given:
        hint = f"give {name}=(1.0, 2.0), or leave it out"
        raise OptionError(who, f"expected {name} as a number for each class, got {value!r:.60}", hint)
    return tuple(number(who, f"{name}[{place}]", one, 0, math.inf) for place, one in enumerate(given))


def fits(who: str, name: str, value: tuple[float, ...], classes: int) -> None:
    """Refuse as many numbers as there are no classes.

    Raises:
        ShapeError: there are more or fewer.
    """
    if len(value) != classes:
        what = f"expected {name} of {classes} numbers, one for each class, got {len(value)}"
        raise ShapeError(who, what, f"give {name} as many numbers as the last layer has units or channels")


@dataclass(frozen=True)
class CrossEntropy(Loss):
    """E = −1/S · Σ_n Σ_k w_k · q_nk · log softmax(y_n)_k: ``torch.nn.CrossEntropyLoss``.

    y holds logits; q is 1 − s + s/K at the right one of K classes and s/K elsewhere. S is the number of images; with class
    weights it is Σ_n w of the right classes. Images whose class number is ``ignore_index`` count nowhere. Targets may be

    - class numbers (N,); for maps of logits (K, H, W) one for each place, (N, H, W), each of which counts as an image does;
    - in place of them how much each class weighs, numbers in the shape of the output: q is (1 − s) · t + s/K then, and S the
      number of images or places, as in PyTorch.

    Args:
        label_smoothing: s, from 0 up to but not including 1.
        weight: w, one number for each class, at least 0; 1 for None.
        ignore_index: a whole number that says that there is no class. PyTorch ignores −100 unless told otherwise; here every
            number that is no class is refused unless it is named.

    Raises:
        OptionError: an option is outside its range.

    >>> CrossEntropy(weight=[1, 2]).weight
    (1.0, 2.0)
    """

    label_smoothing: float = 0.0
    weight: tuple[float, ...] | None = field(default=None, kw_only=True)
    ignore_index: int | None = field(default=None, kw_only=True)
    dense: ClassVar[bool] = True

    def __post_init__(self) -> None:
        value = self.label_smoothing
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
            what = f"expected label_smoothing in [0, 1), got {self.label_smoothing!r}"
            raise OptionError("CrossEntropy", what, "give a number such as 0.1")
        if self.weight is not None:
            object.__setattr__(self, "weight", numbers("CrossEntropy", "weight", self.weight))
        index = self.ignore_index
        if index is not None and (isinstance(index, bool) or not isinstance(index, int) or abs(index) > MOST):
            what = f"expected ignore_index as a whole number from −2^24 to 2^24, got {index!r}"
            raise OptionError("CrossEntropy", what, "give ignore_index=-100, or leave it out")

    def consts(self) -> Mapping[str, tuple[float, ...]]:
        """The smoothing."""
        return {"smoothing": (self.label_smoothing,)}

    def for_targets(self, kind: str, classes: int) -> Loss:
        """Itself for one class number for each image, all of the same weight; else over how much each class weighs."""
        if kind == "labels" and self.weight is None and self.ignore_index is None:
            return self
        return _soft(self, kind, classes)

    def ignores(self) -> int | None:
        """``ignore_index``."""
        return self.ignore_index

    def warning(self, last: Layer) -> str | None:
        """Softmax is applied twice."""
        return LOGITS.format(who="CrossEntropy", layer="Softmax") if isinstance(last, Softmax) else None

    def forward(self, k: Kernels, y: Array, labels: Array, smoothing: Array, lanes: Array, scale: Array, value: Array) -> None:
        """value −= scale · Σ q · log softmax(y)."""
        k.cross_entropy(y, labels, smoothing, lanes, scale, value)

    def backward(self, k: Kernels, y: Array, labels: Array, smoothing: Array, lanes: Array, scale: Array, dy: Array) -> None:
        """dy = scale · (softmax(y) − q)."""
        k.cross_entropy_dy(y, labels, smoothing, lanes, scale, dy)

    def curvature(self, k: Kernels, y: Array, lanes: Array, scale: Array, hy: Array) -> None:
        """hy = scale · p·(1 − p), p = softmax(y)."""
        k.cross_entropy_hy(y, lanes, scale, hy)


@lru_cache(maxsize=64)
def _soft(loss: CrossEntropy, kind: str, classes: int) -> SoftCrossEntropy:
    """The same one every time, so that it is recorded once."""
    weight = (1.0,) * classes if loss.weight is None else loss.weight
    fits("CrossEntropy", "weight", weight, classes)
    ignored = loss.ignore_index if kind == "class_map" and loss.ignore_index is not None else -1
    return SoftCrossEntropy(kind, weight, loss.label_smoothing, ignored)


@dataclass(frozen=True)
class SoftCrossEntropy(Loss):
    """E = −scale · Σ_n Σ_k q_nk · log softmax(y_n)_k: ``CrossEntropy`` over how much each class weighs, weights included.

    Args:
        kind: what targets are: ``"labels"``, ``"class_map"`` or ``"vectors"``.
        weight: one number for each class.
        label_smoothing: s.
        ignored: the class number that says that there is none.
    """

    kind: str = "labels"
    weight: tuple[float, ...] = ()
    label_smoothing: float = 0.0
    ignored: int = -1

    def consts(self) -> Mapping[str, tuple[float, ...]]:
        """The weights; the smoothing and the number to ignore."""
        return {"weight": self.weight, "smoothing": (self.label_smoothing, self.ignored)}

    def for_targets(self, kind: str, classes: int) -> Loss:
        """With a weight of 1 for each class where there is none."""
        return self if self.weight else replace(self, kind=kind, weight=(1.0,) * classes)

    def ignores(self) -> int | None:
        """``ignored``."""
        return self.ignored

    def warning(self, last: Layer) -> str | None:
        """As of ``CrossEntropy``."""
        return CrossEntropy().warning(last)

    def total(self, labels: Array) -> float:
        """Σ w over the class numbers that count."""
        counted = labels[(labels >= 0) & (labels != self.ignored)]
        return float(np.bincount(counted.reshape(-1), minlength=len(self.weight)) @ np.array(self.weight))

    def prepare_target(
        self, k: Kernels, labels: Array, class_map: Array, target: Array, weight: Array, smoothing: Array, lanes: Array
    ) -> None:
        """target = w · q."""
        if self.kind == "vectors":
            k.smooth_targets(weight, smoothing, lanes, maps(target, weight))
        else:
            given = class_map if self.kind == "class_map" else labels.reshape(1, -1)
            k.class_targets(given, weight, smoothing, lanes, maps(target, weight))

    def forward(self, k: Kernels, y: Array, target: Array, weight: Array, lanes: Array, scale: Array, value: Array) -> None:
        """value −= scale · Σ target · log softmax(y)."""
        k.soft_cross_entropy(maps(y, weight), maps(target, weight), lanes, scale, value)

    def backward(self, k: Kernels, y: Array, target: Array, weight: Array, lanes: Array, scale: Array, dy: Array) -> None:
        """dy = scale · (softmax(y) · Σ_c target − target)."""
        k.soft_cross_entropy_dy(maps(y, weight), maps(target, weight), lanes, scale, maps(dy, weight))

    def curvature(self, k: Kernels, y: Array, target: Array, weight: Array, lanes: Array, scale: Array, hy: Array) -> None:
        """hy = scale · p·(1 − p) · Σ_c target, p = softmax(y)."""
        k.soft_cross_entropy_hy(maps(y, weight), maps(target, weight), lanes, scale, maps(hy, weight))


def maps(values: Array, weight: Array) -> Array:
    """(D, L) as (C, P, L): as many channels as there are weights."""
    return values.reshape(len(weight), -1, values.shape[-1])


@dataclass(frozen=True)
class BCEWithLogits(Loss):
    """E = −1/(N·D) · Σ_n Σ_d w·[p·t·log σ(y) + (1 − t)·log(1 − σ(y))]: ``torch.nn.BCEWithLogitsLoss``.

    y holds logits; targets t are numbers in the shape of the output, 0 or 1 or between.

    Args:
        weight: w, one number, or one for each unit or channel.
        pos_weight: p, one number, or one for each unit or channel.

    Raises:
        OptionError: a number is below 0 or not finite.

    >>> BCEWithLogits(pos_weight=3.0).consts()
    {'weight': (1.0,), 'positive': (3.0,)}
    """

    weight: tuple[float, ...] | float = field(default=1.0, kw_only=True)
    pos_weight: tuple[float, ...] | float = field(default=1.0, kw_only=True)
    vectors: ClassVar[bool] = True
    classes: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for name in ("weight", "pos_weight"):
            value = getattr(self, name)
            several = isinstance(value, tuple | list | np.ndarray) and np.ndim(value) > 0
            taken = numbers("BCEWithLogits", name, value) if several else number("BCEWithLogits", name, value, 0, math.inf)
            object.__setattr__(self, name, taken)

    def consts(self) -> Mapping[str, tuple[float, ...]]:
        """Both weights, equally many numbers."""
        both = [value if isinstance(value, tuple) else (value,) for value in (self.weight, self.pos_weight)]
        most = max(map(len, both))
        weight, positive = (value * most if len(value) == 1 else value for value in both)
        return {"weight": weight, "positive": positive}

    def for_targets(self, kind: str, classes: int) -> Loss:
        """Itself, if each of its options is one number or one for each class.

        Raises:
            ShapeError: it is not.
        """
        for name in ("weight", "pos_weight"):
            value = getattr(self, name)
            if isinstance(value, tuple):
                fits("BCEWithLogits", name, value, classes)
        return self

    def warning(self, last: Layer) -> str | None:
        """Sigmoid is applied twice."""
        return LOGITS.format(who="BCEWithLogits", layer="Sigmoid") if isinstance(last, Sigmoid) else None

    def forward(
        self, k: Kernels, y: Array, target: Array, weight: Array, positive: Array, lanes: Array, scale: Array, value: Array
    ) -> None:
        """value −= scale/D · Σ w·[p·t·log σ(y) + (1 − t)·log(1 − σ(y))]."""
        k.bce_logits(maps(y, weight), maps(target, weight), weight, positive, lanes, scale, value)

    def backward(
        self, k: Kernels, y: Array, target: Array, weight: Array, positive: Array, lanes: Array, scale: Array, dy: Array
    ) -> None:
        """dy = scale/D · w·((1 − t + p·t)·σ(y) − p·t)."""
        k.bce_logits_dy(maps(y, weight), maps(target, weight), weight, positive, lanes, scale, maps(dy, weight))

    def curvature(
        self, k: Kernels, y: Array, target: Array, weight: Array, positive: Array, lanes: Array, scale: Array, hy: Array
    ) -> None:
        """hy = scale/D · w·(1 − t + p·t)·σ(y)·(1 − σ(y))."""
        k.bce_logits_hy(maps(y, weight), maps(target, weight), weight, positive, lanes, scale, maps(hy, weight))
