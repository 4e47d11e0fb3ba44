"""The networks of the benchmarks, each with its images and recipe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from minicnn import MSE, Conv2d, CrossEntropy, Dense, Flatten, MaxPool2d, Network, ReLU, models
from minicnn.data import Normalise, Pixels, load_mnist
from minicnn.nn.losses import Loss

Array = np.ndarray[Any, Any]

PAPER, TORCH = Normalise.between(-0.1, 1.175), Normalise.standard(0.1307, 0.3081)


def cifar_cnn(threads: int | None = None, seed: int = 0, backend: str = "cpu") -> Network:
    """Three 3×3 convolutions, 3→32→64→128, each with ReLU and a 2×2 max pool, and two dense layers: 488,000 parameters."""
    layers: list[Any] = []
    for number, filters in enumerate((32, 64, 128), 1):
        layers += [(f"C{number}", Conv2d(filters, 3, padding=1)), (f"f{number}", ReLU()), (f"S{number}", MaxPool2d(2))]
    layers += [("flatten", Flatten()), ("F4", Dense(192)), ("f4", ReLU()), ("output", Dense(10))]
    return Network(layers, in_shape=(3, 32, 32), backend=backend, threads=threads, seed=seed)


@dataclass(frozen=True)
class Case:
    """One network with its recipe.

    Attributes:
        name: the name in the table.
        make: a function that makes the network.
        batch: images in a step.
        loss: the loss.
        adam: whether to use Adam at 1e-3 instead of gradient descent with momentum 0.9.
        rate: the learning rate.
        normalise: the normalisation of MNIST's grey levels; None for random colour images of CIFAR's size.
        floats: whether minicnn also gets float32 images (N, C, H, W) instead of MNIST's 8-bit pixels.
    """

    name: str
    make: Callable[..., Network]
    batch: int
    loss: Loss
    adam: bool
    rate: float
    normalise: Normalise | None
    floats: bool = False


CASES = (
    Case("lenet5", models.lenet5, 32, MSE(1, -1), False, 0.1, PAPER),
    Case("lenet5, floats", models.lenet5, 32, MSE(1, -1), False, 0.1, PAPER, floats=True),
    Case("lenet5s", models.lenet5s, 32, MSE(), False, 0.01, TORCH),
    Case("lenet5_modern", models.lenet5_modern, 64, CrossEntropy(), True, 1e-3, TORCH),
    Case("cifar_cnn", cifar_cnn, 64, CrossEntropy(), False, 0.01, None, floats=True),
)


@dataclass(frozen=True)
class Data:
    """The training data of all contenders.

    Attributes:
        images: (N, C, H, W) float32, as the networks see them.
        labels: (N,) class numbers.
        source: the images for minicnn: 8-bit pixels, or the same array.
    """

    images: Array
    labels: Array
    source: Any


def data_of(case: Case, size: int, images: int = 60_000) -> Data:
    """Images of size × size for a network; MNIST's packaged subset, repeated, or random numbers."""
    if case.normalise is None:
        rng = np.random.default_rng(0)
        values = rng.standard_normal((images // 2, 3, size, size), dtype=np.float32)
        return Data(values, rng.integers(0, 10, len(values)), values)
    digits = load_mnist(source="subset", log=lambda line: None)
    repeats = -(-images // len(digits.train_images))
    pixels = np.concatenate([digits.train_images] * repeats)[:images]
    labels = np.concatenate([digits.train_labels] * repeats)[:images]
    pad = (size - pixels.shape[1]) // 2
    padded = np.pad(pixels, ((0, 0), (pad, pad), (pad, pad)))
    values = (
        padded.astype(np.float32) * np.asarray(case.normalise.scale, np.float32) + np.asarray(case.normalise.shift, np.float32)
    )[:, None]
    return Data(values, labels, values if case.floats else Pixels(pixels, case.normalise, size))


def order(images: int, batch: int) -> Callable[[], Array]:
    """A function that returns the image numbers of one batch after another, shuffled again every epoch."""
    rng, waiting = np.random.default_rng(0), np.arange(0)

    def following() -> Array:
        nonlocal waiting
        if len(waiting) < batch:
            waiting = rng.permutation(images)
        taken, waiting = waiting[:batch], waiting[batch:]
        return taken

    return following


def multiply_adds(net: Network) -> int:
    """Nominal multiply-adds of a training step for one image: existing links, once forward and twice backward.

    The input gradient of the first layer is not computed. Biases and pools are not counted.

    >>> multiply_adds(models.lenet5(threads=1))
    861960
    """
    each = [links(bound) for bound in net.layers]
    first = next(n for n in each if n)
    return 3 * sum(each) - first


def links(bound: Any) -> int:
    """Multiply-adds by weights of a convolution or dense layer for one image."""
    if "W" not in bound.plan.params or type(bound.layer).__name__ == "Subsample":
        return 0
    places = int(np.prod(bound.plan.out_shape[1:]))
    if type(bound.layer).__name__ == "SparseConv2d":
        return places * len(bound.layer.links) * int(np.prod(bound.plan.params["W"].shape[1:]))
    return places * int(np.prod(bound.plan.params["W"].shape))
