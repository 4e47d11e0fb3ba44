"""Rectifiers: activations that are straight lines, or a parabola between two of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..arrays import Array, Shape
from ..backends.kernels import Kernels
from ..errors import ShapeError, finite
from .base import Param, Plan
from .elementwise import _Elementwise
from .init import Constant
from .window import count


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
        finite("LeakyReLU", "negative_slope", self.negative_slope, 0.01)

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
class _Clamped(_Elementwise):
    """y = slope · min(max(x + shift, low), high): a line between two bounds."""

    ramp: ClassVar[tuple[float, float, float, float]]
    """Shift, low, high and slope."""

    def plan(self, in_shape: Shape) -> Plan:
        """The shape stays."""
        return Plan(in_shape, consts={"ramp": np.array(self.ramp)}, inplace=True)

    def forward(self, k: Kernels, x: Array, ramp: Array, y: Array) -> None:
        """y = slope · min(max(x + shift, low), high)."""
        k.clamp(x, ramp, y)

    def backward(self, k: Kernels, y: Array, ramp: Array, dy: Array, dx: Array | None) -> None:
        """dx = slope · dy between the bounds, else 0."""
        if dx is not None:
            k.clamp_dx(y, ramp, dy, dx)

    def curvature(self, k: Kernels, y: Array, ramp: Array, hy: Array, hx: Array | None) -> None:
        """hx = slope² · hy between the bounds, else 0."""
        if hx is not None:
            k.clamp_dx(y, ramp, hy, hx)
            k.clamp_dx(y, ramp, hx, hx)


@dataclass(frozen=True)
class ReLU6(_Clamped):
    """y = min(max(x, 0), 6), dx = dy where 0 < y < 6 (Krizhevsky, 2010).   Any shape."""

    ramp: ClassVar[tuple[float, float, float, float]] = (0.0, 0.0, 6.0, 1.0)


@dataclass(frozen=True)
class Hardsigmoid(_Clamped):
    """y = min(max(x + 3, 0), 6)/6, dx = dy/6 where 0 < y < 1 (Howard et al., 2019).   Any shape."""

    ramp: ClassVar[tuple[float, float, float, float]] = (3.0, 0.0, 6.0, 1 / 6)


@dataclass(frozen=True)
class Hardswish(_Elementwise):
    """y = x · min(max(x + 3, 0), 6)/6, dx = dy · (x/3 + 1/2) between −3 and 3 (Howard et al., 2019).   Any shape."""

    def forward(self, k: Kernels, x: Array, y: Array) -> None:
        """y = x · min(max(x + 3, 0), 6)/6."""
        k.hardswish(x, y)

    def backward(self, k: Kernels, x: Array, dy: Array, dx: Array | None) -> None:
        """dx = dy · (x/3 + 1/2) between −3 and 3, 0 below, dy above."""
        if dx is not None:
            k.hardswish_dx(x, dy, dx)

    def curvature(self, k: Kernels, x: Array, hy: Array, hx: Array | None) -> None:
        """hx = hy · (x/3 + 1/2)² between −3 and 3, 0 below, hy above."""
        if hx is not None:
            k.hardswish_dx(x, hy, hx)
            k.hardswish_dx(x, hx, hx)


@dataclass(frozen=True)
class PReLU(_Elementwise):
    """y = x where x > 0, else W · x with trained slopes W: ``torch.nn.PReLU`` (He et al., 2015).

    x (C, …, L), W (C,); any shape with W (1,).

    Args:
        num_parameters: 1 for one slope, or the number of channels for one each.
        init: what the slopes start with.

    Raises:
        OptionError: num_parameters below 1 or too many, or init is not a finite number.
        ShapeError: the input has another number of channels.

    >>> PReLU(6).plan((6, 14, 14)).params["W"].shape
    (6,)
    """

    num_parameters: int = 1
    init: float = 0.25
    order: ClassVar[str] = "give num_parameters and init"

    def __post_init__(self) -> None:
        count("PReLU", "num_parameters", self.num_parameters)
        finite("PReLU", "init", self.init, 0.25)

    def plan(self, in_shape: Shape) -> Plan:
        """The shape stays; W (num_parameters,)."""
        n = self.num_parameters
        if n not in (1, in_shape[0]):
            hint = f"give num_parameters={in_shape[0]}, or 1 for one slope"
            raise ShapeError("PReLU", f"expected an input of {n} channels, got {in_shape}", hint)
        return Plan(in_shape, params={"W": Param((n,), Constant(float(self.init)))}, inplace=True)

    def forward(self, k: Kernels, x: Array, W: Array, y: Array) -> None:
        """y = x where x > 0, else W · x."""
        k.prelu(self._shared(x), W, self._shared(y))

    def backward(self, k: Kernels, x: Array, W: Array, dy: Array, dW: Array, dx: Array | None) -> None:
        """dW += Σ x·dy where x ≤ 0; dx = dy where x > 0, else W · dy."""
        x, dy = self._shared(x), self._shared(dy)
        k.prelu_dW_add(x, x, dy, dW)
        if dx is not None:
            k.prelu_dx(x, W, dy, self._shared(dx))

    def curvature(self, k: Kernels, x: Array, x2: Array, W2: Array, hy: Array, hW: Array, hx: Array | None) -> None:
        """hW += Σ x²·hy where x ≤ 0; hx = hy where x > 0, else W² · hy."""
        x, hy = self._shared(x), self._shared(hy)
        k.prelu_dW_add(x, self._shared(x2), hy, hW)
        if hx is not None:
            k.prelu_dx(x, W2, hy, self._shared(hx))

    def _shared(self, a: Array) -> Array:
        """(C, …, L) as a row for each slope."""
        return a.reshape(self.num_parameters, -1)
