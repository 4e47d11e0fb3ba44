"""What activations have in common: y = f(x) element by element."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..arrays import Shape
from .base import Layer, Plan


@dataclass(frozen=True)
class _Elementwise(Layer):
    """y = f(x), in the shape of x."""

    order: ClassVar[str] = "whether y is written over x is the network's matter: leave it out"

    def plan(self, in_shape: Shape) -> Plan:
        """The shape stays."""
        return Plan(in_shape, inplace=True)
