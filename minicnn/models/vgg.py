"""A plain deep network of 3×3 convolutions, with batch normalisation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from ..arrays import Shape
from ..network import Network
from ..nn import BatchNorm1d, BatchNorm2d, Conv2d, Dense, Dropout, MaxPool2d, ReLU
from ..nn.init import HeNormal
from .options import NetworkOptions

if TYPE_CHECKING:
    from ..engine.graph import Item


def vgg_small(num_classes: int = 10, in_shape: Shape = (3, 32, 32), **options: Unpack[NetworkOptions]) -> Network:
    """Three blocks of two 3×3 convolutions, 32, 64 and 128 filters, and a dense layer of 128 units: 551,722 parameters.

    The network for CIFAR-10 of Brownlee (*How to Develop a CNN From Scratch for CIFAR-10*, 2019), after Simonyan and Zisserman
    (2015). With the running statistics there are 552,874 numbers. Its source normalises behind ReLU; here batch
    normalisation stands before it, as in PyTorch's ``vgg11_bn``, so that prediction can do it in the convolution.

    Args:
        num_classes: how many outputs there are, logits.
        in_shape: shape of one image, (C, H, W), at least 8×8.
        **options: see ``Network``.

    Raises:
        OptionError: an option is outside its range.
        ShapeError: in_shape does not fit the layers.

    >>> len(vgg_small(threads=1).params.flat)
    551722
    """
    init = HeNormal()
    items: list[Item] = []
    for block, (filters, rate) in enumerate(((32, 0.2), (64, 0.3), (128, 0.4)), 1):
        for number in (1, 2):
            items += [
                (f"conv{block}-{number}", Conv2d(filters, 3, padding="same", init=init)),
                (f"norm{block}-{number}", BatchNorm2d()),
                ReLU(),
            ]
        items += [MaxPool2d(2), (f"drop{block}", Dropout(rate))]
    items += [("dense", Dense(128, init=init)), ("norm4", BatchNorm1d()), ReLU(), ("drop4", Dropout(0.5))]
    return Network([*items, ("output", Dense(num_classes))], in_shape, **options)
