"""The networks in PyTorch, written for speed: C3 is one dense convolution with masked weights.

The state_dicts have minicnn's names; ``pack`` and ``unpack`` convert between packed and dense kernels of C3.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from minicnn import Network, SparseConv2d


class Subsample(nn.Module):
    """One coefficient and one bias for each map, applied to the sum of every 2×2 window."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """The mean times four coefficients, plus the bias."""
        return F.avg_pool2d(x, 2) * (4 * self.weight) + self.bias


class Sparse(nn.Module):
    """A dense convolution whose weights are gathered from packed kernels, zero where there is no link."""

    def __init__(self, layer: SparseConv2d) -> None:
        super().__init__()
        links = np.array(layer.links)
        groups = layer.group_sizes or (1,) * len(layer.table)
        kernels = int(links[:, 2].max()) + 1
        index = np.full((len(layer.table), int(links[:, 1].max()) + 1), kernels)  # the kernel past the last one is zero
        index[links[:, 0], links[:, 1]] = links[:, 2]
        self.weight, self.bias = nn.Parameter(torch.zeros(kernels, 5, 5)), nn.Parameter(torch.zeros(len(groups)))
        self.index: Tensor
        self.register_buffer("index", torch.from_numpy(index), persistent=False)  # moves with the module to its device
        self.group: Tensor
        self.register_buffer("group", torch.from_numpy(np.repeat(np.arange(len(groups)), groups)), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """The convolution."""
        return F.conv2d(x, F.pad(self.weight, (0, 0, 0, 0, 0, 1))[self.index], self.bias[self.group])


def classic(net: Network) -> nn.Sequential:
    """The network of 1998 with the activation function of the paper."""

    class ScaledTanh(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return 1.7159 * torch.tanh(2 / 3 * x)

    parts: dict[str, nn.Module] = {
        "C1": nn.Conv2d(1, 6, 5),
        "f1": ScaledTanh(),
        "S2": Subsample(6),
        "f2": ScaledTanh(),
        "C3": Sparse(_sparse(net)),
        "f3": ScaledTanh(),
        "S4": Subsample(16),
        "f4": ScaledTanh(),
        "C5": nn.Conv2d(16, 120, 5),
        "f5": ScaledTanh(),
        "flatten": nn.Flatten(),
        "F6": nn.Linear(120, 84),
        "f6": ScaledTanh(),
        "output": nn.Linear(84, 10),
    }
    return _filled(parts, net)


def lenet5s(net: Network) -> nn.Sequential:
    """The network with shared C3 kernels."""
    return _filled(_relu(nn.Conv2d(1, 6, 5), Sparse(_sparse(net)), nn.AvgPool2d(2)), net)


def modern(net: Network) -> nn.Sequential:
    """The network as it is usually written today."""
    return _filled(_relu(nn.Conv2d(1, 6, 5, padding=2), nn.Conv2d(6, 16, 5), nn.MaxPool2d(2)), net)


def cifar_cnn(net: Network) -> nn.Sequential:
    """Three convolutions and two dense layers."""
    parts: dict[str, nn.Module] = {}
    for number, (channels, filters) in enumerate(((3, 32), (32, 64), (64, 128)), 1):
        parts |= {
            f"C{number}": nn.Conv2d(channels, filters, 3, padding=1),
            f"f{number}": nn.ReLU(),
            f"S{number}": nn.MaxPool2d(2),
        }
    parts |= {"flatten": nn.Flatten(), "F4": nn.Linear(2048, 192), "f4": nn.ReLU(), "output": nn.Linear(192, 10)}
    return _filled(parts, net)


MODULES = {"lenet5": classic, "lenet5, floats": classic, "lenet5s": lenet5s, "lenet5_modern": modern, "cifar_cnn": cifar_cnn}
"""How the network of a case is made, by the case's name."""


def _relu(c1: nn.Module, c3: nn.Module, pool: nn.Module) -> dict[str, nn.Module]:
    return {
        "C1": c1,
        "f1": nn.ReLU(),
        "S2": pool,
        "C3": c3,
        "f3": nn.ReLU(),
        "S4": pool,
        "flatten": nn.Flatten(),
        "C5": nn.Linear(400, 120),
        "f5": nn.ReLU(),
        "F6": nn.Linear(120, 84),
        "f6": nn.ReLU(),
        "output": nn.Linear(84, 10),
    }


def _sparse(net: Network) -> SparseConv2d:
    layer = {bound.name: bound.layer for bound in net.layers}["C3"]
    assert isinstance(layer, SparseConv2d)
    return layer


def _filled(parts: dict[str, nn.Module], net: Network) -> nn.Sequential:
    """The module with the parameters of a network."""
    module = nn.Sequential()
    for name, part in parts.items():
        module.add_module(name, part)
    state: dict[str, Any] = {}
    for name, value in module.state_dict().items():
        own = net.params[name.replace(".weight", ".W").replace(".bias", ".b")]
        state[name] = torch.from_numpy(own.reshape(value.shape).copy())
    module.load_state_dict(state)
    return module
