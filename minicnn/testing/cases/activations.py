"""Arguments of the kernels of activations and dropout."""

from __future__ import annotations

import numpy as np

from ...arrays import Array
from .draw import Case, Draw

# --- element by element ---


def of_x(d: Draw) -> Case:
    x = d.normal(d.size(), d.size(), d.L)
    return [3 * x, d.empty(*x.shape)], [1]


def of_x_and_dy(d: Draw) -> Case:
    (x, dx), _ = of_x(d)
    return [x, d.normal(*x.shape), dx], [2]


def of_y_and_dy(d: Draw) -> Case:
    y = d.normal(d.size(), d.size(), d.L)
    return [np.tanh(y), d.normal(*y.shape), d.empty(*y.shape)], [2]


def leaky_relu(d: Draw) -> Case:
    (x, y), _ = of_x(d)
    return [x, d.few(0.3), y], [2]


def leaky_relu_dx(d: Draw) -> Case:
    (x, dy, dx), _ = of_y_and_dy(d)
    return [x, d.few(0.3), dy, dx], [3]


def ramp(d: Draw) -> Array:
    return d.few(0.5, -1, 2, 0.25)


def clamp(d: Draw) -> Case:
    (x, y), _ = of_x(d)
    return [x, ramp(d), y], [2]


def clamp_dx(d: Draw) -> Case:
    (x, given, y), _ = clamp(d)
    return [np.clip(x, -0.25, 0.5), given, d.normal(*y.shape), y], [3]


def swish(d: Draw) -> Case:
    (x, y), _ = of_x(d)
    return [x, d.few(1.6, 0.07), y], [2]


def swish_dx(d: Draw) -> Case:
    (x, dy, dx), _ = of_x_and_dy(d)
    return [x, d.few(1.6, 0.07), dy, dx], [3]


def elu(d: Draw) -> Case:
    (x, y), _ = of_x(d)
    return [x, d.few(1.1, 0.7), y], [2]


def elu_dx(d: Draw) -> Case:
    (x, dy, dx), _ = of_x_and_dy(d)
    return [np.maximum(x, -0.7), d.few(1.1, 0.7), dy, dx], [3]


def prelu(d: Draw) -> Case:
    x = d.normal(d.size(), d.size() * d.L)
    return [x, d.normal(len(x)), d.empty(*x.shape)], [2]


def prelu_dx(d: Draw) -> Case:
    (x, W, dx), _ = prelu(d)
    return [x, W, d.normal(*x.shape), dx], [3]


def prelu_dW_add(d: Draw) -> Case:
    (x, W, _), _ = prelu(d)
    return [x, x * x, d.normal(*x.shape), W], [3]


# --- softmax, dropout ---


def softmax(d: Draw) -> Case:
    x = d.normal(d.size(1, 9), d.L)
    return [20 * x, d.empty(*x.shape)], [1]


def softmax_dx(d: Draw) -> Case:
    x = d.normal(d.size(1, 9), d.L)
    y = np.exp(x) / np.exp(x).sum(axis=0)
    return [y, d.normal(*x.shape), d.empty(*x.shape)], [2]


def log_softmax_dx(d: Draw) -> Case:
    (y, dy, dx), written = softmax_dx(d)
    return [np.log(y), dy, dx], written


def dropout(d: Draw) -> Case:
    x = d.normal(d.size(1, 40), d.L)
    return [x, d.words(), d.few(d.rng.choice([0, 0.1, 0.5, 0.8])), d.empty(*x.shape)], [3]


def dropout_channels(d: Draw) -> Case:
    x = d.normal(d.size(1, 9), d.size(1, 9), d.L)
    return [x, d.words(), d.few(d.rng.choice([0, 0.1, 0.5, 0.8])), d.empty(*x.shape)], [3]
