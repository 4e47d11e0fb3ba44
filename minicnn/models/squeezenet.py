"""SqueezeNet: narrow convolutions of one tap before those of nine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from ..arrays import Shape
from ..network import Network
from ..nn import Concat, Conv2d, Dropout, GlobalAvgPool2d, MaxPool2d, ReLU
from ..nn.init import HeNormal
from .options import NetworkOptions

if TYPE_CHECKING:
    from ..engine.graph import Item


def _fire(name: str, squeeze: int, expand: int) -> list[Item]:
    """A fire module: few maps, from which two convolutions make many, half of them with one tap."""
    init = HeNormal()
    return [
        (f"{name}-squeeze", Conv2d(squeeze, 1, init=init)),
        (f"{name}-few", ReLU()),
        (f"{name}-expand1", Conv2d(expand, 1, init=init), f"{name}-few"),
        (f"{name}-many1", ReLU()),
        (f"{name}-expand3", Conv2d(expand, 3, padding="same", init=init), f"{name}-few"),
        (f"{name}-many3", ReLU()),
        (name, Concat(), (f"{name}-many1", f"{name}-many3")),
    ]


def squeezenet_small(num_classes: int = 10, in_shape: Shape = (3, 64, 64), **options: Unpack[NetworkOptions]) -> Network:
    """SqueezeNet 1.1 (Iandola et al., 2016) as PyTorch's ``squeezenet1_1``: 727,626 parameters.

    For the 1,000 classes of its source there are 1,235,496.

    Args:
        num_classes: how many outputs there are, logits, none of them below 0: ReLU stands before the last mean.
        in_shape: shape of one image, (C, H, W), at least 17×17.
        **options: see ``Network``.

    Raises:
        OptionError: an option is outside its range.
        ShapeError: in_shape does not fit the layers.

    >>> len(squeezenet_small(threads=1).params.flat)
    727626
    """
    init = HeNormal()
    stages = (((16, 64), (16, 64)), ((32, 128), (32, 128)), ((48, 192), (48, 192), (64, 256), (64, 256)))
    items: list[Item] = [("conv", Conv2d(64, 3, stride=2, init=init)), ReLU()]
    number = 2
    for stage, fires in enumerate(stages, 1):
        items.append((f"pool{stage}", MaxPool2d(3, 2, ceil_mode=True)))
        for squeeze, expand in fires:
            items += _fire(f"fire{number}", squeeze, expand)
            number += 1
    items += [("drop", Dropout(0.5)), ("classes", Conv2d(num_classes, 1, init=init)), ReLU(), ("output", GlobalAvgPool2d())]
    return Network(items, in_shape, **options)
