"""Augmented images as a source, and the targets that go with mixed ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ..arrays import Array
from ..backends.kernels import Kernels
from ..errors import DataError, OptionError
from .augmentations import Augmentation
from .canvas import STREAM, Canvas
from .mixing import Mixing
from .pixels import Pixels
from .ranges import seed
from .seen import numbers, seen

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


@dataclass(frozen=True, eq=False)
class Augmented:
    """A source of images that changes them anew in every training step.

    The draws depend only on (seed, step, image), not on threads, groups or the order within a batch. The augmentations are
    applied in their order. This source changes images wherever it is used, so validate and test with ``pixels``.

    Args:
        pixels: the images.
        augmentations: ``RandomCrop``, ``RandomFlip``, ``RandomAffine``, ``RandomErasing``, ``ColorJitter`` and ``Elastic``, and
            as the last one ``Mixup`` or ``CutMix``; with these, train on ``targets``.
        seed: of the draws, from 0 to 2^64 − 1.
        pool: the numbers of the images that others are mixed with; all for None.

    Raises:
        OptionError: an option is outside its range, or an augmentation cannot change these images.

    >>> from minicnn.data import Normalise, RandomCrop, RandomFlip
    >>> colours = Pixels(np.zeros((2, 3, 32, 32), np.uint8), Normalise(scale=1, shift=0))
    >>> Augmented(colours, [RandomCrop(4), RandomFlip()], seed=1).shape
    (2, 3, 32, 32)
    """

    pixels: Pixels
    augmentations: Sequence[Augmentation | Mixing]
    seed: int = 0
    pool: ArrayLike | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.pixels, Pixels):
            what = f"expected pixels as data.Pixels, got {type(self.pixels).__name__}"
            raise OptionError("Augmented", what, "write Pixels(images, normalise), of images of uint8")
        if not isinstance(self.augmentations, Sequence):
            what = f"expected a list of augmentations, got {self.augmentations!r:.80}"
            raise OptionError("Augmented", what, "write for example [RandomCrop(4), RandomFlip()]")
        object.__setattr__(self, "augmentations", tuple(self.augmentations))
        last = len(self.augmentations) - 1
        for place, each in enumerate(self.augmentations):
            if isinstance(each, Mixing):
                if place < last:
                    what = f"expected {type(each).__name__} as the last augmentation, got others after it"
                    raise OptionError("Augmented", what, "move it to the end, and keep one of Mixup and CutMix")
            elif isinstance(each, type) or not hasattr(each, "apply"):
                what = f"expected augmentations, got {each!r:.80}"
                raise OptionError("Augmented", what, "write for example [RandomCrop(4), RandomFlip()]")
            else:
                each.check(self.shape[1:])
        seed("Augmented", self.seed)
        if self.pool is not None:
            object.__setattr__(self, "pool", numbers("Augmented", "pool", self.pool, self.shape[0]))

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """(N, C, rows, columns), the network's input."""
        return self.pixels.shape

    @property
    def mixing(self) -> Mixing | None:
        """What mixes images, if anything does; then ``targets`` are to be trained on."""
        last = self.augmentations[-1] if self.augmentations else None
        return last if isinstance(last, Mixing) else None

    @cached_property
    def partners(self) -> Array:
        """The numbers of the images that others are mixed with."""
        return np.arange(self.shape[0]) if self.pool is None else np.asarray(self.pool)

    def targets(self, labels: ArrayLike, classes: int) -> MixedTargets:
        """How much each class counts in each image, as a target of a loss that takes such, as ``CrossEntropy`` does.

        Args:
            labels: class numbers (N,).
            classes: how many classes there are.

        Raises:
            DataError: labels are not what they should be.
            OptionError: nothing is mixed.
        """
        return MixedTargets(self, np.asarray(labels), classes)

    def load(self, k: Kernels, index: Array, lanes: Array, x: Array, rng: Array) -> None:
        """Record the kernels that load the chosen images into lanes, changed for the step in ``rng``."""
        canvas = self._changed(k, index, lanes, x, rng)
        if (mixing := self.mixing) is not None:
            mix = mixing.draw(canvas, self.partners)
            mixing.apply(canvas, self._changed(k, mix.partner, lanes, np.empty_like(x), rng).x, mix)
        self.pixels.normalised(k, canvas.x, x)

    def _changed(self, k: Kernels, index: Array, lanes: Array, x: Array, rng: Array) -> Canvas:
        """Record everything but mixing and normalising."""
        canvas = Canvas(k, x, np.empty_like(x), index, rng, self.seed, self.pixels.empty)
        self.pixels.levels(k, index, lanes, x)
        for place, each in enumerate(self.augmentations):
            canvas.stream = STREAM - place
            if not isinstance(each, Mixing):
                each.apply(canvas)
        return canvas

    def look(self, index: ArrayLike, step: int = 0, backend: str = "cpu") -> Array:
        """Augmented images (n, C, rows, columns) in float32, exactly as a network gets them in a training step.

        Args:
            index: the numbers of the images.
            step: the number of the step.
            backend: the backend that computes them.

        Raises:
            OptionError: there are no such images, or step is no whole number.
        """
        return seen("Augmented.look", self, index, step, backend)


@dataclass(frozen=True, eq=False)
class MixedTargets:
    """How much each class counts in each image of an ``Augmented`` source with ``Mixup`` or ``CutMix``, in the same step.

    Args:
        images: the source.
        labels: class numbers (N,).
        classes: how many classes there are.

    Raises:
        DataError: labels are not N whole numbers from 0 to below the number of classes.
        OptionError: nothing is mixed.

    >>> from minicnn.data import Augmented, Mixup, Normalise, Pixels
    >>> pixels = Pixels(np.zeros((3, 28, 28), np.uint8), Normalise(scale=1, shift=0))
    >>> MixedTargets(Augmented(pixels, [Mixup(0.2)]), np.array([0, 1, 2]), 3).shape
    (3, 3)
    """

    images: Augmented
    labels: Array
    classes: int

    def __post_init__(self) -> None:
        if self.images.mixing is None:
            what = "expected Mixup or CutMix among the augmentations, got neither"
            raise OptionError("Augmented", what, "train on the labels themselves")
        given, count = self.labels, self.images.shape[0]
        if isinstance(self.classes, bool) or not isinstance(self.classes, int | np.integer) or self.classes < 1:
            what = f"expected classes as a whole number of at least 1, got {self.classes!r:.80}"
            raise OptionError("Augmented", what, "give the number of the network's outputs")
        fits = given.shape == (count,) and given.dtype.kind in "iu" and count > 0
        if not fits or not 0 <= int(given.min()) <= int(given.max()) < self.classes:
            what = f"expected {count} whole class numbers below {self.classes}, got {given.dtype} of shape {given.shape}"
            raise DataError("Augmented", what, "mix images whose targets are class numbers, and give one for each image")
        object.__setattr__(self, "labels", np.ascontiguousarray(given, np.int64))

    @property
    def shape(self) -> tuple[int, int]:
        """(N, classes)."""
        return self.images.shape[0], self.classes

    def load(self, k: Kernels, index: Array, x: Array, rng: Array) -> None:
        """Record the kernels that write the targets of the chosen images into lanes, for the step in ``rng``."""
        source, lanes = self.images, x.shape[-1]
        assert source.mixing is not None  # that was checked
        like = np.empty((*source.shape[1:], lanes), x.dtype)
        canvas = Canvas(k, like, like, index, rng, source.seed, source.pixels.empty, STREAM - len(source.augmentations) + 1)
        mix = source.mixing.draw(canvas, source.partners)
        k.mix_targets(self.labels, index, mix.partner, mix.share, x.reshape(-1, lanes))
