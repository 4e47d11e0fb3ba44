"""Flatten."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar

from ..arrays import Shape
from ..backends.kernels import Kernels
from .base import Layer, Plan


@dataclass(frozen=True)
class Flatten(Layer):
    """(C, H, W) as (C·H·W,), in the order of PyTorch's ``Flatten``. With lanes last it moves nothing.

    >>> Flatten().plan((16, 5, 5)).out_shape
    (400,)
    """

    order: ClassVar[str] = "it takes all axes of an image: leave them out"

    def plan(self, in_shape: Shape) -> Plan:
        """A view of the input."""
        return Plan((prod(in_shape),), view=True)

    def forward(self, k: Kernels) -> None:
        """Nothing to do: y is x in another shape."""

    def backward(self, k: Kernels) -> None:
        """Nothing to do: dx is dy in another shape."""
