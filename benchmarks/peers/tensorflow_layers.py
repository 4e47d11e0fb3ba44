"""minicnn's layers as passes of TensorFlow, images in NHWC.

A value (C, H, W) is a tensor (N, H, W, C), rows (C, W) are maps of one row, and a vector is (N, D).
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
import tensorflow as tf

from minicnn.arrays import Shape
from peers.nhwc import padding_of, reaching, size_of
from peers.tensorflow_parts import Part, Variables, refuse
from peers.tensorflow_products import convolution, dense, distances, sparse_convolution, transposed_convolution


def part_of(bound: Any, order: Shape | None) -> Part:
    """A layer's form.

    Args:
        bound: the layer in its place.
        order: the maps (C, H, W) whose pixels its input, a vector, holds in the order of (H, W, C); else None.

    Raises:
        BenchmarkError: TensorFlow has no form of it here.
    """
    layer = bound.layer
    kind = type(layer).__name__
    if kind in FUNCTIONS:
        function = FUNCTIONS[kind]
        return Part(lambda p, train, x: function(layer, x))
    if kind == "Dense":
        return dense(bound, order)
    if kind not in PARTS:
        raise refuse(bound, f"one of {', '.join(sorted({'Dense', *FUNCTIONS, *PARTS}))}", kind)
    return PARTS[kind](bound)


# --- windows ---


def _places(bound: Any) -> tuple[int, int]:
    return size_of(bound.plan.out_shape)


def _maxima(bound: Any) -> Part:
    window, size = bound.layer.window, size_of(bound.in_shape)
    if window.dilation != (1, 1):
        raise refuse(bound, "dilation 1", f"dilation {bound.layer.dilation}")
    padding = padding_of(reaching(window, size, _places(bound)), size)
    return Part(lambda p, train, x: tf.nn.max_pool2d(x, window.kernel, window.stride, padding))


def _means(bound: Any) -> Part:
    layer, size = bound.layer, size_of(bound.in_shape)
    window = layer.window
    reach = reaching(window, size, _places(bound))
    padding = padding_of(reach, size)
    if padding == "VALID" or (padding == "SAME" and not layer.count_include_pad):
        return Part(lambda p, train, x: tf.nn.avg_pool2d(x, window.kernel, window.stride, padding))
    if not layer.count_include_pad or any(n > p for n, p in zip(reach.trailing, window.padding, strict=True)):
        raise refuse(bound, "windows that all count equally many pixels", layer)
    sides = [[0, 0], *([n, n] for n in window.padding), [0, 0]]
    return Part(lambda p, train, x: tf.nn.avg_pool2d(tf.pad(x, sides), window.kernel, window.stride, "VALID"))


def _subsampling(bound: Any) -> Part:
    window = bound.layer.windows.kernel
    pixels = prod(window)
    return Part(lambda p, train, x: tf.nn.avg_pool2d(x, window, window, "VALID") * (pixels * p["W"]) + p["b"])


def _larger(bound: Any) -> Part:
    layer, size = bound.layer, bound.plan.out_shape[1:]
    if layer.align_corners:
        raise refuse(bound, "corners that are not aligned", layer)
    return Part(lambda p, train, x: tf.cast(tf.image.resize(x, size, layer.mode), x.dtype))


# --- statistics ---


def _normalisation(bound: Any) -> Part:
    layer, channels = bound.layer, bound.in_shape[0]
    if layer.momentum is None or not layer.track_running_stats:
        raise refuse(bound, "running statistics with a momentum", layer)
    fixed: Variables = {"W": np.ones(channels, np.float32), "b": np.zeros(channels, np.float32)}

    def work(p: Variables, train: bool, x: Any) -> Any:
        p = fixed | p
        maps = x if len(x.shape) == 4 else x[:, None, None]
        options = {"scale": p["W"], "offset": p["b"], "epsilon": layer.eps, "is_training": train}
        used = {"mean": [], "variance": []} if train else {"mean": p["running_mean"], "variance": p["running_var"]}
        y, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(x=maps, **options, **used)
        if train:
            for running, value in ((p["running_mean"], mean), (p["running_var"], variance)):
                running.assign_add(layer.momentum * (value - running))
        return y if len(x.shape) == 4 else y[:, 0, 0]

    return Part(work)


# --- the same numbers in another shape ---


def in_order(x: Any) -> Any:
    """Maps as vectors in the order of (C, H, W)."""
    return x if len(x.shape) == 2 else tf.reshape(tf.transpose(x, (0, 3, 1, 2)), (-1, prod(x.shape[1:])))


def _flat(bound: Any) -> Part:
    """Vectors in the order of (H, W, C), which the next dense layer's weights follow."""
    return Part(lambda p, train, x: tf.reshape(x, (-1, prod(bound.in_shape))))


def _reshaped(bound: Any) -> Part:
    before, after = bound.in_shape, bound.plan.out_shape
    if len(after) > 3:
        raise refuse(bound, "a shape of at most three axes", after)
    if len(after) == 1:
        return Part(lambda p, train, x: in_order(x))
    rows, columns = size_of(after)
    if len(before) > 1 and before[0] == after[0]:
        return Part(lambda p, train, x: tf.reshape(x, (-1, rows, columns, after[0])))
    shape = (-1, after[0], rows, columns)
    return Part(lambda p, train, x: tf.transpose(tf.reshape(in_order(x), shape), (0, 2, 3, 1)))


FUNCTIONS: dict[str, Callable[[Any, Any], Any]] = {
    "ReLU": lambda layer, x: tf.nn.relu(x),
    "ReLU6": lambda layer, x: tf.nn.relu6(x),
    "LeakyReLU": lambda layer, x: tf.nn.leaky_relu(x, layer.negative_slope),
    "Hardsigmoid": lambda layer, x: tf.nn.relu6(x + 3) / 6,
    "Hardswish": lambda layer, x: x * tf.nn.relu6(x + 3) / 6,
    "Sigmoid": lambda layer, x: tf.sigmoid(x),
    "Tanh": lambda layer, x: tf.tanh(x),
    "ScaledTanh": lambda layer, x: 1.7159 * tf.tanh(2 / 3 * x),
    "ELU": lambda layer, x: tf.where(x > 0, x, layer.alpha * tf.nn.elu(x)),
    "SELU": lambda layer, x: tf.nn.selu(x),
    "GELU": lambda layer, x: tf.nn.gelu(x, layer.approximate == "tanh"),
    "SiLU": lambda layer, x: tf.nn.silu(x),
}
"""Elementwise functions, by the class of the layer."""

PARTS: dict[str, Callable[[Any], Part]] = {
    "Conv1d": convolution,
    "Conv2d": convolution,
    "ConvTranspose2d": transposed_convolution,
    "SparseConv2d": sparse_convolution,
    "RBF": distances,
    "MaxPool1d": _maxima,
    "MaxPool2d": _maxima,
    "AvgPool1d": _means,
    "AvgPool2d": _means,
    "GlobalAvgPool2d": lambda bound: Part(lambda p, train, x: tf.reduce_mean(x, (1, 2))),
    "Subsample": _subsampling,
    "Upsample": _larger,
    "BatchNorm1d": _normalisation,
    "BatchNorm2d": _normalisation,
    "Dropout": lambda bound: Part(lambda p, train, x: tf.nn.dropout(x, bound.layer.rate) if train else x),
    "Flatten": _flat,
    "Reshape": _reshaped,
    "Softmax": lambda bound: Part(lambda p, train, x: tf.nn.softmax(x)),
    "LogSoftmax": lambda bound: Part(lambda p, train, x: tf.nn.log_softmax(x)),
    "Add": lambda bound: Part(lambda p, train, *xs: sum(xs[1:], xs[0])),  # XNNPACK has no sum of several
    "Concat": lambda bound: Part(lambda p, train, *xs: tf.concat(xs, -1)),
}
"""Makes the form of any other layer but ``Dense``, by its class."""
