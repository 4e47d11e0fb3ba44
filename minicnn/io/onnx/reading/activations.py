"""Activations, and what is theirs up to scale and shift."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from math import prod

import numpy as np

from ....nn import (
    ELU,
    GELU,
    SELU,
    Hardsigmoid,
    Hardswish,
    LeakyReLU,
    LogSoftmax,
    Mish,
    PReLU,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)
from ....nn.base import Layer
from ....nn.smooth import SELU_ALPHA, SELU_SCALE
from .builder import Builder
from .constants import Operator
from .node import Node
from .values import Flow, Value


def plain(kind: Callable[[], Layer]) -> Operator:
    """An operator that is a layer without options."""

    def read(node: Node, b: Builder) -> Value:
        return b.add(node, kind, _x(node), shape=_x(node).shape)

    return read


def _x(node: Node) -> Flow:
    """The only input."""
    return node.flow()


def _single(node: Node, b: Builder, kind: Callable[[], Layer], x: Flow | None = None) -> Flow:
    """A layer of the shape of its input."""
    x = _x(node) if x is None else x
    return b.add(node, kind, x, shape=x.shape)


def leaky_relu(node: Node, b: Builder) -> Value:
    """x, or alpha · x below 0."""
    return _single(node, b, partial(LeakyReLU, node.real("alpha", 0.01)))


def elu(node: Node, b: Builder) -> Value:
    """x, or alpha · (e^x − 1) below 0."""
    return _single(node, b, partial(ELU, node.real("alpha", 1.0)))


def celu(node: Node, b: Builder) -> Value:
    """x, or alpha · (e^(x/alpha) − 1) below 0: alpha · ELU(x/alpha)."""
    alpha = node.real("alpha", 1.0)
    if alpha <= 0:
        node.refuse("alpha above 0", str(alpha))
    inner = _x(node) if alpha == 1 else b.scale(node, _x(node), 1 / alpha, 0)
    y = _single(node, b, ELU, inner)
    return y if alpha == 1 else b.scale(node, y, alpha, 0)


def selu(node: Node, b: Builder) -> Value:
    """gamma · ELU(x); the layer SELU where alpha and gamma are its own."""
    alpha, gamma = node.real("alpha", SELU_ALPHA), node.real("gamma", SELU_SCALE)
    if math.isclose(alpha, SELU_ALPHA, rel_tol=1e-6) and math.isclose(gamma, SELU_SCALE, rel_tol=1e-6):
        return _single(node, b, SELU)
    return b.scale(node, _single(node, b, partial(ELU, alpha)), gamma, 0)


def gelu(node: Node, b: Builder) -> Value:
    """x · Φ(x)."""
    return _single(node, b, partial(GELU, node.text("approximate", "none", ("none", "tanh"))))


def hard_sigmoid(node: Node, b: Builder) -> Value:
    """min(max(alpha · x + beta, 0), 1); the layer has 1/6 and 1/2."""
    alpha, beta = node.real("alpha", 0.2), node.real("beta", 0.5)
    x = _x(node)
    if not (math.isclose(alpha, 1 / 6, rel_tol=1e-6) and beta == 0.5):
        x = b.scale(node, x, 6 * alpha, 6 * (beta - 0.5))
    return _single(node, b, Hardsigmoid, x)


def clip(node: Node, b: Builder) -> Value:
    """min(max(x, low), high): a rectifier up to scale and shift."""
    if node.opset < 11:
        low, high = (
            node.real(name, default) for name, default in (("min", -3.4028234663852886e38), ("max", 3.4028234663852886e38))
        )
    else:
        low, high = (_bound(node, at, name, default) for at, name, default in ((1, "min", -math.inf), (2, "max", math.inf)))
    low, high = (-math.inf if low < -3e38 else low), (math.inf if high > 3e38 else high)
    x = _x(node)
    if low == -math.inf and high == math.inf:
        return x
    if not low < high:
        node.refuse("a lower bound below the upper one", f"{low} and {high}")
    if high == math.inf:
        return _moved(node, b, partial(_single, node, b, ReLU), x, 1, -low)
    if low == -math.inf:
        return _moved(node, b, partial(_single, node, b, ReLU), x, -1, high)
    return _moved(node, b, partial(_single, node, b, ReLU6), x, 6 / (high - low), -low)


def _bound(node: Node, index: int, name: str, default: float) -> float:
    """A bound that is one number, where it is given."""
    if not node.optional(index):
        return default
    found = node.weights(index, name)
    if found.size != 1:
        node.refuse(f"{name} as one number", f"shape {found.shape}")
    return float(found.ravel()[0])


def _moved(node: Node, b: Builder, layer: Callable[[Flow], Flow], x: Flow, factor: float, shift: float) -> Flow:
    """layer(factor · (x + s)) / factor − s, s the shift times the sign of the factor."""
    own = shift * math.copysign(1, factor)
    if factor == 1 and own == 0:
        return layer(x)
    return b.scale(node, layer(b.scale(node, x, factor, factor * own)), 1 / factor, -own)


def prelu(node: Node, b: Builder) -> Value:
    """x, or slope · x below 0, with slopes that broadcast to an image."""
    x, slope = node.flow(), node.weights(1, "slopes")
    shape = x.shape or (1,)
    if slope.ndim > len(shape) and slope.shape[0] == 1:
        slope = slope.reshape(slope.shape[slope.ndim - len(shape) :]) if slope.ndim == len(shape) + 1 else slope
    if slope.size == 1:
        return b.add(node, PReLU, x, shape=x.shape, arrays={"W": slope.reshape(1)}, shared=node.reads[1:])
    try:
        whole = np.broadcast_to(slope, shape)
    except ValueError:
        node.refuse(f"slopes that broadcast to an image of shape {shape}", str(slope.shape))
    if slope.ndim == len(shape) and slope.size == shape[0] == slope.shape[0]:
        return b.add(node, partial(PReLU, shape[0]), x, arrays={"W": slope.ravel()}, shared=node.reads[1:])
    node.bound(prod(shape))
    flat = b.reshape(node, x, (prod(shape),))
    return b.reshape(node, b.add(node, partial(PReLU, prod(shape)), flat, arrays={"W": whole.ravel()}), x.shape)


def softmax(kind: Callable[[], Layer]) -> Operator:
    """Softmax or its logarithm along an axis; up to version 12 over all axes from that one on."""

    def read(node: Node, b: Builder) -> Value:
        x = node.flow()
        axis = node.own_axis(node.whole("axis", 1 if node.opset < 13 else -1), x.shape)
        before, after = prod(x.shape[:axis]), prod(x.shape[axis + 1 :])
        if node.opset < 13:
            cut, after = (before, x.shape[axis] * after, 1), 1
        else:
            cut = (before, x.shape[axis], after)
        if before == 1:
            first = b.reshape(node, x, cut[1:] if after > 1 else cut[1:2])
            return b.reshape(node, b.add(node, kind, first), x.shape)
        first = b.permute(node, b.reshape(node, x, cut), (1, 0, 2))
        return b.reshape(node, b.permute(node, b.add(node, kind, first), (1, 0, 2)), x.shape)

    return read


def swish(node: Node, b: Builder) -> Value:
    """x · σ(alpha · x): SiLU(alpha · x) / alpha."""
    alpha = node.real("alpha", 1.0)
    if alpha == 0:
        node.refuse("alpha other than 0", "0")
    if alpha == 1:
        return _single(node, b, SiLU)
    return b.scale(node, _single(node, b, SiLU, b.scale(node, _x(node), alpha, 0)), 1 / alpha, 0)


OPERATORS: dict[str, Operator] = {
    "Celu": celu,
    "Clip": clip,
    "Elu": elu,
    "Gelu": gelu,
    "HardSigmoid": hard_sigmoid,
    "HardSwish": plain(Hardswish),
    "LeakyRelu": leaky_relu,
    "LogSoftmax": softmax(LogSoftmax),
    "Mish": plain(Mish),
    "PRelu": prelu,
    "Relu": plain(ReLU),
    "Selu": selu,
    "Sigmoid": plain(Sigmoid),
    "Softmax": softmax(Softmax),
    "Softplus": plain(Softplus),
    "Swish": swish,
    "Tanh": plain(Tanh),
}
