"""Networks, data and optimisers that two checkouts train in the same way, to compare their bits and times.

All data is random and seeded, and only the public API is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

import minicnn as m
from minicnn import models
from minicnn.data import Affine, Distorted, Normalise, Pixels

Array = np.ndarray[Any, Any]
Named = m.Layer | tuple[str, m.Layer]
IMAGES = 600
PAPER = Normalise.between(-0.1, 1.175)
TORCH = Normalise.standard(0.1307, 0.3081)


@dataclass(frozen=True)
class Workload:
    """A network and its training.

    Attributes:
        make: makes the network from the options of ``Network``.
        source: makes the given number of images.
        loss: the loss.
        optimizer: makes a new optimiser.
        batch: images in a step.
        one_by_one: whether to train as in 1998: one image a step, with rates from the curvature.
    """

    make: Callable[..., m.Network]
    source: Callable[[int], Any]
    loss: Any
    optimizer: Callable[[], Any]
    batch: int
    one_by_one: bool = False


def digits(count: int) -> Array:
    """Random images (count, 28, 28) of bytes."""
    return np.random.default_rng(7).integers(0, 256, (count, 28, 28)).astype(np.uint8)


def classes(count: int) -> Array:
    """Random class numbers (count,)."""
    return np.random.default_rng(8).integers(0, 10, count)


def colour(count: int) -> Array:
    """Random colour images (count, 3, 32, 32)."""
    return np.random.default_rng(9).standard_normal((count, 3, 32, 32), dtype=np.float32)


def cifar(**options: Any) -> m.Network:
    """A network for images of CIFAR's size: four convolutions of 3×3, two poolings, two dense layers."""
    layers: list[Named] = [
        ("C1", m.Conv2d(32, 3, padding=1)),
        m.ReLU(),
        ("C2", m.Conv2d(32, 3, padding=1)),
        m.ReLU(),
        m.MaxPool2d(2),
        ("C3", m.Conv2d(64, 3, padding=1)),
        m.ReLU(),
        ("C4", m.Conv2d(64, 3, padding=1)),
        m.ReLU(),
        m.MaxPool2d(2),
        m.Flatten(),
        ("F5", m.Dense(128)),
        m.ReLU(),
        ("output", m.Dense(10)),
    ]
    return m.Network(layers, (3, 32, 32), **options)


def every_layer(**options: Any) -> m.Network:
    """A network with every layer except ``RBF``, which the 1998 network has."""
    table = tuple((c % 8, (c + 3) % 8, (c + 5) % 8) for c in range(12))
    layers: list[Named] = [
        ("strided", m.Conv2d(8, 3, stride=2, padding=1)),
        m.LeakyReLU(),
        ("pointwise", m.Conv2d(16, 1)),
        m.Tanh(),
        ("grouped", m.Conv2d(16, 3, padding=2, dilation=2, groups=4)),
        m.Sigmoid(),
        ("depthwise", m.Conv2d(16, 3, padding=1, groups=16, bias=False)),
        ("im2col", m.Conv2d(8, 3, algorithm="im2col")),
        m.ReLU(),
        ("sparse", m.SparseConv2d(table, 3)),
        ("subsample", m.Subsample(2)),
        m.ScaledTanh(),
        ("tied", m.SparseConv2d(((0, 1), (1, 2), (2, 3), (4, 5, 6)), 2, group_sizes=(3, 1))),
        m.AvgPool2d(2, stride=1),
        m.MaxPool2d(2, stride=1),
        m.Dropout(0.3),
        m.Flatten(),
        ("dense", m.Dense(10)),
        m.Softmax(),
    ]
    return m.Network(layers, (3, 32, 32), **options)


WORKLOADS = {
    "classic": Workload(models.lenet5, lambda n: Pixels(digits(n), PAPER, 32), m.MSE(1, -1), lambda: m.SGD(0.1, 0.9), 32),
    "lenet5s": Workload(
        models.lenet5s, lambda n: Pixels(digits(n), TORCH, 32, "resize"), m.MSE(), lambda: m.SGD(0.01, 0.9), 32
    ),
    "modern": Workload(models.lenet5_modern, lambda n: Pixels(digits(n), TORCH), m.CrossEntropy(), lambda: m.Adam(1e-3), 64),
    "1998": Workload(
        models.lenet5_1998,
        lambda n: Distorted(Pixels(digits(n), PAPER, 32), Affine(shift=2, scale=0.15, squeeze=0.15, shear=0.15), seed=3),
        m.MAP(),
        lambda: m.SDLM(5e-4, 84 * 0.02),
        1,
        one_by_one=True,
    ),
    "cifar": Workload(cifar, colour, m.CrossEntropy(0.1), lambda: m.AdamW(1e-3), 40),
    "every layer": Workload(every_layer, colour, m.MSE(), lambda: m.SGD(0.05, 0.9), 37),
}


def batches(workload: Workload, steps: int, images: int = IMAGES) -> Iterator[Array]:
    """The image numbers of each step."""
    for step in range(steps):
        yield (np.arange(workload.batch) + step * workload.batch) % images


def train(workload: Workload, net: m.Network, optimizer: Any, source: Any, steps: int, images: int = IMAGES) -> float:
    """Train this many steps and return the sum of the losses."""
    labels, total = classes(images), 0.0
    if workload.one_by_one:
        optimizer.estimate(net, workload.loss, source, labels, np.arange(50))
    for chosen in batches(workload, steps, images):
        total += net.loss_and_grads(workload.loss, source, labels, chosen)
        optimizer.step(net)
    return total
