"""Smooth activations."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..arrays import Array, Shape
from ..backends.kernels import Kernels
from ..errors import OptionError, number
from .base import Plan
from .elementwise import _Elementwise

SELU_SCALE, SELU_ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717
"""So that mean 0 and variance 1 of a layer's inputs are a fixed point (Klambauer et al., 2017)."""


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
class _Exponential(_Elementwise):
    """y = rise · x where x > 0, else fall · (e^x − 1)."""

    def forward(self, k: Kernels, x: Array, slopes: Array, y: Array) -> None:
        """y = rise · x where x > 0, else fall · (e^x − 1)."""
        k.elu(x, slopes, y)

    def backward(self, k: Kernels, y: Array, slopes: Array, dy: Array, dx: Array | None) -> None:
        """dx = dy · rise where y > 0, else dy · (y + fall), which is dy · fall · e^x."""
        if dx is not None:
            k.elu_dx(y, slopes, dy, dx)

    def curvature(self, k: Kernels, y: Array, slopes: Array, hy: Array, hx: Array | None) -> None:
        """hx = hy · rise² where y > 0, else hy · (y + fall)²."""
        if hx is not None:
            k.elu_dx(y, slopes, hy, hx)
            k.elu_dx(y, slopes, hx, hx)


@dataclass(frozen=True)
class ELU(_Exponential):
    """y = x where x > 0, else α · (e^x − 1); dx = dy, or dy · (y + α) (Clevert et al., 2016).   Any shape.

    Args:
        alpha: α, how far below 0 it goes; not negative, so that the sign of y is that of x.

    Raises:
        OptionError: alpha is negative or not finite.
    """

    alpha: float = 1.0

    def __post_init__(self) -> None:
        number("ELU", "alpha", self.alpha, 0, math.inf)

    def plan(self, in_shape: Shape) -> Plan:
        """The shape stays."""
        return Plan(in_shape, consts={"slopes": np.array([1.0, float(self.alpha)])}, inplace=True)


@dataclass(frozen=True)
class SELU(_Exponential):
    """y = s · x where x > 0, else s · α · (e^x − 1), s = 1.0507 and α = 1.6733 (Klambauer et al., 2017).   Any shape."""

    def plan(self, in_shape: Shape) -> Plan:
        """The shape stays."""
        return Plan(in_shape, consts={"slopes": np.array([SELU_SCALE, SELU_SCALE * SELU_ALPHA])}, inplace=True)


@dataclass(frozen=True)
class _Swish(_Elementwise):
    """y = x · σ(u), u = cubic[0] · x + cubic[1] · x³."""

    cubic: ClassVar[tuple[float, float]]

    def plan(self, in_shape: Shape) -> Plan:
        """The shape stays."""
        return Plan(in_shape, consts={"cubic": np.array(self.cubic)}, inplace=True)

    def forward(self, k: Kernels, x: Array, cubic: Array, y: Array) -> None:
        """y = x · σ(u)."""
        k.swish(x, cubic, y)

    def backward(self, k: Kernels, x: Array, cubic: Array, dy: Array, dx: Array | None) -> None:
        """dx = dy · (σ(u) + x · u' · σ(u) · (1 − σ(u)))."""
        if dx is not None:
            k.swish_dx(x, cubic, dy, dx)

    def curvature(self, k: Kernels, x: Array, cubic: Array, hy: Array, hx: Array | None) -> None:
        """hx = hy · (σ(u) + x · u' · σ(u) · (1 − σ(u)))²."""
        if hx is not None:
            self.backward(k, x, cubic, hy, hx)
            self.backward(k, x, cubic, hx, hx)


@dataclass(frozen=True)
class SiLU(_Swish):
    """y = x · σ(x), dx = dy · σ(x) · (1 + x · (1 − σ(x))) (Elfwing et al., 2018).   Any shape."""

    cubic: ClassVar[tuple[float, float]] = (1.0, 0.0)


@dataclass(frozen=True)
class GELU(_Swish):
    """y = x · Φ(x), Φ the normal distribution function; dx = dy · (Φ(x) + x · φ(x)) (Hendrycks and Gimpel, 2016).   Any shape.

    Args:
        approximate: ``"none"``, or ``"tanh"`` for x/2 · (1 + tanh(√(2/π) · (x + 0.044715 x³))), which is x · σ of twice that.

    Raises:
        OptionError: approximate is something else.
    """

    approximate: str = "none"
    cubic: ClassVar[tuple[float, float]] = (math.sqrt(8 / math.pi), 0.044715 * math.sqrt(8 / math.pi))

    def __post_init__(self) -> None:
        if self.approximate not in ("none", "tanh"):
            what = f"expected approximate as one of none, tanh, got {self.approximate!r}"
            raise OptionError("GELU", what, 'leave it at "none"')

    def forward(self, k: Kernels, x: Array, cubic: Array, y: Array) -> None:
        """y = x · Φ(x)."""
        if self.approximate == "tanh":
            k.swish(x, cubic, y)
        else:
            k.gelu(x, y)

    def backward(self, k: Kernels, x: Array, cubic: Array, dy: Array, dx: Array | None) -> None:
        """dx = dy · (Φ(x) + x · φ(x))."""
        if dx is not None and self.approximate == "tanh":
            k.swish_dx(x, cubic, dy, dx)
        elif dx is not None:
            k.gelu_dx(x, dy, dx)


@dataclass(frozen=True)
class Mish(_Elementwise):
    """y = x · t, t = tanh(log(1 + e^x)); dx = dy · (t + x · σ(x) · (1 − t²)) (Misra, 2019).   Any shape."""

    def forward(self, k: Kernels, x: Array, y: Array) -> None:
        """y = x · tanh(log(1 + e^x))."""
        k.mish(x, y)

    def backward(self, k: Kernels, x: Array, dy: Array, dx: Array | None) -> None:
        """dx = dy · (t + x · σ(x) · (1 − t²))."""
        if dx is not None:
            k.mish_dx(x, dy, dx)

    def curvature(self, k: Kernels, x: Array, hy: Array, hx: Array | None) -> None:
        """hx = hy · (t + x · σ(x) · (1 − t²))²."""
        if hx is not None:
            k.mish_dx(x, hy, hx)
            k.mish_dx(x, hx, hx)
