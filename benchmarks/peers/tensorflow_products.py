"""Layers with weights in TensorFlow: convolutions, dense layers and distances from centres."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
import tensorflow as tf

from minicnn.arrays import Shape
from minicnn.nn.window import Window
from peers.nhwc import Array, groups_of, padding_of, size_of, table_of
from peers.tensorflow_parts import Form, Part, Variables, refuse


def _with_bias(p: Variables, y: Any) -> Any:
    return tf.nn.bias_add(y, p["b"]) if "b" in p else y


def convolution(bound: Any) -> Part:
    """A convolution of maps, or of rows as maps of one row."""
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


def transposed_convolution(bound: Any) -> Part:
    """A transposed convolution."""
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


def sparse_convolution(bound: Any) -> Part:
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

    def full(W: Array) -> Array:
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
        work, {"W": Form(full, packed) if own else Form(lambda W: W.transpose(1, 2, 0), lambda W: W.transpose(2, 0, 1))}
    )


def dense(bound: Any, order: Shape | None) -> Part:
    """A product whose weights are kept in the order of its input, so that no map is transposed."""
    units, inputs = bound.plan.params["W"].shape
    maps = bound.in_shape if len(bound.in_shape) > 1 else order or (1, inputs)
    cut = (units, maps[0], prod(maps[1:]))

    def back(W: Array) -> Array:
        return W.T.reshape(units, cut[2], cut[1]).transpose(0, 2, 1).reshape(units, inputs)

    form = Form(lambda W: W.reshape(cut).transpose(0, 2, 1).reshape(units, inputs).T, back)
    return Part(lambda p, train, x: _with_bias(p, tf.reshape(x, (-1, inputs)) @ p["W"]), {"W": form})


def distances(bound: Any) -> Part:
    """Squared distances from centres."""
    if bound.layer.trainable:
        raise refuse(bound, "centres that stay as they are", "trained ones")
    centres = np.array(bound.layer.centres)

    def work(p: Variables, train: bool, x: Any) -> Any:
        vectors = tf.reshape(x, (-1, 1, centres.shape[1]))
        return tf.reduce_sum(tf.square(vectors - tf.constant(centres, x.dtype)), axis=2)

    return Part(work)
