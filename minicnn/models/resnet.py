"""Residual networks for images of 32×32 pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from ..arrays import Shape
from ..network import Network
from ..nn import BatchNorm2d, Conv2d, Dense, GlobalAvgPool2d, ReLU, Residual
from ..nn.init import HeNormal
from ..nn.residual import BlockItem
from .options import NetworkOptions

if TYPE_CHECKING:
    from ..engine.graph import Item


def _block(filters: int, stride: int) -> Residual:
    """Two convolutions, and a convolution of one tap beside them where the shape changes."""
    init = HeNormal()
    layers: list[BlockItem] = [
        ("conv1", Conv2d(filters, 3, stride=stride, padding="same", init=init)),
        ("norm1", BatchNorm2d()),
        ReLU(),
        ("conv2", Conv2d(filters, 3, padding="same", init=init)),
        ("norm2", BatchNorm2d()),
    ]
    return Residual(layers, [("conv", Conv2d(filters, 1, stride=stride, init=init))] if stride > 1 else [])


def _resnet(blocks: int, num_classes: int, in_shape: Shape, options: NetworkOptions) -> Network:
    """Three stages of so many blocks, with 16, 32 and 64 filters."""
    items: list[Item] = [("conv", Conv2d(16, 3, padding="same", init=HeNormal())), ("norm", BatchNorm2d()), ReLU()]
    for stage, filters in enumerate((16, 32, 64), 1):
        for block in range(blocks):
            items.append((f"stage{stage}-{block + 1}", _block(filters, stride=2 if stage > 1 and block == 0 else 1)))
            items.append(ReLU())
    return Network([*items, GlobalAvgPool2d(), ("output", Dense(num_classes))], in_shape, **options)


def resnet8(num_classes: int = 10, in_shape: Shape = (3, 32, 32), **options: Unpack[NetworkOptions]) -> Network:
    """One residual block a stage, as in MLPerf Tiny's image classification (Banbury et al., 2021): 78,186 parameters.

    With the running statistics there are 78,666 numbers. Convolutions have biases, and where a block has stride 2 its shortcut
    is a convolution of one tap.

    Args:
        num_classes: how many outputs there are.
        in_shape: shape of one image, (C, H, W).
        **options: see ``Network``.

    Raises:
        OptionError: an option is outside its range.
        ShapeError: in_shape does not fit the layers.

    >>> len(resnet8(threads=1).params.flat)
    78186
    """
    return _resnet(1, num_classes, in_shape, options)


def resnet20(num_classes: int = 10, in_shape: Shape = (3, 32, 32), **options: Unpack[NetworkOptions]) -> Network:
    """Three residual blocks a stage (He et al., 2016, section 4.2), as Keras's example builds it: 273,066 parameters.

    With the running statistics there are 274,442 numbers. The paper's shortcuts have no parameters; here they are those of
    ``resnet8``.

    Args:
        num_classes: how many outputs there are.
        in_shape: shape of one image, (C, H, W).
        **options: see ``Network``.

    Raises:
        OptionError: an option is outside its range.
        ShapeError: in_shape does not fit the layers.

    >>> len(resnet20(threads=1).params.flat)
    273066
    """
    return _resnet(3, num_classes, in_shape, options)
