"""Activation layers: y = f(x) element by element, and softmax."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..arrays import Array, Shape
from ..backends.kernels import Kernels
from ..errors import OptionError, ShapeError, number
from .base import Layer, Plan


@dataclass(frozen=True)
class _Elementwise(Layer):
    order: ClassVar[str] = "whether y is written over x is the network's matter: leave it out"

    def plan(self, in_shape: Shape) -> Plan:
        """The shape stays."""
        return Plan(in_shape, inplace=True)


@dataclass(frozen=True)
class Sigmoid(_Elementwise):
    """y = 1 / (1 + e^−x), dx = dy · y·(1 − y).   Any shape."""

    def forward(self, k: Kernels, x: Array, y: Array) -> None:
        """y = σ(x)."""
        k.sigmoid(x, y)

    def backward(self, k: Kernels, y: Array, dy: Array, dx: Array | None) -> None:
        """dx = dy · y·(1 − y)."""
        if dx is not None:
            k.sigmoid_dx(y, dy, dx)

    def curvature(self, k: Kernels, y: Array, hy: Array, hx: Array | None) -> None:
        """hx = hy · (y·(1 − y))²."""
        if hx is not None:
            k.sigmoid_dx(y, hy, hx)
            k.sigmoid_dx(y, hx, hx)


@dataclass(frozen=True)
class Tanh(_Elementwise):
    """y = tanh x, dx = dy · (1 − y²).   Any shape."""

    def forward(self, k: Kernels, x: Array, y: Array) -> None:
        """y = tanh x."""
        k.tanh(x, y)

    def backward(self, k: Kernels, y: Array, dy: Array, dx: Array | None) -> None:
        """dx = dy · (1 − y²)."""
        if dx is not None:
            k.tanh_dx(y, dy, dx)

    def curvature(self, k: Kernels, y: Array, hy: Array, hx: Array | None) -> None:
        """hx = hy · (1 − y²)²."""
        if hx is not None:
            k.tanh_dx(y, hy, hx)
            k.tanh_dx(y, hx, hx)


@dataclass(frozen=True)
class ScaledTanh(_Elementwise):
    """y = 1.7159 · tanh(2x/3), so that f(±1) = ±1 (LeCun et al. 1998, appendix A).   Any shape.

    The slope is exactly 0 where y is rounded to ±1.7159.
    """

    def forward(self, k: Kernels, x: Array, y: Array) -> None:
        """y = 1.7159 · tanh(2x/3)."""
        k.scaled_tanh(x, y)

    def backward(self, k: Kernels, y: Array, dy: Array, dx: Array | None) -> None:
        """dx = dy · 2/3 · (1.7159 − y²/1.7159)."""
        if dx is not None:
            k.scaled_tanh_dx(y, dy, dx)

    def curvature(self, k: Kernels, y: Array, hy: Array, hx: Array | None) -> None:
        """hx = hy · (2/3 · (1.7159 − y²/1.7159))²."""
        if hx is not None:
            k.scaled_tanh_dx(y, hy, hx)
            k.scaled_tanh_dx(y, hx, hx)


@dataclass(frozen=True)
class ReLU(_Elementwise):
    """y = max(x, 0), dx = dy where y > 0.   Any shape."""

    def forward(self, k: Kernels, x: Array, y: Array) -> None:
        """y = max(x, 0)."""
        k.relu(x, y)

    def backward(self, k: Kernels, y: Array, dy: Array, dx: Array | None) -> None:
        """dx = dy where y > 0, else 0."""
        if dx is not None:
            k.relu_dx(y, dy, dx)

    def curvature(self, k: Kernels, y: Array, hy: Array, hx: Array | None) -> None:
        """hx = hy where y > 0, else 0."""
        self.backward(k, y, hy, hx)


@dataclass(frozen=True)
class LeakyReLU(_Elementwise):
    """y = x where x > 0, else slope · x; dx = dy or slope · dy.   Any shape.

    Args:
        negative_slope: steepness of the negative side.

    Raises:
        OptionError: negative_slope is not a finite number.
    """

    negative_slope: float = 0.01

    def __post_init__(self) -> None:
        real = isinstance(self.negative_slope, int | float) and not isinstance(self.negative_slope, bool)
        if not real or not abs(self.negative_slope) <= sys.float_info.max:
            raise OptionError(
                "LeakyReLU",
                f"expected negative_slope as a finite number, got {self.negative_slope!r}",
                "give negative_slope=0.01",
            )

    def plan(self, in_shape: Shape) -> Plan:
        """The shape stays."""
        return Plan(in_shape, consts={"negative_slope": np.array([float(self.negative_slope)])}, inplace=True)

    def forward(self, k: Kernels, x: Array, y: Array, negative_slope: Array) -> None:
        """y = x where x > 0, else slope · x."""
        k.leaky_relu(x, negative_slope, y)

    def backward(self, k: Kernels, x: Array, dy: Array, negative_slope: Array, dx: Array | None) -> None:
        """dx = dy where x > 0, else slope · dy."""
        if dx is not None:
            k.leaky_relu_dx(x, negative_slope, dy, dx)

    def curvature(self, k: Kernels, x: Array, hy: Array, negative_slope2: Array, hx: Array | None) -> None:
        """hx = hy where x > 0, else slope² · hy."""
        self.backward(k, x, hy, negative_slope2, hx)


@dataclass(frozen=True)
class Softplus(_Elementwise):
    """y = log(1 + e^βx)/β, dx = dy · σ(βx); from βx = 20 on y = x.   Any shape.

    Args:
        beta: β, above 0: the larger, the nearer to ReLU.

    Raises:
        OptionError: beta is not above 0 or not finite.
    """

    beta: float = 1.0

    def __post_init__(self) -> None:
        number("Softplus", "beta", self.beta, 0, math.inf, "()")

    def plan(self, in_shape: Shape) -> Plan:
        """The shape stays."""
        return Plan(in_shape, consts={"beta": np.array([float(self.beta)])}, inplace=True)

    def forward(self, k: Kernels, x: Array, y: Array, beta: Array) -> None:
        """y = log(1 + e^βx)/β."""
        k.softplus(x, beta, y)

    def backward(self, k: Kernels, x: Array, dy: Array, beta: Array, dx: Array | None) -> None:
        """dx = dy · σ(βx)."""
        if dx is not None:
            k.softplus_dx(x, beta, dy, dx)

    def curvature(self, k: Kernels, x: Array, hy: Array, beta: Array, hx: Array | None) -> None:
        """hx = hy · σ(βx)²."""
        if hx is not None:
            k.softplus_dx(x, beta, hy, hx)
            k.softplus_dx(x, beta, hx, hx)


@dataclass(frozen=True)
class Softmax(Layer):
    """y_i = e^{x_i} / Σ_j e^{x_j}, dx = y · (dy − Σ_j dy_j·y_j).   x and y (D, L).

    For training with cross-entropy leave it out: ``CrossEntropy`` takes logits.
    """

    order: ClassVar[str] = "it runs over the classes of a vector, so there is no axis to choose: leave it out"

    def plan(self, in_shape: Shape) -> Plan:
        """The shape stays; it must be a vector."""
        if len(in_shape) != 1:
            raise ShapeError("Softmax", f"expected an input (D,), got {in_shape}", "put Flatten or Dense before it")
        return Plan(in_shape)

    def forward(self, k: Kernels, x: Array, y: Array) -> None:
        """y = softmax(x)."""
        k.softmax(x, y)

    def backward(self, k: Kernels, y: Array, dy: Array, dx: Array | None) -> None:
        """dx = y · (dy − Σ dy·y)."""
        if dx is not None:
            k.softmax_dx(y, dy, dx)

    def curvature(self, k: Kernels, y: Array, hy: Array, hx: Array | None) -> None:
        """hx = y² · ((1 − 2y) · hy + Σ y²·hy)."""
        if hx is not None:
            k.softmax_hx(y, hy, hx)
