"""Any network of minicnn's in PyTorch, made from its layers, with its parameters.

Where padding ``same`` has an odd zero, it stands at the end here, and PyTorch knows symmetric padding only. Such a network gets
its images and kernels mirrored: the odd zero stands at the beginning then, and symmetric padding, of which a stride leaves the
end unread, computes the same without a copy of the map.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from harness.zoo import Model
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from minicnn import Network
from peers.torch_peers import Sparse, Subsample
from peers.train_torch import Loop


class ScaledTanh(nn.Module):
    """The activation function of 1998."""

    def forward(self, x: Tensor) -> Tensor:
        """1.7159 · tanh(2x/3)."""
        return 1.7159 * torch.tanh(2 / 3 * x)


class Centres(nn.Module):
    """Squared distances from centres."""

    def __init__(self, centres: Any) -> None:
        super().__init__()
        self.centres: Tensor
        self.register_buffer("centres", torch.tensor(centres, dtype=torch.float32))

    def forward(self, x: Tensor) -> Tensor:
        """Σ (x − centre)²."""
        return (x[:, None] - self.centres).square().sum(2)


class Mean(nn.Module):
    """The mean of every map."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C)."""
        return x.flatten(2).mean(2)


class Sum(nn.Module):
    """The sum of several values."""

    def forward(self, first: Tensor, *rest: Tensor) -> Tensor:
        """In their order."""
        for x in rest:
            first = first + x
        return first


class Joined(nn.Module):
    """Channels of several values above one another."""

    def forward(self, *xs: Tensor) -> Tensor:
        """(N, Σ C, …)."""
        return torch.cat(xs, 1)


class Later(nn.Conv2d):
    """A convolution of one tap whose places end at the last pixel, as those of a mirrored one do."""

    def forward(self, x: Tensor) -> Tensor:
        """On every ``stride``-th pixel."""
        (rows, columns), (down, right) = x.shape[2:], self.stride
        return F.conv2d(x[:, :, (rows - 1) % down :: down, (columns - 1) % right :: right], self.weight, self.bias)


def _convolution(b: Any, turned: bool) -> nn.Module:
    layer, kind = b.layer, type(b.layer).__name__
    channels, bias = b.in_shape[0], "b" in b.plan.params
    size: Any = b.in_shape[1:]
    if kind == "ConvTranspose2d":
        return nn.ConvTranspose2d(channels, layer.filters, layer.kernel_size, layer.stride, layer.padding, bias=bias)
    if kind == "Conv1d":
        return nn.Conv1d(channels, layer.filters, layer.kernel_size, layer.stride, layer.padding, bias=bias)
    window = layer.window(size)
    form = Later if turned and window.kernel == (1, 1) else nn.Conv2d
    padding = window.trailing if turned else window.padding
    return form(channels, layer.filters, window.kernel, window.stride, padding, window.dilation, layer.groups, bias)


def _pool(kind: Any) -> Callable[[Any], nn.Module]:
    return lambda b: kind(b.layer.kernel_size, b.layer.stride, b.layer.padding, ceil_mode=b.layer.ceil_mode)


def _dense(b: Any) -> nn.Module:
    linear = nn.Linear(b.plan.params["W"].shape[1], b.plan.out_shape[0], "b" in b.plan.params)
    return nn.Sequential(nn.Flatten(), linear) if len(b.in_shape) > 1 else linear


CONVOLUTIONS = ("Conv2d", "Conv1d", "ConvTranspose2d")
FORMS: dict[str, Callable[[Any], nn.Module]] = {
    "SparseConv2d": lambda b: Sparse(b.layer),
    "Subsample": lambda b: Subsample(b.in_shape[0]),
    "BatchNorm1d": lambda b: nn.BatchNorm1d(b.in_shape[0]),
    "BatchNorm2d": lambda b: nn.BatchNorm2d(b.in_shape[0]),
    "MaxPool1d": _pool(nn.MaxPool1d),
    "MaxPool2d": _pool(nn.MaxPool2d),
    "AvgPool2d": _pool(nn.AvgPool2d),
    "GlobalAvgPool2d": lambda b: Mean(),
    "Upsample": lambda b: nn.Upsample(scale_factor=b.layer.scale_factor),
    "Dense": _dense,
    "Flatten": lambda b: nn.Flatten(),
    "Reshape": lambda b: nn.Unflatten(1, (b.in_shape[0], 1)),
    "Dropout": lambda b: nn.Dropout(b.layer.rate),
    "ReLU": lambda b: nn.ReLU(),
    "Sigmoid": lambda b: nn.Sigmoid(),
    "ScaledTanh": lambda b: ScaledTanh(),
    "RBF": lambda b: Centres(b.layer.centres),
    "Add": lambda b: Sum(),
    "Concat": lambda b: Joined(),
}
"""PyTorch's module for a layer that has a place in a network and is no convolution, by its class."""


def mirrored(net: Network) -> bool:
    """Whether a convolution has an odd zero at the end."""
    windows = [b.layer.window(b.in_shape[1:]) for b in net.layers if type(b.layer).__name__ == "Conv2d"]  # type: ignore[attr-defined]
    return any(window.padding != window.trailing for window in windows)


class Zoo(nn.Module):
    """A network of minicnn's.

    Args:
        net: the network.
    """

    def __init__(self, net: Network) -> None:
        super().__init__()
        self.turned = mirrored(net)
        self.parts = nn.ModuleList(self._part(b) for b in net.layers)
        self.reads = [tuple(b.inputs) for b in net.layers]
        self._load(net)

    def forward(self, x: Tensor) -> Tensor:
        """Every layer in its order."""
        values = [x]
        for part, reads in zip(self.parts, self.reads, strict=True):
            values.append(part(*[values[number] for number in reads]))
        return values[-1]

    def _part(self, b: Any) -> nn.Module:
        kind = type(b.layer).__name__
        return _convolution(b, self.turned) if kind in CONVOLUTIONS else FORMS[kind](b)

    def _load(self, net: Network) -> None:
        placed = [b for b in net.layers if b.plan.params]
        own = [part for part in self.parts if any(True for _ in part.parameters())]
        for b, part in zip(placed, own, strict=True):
            for name, parameter in zip(b.plan.params, part.parameters(), strict=True):
                value = torch.from_numpy(net.params[f"{b.name}.{name}"].copy())
                value = value.flip(-1, -2) if self.turned and value.dim() == 4 else value
                parameter.data = value.reshape(parameter.shape).contiguous()


def images_of(net: Network, x: Any, channels_last: bool) -> Any:
    """Images as the module takes them."""
    given = torch.from_numpy(x)
    if given.dim() == 4:
        given = given.flip(-1, -2) if mirrored(net) else given
        given = given.contiguous(memory_format=torch.channels_last if channels_last else torch.contiguous_format)
    return given


def module_of(net: Network, channels_last: bool) -> Any:
    """The module in a memory format."""
    module: Any = Zoo(net)
    return module.to(memory_format=torch.channels_last) if channels_last and len(net.in_shape) == 3 else module


CRITERIA: dict[str, Any] = {
    "classes": F.cross_entropy,
    "penalties": lambda y, labels: y.gather(1, labels[:, None]).mean(),
    "image": F.mse_loss,
    "mask": F.binary_cross_entropy_with_logits,
}
"""The loss of each task."""


def training(model: Model, net: Network, x: Any, target: Any, batch: int, channels_last: bool, compiled: bool) -> Loop:
    """The training of a model from a network's parameters, with a fused optimiser."""
    module, images = module_of(net, channels_last), images_of(net, x, channels_last)
    optimizer = torch.optim.SGD(module.parameters(), lr=model.rate, momentum=0.9, fused=True)
    targets = images if model.task == "image" else torch.from_numpy(target)
    return Loop(module, CRITERIA[model.task], images, targets, optimizer, batch, compiled)
