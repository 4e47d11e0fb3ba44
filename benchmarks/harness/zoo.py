"""The models of the package, each with what it learns in a benchmark."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from harness.cases import Array
from minicnn import MLE, MSE, BCEWithLogits, CrossEntropy, Dropout, Network, models
from minicnn.engine.graph import items_of
from minicnn.nn.losses import Loss

LOSSES: dict[str, Loss] = {"classes": CrossEntropy(), "penalties": MLE(), "image": MSE(), "mask": BCEWithLogits()}
"""The loss of each task."""


@dataclass(frozen=True)
class Model:
    """A model and its training.

    Attributes:
        make: makes the network.
        task: what it learns, one of ``LOSSES``.
        rate: of gradient descent with momentum 0.9; small where rounding grows from step to step, as in MobileNets in float32.
    """

    make: Callable[..., Network]
    task: str = "classes"
    rate: float = 0.01

    @property
    def loss(self) -> Loss:
        """Ours, of its task."""
        return LOSSES[self.task]

    def data(self, images: int) -> tuple[Array, Array]:
        """Random images (N, C, H, W) in float32 and what is to be learnt of each."""
        net = self.make(threads=1)
        rng = np.random.default_rng(0)
        x = rng.random((images, *net.in_shape), dtype=np.float32)
        if self.task in ("classes", "penalties"):
            return x, rng.integers(0, net.out_shape[0], images)
        return x, x if self.task == "image" else rng.integers(0, 2, (images, *net.out_shape)).astype(np.float32)


ZOO = {
    "lenet5": Model(models.lenet5),
    "lenet5_1998": Model(models.lenet5_1998, "penalties", 1e-4),
    "lenet5s": Model(models.lenet5s),
    "lenet5_modern": Model(models.lenet5_modern),
    "mnist_convnet": Model(models.mnist_convnet),
    "resnet8": Model(models.resnet8),
    "resnet20": Model(models.resnet20),
    "vgg_small": Model(models.vgg_small),
    "mobilenet_small": Model(models.mobilenet_small, rate=1e-5),
    "mobilenet_small, 32": Model(partial(models.mobilenet_small, 10, (3, 32, 32)), rate=1e-5),
    "squeezenet_small": Model(models.squeezenet_small),
    "keyword_cnn": Model(models.keyword_cnn),
    "keyword_cnn, sound": Model(partial(models.keyword_cnn, 35, (1, 8000))),
    "conv_autoencoder": Model(models.conv_autoencoder, "image"),
    "unet_small": Model(models.unet_small, "mask"),
}
"""Every model at its own shape; MobileNet also at that of the residual networks."""


def without_dropout(net: Network, **options: Any) -> Network:
    """The same network, in which no element is dropped, so that its losses can be compared."""
    items = [
        (name, replace(layer, rate=0.0) if isinstance(layer, Dropout) else layer, inputs)
        for name, layer, inputs in items_of(net.layers, net.in_shapes)
    ]
    return Network(items, net.in_shape, **options)
