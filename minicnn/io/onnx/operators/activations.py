"""Activations, and softmax."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ....nn import ELU, GELU, LeakyReLU, PReLU, ReLU6, ScaledTanh, SiLU, Softplus
from ....nn.base import Layer
from .steps import Option, Place


def alone(operator: str, **options: Option) -> Callable[[Place, Layer], str]:
    """What writes an operator that is the layer, whatever its options."""

    def write(at: Place, layer: Layer) -> str:
        return at.node(operator, at.x, **options)

    return write


def elu(at: Place, layer: ELU) -> str:
    """``Elu``."""
    return at.node("Elu", at.x, alpha=float(layer.alpha))


def gelu(at: Place, layer: GELU) -> str:
    """``Gelu``."""
    return at.node("Gelu", at.x, approximate=layer.approximate)


def leaky_relu(at: Place, layer: LeakyReLU) -> str:
    """``LeakyRelu``."""
    return at.node("LeakyRelu", at.x, alpha=float(layer.negative_slope))


def prelu(at: Place, layer: PReLU) -> str:
    """``PRelu``, whose slopes have axes for the pixels."""
    W = at.array("W")
    return at.node("PRelu", at.x, at.weight("W", W.reshape(-1, *(1 for _ in at.in_shape[1:]))))


def relu6(at: Place, layer: ReLU6) -> str:
    """``Clip``."""
    return at.node("Clip", at.x, at.constant("least", 0.0), at.constant("most", 6.0))


def scaled_tanh(at: Place, layer: ScaledTanh) -> str:
    """1.7159 · tanh(2x/3)."""
    bent = at.node("Tanh", at.node("Mul", at.x, at.constant("slope", 2 / 3)))
    return at.node("Mul", bent, at.constant("bound", 1.7159))


def silu(at: Place, layer: SiLU) -> str:
    """x · σ(x): the operator of its own is younger than the opset."""
    return at.node("Mul", at.x, at.node("Sigmoid", at.x))


def softplus(at: Place, layer: Softplus) -> str:
    """``Softplus``, of βx and divided by β."""
    if layer.beta == 1:
        return at.node("Softplus", at.x)
    beta = at.constant("beta", np.array(float(layer.beta)))
    return at.node("Div", at.node("Softplus", at.node("Mul", at.x, beta)), beta)
