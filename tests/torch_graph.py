"""A network of this package evaluated by PyTorch, item by item, with the parameters of the network: whatever its graph."""

import torch
from torch.nn import functional as F  # noqa: N812

import minicnn as m

VALUES = {
    m.Add: lambda layer, xs: sum(xs[1:], xs[0]),
    m.Concat: lambda layer, xs: torch.cat(xs, 1),
    m.Conv2d: lambda layer, xs, W, b=None: F.conv2d(xs[0], W, b, padding=layer.padding),
    m.BatchNorm2d: lambda layer, xs, W=None, b=None: F.batch_norm(xs[0], None, None, W, b, training=True, eps=layer.eps),
    m.Dense: lambda layer, xs, W, b=None: F.linear(xs[0].flatten(1), W, b),
    m.ReLU: lambda layer, xs: F.relu(xs[0]),
    m.Tanh: lambda layer, xs: torch.tanh(xs[0]),
    m.MaxPool2d: lambda layer, xs: F.max_pool2d(xs[0], layer.kernel_size),
}
"""The output of a layer in training, by its class."""


def evaluated(net, x):
    """The output of a network for x, and its parameters as tensors that have a gradient then."""
    params = {name: torch.tensor(value.copy(), requires_grad=True) for name, value in net.params.items()}
    values = [x]
    for placed in net.layers:
        own = {name: params[f"{placed.owner}.{name}"] for name in placed.plan.params}
        values.append(VALUES[type(placed.layer)](placed.layer, [values[number] for number in placed.inputs], **own))
    return values[-1], params
