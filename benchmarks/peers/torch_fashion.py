"""The networks of the Fashion-MNIST recipes in PyTorch, with minicnn's initial parameters, and a training by a recipe."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from minicnn import Network
from minicnn.data.pixels import shuffled

FORMS = {"channels_first": torch.contiguous_format, "channels_last": torch.channels_last}
OPTIMIZERS: dict[str, Any] = {
    "adam": lambda parameters, lr: torch.optim.Adam(parameters, lr, fused=True),
    "adamw": lambda parameters, lr: torch.optim.AdamW(parameters, lr, fused=True),
    "sgd": lambda parameters, lr: torch.optim.SGD(parameters, lr, momentum=0.9, fused=True),
}
WARM, TRIED = 3, 12
"""Steps before the layouts are timed, and those that are."""


def convnet(channels: int, classes: int) -> nn.Sequential:
    """``mnist_convnet`` for images of 28×28."""
    stage = (nn.Conv2d(channels, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2))
    return nn.Sequential(*stage, nn.Dropout(0.5), nn.Flatten(), nn.Linear(1600, classes))


class Block(nn.Module):
    """A block of ``resnet8``: where it strides, background goes below and to the right, and a convolution stands beside it."""

    def __init__(self, channels: int, filters: int, stride: int) -> None:
        super().__init__()
        self.strides = stride > 1
        self.conv1 = nn.Conv2d(channels, filters, 3, stride=stride, padding=0 if self.strides else 1)
        self.norm1 = nn.BatchNorm2d(filters)
        self.conv2 = nn.Conv2d(filters, filters, 3, padding=1)
        self.norm2 = nn.BatchNorm2d(filters)
        self.beside: nn.Module = nn.Conv2d(channels, filters, 1, stride=stride) if self.strides else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Relu of both ways added."""
        whole = F.pad(x, (0, 1, 0, 1)) if self.strides else x
        y: Tensor = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(whole)))))
        return F.relu(y + self.beside(x))


def resnet8(channels: int, classes: int) -> nn.Sequential:
    """``resnet8`` for images whose sides are multiples of 4."""
    start = (nn.Conv2d(channels, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU())
    blocks = (Block(16, 16, 1), Block(16, 32, 2), Block(32, 64, 2))
    return nn.Sequential(*start, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, classes))


MODULES = {"mnist_convnet": convnet, "resnet8": resnet8}


def module_of(name: str, net: Network, form: str) -> Any:
    """A model with the parameters of a network, which come in the same order, in a memory format."""
    module = MODULES[name](net.in_shape[0], net.out_shape[0])
    for tensor, value in zip(module.parameters(), net.params.values(), strict=True):
        tensor.data = torch.from_numpy(value.reshape(tensor.shape).copy())
    return module.to(memory_format=FORMS[form])  # type: ignore[call-overload]


class Data:
    """Images of a data set as tensors in memory, and their class numbers.

    Args:
        images: (N, C, H, W) float32.
        labels: (N,) class numbers.
        form: the memory format.
    """

    def __init__(self, images: np.ndarray[Any, Any], labels: np.ndarray[Any, Any], form: str) -> None:
        self.images = torch.from_numpy(images).contiguous(memory_format=FORMS[form])
        self.labels = torch.from_numpy(labels.astype(np.int64))


class Training:
    """A module, its optimiser and its images: each ``step`` is one of training.

    Args:
        name: of the model.
        net: minicnn's, with the initial parameters.
        data: the images.
        form: the memory format.
        recipe: of ``examples/training.py``, with cross-entropy.
    """

    def __init__(self, name: str, net: Network, data: Data, form: str, recipe: Any) -> None:
        self.module, self.data, self.recipe = module_of(name, net, form), data, recipe
        self.optimizer = OPTIMIZERS[recipe.optimizer](self.module.parameters(), recipe.lr)
        self.loss = nn.CrossEntropyLoss()

    def step(self, chosen: np.ndarray[Any, Any]) -> None:
        """One step with these images."""
        batch = torch.from_numpy(chosen)
        self.optimizer.zero_grad()
        self.loss(self.module(self.data.images[batch]), self.data.labels[batch]).backward()
        self.optimizer.step()

    def epochs(self, learn: np.ndarray[Any, Any], seed: int) -> None:
        """The whole training, with minicnn's order and schedule."""
        size, recipe = self.recipe.batch_size, self.recipe
        starts = range(0, len(learn), size)
        for epoch in range(1, recipe.epochs + 1):
            order = shuffled(learn, seed, epoch)
            for number, start in enumerate(starts):
                step = (epoch - 1) * len(starts) + number
                rate = recipe.lr * recipe.decay ** (epoch - 1) * recipe.schedule(step, recipe.epochs * len(starts))
                self.optimizer.param_groups[0]["lr"] = rate
                self.step(order[start : start + size])

    def outputs(self, images: Any) -> np.ndarray[Any, Any]:
        """The outputs for images, as at inference."""
        self.module.eval()
        with torch.inference_mode():
            found: np.ndarray[Any, Any] = np.concatenate([self.module(part).numpy() for part in images.split(1000)])
        self.module.train()
        return found


def faster(name: str, net: Network, images: np.ndarray[Any, Any], labels: np.ndarray[Any, Any], recipe: Any) -> str:
    """The memory format in which a few steps take less time."""
    took = {}
    for form in FORMS:
        training = Training(name, net, Data(images, labels, form), form, recipe)
        seconds = []
        for number in range(WARM + TRIED):
            started = time.perf_counter()
            training.step(np.arange(recipe.batch_size) + number % 3)
            seconds.append(time.perf_counter() - started)
        took[form] = sorted(seconds[WARM:])[TRIED // 2]
    return min(took, key=lambda form: took[form])
