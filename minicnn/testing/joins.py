"""A network of one layer, whatever number of inputs it has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from ..arrays import Array, Shape
from ..backends.kernels import Kernels
from ..engine.graph import Item
from ..nn.base import Layer, Plan


@dataclass(frozen=True)
class _Part(Layer):
    """y is a part of a vector x, from a number on, in a shape of its own.

    Args:
        first: the number.
        shape: the shape of y.
    """

    first: int
    shape: Shape

    def plan(self, in_shape: Shape) -> Plan:
        """The shape of the part."""
        return Plan(self.shape)

    def forward(self, k: Kernels, x: Array, y: Array) -> None:
        """y = x[first : first + n]."""
        k.copy(x[self.first : self.first + prod(self.shape)], y.reshape(-1, y.shape[-1]))

    def backward(self, k: Kernels, dy: Array, dx: Array | None) -> None:
        """dx = dy in its place, 0 elsewhere."""
        if dx is not None:
            k.zero(dx)
            k.copy(dy.reshape(-1, dy.shape[-1]), dx[self.first : self.first + prod(self.shape)])

    def curvature(self, k: Kernels, hy: Array, hx: Array | None) -> None:
        """hx = hy in its place, 0 elsewhere."""
        self.backward(k, hy, hx)


def items_of(layer: Layer, in_shapes: Sequence[Shape]) -> tuple[list[Item], Shape]:
    """The items of a network of a layer called ``layer``, and its input's shape; several inputs are parts of a vector."""
    if not layer.joins:
        return [("layer", layer)], in_shapes[0]
    ends = [sum(map(prod, in_shapes[:count])) for count in range(len(in_shapes) + 1)]
    parts: list[Item] = [(f"part{i}", _Part(ends[i], shape), "input") for i, shape in enumerate(in_shapes)]
    return [*parts, ("layer", layer, tuple(f"part{i}" for i in range(len(in_shapes))))], (ends[-1],)
