"""A network of this package and the same one in PyTorch, how they train, and what their PyTorch forms have in common."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import nn
from torch.nn import functional as F  # noqa: N812

import minicnn as m
from minicnn.engine.graph import items_of


@dataclass(frozen=True)
class Case:
    """A network that people train, written twice.

    Args:
        ours: its items; or, given the shape of an image, one of this package's models.
        theirs: the same in PyTorch, parameters in the same order. ``nn.LazyLinear`` finds out how many inputs it has.
        shape: the shape of an image in the test of every day: as small as the network allows with all of its layers.
        real: the shape that the network is made for, tried with ``--full``.
        task: what it learns: ``"classes"``, ``"image"`` for its own input, ``"mask"`` for a bit for each pixel, ``"pair"`` for
            a bit for two images, or ``"heads"`` for a class and a number.
        rate: of gradient descent with momentum 0.9.
        outputs: the names of its outputs, where there are several.
    """

    ours: Sequence[Any] | Callable[..., m.Network]
    theirs: Callable[[], nn.Module]
    shape: tuple[int, ...] | dict[str, tuple[int, ...]]
    real: tuple[int, ...] | dict[str, tuple[int, ...]]
    task: str = "classes"
    rate: float = 0.02
    outputs: tuple[str, ...] | None = None

    def network(self, shape, **options):
        """It on images of a shape. Dropout stays in its place with a rate of 0, as PyTorch drops other elements."""
        given = self.ours
        if callable(given):
            made = given(in_shape=shape, threads=1)
            given = items_of(made.layers, made.in_shapes)
        return m.Network([without_dropout(item) for item in given], shape, outputs=self.outputs, **options)


def without_dropout(item):
    """The item; dropout of no element in place of one of some."""
    name, layer, *inputs = item if isinstance(item, tuple) else (None, item)
    layer = replace(layer, rate=0.0) if isinstance(layer, m.Dropout | m.Dropout2d) else layer
    return layer if name is None else (name, layer, *inputs)


class Same(nn.Conv2d):
    """A convolution with TensorFlow's padding ``same``: an odd zero stands at the end."""

    def forward(self, x):
        frame = []
        for size, taps, stride in zip(x.shape[2:], self.kernel_size, self.stride, strict=True):
            total = max((-(-size // stride) - 1) * stride + taps - size, 0)
            frame = [total // 2, total - total // 2, *frame]
        return F.conv2d(F.pad(x, frame), self.weight, self.bias, self.stride, 0, 1, self.groups)


class Mean(nn.Module):
    """The mean of every map or row."""

    def forward(self, x):
        return x.flatten(2).mean(2)


def bits(y, target):
    """PyTorch's loss for numbers that are 0 or 1."""
    return F.binary_cross_entropy_with_logits(y, target)


OURS = {
    "classes": m.CrossEntropy(),
    "image": m.MSE(),
    "mask": m.BCEWithLogits(),
    "pair": m.BCEWithLogits(),
    "heads": {"class": m.CrossEntropy(), "size": (m.MSE(), 0.5)},
}
"""The loss of each task."""

THEIRS = {
    "classes": F.cross_entropy,
    "image": F.mse_loss,
    "mask": bits,
    "pair": bits,
    "heads": lambda y, target: F.cross_entropy(y[0], target["class"]) + 0.5 * F.mse_loss(y[1], target["size"]),
}
"""The same in PyTorch, of outputs and targets."""
