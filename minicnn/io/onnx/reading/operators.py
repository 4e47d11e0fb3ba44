"""All operators that are read, each by what reads it."""

from __future__ import annotations

from . import activations, arithmetic, borders, convolutions, norms, pools, products, shapes
from .builder import Builder
from .constants import FOLDED, Operator, constant, constant_of_shape, expand, folded, shape
from .node import Node
from .values import Value

LAYERS: dict[str, Operator] = {
    **activations.OPERATORS,
    **arithmetic.OPERATORS,
    **borders.OPERATORS,
    **convolutions.OPERATORS,
    **norms.OPERATORS,
    **pools.OPERATORS,
    **products.OPERATORS,
    **shapes.OPERATORS,
}


def _either(op: str) -> Operator:
    """What works a result out where all inputs are known, and otherwise makes layers."""
    layers = LAYERS.get(op)

    def read(node: Node, b: Builder) -> Value | tuple[Value, ...]:
        return folded(node, layers, b)

    return read


OPERATORS: dict[str, Operator] = LAYERS | {op: _either(op) for op in FOLDED}
OPERATORS |= {"Constant": constant, "ConstantOfShape": constant_of_shape, "Expand": expand, "Shape": shape}
