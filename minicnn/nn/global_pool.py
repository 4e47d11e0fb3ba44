"""Pools over whole maps."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar

import numpy as np

from ..arrays import Array, Shape
from ..backends.kernels import Kernels
from ..errors import ShapeError
from .base import Layer, Plan
from .views import planes
from .window import Window


@dataclass(frozen=True)
class GlobalAvgPool2d(Layer):
    """y[c] = the mean of map c: (C, H, W) as (C,), ready for ``Dense`` (Lin, Chen and Yan, *Network in Network*, 2013).

    x (C, H, W, L), y (C, L). PyTorch has it as ``AdaptiveAvgPool2d(1)`` and ``Flatten``.

    Raises:
        ShapeError: the input is not (C, H, W).

    >>> GlobalAvgPool2d().plan((64, 8, 8)).out_shape
    (64,)
    """

    order: ClassVar[str] = "its window is the whole map, and its output a vector: leave it out"

    def plan(self, in_shape: Shape) -> Plan:
        """One window, and ``share2``, the square of a pixel's share in the mean."""
        if len(in_shape) != 3:
            raise ShapeError(self.label, f"expected an input (C, H, W), got {in_shape}", "put it after a convolution")
        channels, *size = in_shape
        consts = {"window": Window((size[0], size[1])).array(), "share2": np.full(channels, 1 / prod(size) ** 2)}
        return Plan((channels,), consts=consts)

    def forward(self, k: Kernels, x: Array, y: Array, window: Array) -> None:
        """y = Σ map / (H·W)."""
        k.avg_pool(x, window, planes(y))

    def backward(self, k: Kernels, dy: Array, window: Array, dx: Array | None) -> None:
        """dx = dy / (H·W) at every pixel."""
        if dx is not None:
            k.avg_pool_dx(planes(dy), window, dx)

    def curvature(self, k: Kernels, hy: Array, window: Array, share2: Array, hx: Array | None) -> None:
        """hx = hy / (H·W)² at every pixel."""
        if hx is not None:
            k.subsample_dx(planes(hy), share2, window, hx)
