"""Small networks without branches: for digits, for sounds, and of depthwise separable convolutions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from ..arrays import Shape
from ..network import Network
from ..nn import (
    BatchNorm1d,
    BatchNorm2d,
    Conv1d,
    Conv2d,
    Dense,
    Dropout,
    Flatten,
    GlobalAvgPool2d,
    MaxPool1d,
    MaxPool2d,
    ReLU,
    Reshape,
)
from ..nn.init import GlorotUniform
from .options import NetworkOptions

if TYPE_CHECKING:
    from ..engine.graph import Item


def mnist_convnet(num_classes: int = 10, in_shape: Shape = (1, 28, 28), **options: Unpack[NetworkOptions]) -> Network:
    """Keras's example ``mnist_convnet``: two convolutions with maxima, dropout, one dense layer; 34,826 parameters.

    Args:
        num_classes: how many outputs there are, logits.
        in_shape: shape of one image, (C, H, W).
        **options: see ``Network``.

    Raises:
        OptionError: an option is outside its range.
        ShapeError: in_shape does not fit the layers.

    >>> len(mnist_convnet(threads=1).params.flat)
    34826
    """
    init = GlorotUniform()
    items: list[Item] = [
        ("conv1", Conv2d(32, 3, init=init)),
        ReLU(),
        MaxPool2d(2),
        ("conv2", Conv2d(64, 3, init=init)),
        ReLU(),
        MaxPool2d(2),
        ("drop", Dropout(0.5)),
        ("output", Dense(num_classes, init=init)),
    ]
    return Network(items, in_shape, **options)


def _separable(name: str, channels: int, filters: int, stride: int = 1) -> list[Item]:
    """A convolution of each channel by itself, and one of one tap over all of them (Howard et al., 2017)."""
    return [
        (f"{name}-depthwise", Conv2d(channels, 3, stride=stride, padding="same", groups=channels)),
        (f"{name}-norm1", BatchNorm2d()),
        ReLU(),
        (f"{name}-pointwise", Conv2d(filters, 1)),
        (f"{name}-norm2", BatchNorm2d()),
        ReLU(),
    ]


def mobilenet_small(num_classes: int = 2, in_shape: Shape = (3, 96, 96), **options: Unpack[NetworkOptions]) -> Network:
    """MobileNet with a quarter of its filters, as in MLPerf Tiny's person detection (Banbury et al., 2021): 216,322 parameters.

    With the running statistics there are 221,794 numbers.

    Args:
        num_classes: how many outputs there are, logits.
        in_shape: shape of one image, (C, H, W).
        **options: see ``Network``.

    Raises:
        OptionError: an option is outside its range.
        ShapeError: in_shape does not fit the layers.

    >>> len(mobilenet_small(threads=1).params.flat)
    216322
    """
    widths = [(16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2), *[(128, 1)] * 5, (256, 2), (256, 1)]
    items: list[Item] = [("conv", Conv2d(8, 3, stride=2, padding="same")), ("norm", BatchNorm2d()), ReLU()]
    channels = 8
    for number, (filters, stride) in enumerate(widths, 1):
        items += _separable(f"block{number}", channels, filters, stride)
        channels = filters
    return Network([*items, GlobalAvgPool2d(), ("output", Dense(num_classes))], in_shape, **options)


def keyword_cnn(num_classes: int = 12, in_shape: Shape = (1, 49, 10), **options: Unpack[NetworkOptions]) -> Network:
    """The DS-CNN for keywords in 49 frames of 10 features, as in MLPerf Tiny (Zhang et al., 2017): 23,756 parameters.

    With the running statistics there are 24,908 numbers. For sound itself, an ``in_shape`` of (channels, samples), it is M5
    (Dai et al., 2016) as in PyTorch's tutorial on speech commands: 25,420 parameters, 26,915 for the 35 classes of its source.

    Args:
        num_classes: how many outputs there are, logits.
        in_shape: shape of one spectrogram, (1, frames, features); or of one sound, (1, 8000), of at least 6,848 samples.
        **options: see ``Network``.

    Raises:
        OptionError: an option is outside its range.
        ShapeError: in_shape does not fit the layers.

    >>> len(keyword_cnn(threads=1).params.flat), len(keyword_cnn(35, (1, 8000), threads=1).params.flat)
    (23756, 26915)
    """
    if len(in_shape) == 2:
        return _m5(num_classes, in_shape, options)
    items: list[Item] = [
        ("conv", Conv2d(64, (10, 4), stride=2, padding="same")),
        ("norm", BatchNorm2d()),
        ReLU(),
        ("drop1", Dropout(0.2)),
    ]
    for number in range(1, 5):
        items += _separable(f"block{number}", 64, 64)
    return Network([*items, ("drop2", Dropout(0.4)), GlobalAvgPool2d(), ("output", Dense(num_classes))], in_shape, **options)


def _m5(num_classes: int, in_shape: Shape, options: NetworkOptions) -> Network:
    """Four convolutions along the samples, each with batch normalisation and maxima, and the means of what is left."""
    items: list[Item] = []
    for number, (filters, taps, stride) in enumerate(((32, 80, 16), (32, 3, 1), (64, 3, 1), (64, 3, 1)), 1):
        items += [
            (f"conv{number}", Conv1d(filters, taps, stride=stride)),
            (f"norm{number}", BatchNorm1d()),
            ReLU(),
            MaxPool1d(4),
        ]
    return Network([*items, Reshape((64, 1, -1)), GlobalAvgPool2d(), ("output", Dense(num_classes))], in_shape, **options)


def small_network(in_shape: Shape, outputs: int) -> list[Item]:
    """The layers of the default network: two convolutions, pooled where maps are large enough, and two dense layers."""
    items: list[Item] = []
    tall, wide = in_shape[1:]
    for number, maps in ((1, 16), (2, 32)):
        items += [(f"C{number}", Conv2d(maps, kernel_size=3, padding=1)), ReLU()]
        if min(tall, wide) >= 4:
            items.append(MaxPool2d(2))
            tall, wide = tall // 2, wide // 2
    return [*items, Flatten(), ("F3", Dense(64)), ReLU(), ("output", Dense(outputs))]
