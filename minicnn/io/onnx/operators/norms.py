"""Normalisations."""

from __future__ import annotations

import numpy as np

from ....nn import BatchNorm1d, BatchNorm2d, GroupNorm, InstanceNorm2d, LayerNorm
from ....nn.base import Layer
from .steps import Option, Place


def batch_norm(at: Place, layer: BatchNorm2d | BatchNorm1d) -> str:
    """``BatchNormalization`` by the running statistics, or where there are none by those of the batch, as the layer is.

    The operator can find these itself, in its training mode, which ONNX Runtime passes over without a word.
    """
    x, options = at.x, {"epsilon": float(layer.eps)}
    if layer.track_running_stats:
        moments = at.weight("running_mean"), at.weight("running_var")
    else:
        axes = at.constant("axes", [0, *range(2, 1 + len(at.in_shape))])
        x = at.node("Sub", x, at.node("ReduceMean", x, axes))
        squares = at.node("Mul", x, x)
        moments = at.constant("mean", np.zeros(at.in_shape[0])), at.node("ReduceMean", squares, axes, keepdims=0)
    return at.node("BatchNormalization", x, *at.weights(True), *moments, **options)


def group_norm(at: Place, layer: GroupNorm) -> str:
    """``GroupNormalization``, which computes its moments in float32 unless it is told otherwise."""
    options: dict[str, Option] = {"num_groups": layer.num_groups, "epsilon": float(layer.eps), "stash_type": at.graph.element}
    return at.node("GroupNormalization", at.x, *at.weights(True), **options)


def instance_norm(at: Place, layer: InstanceNorm2d) -> str:
    """``InstanceNormalization``."""
    return at.node("InstanceNormalization", at.x, *at.weights(True), epsilon=float(layer.eps))


def layer_norm(at: Place, layer: LayerNorm) -> str:
    """``LayerNormalization`` over all axes of an image."""
    W, b = np.ones(at.in_shape), np.zeros(at.in_shape)
    if layer.elementwise_affine:
        W, b = (at.array(name).reshape(at.in_shape) for name in ("W", "b"))
    return at.node("LayerNormalization", at.x, at.weight("W", W), at.weight("b", b), axis=1, epsilon=float(layer.eps))


def nothing(at: Place, layer: Layer) -> str:
    """What changes nothing outside training."""
    return at.x
