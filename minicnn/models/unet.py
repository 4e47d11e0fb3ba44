"""U-Net: a class for every pixel, from maps that shrink and grow again beside the maps that they came from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from ..arrays import Shape
from ..errors import ShapeError
from ..network import Network
from ..nn import Concat, Conv2d, ConvTranspose2d, Dropout, MaxPool2d, ReLU
from ..nn.init import HeNormal
from .options import NetworkOptions

if TYPE_CHECKING:
    from ..engine.graph import Item

DOWN = ((16, 0.1), (32, 0.1), (64, 0.2), (128, 0.2), (256, 0.3))
"""Filters and dropout from the largest maps to the smallest."""

UP = ((128, 0.2), (64, 0.2), (32, 0.1), (16, 0.1))
"""The same on the way back."""


def _twice(name: str, filters: int, rate: float) -> list[Item]:
    """Two convolutions; the value of the second is called by the name alone."""
    init = HeNormal()
    return [
        (f"{name}-conv1", Conv2d(filters, 3, padding="same", init=init)),
        (f"{name}-act1", ReLU()),
        (f"{name}-drop", Dropout(rate)),
        (f"{name}-conv2", Conv2d(filters, 3, padding="same", init=init)),
        (name, ReLU()),
    ]


def unet_small(num_classes: int = 1, in_shape: Shape = (3, 128, 128), **options: Unpack[NetworkOptions]) -> Network:
    """A U-Net (Ronneberger, Fischer and Brox, 2015) of 16 to 256 filters: 1,941,105 parameters.

    The network of the *Keras U-Net starter* for cell nuclei (Åmdal-Sævik, 2018), with ReLU as in the paper. Its output are maps
    of logits (num_classes, H, W): train it with ``BCEWithLogits`` for one class, else with ``CrossEntropy``, whose targets
    are class numbers (N, H, W).

    Args:
        num_classes: how many maps there are.
        in_shape: shape of one image, (C, H, W), with H and W multiples of 16.
        **options: see ``Network``.

    Raises:
        ShapeError: images of another size.

    >>> net = unet_small(threads=1)
    >>> len(net.params.flat), net.out_shape
    (1941105, (1, 128, 128))
    """
    if not isinstance(in_shape, tuple) or len(in_shape) != 3 or any(size % 16 for size in in_shape[1:]):
        what = f"expected images (C, H, W) with H and W multiples of 16, got {in_shape}"
        raise ShapeError("unet_small", what, "pad the images, as with Pad2d before training")
    items: list[Item] = []
    for level, (filters, rate) in enumerate(DOWN, 1):
        items += _twice(f"down{level}", filters, rate)
        if level < len(DOWN):
            items.append((f"pool{level}", MaxPool2d(2)))
    for level, (filters, rate) in zip(range(len(UP), 0, -1), UP, strict=True):
        items.append((f"grown{level}", ConvTranspose2d(filters, 2, stride=2)))
        items.append((f"both{level}", Concat(), (f"grown{level}", f"down{level}")))
        items += _twice(f"up{level}", filters, rate)
    return Network([*items, ("output", Conv2d(num_classes, 1))], in_shape, **options)
