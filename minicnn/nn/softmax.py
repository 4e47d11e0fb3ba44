"""Softmax and its logarithm, over the first axis of an image: the numbers of a vector, or the channels of a map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..arrays import Array, Shape
from ..backends.kernels import Kernels
from .base import Layer, Plan
from .views import maps


@dataclass(frozen=True)
class _OverChannels(Layer):
    order: ClassVar[str] = "it runs over the first axis of an image, so there is no axis to choose: leave it out"

    def plan(self, in_shape: Shape) -> Plan:
        """The shape stays."""
        return Plan(in_shape)


@dataclass(frozen=True)
class Softmax(_OverChannels):
    """y_i = e^{x_i} / Σ_j e^{x_j}, dx = y · (dy − Σ_j dy_j·y_j): ``torch.nn.Softmax(dim=1)``.

    x and y (D, L); or (C, H, W, L), where each pixel has a sum over the channels of its own.
    For training with cross-entropy leave it out: ``CrossEntropy`` takes logits.

    >>> import numpy as np
    >>> from minicnn import Network
    >>> Network([Softmax()], in_shape=(2,), backend="numpy").predict(np.log([[1.0, 3.0]])).round(3).tolist()
    [[0.25, 0.75]]
    """

    def forward(self, k: Kernels, x: Array, y: Array) -> None:
        """y = softmax(x)."""
        k.softmax(maps(x), maps(y))

    def backward(self, k: Kernels, y: Array, dy: Array, dx: Array | None) -> None:
        """dx = y · (dy − Σ dy·y)."""
        if dx is not None:
            k.softmax_dx(maps(y), maps(dy), maps(dx))

    def curvature(self, k: Kernels, y: Array, hy: Array, hx: Array | None) -> None:
        """hx = y² · ((1 − 2y) · hy + Σ y²·hy)."""
        if hx is not None:
            k.softmax_hx(maps(y), maps(hy), maps(hx))


@dataclass(frozen=True)
class LogSoftmax(_OverChannels):
    """y_i = x_i − log Σ_j e^{x_j}, dx = dy − e^y · Σ_j dy_j: ``torch.nn.LogSoftmax(dim=1)``.

    x and y (D, L); or (C, H, W, L), where each pixel has a sum over the channels of its own.

    >>> import numpy as np
    >>> from minicnn import Network
    >>> np.exp(Network([LogSoftmax()], in_shape=(2,), backend="numpy").predict(np.log([[1.0, 3.0]]))).round(3).tolist()
    [[0.25, 0.75]]
    """

    def forward(self, k: Kernels, x: Array, y: Array) -> None:
        """y = log softmax(x)."""
        k.log_softmax(maps(x), maps(y))

    def backward(self, k: Kernels, y: Array, dy: Array, dx: Array | None) -> None:
        """dx = dy − e^y · Σ dy."""
        if dx is not None:
            k.log_softmax_dx(maps(y), maps(dy), maps(dx))

    def curvature(self, k: Kernels, y: Array, hy: Array, hx: Array | None) -> None:
        """hx = (1 − 2p) · hy + p² · Σ hy, p = e^y."""
        if hx is not None:
            k.log_softmax_hx(maps(y), maps(hy), maps(hx))
