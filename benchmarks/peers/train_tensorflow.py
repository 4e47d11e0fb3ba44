"""TensorFlow with the training loop inside one graph: ``tf.range`` over batches gathered from a constant in memory.

This is the fastest documented way to train a small network with TensorFlow on a CPU: one call of Python for many steps, without
XLA, images in NHWC, parameters updated by the kernels of TensorFlow's own optimisers. The network is built from minicnn's
layers, so that it is the same network.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from harness.cases import Array, Case, Data, order
from harness.zoo import Model

from minicnn import Network
from peers.nhwc import images_of
from peers.tensorflow_network import TensorFlowNetwork, Update, adam, momentum

Criterion = Callable[[Any, Any], Any]
"""A loss, of outputs and targets."""


def limit(threads: int) -> None:
    """Set TensorFlow's threads, once in a process and before its first operation."""
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)


class Loop:
    """Each call of ``step`` is one training step; ``steps`` makes several in one graph.

    Args:
        network: the network.
        criterion: the loss.
        images: all of them, in NHWC.
        targets: what is to be learnt of each.
        update: changes the network's variables, given their gradients.
        batch: images in a step.
    """

    def __init__(
        self, network: TensorFlowNetwork, criterion: Criterion, images: Array, targets: Array, update: Update, batch: int
    ) -> None:
        self.network, given, wanted = network, tf.constant(images), tf.constant(targets)

        def learn(index: Any) -> Any:
            with tf.GradientTape() as tape:
                value = criterion(network(tf.gather(given, index), train=True), tf.gather(wanted, index))
            update(tape.gradient(value, network.trained))
            return value

        def loop(indices: Any) -> Any:
            last = 0.0
            for number in tf.range(tf.shape(indices)[0]):
                last = learn(indices[number])
            return last

        self._loop = tf.function(loop, input_signature=[tf.TensorSpec((None, batch), tf.int64)])
        self._next = order(len(images), batch)

    def step(self) -> Any:
        """One step; returns its loss."""
        return self.steps(1)

    def steps(self, count: int) -> Any:
        """Several steps in one call; returns the loss of the last."""
        return self._loop(tf.constant(np.stack([self._next() for _ in range(count)]))).numpy()

    def arrays(self) -> dict[str, Array]:
        """Parameters and running statistics, as minicnn has them."""
        return self.network.arrays()


class TensorFlow(Loop):
    """The training of a case.

    Args:
        case: the network and its recipe.
        net: minicnn's network, which has the initial parameters.
        data: the images.
    """

    def __init__(self, case: Case, net: Network, data: Data) -> None:
        on, off = getattr(case.loss, "on", 1.0), getattr(case.loss, "off", 0.0)

        def squares(y: Any, labels: Any) -> Any:
            return tf.reduce_mean((tf.reshape(y, (-1, 10)) - tf.one_hot(labels, 10, on, off, dtype=tf.float32)) ** 2)

        criterion = CRITERIA["classes"] if type(case.loss).__name__ == "CrossEntropy" else squares
        network = TensorFlowNetwork(net)
        update = (adam if case.adam else momentum)(network.trained, case.rate)
        super().__init__(network, criterion, images_of(data.images), data.labels, update, case.batch)


CRITERIA: dict[str, Criterion] = {
    "classes": lambda y, labels: tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, y)),
    "penalties": lambda y, labels: tf.reduce_mean(tf.gather(y, labels, axis=1, batch_dims=1)),
    "image": lambda y, x: tf.reduce_mean((y - x) ** 2),
    "mask": lambda y, target: tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(target, y)),
}
"""The loss of each task."""


def training(model: Model, net: Network, x: Array, target: Array, batch: int) -> Loop:
    """The training of a model from a network's parameters."""
    network = TensorFlowNetwork(net)
    wanted = target if target.ndim == 1 else images_of(target)
    return Loop(network, CRITERIA[model.task], images_of(x), wanted, momentum(network.trained, model.rate), batch)
