"""Activations that level off at both ends: those of LeNet-5."""

from __future__ import annotations

from dataclasses import dataclass

from ..arrays import Array
from ..backends.kernels import Kernels
from .elementwise import _Elementwise


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
