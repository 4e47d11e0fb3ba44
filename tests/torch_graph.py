"""A network of this package evaluated by PyTorch, item by item, with the parameters of the network: whatever its graph."""

import torch
from torch.nn import functional as F  # noqa: N812

import minicnn as m


def value_of(layer, xs, W=None, b=None):
    """The output of a layer in training."""
    x = xs[0]
    if isinstance(layer, m.Add):
        return sum(xs[1:], x)
    if isinstance(layer, m.Concat):
        return torch.cat(xs, 1)
    if isinstance(layer, m.Conv2d):
        return F.conv2d(x, W, b, stride=layer.stride, padding=layer.padding, dilation=layer.dilation, groups=layer.groups)
    if isinstance(layer, m.BatchNorm1d | m.BatchNorm2d):
        return F.batch_norm(x, None, None, W, b, training=True, eps=layer.eps)
    if isinstance(layer, m.Dense):
        return F.linear(x.flatten(1), W, b)
    if isinstance(layer, m.ReLU):
        return F.relu(x)
    if isinstance(layer, m.Tanh):
        return torch.tanh(x)
    if isinstance(layer, m.MaxPool2d):
        return F.max_pool2d(x, layer.kernel_size)
    if isinstance(layer, m.AvgPool2d):
        return F.avg_pool2d(x, layer.kernel_size)
    assert isinstance(layer, m.Flatten)
    return x.flatten(1)


def evaluated(net, x):
    """The output of a network for x, and its parameters as tensors that have a gradient then."""
    params = {name: torch.tensor(value.copy(), requires_grad=True) for name, value in net.params.items()}
    values = [x]
    for placed in net.layers:
        own = {name: params[f"{placed.owner}.{name}"] for name in placed.plan.params}
        values.append(value_of(placed.layer, [values[number] for number in placed.inputs], **own))
    return values[-1], params
