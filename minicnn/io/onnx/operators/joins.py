"""Layers that join several values."""

from __future__ import annotations

from ....nn import Add, Concat, Multiply
from .steps import Place


def add(at: Place, layer: Add) -> str:
    """``Add``, or ``Sum`` of more than two."""
    return at.node("Add" if len(at.inputs) == 2 else "Sum", *at.inputs)


def concat(at: Place, layer: Concat) -> str:
    """``Concat`` along the channels."""
    return at.node("Concat", *at.inputs, axis=1)


def multiply(at: Place, layer: Multiply) -> str:
    """``Mul``, with a gate that has an axis of one pixel for each of the value's."""
    value, gate = at.inputs
    missing = range(len(at.in_shapes[1]) + 1, len(at.in_shape) + 1)
    if missing:
        gate = at.node("Unsqueeze", gate, at.constant("axes", list(missing)))
    return at.node("Mul", value, gate)
