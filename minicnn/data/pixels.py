"""Pixels as network input: stored as 8-bit grey levels, normalised and padded or resized while they are loaded into lanes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import numpy as np

from ..arrays import Array, DType
from ..backends.kernels import Kernels
from ..engine.rows import readable
from ..errors import DataError, OptionError, Options


@dataclass(frozen=True, kw_only=True)
class Normalise(Options):
    """x = grey level · scale + shift, for grey levels 0 … 255.

    Args:
        scale: change of x for one grey level.
        shift: value of the background, grey level 0.

    >>> round(Normalise.standard(0.1307, 0.3081).shift, 4)
    -0.4242
    """

    scale: float
    shift: float
    order: ClassVar[str] = "give scale and shift by name, or a mean and a deviation to Normalise.standard"

    @staticmethod
    def between(background: float, ink: float) -> Normalise:
        """Map grey level 0 to ``background`` and 255 to ``ink``; the 1998 paper uses −0.1 and 1.175."""
        return Normalise(scale=(ink - background) / 255, shift=background)

    @staticmethod
    def standard(mean: float, deviation: float) -> Normalise:
        """(grey level/255 − mean) / deviation; for MNIST 0.1307 and 0.3081."""
        return Normalise(scale=1 / (255 * deviation), shift=-mean / deviation)


@dataclass(frozen=True, eq=False)
class Pixels:
    """A source of grey or colour images.

    Args:
        images: (N, H, W) uint8, or (N, C, H, W), whose channels are all normalised alike; do not change them afterwards,
            because a GPU keeps a copy.
        normalise: how grey levels become numbers.
        size: rows and columns of the network's input; those of the images for None, and always for colour images.
        fit: ``"pad"`` surrounds the image with background, ``"resize"`` stretches it bilinearly.

    Raises:
        DataError: images are not uint8 of rank 3 or 4, or have no pixels.
        OptionError: ``fit`` cannot make this size.

    >>> Pixels(np.zeros((2, 28, 28), np.uint8), Normalise.between(-0.1, 1.175), 32, "pad").shape
    (2, 1, 32, 32)
    """

    images: Array
    normalise: Normalise
    size: int | None = None
    fit: str = "pad"
    fixed: ClassVar[bool] = True
    dtype: ClassVar[DType] = np.dtype(np.uint8)

    def __post_init__(self) -> None:
        if self.images.dtype != np.uint8 or self.images.ndim not in (3, 4):
            what = f"expected images (N, H, W) or (N, C, H, W) of uint8, got {self.images.shape} of {self.images.dtype}"
            raise DataError("Pixels", what, "give the grey levels as they are in the file")
        if 0 in self.images.shape[1:]:
            what = f"expected images of at least one pixel, got {' × '.join(map(str, self.images.shape[1:]))}"
            raise DataError("Pixels", what, "give images that hold something")
        if self.size is not None and (isinstance(self.size, bool) or not isinstance(self.size, int) or self.size < 1):
            raise OptionError("Pixels", f"expected size as a whole number of at least 1, got {self.size!r}", "give size=32")
        if self.fit not in ("pad", "resize"):
            raise OptionError("Pixels", f'expected fit "pad" or "resize", got {self.fit!r}', 'give fit="pad"')
        if self.images.ndim == 4 and (self.size is not None or self.fit != "pad"):
            what = f'expected colour images as large as the input, got size={self.size}, fit="{self.fit}"'
            raise OptionError("Pixels", what, "resize them beforehand and leave out size and fit")
        rows, columns = (wanted - given for wanted, given in zip(self.shape[2:], self.images.shape[-2:], strict=True))
        if self.fit == "pad" and (min(rows, columns) < 0 or rows % 2 or columns % 2):
            what = f"expected a size above {self.images.shape[1:]} by an even number, got {self.size}"
            raise OptionError("Pixels", what, 'give another size or fit="resize"')

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """(N, C, rows, columns), the network's input."""
        count, *channels, rows, columns = self.images.shape
        return (count, *(channels or [1]), self.size or rows, self.size or columns)

    @property
    def rows(self) -> Array:
        """The images as they are stored, one a row."""
        return self.images

    @cached_property
    def readable(self) -> Array:
        """All images in a layout that kernels can read; copied once if theirs is another."""
        return readable(self.images)

    def over(self, rows: Array) -> Pixels:
        """The same source over other images."""
        return replace(self, images=rows)

    def load(self, k: Kernels, index: Array, lanes: Array, x: Array) -> None:
        """Record the kernel that loads the chosen images into lanes."""
        images, affine = self.readable, self.affine(x.dtype)
        if self.fit == "resize":
            k.gather_resized(images, affine, index, lanes, x)
            return
        pad = np.array([(whole - given) // 2 for whole, given in zip(x.shape[1:3], images.shape[-2:], strict=True)])
        tall, width = (-1, images.shape[-1]), x.shape[2]  # channels below each other; without a border they are as one image
        k.gather_pixels(images.reshape(len(images), *tall), affine, index, pad, x.reshape(1, -1, width, x.shape[-1]))

    def affine(self, dtype: DType) -> Array:
        """The normalisation as kernels take it: scale and shift."""
        return np.array([self.normalise.scale, self.normalise.shift], dtype)


def split(images: int, validation: int, seed: int) -> tuple[Array, Array]:
    """Draw training and validation images without overlap; returns both lists of image numbers, in increasing order.

    Args:
        images: the number of images.
        validation: how many to hold out for validation.
        seed: seed of the draw.

    Raises:
        OptionError: no image would be held out, or none left to train on.

    >>> train, held_out = split(10, 3, seed=0); len(train), len(held_out)
    (7, 3)
    """
    if not 0 < validation < images:
        what = f"expected to hold out at least 1 of {images} images and leave some, got {validation}"
        raise OptionError("split", what, "hold out fewer images")
    order = np.random.default_rng([seed, 0x5EED]).permutation(images)
    return np.sort(order[validation:]), np.sort(order[:validation])


def shuffled(index: Array, seed: int, epoch: int) -> Array:
    """Shuffle the image numbers for an epoch. The order depends only on seed and epoch, so that a run can resume."""
    return np.random.default_rng([seed, epoch]).permutation(index)
