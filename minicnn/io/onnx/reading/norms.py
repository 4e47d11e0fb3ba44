"""Normalisations."""

from __future__ import annotations

from functools import partial
from math import prod

import numpy as np

from ....arrays import Array
from ....nn import BatchNorm1d, BatchNorm2d, GroupNorm
from .builder import Builder
from .constants import Operator
from .node import Node
from .values import Flow, Value


def batch_norm(node: Node, b: Builder) -> Value:
    """Batch normalisation by running statistics."""
    x = node.flow()
    node.ignore("momentum")
    node.only_output()
    if node.whole("spatial", 1) != 1:
        node.refuse("statistics of channels", "spatial 0")
    if node.whole("training_mode", 0):
        node.refuse("running statistics", "training_mode 1")
    names = ("W", "b", "running_mean", "running_var")
    arrays = {name: node.weights(at, name) for at, name in enumerate(names, 1)}
    arrays["num_batches_tracked"] = np.array(0)
    kind = BatchNorm2d if len(x.shape) == 3 else BatchNorm1d
    layer = partial(kind, eps=node.real("epsilon", 1e-5))
    return b.add(node, layer, x, arrays=arrays, shared=node.reads[1:])


def _by_image(node: Node, b: Builder, x: Flow, groups: int, eps: float, arrays: dict[str, Array]) -> Flow:
    """A normalisation of groups of channels with a weight for each channel, or with none."""
    layer = partial(GroupNorm, groups, eps=eps, affine=bool(arrays))
    return b.add(node, layer, x, arrays=arrays, shared=node.reads[1:] if arrays else ())


def instance_norm(node: Node, b: Builder) -> Value:
    """Every channel of an image by itself."""
    x = node.flow()
    arrays = {"W": node.weights(1, "scale"), "b": node.weights(2, "bias")}
    if len(x.shape) < 2:
        node.refuse("maps or rows", f"an input of {len(x.shape) + 1} axes")
    return _by_image(node, b, x, x.shape[0], node.real("epsilon", 1e-5), arrays)


def group_norm(node: Node, b: Builder) -> Value:
    """Groups of channels of an image; up to version 20 with a weight for each group."""
    x, groups = node.flow(), node.whole("num_groups", 0)
    _stash(node)
    arrays = {"W": node.weights(1, "scale"), "b": node.weights(2, "bias")}
    if not x.shape or groups < 1 or x.shape[0] % groups:
        node.refuse("groups that divide the channels", f"{groups} and an image of shape {x.shape}")
    if node.opset < 21:
        arrays = {name: np.repeat(array, x.shape[0] // groups) for name, array in arrays.items()}
    return _by_image(node, b, x, groups, node.real("epsilon", 1e-5), arrays)


def layer_norm(node: Node, b: Builder) -> Value:
    """The axes of an image from one on."""
    x = node.flow()
    node.only_output()
    _stash(node)
    axis = node.own_axis(node.whole("axis", -1), x.shape)
    before, shape = prod(x.shape[:axis]), x.shape[axis:]
    cut = b.reshape(node, x, (before, prod(shape)))
    y = b.reshape(node, _by_image(node, b, cut, before, node.real("epsilon", 1e-5), {}), x.shape)
    parts = [node.weights(at, name) if node.optional(at) else None for at, name in ((1, "scale"), (2, "bias"))]
    for part in parts:
        if part is not None and (
            part.ndim > len(shape) or any(n not in (1, own) for n, own in zip(part.shape[::-1], shape[::-1], strict=False))
        ):
            node.refuse(f"scale and bias that broadcast to {shape}", str(part.shape))
    factor, shift = (fill if part is None else part for part, fill in zip(parts, (1.0, 0.0), strict=True))
    return b.scale(node, y, factor, shift, frozen=False)


def _stash(node: Node) -> None:
    """Statistics are worked out in single precision at least."""
    if node.whole("stash_type", 1) != 1:
        node.refuse("stash_type 1", str(node.whole("stash_type", 1)))


OPERATORS: dict[str, Operator] = {
    "BatchNormalization": batch_norm,
    "GroupNormalization": group_norm,
    "InstanceNormalization": instance_norm,
    "LayerNormalization": layer_norm,
}
