"""Layers that join several values: their sum, their product, and their channels one above another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..arrays import Array, Shape
from ..backends.kernels import Kernels
from ..errors import ShapeError
from .base import Layer, Plan


def _several(label: str, in_shapes: tuple[Shape, ...]) -> None:
    """Refuse a join of one value."""
    if len(in_shapes) < 2:
        raise ShapeError(label, f"expected two inputs or more, got {len(in_shapes)}", 'write ("sum", Add(), ("a", "b"))')


@dataclass(frozen=True)
class Add(Layer):
    """y = Σ_i x_i, dx_i = dy.   All inputs of one shape, any.

    Raises:
        ShapeError: fewer than two inputs, or inputs of different shapes.

    >>> from minicnn import Conv2d, Network
    >>> net = Network([("conv", Conv2d(3, 3, padding=1)), ("sum", Add(), ("conv", "input"))], (3, 8, 8), threads=1)
    >>> net.out_shape
    (3, 8, 8)
    """

    joins: ClassVar[bool] = True
    hands_on: ClassVar[bool] = True

    def plan(self, *in_shapes: Shape) -> Plan:
        """The shape stays."""
        _several("Add", in_shapes)
        if unlike := [shape for shape in in_shapes if shape != in_shapes[0]]:
            what = f"expected inputs of one shape, got {in_shapes[0]} and {unlike[0]}"
            raise ShapeError("Add", what, "change the size or number of channels of one of them before the sum")
        return Plan(in_shapes[0], inplace=True)

    def forward(self, k: Kernels, xs: tuple[Array, ...], y: Array) -> None:
        """y = Σ_i x_i, in the order of the inputs."""
        k.copy(xs[0], y)
        for x in xs[1:]:
            k.add(x, y)

    def backward(self, k: Kernels, dy: Array, dxs: tuple[Array | None, ...]) -> None:
        """dx_i = dy."""
        for dx in dxs[::-1]:  # the first may lie over dy, or all of them where they can share it
            if dx is not None:
                k.copy(dy, dx)

    def curvature(self, k: Kernels, hy: Array, hxs: tuple[Array | None, ...]) -> None:
        """hx_i = hy."""
        self.backward(k, hy, hxs)


@dataclass(frozen=True)
class Concat(Layer):
    """y holds the channels of all inputs, one input above the next; dx_i is its part of dy.   x_i (C_i, …, L), y (Σ C_i, …, L).

    Raises:
        ShapeError: fewer than two inputs, or inputs that differ in more than their channels.

    >>> from minicnn import Conv2d, Network
    >>> net = Network([("conv", Conv2d(5, 3, padding=1)), ("both", Concat(), ("conv", "input"))], (3, 8, 8), threads=1)
    >>> net.out_shape
    (8, 8, 8)
    """

    joins: ClassVar[bool] = True

    def plan(self, *in_shapes: Shape) -> Plan:
        """As many channels as all inputs have."""
        _several("Concat", in_shapes)
        if unlike := [shape for shape in in_shapes if shape[1:] != in_shapes[0][1:]]:
            what = f"expected inputs that differ in their channels alone, got {in_shapes[0]} and {unlike[0]}"
            raise ShapeError("Concat", what, "change the size of one of them before")
        return Plan((sum(shape[0] for shape in in_shapes), *in_shapes[0][1:]))

    def forward(self, k: Kernels, xs: tuple[Array, ...], y: Array) -> None:
        """y[first_i : first_i + C_i] = x_i."""
        first = 0
        for x in xs:
            k.copy(x, y[first : first + len(x)])
            first += len(x)

    def backward(self, k: Kernels, xs: tuple[Array, ...], dy: Array, dxs: tuple[Array | None, ...]) -> None:
        """dx_i = dy[first_i : first_i + C_i]."""
        first = 0
        for x, dx in zip(xs, dxs, strict=True):
            if dx is not None:
                k.copy(dy[first : first + len(x)], dx)
            first += len(x)

    def curvature(self, k: Kernels, xs: tuple[Array, ...], hy: Array, hxs: tuple[Array | None, ...]) -> None:
        """hx_i = hy[first_i : first_i + C_i]."""
        self.backward(k, xs, hy, hxs)


@dataclass(frozen=True)
class Multiply(Layer):
    """y = x_0 · x_1, dx_0 = dy · x_1, dx_1 = dy · x_0: a value and a gate for it (Hu, Shen and Sun, 2018).

    x_0 (C, …, L) of any shape; x_1 has the same shape, or is (C, L) or (C, 1, 1, L): one number for all pixels of a channel,
    whose gradient is the sum over them.

    Raises:
        ShapeError: not two inputs, or a second one that does not fit the first.

    >>> from minicnn import Network, Sigmoid
    >>> net = Network([("gate", Sigmoid()), ("out", Multiply(), ("input", "gate"))], (3, 8, 8), threads=1)
    >>> net.out_shape
    (3, 8, 8)
    """

    joins: ClassVar[bool] = True

    def plan(self, *in_shapes: Shape) -> Plan:
        """The shape of the first input."""
        if len(in_shapes) != 2:
            what = f"expected two inputs, a value and its gate, got {len(in_shapes)}"
            raise ShapeError("Multiply", what, 'write ("out", Multiply(), ("value", "gate"))')
        x, gate = in_shapes
        if gate != x and gate not in (x[:1], (*x[:1], *(1 for _ in x[1:]))):
            what = f"expected a gate of shape {x} or {x[:1]}, got {gate}"
            raise ShapeError("Multiply", what, "give the value first, and a gate for each of its channels")
        return Plan(x)

    def forward(self, k: Kernels, xs: tuple[Array, ...], y: Array) -> None:
        """y = x_0 · x_1."""
        x, gate, out = _gated(xs[0], xs[1], y)
        k.gate(x, gate, out)

    def backward(self, k: Kernels, xs: tuple[Array, ...], dy: Array, dxs: tuple[Array | None, ...]) -> None:
        """dx_0 = dy · x_1, dx_1 = Σ dy · x_0."""
        x, gate, out = _gated(xs[0], xs[1], dy)
        if dxs[0] is not None:
            k.gate(out, gate, dxs[0].reshape(x.shape))
        if dxs[1] is not None:
            k.gate_sum(x, out, dxs[1].reshape(gate.shape))


def _gated(x: Array, gate: Array, y: Array) -> tuple[Array, Array, Array]:
    """A value (R, P, L), its gate (R, L), and what has the value's shape: R numbers of the gate for P pixels each."""
    lanes = x.shape[-1]
    flat = gate.reshape(-1, lanes)
    cut = (len(flat), -1, lanes)
    return x.reshape(cut), flat, y.reshape(cut)
