"""TensorFlow with the training loop inside one graph: ``tf.range`` over batches gathered from a constant in memory.

This is the fastest documented way to train a small network with TensorFlow on a CPU: one call of Python for many steps, without
XLA, images in NHWC. The network is built from minicnn's layers, so that it is the same network.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from harness.cases import Case, Data, order

from minicnn import Network
from peers.nhwc import groups_of, parameters_of, table_of

Variables = dict[str, Any]
Pass = Callable[[Variables, Any], Any]


def limit(threads: int) -> None:
    """Set TensorFlow's threads, once in a process and before its first operation."""
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def _padding(window: Any) -> Any:
    """TensorFlow's padding; its fastest convolutions know two kinds by name."""
    if window.padding == (0, 0):
        return "VALID"
    if all(kernel == 2 * n + 1 for kernel, n in zip(window.kernel, window.padding, strict=True)):
        return "SAME"
    return [[0, 0], *([n, n] for n in window.padding), [0, 0]]


def _sparse(bound: Any) -> tuple[Pass, Callable[[Any], Any]]:
    """A convolution of maps with some of the channels: its pass, and the form in which its kernels are kept.

    Kernels that every link has for itself stand in one dense filter with a mask; shared ones are gathered.
    """
    layer, name = bound.layer, bound.name
    table, groups = table_of(layer), groups_of(layer)
    none = table.max()
    own = len(np.unique(table[table < none])) == (table < none).sum()
    mask = tf.constant((table < none).T[None, None].astype(np.float32))

    def dense(W: Any) -> Any:
        return np.concatenate([W, np.zeros_like(W[:1])])[table].transpose(2, 3, 1, 0)

    def kernels_of(W: Any) -> Any:
        return W * mask if own else tf.gather(tf.pad(W, [[0, 0], [0, 0], [0, 1]]), table.T, axis=2)

    def work(v: Variables, x: Any) -> Any:
        kernels = kernels_of(v[f"{name}.W"])
        return tf.nn.bias_add(tf.nn.conv2d(x, kernels, 1, "VALID"), tf.gather(v[f"{name}.b"], groups))

    return work, dense if own else lambda W: W.transpose(1, 2, 0)


def _layer(bound: Any) -> tuple[Pass, Callable[[Any], Any]]:
    """The pass of one of minicnn's layers, and the form in which its weights are kept."""
    layer, name = bound.layer, bound.name
    kind = type(layer).__name__
    if kind == "SparseConv2d":
        return _sparse(bound)
    if kind == "Conv2d":
        padding = _padding(layer.window)
        return (
            lambda v, x: tf.nn.bias_add(tf.nn.conv2d(x, v[f"{name}.W"], 1, padding), v[f"{name}.b"]),
            lambda W: W.transpose(2, 3, 1, 0),
        )
    if kind == "Dense":
        return lambda v, x: tf.nn.bias_add(_rows(x) @ v[f"{name}.W"], v[f"{name}.b"]), lambda W: W.T
    if kind == "Subsample":
        return lambda v, x: tf.nn.avg_pool2d(x, 2, 2, "VALID") * (4 * v[f"{name}.W"]) + v[f"{name}.b"], lambda W: W
    passes: dict[str, Pass] = {
        "AvgPool2d": lambda v, x: tf.nn.avg_pool2d(x, 2, 2, "VALID"),
        "MaxPool2d": lambda v, x: tf.nn.max_pool2d(x, 2, 2, "VALID"),
        "ScaledTanh": lambda v, x: 1.7159 * tf.tanh(2 / 3 * x),
        "ReLU": lambda v, x: tf.nn.relu(x),
    }
    return passes.get(kind, lambda v, x: x), lambda W: W


def _rows(x: Any) -> Any:
    return tf.reshape(x, (-1, int(np.prod(x.shape[1:]))))


class TensorFlow:
    """Each call of ``step`` is one training step; ``steps`` makes several in one graph.

    Args:
        case: the network and its recipe.
        net: minicnn's network, which has the initial parameters.
        data: the images.
    """

    def __init__(self, case: Case, net: Network, data: Data) -> None:
        images, labels = tf.constant(np.ascontiguousarray(data.images.transpose(0, 2, 3, 1))), tf.constant(data.labels)
        on, off = getattr(case.loss, "on", 1.0), getattr(case.loss, "off", 0.0)
        classes = type(case.loss).__name__ == "CrossEntropy"
        passes: list[Pass] = []
        v: Variables = {}
        parameters = parameters_of(net)
        for bound in net.layers:
            work, kept = _layer(bound)
            passes.append(work)
            for name in bound.plan.params:
                key = f"{bound.name}.{name}"
                v[key] = tf.Variable(np.ascontiguousarray(kept(parameters[key]) if name == "W" else parameters[key]))

        def loss(x: Any, target: Any) -> Any:
            for work in passes:
                x = work(v, x)
            y = _rows(x)
            if classes:
                return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(target, y))
            return tf.reduce_mean((y - tf.one_hot(target, 10, on, off)) ** 2)

        every = list(v.values())
        update = _adam(every, case.rate) if case.adam else _momentum(every, case.rate)

        def learn(index: Any) -> Any:
            with tf.GradientTape() as tape:
                value = loss(tf.gather(images, index), tf.gather(labels, index))
            update(tape.gradient(value, every))
            return value

        def loop(indices: Any) -> Any:
            last = 0.0
            for number in tf.range(tf.shape(indices)[0]):
                last = learn(indices[number])
            return last

        self._loop = tf.function(loop, input_signature=[tf.TensorSpec((None, case.batch), tf.int64)])
        self._next = order(len(data.images), case.batch)

    def step(self) -> Any:
        """One step; returns its loss."""
        return self.steps(1)

    def steps(self, count: int) -> Any:
        """Several steps in one call; returns the loss of the last."""
        return self._loop(tf.constant(np.stack([self._next() for _ in range(count)]))).numpy()


def _momentum(every: list[Any], rate: float) -> Callable[[list[Any]], None]:
    moving = [tf.Variable(tf.zeros_like(v)) for v in every]

    def update(gradients: list[Any]) -> None:
        for v, m, g in zip(every, moving, gradients, strict=True):
            m.assign(0.9 * m + g)
            v.assign_sub(rate * m)

    return update


def _adam(every: list[Any], rate: float) -> Callable[[list[Any]], None]:
    first, second = ([tf.Variable(tf.zeros_like(v)) for v in every] for _ in range(2))
    count = tf.Variable(0.0)

    def update(gradients: list[Any]) -> None:
        count.assign_add(1.0)
        c1, c2 = -tf.math.expm1(count * np.log(0.9)), -tf.math.expm1(count * np.log(0.999))  # 1 − βᵗ without cancellation
        factor, root = rate / c1, tf.sqrt(c2)
        for v, m, s, g in zip(every, first, second, gradients, strict=True):
            m.assign(0.9 * m + 0.1 * g)
            s.assign(0.999 * s + 0.001 * g * g)
            v.assign_sub(factor * m / (tf.sqrt(s) / root + 1e-8))

    return update
