"""Any network of minicnn's in TensorFlow, made from its layers, with its parameters and running statistics."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
import tensorflow as tf
from harness import BenchmarkError

from minicnn import Network
from minicnn.arrays import Shape
from peers.nhwc import Array, outputs_of
from peers.tensorflow_layers import FUNCTIONS, in_order, part_of
from peers.tensorflow_parts import Form, Part, Variables

AS_IT_IS = Form(lambda a: a, lambda a: a)


class TensorFlowNetwork(tf.Module):  # type: ignore[misc]
    """A network whose images and maps are in NHWC.

    Args:
        net: minicnn's network.

    Attributes:
        trained: the variables that training changes, in the order of the network's parameters.

    Raises:
        BenchmarkError: TensorFlow has no form of a layer here, or the network has several inputs or outputs, or layers that
            share parameters or are frozen.
    """

    def __init__(self, net: Network) -> None:
        super().__init__()
        if len(net.in_shapes) > 1 or len(net.outputs) > 1:
            raise BenchmarkError("expected a network of one input and one output for TensorFlow, got several")
        if unlike := [b.name for b in net.layers if b.owner != b.name or b.frozen]:
            raise BenchmarkError(f"{unlike[0]}: expected parameters of its own, and trained, for TensorFlow, got others")
        self._layers, self._shape = list(net.layers), net.out_shape
        orders: list[Shape | None] = [None]
        self._parts: list[Part] = []
        self._variables: list[Variables] = []
        self._mixed: list[tuple[Shape | None, ...]] = []
        for b in self._layers:
            read = tuple(orders[number] for number in b.inputs)
            part = part_of(b, read[0])
            self._parts.append(part)
            orders.append(_order(b, read[0]))
            self._mixed.append(read if type(b.layer).__name__ not in IN_ANY_ORDER else tuple(None for _ in read))
            given = {name: net.params[f"{b.name}.{name}"] for name in b.plan.params}
            variables = {name: tf.Variable(_own(_form(part, name).there(value))) for name, value in given.items()}
            tracked = {name: net.state[f"{b.name}.{name}"] for name in b.plan.state if name != "num_batches_tracked"}
            self._variables.append(variables | {n: tf.Variable(_own(value), trainable=False) for n, value in tracked.items()})
        self._last = orders[-1]
        self.trained = [value for own in self._variables for value in own.values() if value.trainable]

    def __call__(self, x: Any, train: bool = False) -> Any:
        """The output for images (N, H, W, C): maps in NHWC, or vectors."""
        values = [x]
        for b, part, own, mixed in zip(self._layers, self._parts, self._variables, self._mixed, strict=True):
            read = [sorted_(values[number], maps) for number, maps in zip(b.inputs, mixed, strict=True)]
            values.append(part.work(own, train, *read))
        return sorted_(values[-1], self._last)

    def arrays(self) -> dict[str, Array]:
        """Parameters and running statistics by minicnn's names, in its layout."""
        return {
            f"{b.name}.{name}": _form(part, name).back(value.numpy())
            for b, part, own in zip(self._layers, self._parts, self._variables, strict=True)
            for name, value in own.items()
        }

    def gradients(self, given: list[Any]) -> dict[str, Array]:
        """Gradients of ``trained`` by minicnn's names, in its layout."""
        waiting = iter(given)
        return {
            f"{b.name}.{name}": _form(part, name).back(tf.convert_to_tensor(next(waiting)).numpy())
            for b, part in zip(self._layers, self._parts, strict=True)
            for name in b.plan.params
        }

    def predict(self, images: Any) -> Array:
        """The outputs as minicnn gives them, for images in NHWC."""
        return outputs_of(self(images).numpy(), self._shape)


IN_ANY_ORDER = frozenset({*FUNCTIONS, "Dropout", "Flatten", "Dense"})
"""Layers that take a vector in the order of (H, W, C) as it is."""


def _order(bound: Any, read: Shape | None) -> Shape | None:
    """The maps whose pixels a layer's output, a vector, holds in the order of (H, W, C)."""
    kind = type(bound.layer).__name__
    if kind == "Flatten" and len(bound.in_shape) > 1:
        return bound.in_shape if min(bound.in_shape[0], prod(bound.in_shape[1:])) > 1 else None
    return read if kind in IN_ANY_ORDER - {"Dense"} else None


def sorted_(x: Any, maps: Shape | None) -> Any:
    """A vector in the order of (C, H, W)."""
    return x if maps is None else in_order(tf.reshape(x, (-1, 1, prod(maps[1:]), maps[0])))


def _form(part: Part, name: str) -> Form:
    return part.forms.get(name, AS_IT_IS)


def _own(value: Array) -> Array:
    """A copy in reading order: minicnn's array changes in training."""
    return np.array(value, order="C")


# --- updates ---

Update = Callable[[list[Any]], None]


def momentum(every: list[Any], rate: float) -> Update:
    """Gradient descent with momentum 0.9, of these variables, by TensorFlow's own kernel for it."""
    moving = [tf.Variable(tf.zeros_like(v)) for v in every]

    def update(gradients: list[Any]) -> None:
        for v, m, g in zip(every, moving, gradients, strict=True):
            tf.raw_ops.ResourceApplyMomentum(var=v.handle, accum=m.handle, lr=rate, grad=g, momentum=0.9)

    return update


def adam(every: list[Any], rate: float) -> Update:
    """Adam with the constants of its paper, of these variables, by TensorFlow's own kernel for it."""
    first, second = ([tf.Variable(tf.zeros_like(v)) for v in every] for _ in range(2))
    count = tf.Variable(0.0)

    def update(gradients: list[Any]) -> None:
        count.assign_add(1.0)
        epsilon = 1e-8 * tf.sqrt(
            -tf.math.expm1(count * np.log(0.999))
        )  # the kernel adds it to the root of a moment, uncorrected
        powers = {"beta1_power": tf.pow(0.9, count), "beta2_power": tf.pow(0.999, count)}
        for v, m, s, g in zip(every, first, second, gradients, strict=True):
            where = {"var": v.handle, "m": m.handle, "v": s.handle, "grad": g}
            tf.raw_ops.ResourceApplyAdam(**where, **powers, lr=rate, beta1=0.9, beta2=0.999, epsilon=epsilon)

    return update
