"""Euclidean radial basis functions: LeNet-5's output layer, and what its penalties say of images that are no digit."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from math import prod
from typing import ClassVar, NamedTuple

import numpy as np

from ..arrays import Array, Shape
from ..backends.kernels import Kernels
from ..errors import OptionError, ShapeError, flag
from .base import Layer, Param, Plan
from .digit_codes import DIGITS, Code
from .init import Values
from .views import rows


@dataclass(frozen=True)
class RBF(Layer):
    """y_i = Σ_j (x_j − W_ij)²: how far x is from each centre.   x (D, L), W (units, D), y (units, L).

    LeCun et al. 1998, section II-B, equation 7. An output is a penalty: the smallest one wins. The centres are the pictures of
    the ten digits unless others are given, and stay as they are unless they are trained.

    Args:
        centres: one vector of numbers for each unit, all of a length.
        trainable: whether the centres are parameters.

    Raises:
        OptionError: the centres are no vectors of finite numbers of one length.
        ShapeError: when planned, for an input of another length.

    >>> RBF().plan((84,)).out_shape
    (10,)
    >>> from minicnn import Network
    >>> net = Network([("output", RBF(centres=((1.0, 1.0), (-1.0, 1.0))))], in_shape=(2,), threads=1)
    >>> net.predict(np.array([[1.0, 0.0]]))
    array([[1., 5.]], dtype=float32)
    """

    centres: tuple[Code, ...] = DIGITS
    _: KW_ONLY
    trainable: bool = False
    order: ClassVar[str] = "the first argument is the centres, whose lengths are the inputs: give trainable by name"
    least_wins: ClassVar[bool] = True

    def __post_init__(self) -> None:
        try:
            given = np.array(self.centres, np.float64)
        except (TypeError, ValueError):
            given = np.empty(0)
        if not isinstance(self.centres, tuple) or given.ndim != 2 or given.size == 0 or not np.isfinite(given).all():
            what = f"expected centres as a tuple of equally long tuples of finite numbers, got {self.centres!r:.60}"
            raise OptionError("RBF", what, "give one tuple for each unit, or leave it out for the digits")
        flag("RBF", "trainable", self.trainable)

    def plan(self, in_shape: Shape) -> Plan:
        """W (units, D), a parameter or a constant."""
        centres = np.array(self.centres)
        if prod(in_shape) != centres.shape[1]:
            what = f"expected an input of {centres.shape[1]} numbers, as the centres have, got shape {in_shape}"
            raise ShapeError("RBF", what, "give centres of that length or change the layer before")
        links = centres.size
        if not self.trainable:
            return Plan((len(centres),), consts={"W": centres}, connections=links)
        param = Param(centres.shape, Values(self.centres), fan_in=centres.shape[1], fan_out=len(centres))
        return Plan((len(centres),), {"W": param}, connections=links)

    def forward(self, k: Kernels, x: Array, y: Array, W: Array) -> None:
        """y = Σ (x − W)²."""
        k.rbf(rows(x), W, y)

    def backward(self, k: Kernels, x: Array, dy: Array, W: Array, dx: Array | None, dW: Array | None = None) -> None:
        """dW += 2 Σ dy (W − x), dx = 2 Σ dy (x − W)."""
        if dW is not None:
            k.rbf_dW_add(dy, rows(x), W, dW)
        if dx is not None:
            k.rbf_dx(dy, rows(x), W, rows(dx))

    def curvature(
        self, k: Kernels, x: Array, dy: Array, hy: Array, W: Array, hx: Array | None, hW: Array | None = None
    ) -> None:
        """hW += Σ (4 hy (x − W)² + 2 max(dy, 0)), hx = 4 Σ hy (x − W)² + 2 max(Σ dy, 0).

        The last terms are the unit's own second derivative, without which a loss that is linear in y, equation 8, would have
        no curvature at all. Where they are negative they are left out, so that no curvature is: with equation 9 by the
        centres of wrong classes, and by x for rounding only.
        """
        if hW is not None:
            k.rbf_hW_add(hy, dy, rows(x), W, hW)
        if hx is not None:
            k.rbf_hx(hy, dy, rows(x), W, rows(hx))


class RejectScores(NamedTuple):
    """What penalties say of images.

    Attributes:
        classes: the class with the smallest penalty of each image, the first of equals.
        penalty: that penalty: large where the image looks like no class, ∞ where one of its penalties is NaN.
        margin: how far the second smallest is above it: small where it looks like two, 0 where a penalty is NaN.
    """

    classes: Array
    penalty: Array
    margin: Array


def reject_scores(penalties: Array) -> RejectScores:
    """The class of each image, and two scores to reject it by: both reject an image of which a penalty is NaN.

    Args:
        penalties: (N, K), what a network that ends in ``RBF`` predicts, K at least 2.

    >>> reject_scores(np.array([[0.5, 4.0, 9.0], [7.0, 6.5, 8.0]]))
    RejectScores(classes=array([0, 1]), penalty=array([0.5, 6.5]), margin=array([3.5, 0.5]))
    """
    unknown = np.isnan(penalties).any(axis=1)
    least, second = np.where(unknown, np.inf, np.partition(penalties, 1, axis=1)[:, :2].T)
    margin = np.zeros_like(least)
    np.subtract(second, least, out=margin, where=second != least)  # ∞ − ∞ would be NaN, which no rule rejects
    return RejectScores(penalties.argmin(axis=1), least, margin)
