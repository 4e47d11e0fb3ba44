"""The dense layer and radial basis functions."""

from __future__ import annotations

from ....nn import RBF, Dense
from .steps import Place


def vector(at: Place) -> str:
    """What the layer reads, as one vector for each image."""
    return at.x if len(at.in_shape) == 1 else at.node("Flatten", at.x)


def dense(at: Place, layer: Dense) -> str:
    """``Gemm``."""
    return at.node("Gemm", vector(at), *at.weights(layer.bias), transB=1)


def rbf(at: Place, layer: RBF) -> str:
    """Sums of squared differences: expanding the square would lose figures."""
    column = at.node("Unsqueeze", vector(at), at.constant("axis", [1]))
    apart = at.node("Sub", column, at.weight("W"))
    return at.node("ReduceSumSquare", apart, at.constant("numbers", [2]), keepdims=0)
