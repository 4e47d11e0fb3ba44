"""Sums, products and joins of values, and of values with numbers that are known."""

from __future__ import annotations

from functools import partial
from math import prod

import numpy as np

from ....arrays import Array
from ....nn import Add, Concat, Multiply, Pad2d
from .builder import Builder
from .constants import Operator
from .node import Node
from .values import Constant, Flow, Value


def _own(node: Node, x: Flow, at: int) -> Array:
    """An input as numbers that broadcast to an image."""
    found = node.weights(at, "constant")
    shape = x.shape or (1,)
    if found.ndim == len(x.shape) + 1 and found.shape[0] == 1:
        found = found.reshape(found.shape[1:])
    sizes = zip(found.shape[::-1], shape[::-1], strict=False)
    if found.ndim > len(shape) or any(n not in (1, own) for n, own in sizes):
        node.refuse(f"a constant that broadcasts to an image of shape {x.shape}, the same for all", f"shape {found.shape}")
    return found


def _two(node: Node) -> tuple[Flow, Flow | None, int]:
    """A value, the other one where both flow, and where the constant is where one does not."""
    if len(node.inputs) != 2:
        node.refuse("two inputs", str(len(node.inputs)))
    if isinstance(node.given(0), Constant):
        return node.flow(1), None, 0
    return node.flow(0), node.flow(1) if isinstance(node.given(1), Flow) else None, 1


def add(node: Node, b: Builder) -> Value:
    """A sum; numbers that are known become the bias of the layer before, where it has none."""
    x, other, at = _two(node)
    if other is not None:
        return _sum(node, b, [x, other])
    shift = _own(node, x, at)
    if b.shifted(node.reads[1 - at], x, shift):
        return x
    return b.scale(node, x, 1.0, shift)


def _sum(node: Node, b: Builder, values: list[Flow]) -> Flow:
    """The sum of values of one shape."""
    shapes = [value.shape for value in values]
    if unlike := [shape for shape in shapes if shape != shapes[0]]:
        node.refuse(f"values of one shape, {shapes[0]}", str(unlike[0]))
    return b.add(node, Add, *values, shape=shapes[0])


def total(node: Node, b: Builder) -> Value:
    """The sum of any number of values."""
    values = [node.flow(at) for at in range(len(node.inputs))]
    return _sum(node, b, values) if len(values) > 1 else values[0]


def sub(node: Node, b: Builder) -> Value:
    """A difference."""
    x, other, at = _two(node)
    if other is not None:
        return _sum(node, b, [x, b.scale(node, other, -1.0, 0.0)])
    shift = _own(node, x, at)
    return b.scale(node, x, -1.0, shift) if at == 0 else b.scale(node, x, 1.0, -shift)


def mul(node: Node, b: Builder) -> Value:
    """A product; one of two values may have a single number for each channel."""
    x, other, at = _two(node)
    if other is None:
        return b.scale(node, x, _own(node, x, at), 0.0)
    value, gate = (other, x) if x.size < other.size else (x, other)
    if gate.shape not in (value.shape, (*value.shape[:1], *(1,) * (len(value.shape) - 1))):
        node.refuse(f"a second value of shape {value.shape}, or one number for each channel", str(gate.shape))
    return b.add(node, Multiply, value, gate, shape=value.shape)


def div(node: Node, b: Builder) -> Value:
    """A quotient by numbers that are known."""
    x, other, at = _two(node)
    if other is not None or at == 0:
        node.refuse("a divisor that is a constant", "one that depends on the input")
    divisor = _own(node, x, at).astype(np.float64)
    if not divisor.all():
        node.refuse("a divisor without 0", "0")
    return b.scale(node, x, 1 / divisor, 0.0)


def neg(node: Node, b: Builder) -> Value:
    """−x."""
    return b.scale(node, node.flow(), -1.0, 0.0)


def power(node: Node, b: Builder) -> Value:
    """x²."""
    x, exponent = node.flow(), node.constant(1, "exponent")
    if exponent.size != 1 or exponent.ravel()[0] not in (1, 2):
        node.refuse("the exponent 1 or 2", str(exponent.tolist())[:40])
    return x if exponent.ravel()[0] == 1 else b.add(node, Multiply, x, x, shape=x.shape)


def concat(node: Node, b: Builder) -> Value:
    """Values one behind another along an axis: behind the first one by sums of values with zeros around them."""
    values = [node.flow(at, whole=True) for at in range(len(node.inputs))]
    shapes = [value.shape for value in values]
    axis = node.own_axis(node.whole("axis", 0), shapes[0])
    if any(
        len(s) != len(shapes[0]) or (*s[:axis], *s[axis + 1 :]) != (*shapes[0][:axis], *shapes[0][axis + 1 :]) for s in shapes
    ):
        node.refuse(f"values whose shapes differ in axis {axis + 1} alone", f"{shapes}"[:80])
    if len(values) == 1:
        return values[0]
    before, after = prod(shapes[0][:axis]), prod(shapes[0][axis + 1 :])
    sizes = [shape[axis] for shape in shapes]
    shape = (*shapes[0][:axis], sum(sizes), *shapes[0][axis + 1 :])
    if before == 1:
        parts = [b.reshape(node, value, value.shape[axis:]) for value in values]
        return b.reshape(node, b.add(node, Concat, *parts), shape)
    padded, first = [], 0
    for value, size in zip(values, sizes, strict=True):
        border = ((first, sum(sizes) - first - size), (0, 0))
        padded.append(b.add(node, partial(Pad2d, border), b.reshape(node, value, (before, size, after))))
        first += size
    return b.reshape(node, b.add(node, Add, *padded), shape)


OPERATORS: dict[str, Operator] = {
    "Add": add,
    "Concat": concat,
    "Div": div,
    "Mul": mul,
    "Neg": neg,
    "Pow": power,
    "Sub": sub,
    "Sum": total,
}
