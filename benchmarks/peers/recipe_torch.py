"""The training of a network by a recipe, in PyTorch, from the initial parameters of minicnn's."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from torch import nn

from minicnn import Network
from minicnn.data.pixels import shuffled
from peers.torch_zoo import images_of, module_of

FORMS = ("channels_first", "channels_last")
OPTIMIZERS: dict[str, Any] = {
    "adam": lambda parameters, lr: torch.optim.Adam(parameters, lr, fused=True),
    "adamw": lambda parameters, lr: torch.optim.AdamW(parameters, lr, fused=True),
    "sgd": lambda parameters, lr: torch.optim.SGD(parameters, lr, momentum=0.9, fused=True),
}
WARM, TRIED = 3, 12
"""Steps before the layouts are timed, and those that are."""


class Data:
    """Images of a data set as tensors in memory, and their class numbers.

    Args:
        net: whose images they are.
        images: (N, C, H, W) float32.
        labels: (N,) class numbers.
        form: the memory format.
    """

    def __init__(self, net: Network, images: np.ndarray[Any, Any], labels: np.ndarray[Any, Any], form: str) -> None:
        self.images = images_of(net, images, form == "channels_last")
        self.labels = torch.from_numpy(labels.astype(np.int64))


class Training:
    """A module, its optimiser and its images: each ``step`` is one of training.

    Args:
        net: minicnn's, with the initial parameters.
        data: the images.
        form: the memory format.
        recipe: of ``examples/training.py``, with cross-entropy.
    """

    def __init__(self, net: Network, data: Data, form: str, recipe: Any) -> None:
        self.module, self.data, self.recipe = module_of(net, form == "channels_last"), data, recipe
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


def faster(net: Network, images: np.ndarray[Any, Any], labels: np.ndarray[Any, Any], recipe: Any) -> str:
    """The memory format in which a few steps take less time."""
    took = {}
    for form in FORMS:
        training = Training(net, Data(net, images, labels, form), form, recipe)
        seconds = []
        for number in range(WARM + TRIED):
            started = time.perf_counter()
            training.step(np.arange(recipe.batch_size) + number % 3)
            seconds.append(time.perf_counter() - started)
        took[form] = sorted(seconds[WARM:])[TRIED // 2]
    return min(took, key=lambda form: took[form])
