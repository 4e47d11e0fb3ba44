"""PyTorch's training loop on a GPU: eager, or every step as a replay of a CUDA graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from harness.cases import Case, Data

from minicnn import Network
from peers.train_torch import Torch

WARM_UP = 3
"""Steps before a graph is recorded, as PyTorch's documentation requires: libraries choose their algorithms in them."""


def without_tf32() -> None:
    """Make convolutions and matrix products use full float32 precision, as minicnn does."""
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False


class Eager(Torch):
    """Each call of ``step`` launches one step.

    Args:
        case: the network and its recipe.
        net: minicnn's network, which has the initial parameters.
        data: the images.
        channels_last: the memory format.
    """

    def __init__(self, case: Case, net: Network, data: Data, channels_last: bool) -> None:
        super().__init__(case, net, data, channels_last, compiled=False, device="cuda")

    def finish(self) -> None:
        """Wait for all steps."""
        torch.cuda.synchronize()


class Graphs(Eager):
    """A step recorded once and replayed with other images."""

    def __init__(self, case: Case, net: Network, data: Data, channels_last: bool) -> None:
        super().__init__(case, net, data, channels_last)
        for group in self.optimizer.param_groups:
            if "capturable" in group:
                group["capturable"] = True  # Adam counts its steps on the device
        self._index = torch.arange(self.batch, device=self.device)
        cuda: Any = torch.cuda  # its streams have no types
        to_device_async = cuda.Stream()
        to_device_async.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(to_device_async):
            undone(self.optimizer, lambda: [self.learn(self._index) for _ in range(WARM_UP)])
        torch.cuda.current_stream().wait_stream(to_device_async)
        self._graph = torch.cuda.CUDAGraph()
        self.optimizer.zero_grad()
        with torch.cuda.graph(self._graph):
            self._loss = self.learn(self._index)

    def step(self) -> Any:
        """One step; its loss as a tensor, which the next step overwrites."""
        self._index.copy_(torch.from_numpy(self._next()))
        self._graph.replay()
        return self._loss


def undone(optimizer: Any, work: Callable[[], object]) -> None:
    """Run some steps, then restore parameters and optimizer state in place."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    start = [p.detach().clone() for p in parameters]
    work()
    with torch.no_grad():
        for p, before in zip(parameters, start, strict=True):
            p.copy_(before)
        for memory in optimizer.state.values():
            for value in memory.values():
                if isinstance(value, torch.Tensor):
                    value.zero_()


FORMS: dict[str, Callable[[Case, Network, Data, bool], Eager]] = {"eager": Eager, "graphs": Graphs}
"""The contenders on a GPU."""
