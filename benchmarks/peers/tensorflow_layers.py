"""minicnn's layers as passes of TensorFlow, images in NHWC.

A value (C, H, W) is a tensor (N, H, W, C), rows (C, W) are maps of one row, and a vector is (N, D).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from harness import BenchmarkError

from minicnn.arrays import Shape
from minicnn.nn.window import Window
from peers.nhwc import Array, groups_of, padding_of, reaching, size_of, table_of

Variables = dict[str, Any]
Pass = Callable[..., Any]
"""The output of a layer, given its variables by name, whether it is in training, and its inputs."""


@dataclass(frozen=True)
class Form:
    """How a parameter lies in TensorFlow.

    Attributes:
        there: makes it of minicnn's array.
        back: makes minicnn's array of it.
    """

    there: Callable[[Array], Array]
    back: Callable[[Array], Array]


@dataclass(frozen=True)
class Part:
    """A layer in TensorFlow.

    Attributes:
        work: its pass.
        forms: of its parameters; those without one lie as minicnn's.
    """

    work: Pass
    forms: Mapping[str, Form] = field(default_factory=dict)


def refuse(bound: Any, expected: str, got: object) -> BenchmarkError:
    """The error of a layer that has no form here."""
    return BenchmarkError(f"{bound.name}: expected {expected} for TensorFlow, got {got}")


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
        return _dense(bound, order)
    if kind not in PARTS:
        raise refuse(bound, f"one of {', '.join(sorted({'Dense', *FUNCTIONS, *PARTS}))}", kind)
    return PARTS[kind](bound)


# --- products ---


def _with_bias(p: Variables, y: Any) -> Any:
    return tf.nn.bias_add(y, p["b"]) if "b" in p else y


def _convolution(bound: Any) -> Part:
    layer, size = bound.layer, size_of(bound.in_shape)
    window, channels, filters = layer.window(size), bound.in_shape[0], layer.filters
    shape = bound.plan.params["W"].shape
    padding, stride = padding_of(window, size), window.stride
    if window.dilation != (1, 1) and stride != (1, 1):
        raise refuse(bound, "stride 1 where there is dilation", f"stride {layer.stride}")
    if layer.groups == channels > 1 and stride[0] == stride[1]:
        parts = (channels, filters // channels, *window.kernel)
        form = Form(lambda W: W.reshape(parts).transpose(2, 3, 0, 1), lambda W: W.transpose(2, 3, 0, 1).reshape(shape))
        steps, gaps = [1, *stride, 1], window.dilation
        return Part(
            lambda p, _, x: _with_bias(p, tf.nn.depthwise_conv2d(x, p["W"], steps, padding, dilations=gaps)), {"W": form}
        )
    full = (filters, channels // layer.groups, *window.kernel)
    form = Form(lambda W: W.reshape(full).transpose(2, 3, 1, 0), lambda W: W.transpose(3, 2, 0, 1).reshape(shape))
    convolve = _convolve if window.dilation == (1, 1) else _dilated

    def work(p: Variables, train: bool, x: Any) -> Any:
        if not train or layer.groups == 1:
            return _with_bias(p, convolve(x, p["W"], window, padding))
        parts = zip(tf.split(x, layer.groups, 3), tf.split(p["W"], layer.groups, 3), strict=True)
        return _with_bias(p, tf.concat([convolve(part, W, window, padding) for part, W in parts], 3))

    return Part(work, {"W": form})


def _convolve(x: Any, W: Any, window: Window, padding: Any) -> Any:
    """With groups on a CPU it has no gradient."""
    return tf.nn.conv2d(x, W, window.stride, padding)


def _dilated(x: Any, W: Any, window: Window, padding: Any) -> Any:
    """``conv2d`` has no gradient of a dilated convolution on a CPU, and this function takes no numbers as padding."""
    named = padding if isinstance(padding, str) else "VALID"
    return tf.nn.convolution(x if named == padding else tf.pad(x, padding), W, 1, named, dilations=window.dilation)


def _transposed(bound: Any) -> Part:
    layer, window = bound.layer, bound.layer.window
    if layer.groups > 1 or window.dilation != (1, 1):
        raise refuse(bound, "one group and dilation 1", f"{layer.groups} groups and dilation {layer.dilation}")
    filters, *size = bound.plan.out_shape
    padding = padding_of(window, (size[0], size[1]))
    form = Form(lambda W: W.transpose(2, 3, 1, 0), lambda W: W.transpose(3, 2, 0, 1))

    def work(p: Variables, train: bool, x: Any) -> Any:
        shape = [tf.shape(x)[0], *size, filters]
        return _with_bias(p, tf.nn.conv2d_transpose(x, p["W"], shape, window.stride, padding))

    return Part(work, {"W": form})


def _sparse(bound: Any) -> Part:
    """A convolution of maps with some of the channels.

    Kernels that every link has for itself stand in one dense filter with a mask; shared ones are gathered.
    """
    layer = bound.layer
    table, groups = table_of(layer), groups_of(layer)
    none = table.max()
    linked = table < none
    own = len(np.unique(table[linked])) == linked.sum()
    mask = linked.T[None, None]
    maps, channels = np.nonzero(linked)

    def dense(W: Array) -> Array:
        return np.concatenate([W, np.zeros_like(W[:1])])[table].transpose(2, 3, 1, 0)

    def packed(W: Array) -> Array:
        kernels = np.empty((none, *W.shape[:2]), W.dtype)
        kernels[table[maps, channels]] = W[:, :, channels, maps].transpose(2, 0, 1)
        return kernels

    def work(p: Variables, train: bool, x: Any) -> Any:
        W = p["W"]
        kernels = W * tf.constant(mask, W.dtype) if own else tf.gather(tf.pad(W, [[0, 0], [0, 0], [0, 1]]), table.T, axis=2)
        bias = p["b"] if layer.group_sizes is None else tf.gather(p["b"], groups)
        return tf.nn.bias_add(tf.nn.conv2d(x, kernels, 1, "VALID"), bias)

    return Part(
        work, {"W": Form(dense, packed) if own else Form(lambda W: W.transpose(1, 2, 0), lambda W: W.transpose(2, 0, 1))}
    )


def _dense(bound: Any, order: Shape | None) -> Part:
    """A product whose weights are kept in the order of its input, so that no map is transposed."""
    units, inputs = bound.plan.params["W"].shape
    maps = bound.in_shape if len(bound.in_shape) > 1 else order or (1, inputs)
    cut = (units, maps[0], prod(maps[1:]))

    def back(W: Array) -> Array:
        return W.T.reshape(units, cut[2], cut[1]).transpose(0, 2, 1).reshape(units, inputs)

    form = Form(lambda W: W.reshape(cut).transpose(0, 2, 1).reshape(units, inputs).T, back)
    return Part(lambda p, train, x: _with_bias(p, tf.reshape(x, (-1, inputs)) @ p["W"]), {"W": form})


def _centres(bound: Any) -> Part:
    if bound.layer.trainable:
        raise refuse(bound, "centres that stay as they are", "trained ones")
    centres = np.array(bound.layer.centres)

    def work(p: Variables, train: bool, x: Any) -> Any:
        vectors = tf.reshape(x, (-1, 1, centres.shape[1]))
        return tf.reduce_sum(tf.square(vectors - tf.constant(centres, x.dtype)), axis=2)

    return Part(work)


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
    "Conv1d": _convolution,
    "Conv2d": _convolution,
    "ConvTranspose2d": _transposed,
    "SparseConv2d": _sparse,
    "RBF": _centres,
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
