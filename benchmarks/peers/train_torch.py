"""PyTorch's training loop, eager or compiled, in either memory format."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from harness.cases import Case, Data, order

from minicnn import Network
from peers.torch_peers import MODULES


def forget_compiled() -> None:
    """Allow the next network to be compiled: PyTorch compiles only eight versions of a function and runs others eagerly."""
    torch.compiler.reset()


class Loop:
    """Each call of ``step`` is one training step.

    Args:
        module: the network.
        criterion: the loss, of outputs and targets.
        images, targets: all of them, on the network's device.
        optimizer: of the module's parameters.
        batch: images in a step.
        compiled: whether ``torch.compile`` compiles the network and its loss into one function.
    """

    def __init__(
        self, module: Any, criterion: Any, images: Any, targets: Any, optimizer: Any, batch: int, compiled: bool = False
    ) -> None:
        def loss(x: Any, target: Any) -> Any:
            return criterion(module(x), target)

        self.loss: Any = torch.compile(loss) if compiled else loss
        self.images, self.targets, self.optimizer, self.batch = images, targets, optimizer, batch
        self.device, self._next = images.device, order(len(images), batch)

    def step(self) -> Any:
        """One step; returns its loss as a tensor without waiting for it."""
        return self.learn(torch.from_numpy(self._next()).to(self.device))

    def learn(self, index: Any) -> Any:
        """One step with these images."""
        self.optimizer.zero_grad()
        loss = self.loss(self.images[index], self.targets[index])
        loss.backward()
        self.optimizer.step()
        return loss.detach()


class Torch(Loop):
    """The training of a case, with a fused optimiser.

    Args:
        case: the network and its recipe.
        net: minicnn's network, which has the initial parameters.
        data: the images.
        channels_last: the memory format.
        compiled: whether ``torch.compile`` compiles the network and its loss into one function.
        device: the device of the network and its images.
    """

    def __init__(self, case: Case, net: Network, data: Data, channels_last: bool, compiled: bool, device: str = "cpu") -> None:
        form = torch.channels_last if channels_last else torch.contiguous_format
        module: Any = MODULES[case.name](net)
        module.to(device, memory_format=form)
        images = torch.from_numpy(data.images).to(device).contiguous(memory_format=form)
        labels = torch.from_numpy(data.labels.astype(np.int64))
        vectors = np.where(np.arange(10) == data.labels[:, None], getattr(case.loss, "on", 1), getattr(case.loss, "off", 0))
        classes = type(case.loss).__name__ == "CrossEntropy"
        targets = (labels if classes else torch.from_numpy(vectors.astype(np.float32))).to(device)
        criterion: Any = torch.nn.CrossEntropyLoss() if classes else torch.nn.MSELoss()
        parameters = module.parameters()
        if case.adam:
            optimizer: Any = torch.optim.Adam(parameters, lr=case.rate, fused=True)
        else:
            optimizer = torch.optim.SGD(parameters, lr=case.rate, momentum=0.9, fused=True)
        super().__init__(module, criterion, images, targets, optimizer, case.batch, compiled)
