"""The kernels that the backend has, and launches of all of them."""

from __future__ import annotations

import ast
from pathlib import Path
from types import FunctionType

import numpy as np

import minicnn as m
from minicnn.backends import cuda
from minicnn.backends.cuda.device.operation import Launch
from minicnn.data import Affine, Distorted, Elastic, Normalise, Pixels

from .recording import recorded, training_step
from .source import type_of

ZOO = ("lenet5", "lenet5s", "lenet5_modern")


def kernel_names() -> set[str]:
    """The names of all kernels, read from the backend's files."""
    trees = [ast.parse(path.read_text()) for path in Path(cuda.__file__).parent.rglob("*.py")]
    functions = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    return {function.name for function in functions if function.name.endswith("_kernel")}


def title(kernel: FunctionType) -> str:
    """A kernel's name, with the numbers that were frozen into it."""
    numbers = [cell.cell_contents for cell in kernel.__closure__ or ()]
    frozen = ", ".join(
        f"{name} {int(n)}" for name, n in zip(kernel.__code__.co_freevars, numbers, strict=True) if np.isscalar(n)
    )
    return kernel.__name__.removesuffix("_kernel") + (f" ({frozen})" if frozen else "")


def different(launches: list[Launch]) -> list[Launch]:
    """One launch for every kernel and combination of types."""
    return [*{(launch.kernel, tuple(map(type_of, launch.arguments))): launch for launch in launches}.values()]


def launches_of_the_zoo() -> list[Launch]:
    """What the three networks launch to train, in batches of 512."""
    return different([launch for name in ZOO for launch in training_step(name, 512).launches])


def launches_of_the_rest() -> list[Launch]:
    """What layers, losses and updates launch that the three networks do without."""
    layers = [
        m.Conv2d(6, 3, padding=1, algorithm="im2col"),
        m.Tanh(),
        m.Conv2d(8, 3, stride=2, padding=1, dilation=2, algorithm="direct"),
        m.LeakyReLU(0.1),
        m.Dropout(0.2),
        m.Conv2d(4, 1, algorithm="direct"),
        m.Sigmoid(),
        m.MaxPool2d(2),
        m.Flatten(),
        m.Dense(10),
        m.Softmax(),
    ]
    with recorded() as recorder:
        net = m.Network(layers, (2, 20, 20), backend="cuda", seed=0)
        x, labels = np.zeros((32, 2, 20, 20), np.float32), np.zeros(32, np.int64)
        net.loss_and_grads(m.MSE(), x, np.zeros((32, 10), np.float32))
        net.loss_and_grads(m.CrossEntropy(0.1), x, labels)
        for optimizer in (m.SGD(0.1, momentum=0.9), m.Adam(0.1), m.AdamW(0.1)):
            optimizer.step(net)
        sdlm = m.SDLM()
        for loss in (m.MSE(), m.CrossEntropy()):
            sdlm.estimate(net, loss, x, labels)
        sdlm.step(net)
        for trainable in (False, True):
            output = m.Network([m.RBF(trainable=trainable)], (84,), backend="cuda")
            for loss in (m.MLE(), m.MAP()):
                output.loss_and_grads(loss, np.zeros((32, 84), np.float32), labels)
                output.forward(np.zeros((32, 84), np.float32))
                output.backward(np.zeros((32, 10), np.float32))
                if trainable:
                    sdlm = m.SDLM()
                    sdlm.estimate(output, loss, np.zeros((32, 84), np.float32), labels)
        with_rbf = m.Network([m.Dense(84), m.RBF()], (4,), backend="cuda")
        m.SDLM().estimate(with_rbf, m.MAP(), np.zeros((32, 4), np.float32), labels)
        net.predict(x)
        net.forward(x)
        net.backward(np.zeros((32, 10), np.float32))
        pixels = Pixels(np.zeros((32, 28, 28), np.uint8), Normalise(scale=1.0, shift=0.0), 32, "resize")
        m.models.lenet5s(backend="cuda").loss_and_grads(m.MSE(1, -1), pixels, labels)
        bent = Distorted(
            Pixels(np.zeros((32, 28, 28), np.uint8), Normalise(scale=1.0, shift=0.0), 32),
            Affine(shift=1.0),
            Elastic(alpha=20.0),
        )
        m.models.lenet5(backend="cuda").loss_and_grads(m.MSE(1, -1), bent, labels)
        cuda.add(np.zeros(9, np.float32), np.zeros(9, np.float32))
    return different(recorder.launches)
