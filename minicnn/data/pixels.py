"""Pixels as network input: stored as 8-bit grey levels, normalised and padded or resized while they are loaded into lanes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import numpy as np

from ..arrays import Array, DType
from ..backends.kernels import Kernels
from ..engine.mapped import check_mapped
from ..engine.rows import readable
from ..errors import DataError, OptionError, Options, finite


@dataclass(frozen=True, kw_only=True)
class Normalise(Options):
    """x = grey level · scale + shift, for grey levels 0 … 255.

    Args:
        scale: change of x for one grey level; a number for all channels, or a sequence of one for each.
        shift: value of the background, grey level 0; likewise.

    Raises:
        OptionError: they are no finite numbers, or sequences of different lengths.

    >>> round(Normalise.standard(0.1307, 0.3081).shift, 4)
    -0.4242
    >>> Normalise.standard([0.5, 0.25], [0.25, 0.5]).shift
    (-2.0, -0.5)
    """

    scale: float | tuple[float, ...]
    shift: float | tuple[float, ...]
    order: ClassVar[str] = "give scale and shift by name, or a mean and a deviation to Normalise.standard"

    def __post_init__(self) -> None:
        for name in ("scale", "shift"):
            given = getattr(self, name)
            if isinstance(given, Sequence | np.ndarray) and np.ndim(given) > 0:
                taken = tuple(each.item() if isinstance(each, np.generic) else each for each in given)
                for each in taken:
                    finite("Normalise", name, each, 0.5)
                object.__setattr__(self, name, taken)
            else:
                finite("Normalise", name, given.item() if isinstance(given, np.generic) else given, 0.5)
        if self.channels == 0 or len({len(each) for each in (self.scale, self.shift) if isinstance(each, tuple)}) > 1:
            what = f"expected scale and shift of one number, or of one for each channel, got {self.scale} and {self.shift}"
            raise OptionError("Normalise", what, "give both as many numbers")

    @staticmethod
    def between(background: float, ink: float) -> Normalise:
        """Map grey level 0 to ``background`` and 255 to ``ink``; the 1998 paper uses −0.1 and 1.175."""
        return Normalise(scale=(ink - background) / 255, shift=background)

    @staticmethod
    def standard(mean: float | Sequence[float], deviation: float | Sequence[float]) -> Normalise:
        """(grey level/255 − mean) / deviation; for MNIST 0.1307 and 0.3081. Sequences have a number for each channel."""
        if isinstance(mean, int | float) and isinstance(deviation, int | float):
            return Normalise(scale=1 / (255 * deviation), shift=-mean / deviation)
        means, deviations = np.broadcast_arrays(*(np.asarray(each, np.float64) for each in (mean, deviation)))
        return Normalise(scale=tuple((1 / (255 * deviations)).tolist()), shift=tuple((-means / deviations).tolist()))

    @property
    def channels(self) -> int | None:
        """How many channels it is for; None for any."""
        return next((len(each) for each in (self.scale, self.shift) if isinstance(each, tuple)), None)

    def of(self, channels: int) -> Array:
        """Scales and shifts of so many channels, (2, channels)."""
        return np.stack([np.broadcast_to(np.asarray(each, np.float64), channels) for each in (self.scale, self.shift)])


LEVELS = Normalise(scale=1.0, shift=0.0)
"""Grey levels as they are."""


@dataclass(frozen=True, eq=False)
class Pixels:
    """A source of grey or colour images.

    Args:
        images: (N, H, W) uint8, or (N, C, H, W) of any number of channels, also memory-mapped; do not change them afterwards,
            because a GPU keeps a copy. A mapped file that was cut short is refused with the next batch, but one that is cut
            short while a batch is read ends the program.
        normalise: how grey levels become numbers.
        size: rows and columns of the network's input; those of the images for None, and always for colour images.
        fit: ``"pad"`` surrounds the image with background, ``"resize"`` stretches it bilinearly.

    Raises:
        DataError: images are not uint8 of rank 3 or 4, or have no pixels.
        OptionError: ``fit`` cannot make this size, or ``normalise`` is for another number of channels.

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
        if self.normalise.channels not in (None, self.shape[1]):
            what = f"expected normalise for {self.shape[1]} channels, got one for {self.normalise.channels}"
            raise OptionError("Pixels", what, "give a number for each channel, or one for all")
        rows, columns = (wanted - given for wanted, given in zip(self.shape[2:], self.images.shape[-2:], strict=True))
        if self.fit == "pad" and (min(rows, columns) < 0 or rows % 2 or columns % 2):
            what = f"expected a size above {self.images.shape[1:]} by an even number, got {self.size}"
            raise OptionError("Pixels", what, 'give another size or fit="resize"')

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, C, rows, columns), the network's input.

        Raises:
            DataError: the images are over a file that was cut short.
        """
        if self.images.base is not None:  # a network asks for the shape with each batch
            check_mapped("Pixels", self.images)
        return self._shape

    @cached_property
    def _shape(self) -> tuple[int, ...]:
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
        """Record the kernels that load the chosen images into lanes."""
        if len(x) == 1 or self.normalise.channels is None:
            self._gather(k, self.affine(x.dtype), index, lanes, x)
        else:
            self.levels(k, index, lanes, x)
            self.normalised(k, x, x)

    def levels(self, k: Kernels, index: Array, lanes: Array, x: Array) -> None:
        """Record the kernel that loads the chosen images as grey levels."""
        self._gather(k, np.array([1, 0], x.dtype), index, lanes, x)

    def normalised(self, k: Kernels, levels: Array, x: Array) -> None:
        """Record the kernel that normalises grey levels in lanes; x may be ``levels``."""
        channels, wide, (scale, shift) = len(x), (len(x), -1, x.shape[-1]), self.normalise.of(len(x)).astype(x.dtype)
        stats = np.stack([np.zeros(channels, x.dtype), np.ones(channels, x.dtype)])  # a mean of 0 and a deviation of 1
        k.normalize(levels.reshape(wide), stats, scale, shift, x.reshape(wide))

    def _gather(self, k: Kernels, affine: Array, index: Array, lanes: Array, x: Array) -> None:
        images = self.readable
        if self.fit == "resize":
            k.gather_resized(images, affine, index, lanes, x)
            return
        pad = np.array([(whole - given) // 2 for whole, given in zip(x.shape[1:3], images.shape[-2:], strict=True)])
        tall, width = (-1, images.shape[-1]), x.shape[2]  # channels below each other; without a border they are as one image
        k.gather_pixels(images.reshape(len(images), *tall), affine, index, pad, x.reshape(1, -1, width, x.shape[-1]))

    def affine(self, dtype: DType) -> Array:
        """The normalisation as kernels take it: scale and shift of the first channel."""
        return np.ascontiguousarray(self.normalise.of(1 if self.normalise.channels is None else self.shape[1])[:, 0], dtype)

    @property
    def empty(self) -> Array:
        """The grey level (C,) of each channel that becomes 0 when it is normalised."""
        scale, shift = self.normalise.of(self.shape[1])
        return np.asarray(-shift / np.where(scale == 0, 1, scale))


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


WINDOW = 16
"""Blocks that are mixed with each other where images are shuffled in blocks."""


def shuffled(index: Array, seed: int, epoch: int, block: int | None = None) -> Array:
    """Shuffle the image numbers for an epoch. The order depends only on seed and epoch, so that a run can resume.

    Images that are read from a file are better shuffled in blocks: those of a block lie beside each other in the file, and are
    read from there at about the same time.

    Args:
        index: the numbers of the images.
        seed: of the run.
        epoch: from 0.
        block: shuffle blocks of so many neighbours, and then the images of each 16 blocks that follow each other. None mixes
            all images with all.

    Raises:
        ValueError: seed or epoch is negative.

    >>> shuffled(np.arange(5), seed=0, epoch=1).tolist() == shuffled(np.arange(5), seed=0, epoch=1).tolist()
    True
    >>> sorted(shuffled(np.arange(1000), seed=0, epoch=1, block=10)[:160] // 10 % 100) != sorted(np.arange(160) // 10)
    True
    """
    rng = np.random.default_rng([seed, epoch])
    if block is None:
        return rng.permutation(index)
    blocks = np.split(index, range(block, len(index), block))
    order = np.concatenate([blocks[number] for number in rng.permutation(len(blocks))])
    for window in np.split(order, range(WINDOW * block, len(order), WINDOW * block)):
        rng.shuffle(window)
    return order
