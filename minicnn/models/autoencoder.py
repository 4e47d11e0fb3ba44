"""A network that draws its image anew from a few numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from ..arrays import Shape
from ..errors import ShapeError
from ..network import Network
from ..nn import Conv2d, MaxPool2d, ReLU, Sigmoid, Upsample
from ..nn.init import GlorotUniform
from .options import NetworkOptions

if TYPE_CHECKING:
    from ..engine.graph import Item


def conv_autoencoder(in_shape: Shape = (1, 28, 28), logits: bool = False, **options: Unpack[NetworkOptions]) -> Network:
    """The convolutional autoencoder of *Building Autoencoders in Keras* (Chollet, 2016): 4,385 parameters.

    28×28 → three 3×3 convolutions, each with ReLU and a maximum over 2×2 → 8 maps of 4×4, the code → three convolutions, each
    with ReLU and pixels repeated 2×2 → a convolution and the sigmoid. The target is the image itself, between 0 and 1.

    Args:
        in_shape: shape of one image, (C, H, W), with H and W multiples of 4. Where one is no multiple of 8, the convolution
            before the last one has no padding there, as in the source, so that the output is as large as the image.
        logits: leave the sigmoid out, for ``BCEWithLogits``.
        **options: see ``Network``.

    Raises:
        ShapeError: images of another size.

    >>> net = conv_autoencoder(threads=1)
    >>> len(net.params.flat), net.out_shape
    (4385, (1, 28, 28))
    """
    if not isinstance(in_shape, tuple) or len(in_shape) != 3 or any(size % 4 for size in in_shape[1:]):
        what = f"expected images (C, H, W) with H and W multiples of 4, got {in_shape}"
        raise ShapeError("conv_autoencoder", what, "pad the images, as with Pixels(..., size=32)")
    channels, height, width = in_shape
    init = GlorotUniform()
    items: list[Item] = []
    for number, filters in enumerate((16, 8, 8), 1):
        items += [
            (f"encode{number}", Conv2d(filters, 3, padding="same", init=init)),
            ReLU(),
            MaxPool2d(2, ceil_mode=True),
        ]
    last = (int(height % 8 == 0), int(width % 8 == 0))
    for number, (filters, padding) in enumerate(((8, (1, 1)), (8, (1, 1)), (16, last)), 1):
        items += [(f"decode{number}", Conv2d(filters, 3, padding=padding, init=init)), ReLU(), Upsample(2)]
    items.append(("output", Conv2d(channels, 3, padding="same", init=init)))
    return Network(items if logits else [*items, Sigmoid()], in_shape, **options)
