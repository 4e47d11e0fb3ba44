"""Matrix products with weights that are known."""

from __future__ import annotations

from functools import partial
from math import prod

import numpy as np

from ....arrays import Array
from ....nn import Conv2d, Dense
from .builder import Builder
from .constants import Operator
from .node import Node
from .values import Constant, Flow, Value


def gemm(node: Node, b: Builder) -> Value:
    """alpha · x W + beta · bias, W turned round or not."""
    x, W = node.flow(), node.weights(1, "weights")
    alpha, beta = node.real("alpha", 1.0), node.real("beta", 1.0)
    if node.whole("transA", 0):
        node.refuse("transA of 0, as the first axis is the batch", "1")
    W = W if node.whole("transB", 0) else W.T
    if len(x.shape) != 1 or W.ndim != 2 or W.shape[1] != x.size:
        node.refuse("an input (N, D) and weights of D rows", f"shapes {(*x.shape,)} and {W.T.shape}")
    arrays = {"W": W if alpha == 1 else alpha * W.astype(np.float64)}
    if node.optional(2):
        bias = node.weights(2, "bias")
        if bias.size != 1 and (bias.size != len(W) or bias.shape[-1] != len(W)):
            node.refuse(f"a bias of {len(W)} numbers, the same for every image", f"shape {bias.shape}")
        arrays["b"] = np.broadcast_to(bias.ravel(), (len(W),)) if beta == 1 else np.full(len(W), beta) * bias.ravel()
    return b.add(node, partial(Dense, len(W), bias="b" in arrays), x, arrays=arrays, shared=node.reads[1:])


def matmul(node: Node, b: Builder) -> Value:
    """x W over the last axis of x, or W x over the one before it."""
    if not isinstance(node.given(0), Constant):
        return _product(node, b, node.flow(), node.weights(1, "weights"), node.reads[1:])
    W, x = node.weights(0, "weights"), node.flow(1)
    if W.ndim != 2 or len(x.shape) < 2:
        node.refuse("weights of two axes before maps", f"shapes {W.shape} and {x.shape}")
    turn = (*range(len(x.shape) - 2), len(x.shape) - 1, len(x.shape) - 2)
    return b.permute(node, _product(node, b, b.permute(node, x, turn), W.T, node.reads[:1]), turn)


def _product(node: Node, b: Builder, x: Flow, W: Array, shared: list[str]) -> Flow:
    """x W over the last axis of x; where that is not the only one it becomes the channels of a convolution of one tap."""
    if not x.shape:
        node.refuse("an image with an axis, as the first one is the batch", "none")
    vector, own = W.ndim == 1, W.reshape(-1, 1) if W.ndim == 1 else W
    while own.ndim > 2 and own.shape[0] == 1:
        own = own[0]
    *rest, rows, size = (1, *x.shape)
    several, (inner, columns) = own.shape[:-2], own.shape[-2:]
    fits = several == () or (len(x.shape) >= 2 and tuple(rest[1:]) in (several, (1,) * len(several)))
    if W.ndim > max(len(x.shape) + 1, 2) or inner != size or not fits:
        node.refuse(f"weights of {size} rows that are the same for every image", f"shape {W.shape}")
    if len(x.shape) == 1:
        y = b.add(node, partial(Dense, columns, bias=False), x, arrays={"W": own.T}, shared=shared)
        return b.reshape(node, y, () if vector else (columns,))
    maps, cuts = prod(several), prod(rest)
    shape = (*(several or rest[1:]), rows, *(() if vector else (columns,)))
    if several == ():
        maps, cuts, rows = 1, 1, cuts * rows
    turned = b.permute(node, b.reshape(node, x, (cuts, rows, size)), (0, 2, 1))
    weights = np.swapaxes(own.reshape(-1, size, columns), 1, 2).reshape(maps * columns, size, 1, 1)
    layer = partial(Conv2d, maps * columns, 1, groups=cuts, bias=False)
    y = b.add(node, layer, b.reshape(node, turned, (cuts * size, rows, 1)), arrays={"W": weights})
    return b.reshape(node, b.permute(node, b.reshape(node, y, (maps, columns, rows)), (0, 2, 1)), shape)


OPERATORS: dict[str, Operator] = {"Gemm": gemm, "MatMul": matmul}
