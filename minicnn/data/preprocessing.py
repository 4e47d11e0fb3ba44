"""From pictures as a user has them to a network's input: the same steps in training and later."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import Array, DType, Shape
from ..errors import DataError, ShapeError
from .from_arrays import from_arrays
from .pixels import LEVELS, Normalise, Pixels

PIECE = 1 << 22
"""About so many numbers are measured at a time."""


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """What is done with images before a network sees them.

    Args:
        uint8: whether images are grey levels or colours from 0 to 255; else they are floats.
        normalise: how their numbers become those that the network sees.
        fit: as of ``Pixels``, for grey images whose size is not the network's.
        layout: as of ``from_arrays``.
    """

    uint8: bool
    normalise: Normalise
    fit: str = "pad"
    layout: str | None = None

    @staticmethod
    def of(images: Array, normalise: Normalise | None, fit: str, layout: str | None) -> Preprocessing:
        """For images like these; where ``normalise`` is None, their numbers come to mean 0 and standard deviation 1.

        Raises:
            DataError: a number is not finite.
        """
        found = measured(images) if normalise is None else normalise
        return Preprocessing(uint8=images.dtype == np.uint8, normalise=found, fit=fit, layout=layout)

    def source(self, who: str, images: ArrayLike, in_shape: Shape, dtype: DType) -> Pixels | Array:
        """Images as a network of this input and dtype takes them.

        Args:
            who: whose images they are, for messages.
            images: pictures in a usual layout; for a network that takes no pictures an array (N, …) of floats.
            in_shape: shape of the network's input.
            dtype: the network's dtype.

        Raises:
            DataError, ShapeError: they are others than the network was trained with.
        """
        given = arranged(images, in_shape, self.layout)
        if (given.dtype == np.uint8) != self.uint8:
            kinds = ("uint8", "floats") if self.uint8 else ("floats", "uint8")
            what = f"expected images of {kinds[0]}, as in training, got {kinds[1]}"
            raise DataError(who, what, f"give {kinds[0]}, with numbers in the range that training had")
        if self.uint8:
            return self._pixels(who, given, in_shape)
        if given.shape[1:] != in_shape:
            _refuse_size(who, given.shape[1:], in_shape)
        if self.normalise == LEVELS:
            return given
        wide = given.astype(np.promote_types(given.dtype, dtype), copy=False)
        scale, shift = self._affine(who, given.shape)
        return (wide * scale + shift).astype(dtype, copy=False)

    def _affine(self, who: str, shape: Shape) -> tuple[float | Array, float | Array]:
        """Scale and shift for images of this shape; a number, or one for each channel."""
        if self.normalise.channels is None:
            return np.asarray(self.normalise.scale)[()], np.asarray(self.normalise.shift)[()]
        if len(shape) != 4 or self.normalise.channels != shape[1]:
            what = f"expected images of {self.normalise.channels} channels, as normalise has, got shape {shape}"
            raise DataError(who, what, "give a number for each channel, or one for all")
        scale, shift = self.normalise.of(shape[1]).reshape(2, -1, 1, 1)
        return scale, shift

    def _pixels(self, who: str, images: Array, in_shape: Shape) -> Pixels:
        if images.shape[1:] == in_shape:
            return Pixels(images[:, 0] if in_shape[0] == 1 else images, self.normalise)
        if in_shape[0] != 1 or in_shape[1] != in_shape[2]:
            _refuse_size(who, images.shape[1:], in_shape)
        return Pixels(images[:, 0], self.normalise, in_shape[1], self.fit)


def arranged(images: ArrayLike, in_shape: Shape, layout: str | None) -> Array:
    """Images in the layout of a network's input: (N, C, H, W), or where it takes no pictures (N, …).

    Raises:
        DataError, ShapeError: they cannot be.
    """
    if len(in_shape) == 3:
        return from_arrays(images, layout, in_shape[0])
    given = np.asarray(images)
    if given.dtype.kind != "f" or given.shape[1:] != in_shape or len(given) == 0:
        what = f"expected floats (N, {', '.join(map(str, in_shape))}), as the network takes no pictures (C, H, W), "
        raise ShapeError("images", f"{what}got {given.dtype} of {given.shape}", "build the network for in_shape=(C, H, W)")
    return given


def measured(images: Array) -> Normalise:
    """The normalisation that gives images mean 0 and standard deviation 1; for images of one value deviation is left alone.

    Raises:
        DataError: a number is not finite.

    >>> measured(np.array([[0, 255]], np.uint8)).shift
    -1.0
    """
    if images.dtype == np.uint8:
        counts = sum((np.bincount(piece.ravel(), minlength=256) for piece in _pieces(images)), np.zeros(256, np.int64))
        total, levels = counts.sum() * 255, np.arange(256)
        mean = float(counts @ levels / total)
        deviation = float(np.sqrt(counts @ (levels / 255 - mean) ** 2 / counts.sum()))
        return Normalise.standard(mean, deviation or 1.0)
    mean = float(sum(piece.sum(dtype=np.float64) for piece in _pieces(images)) / images.size)
    if not np.isfinite(mean):
        raise DataError("images", "expected finite numbers, got others", "clean the images")
    deviation = float(np.sqrt(sum(((piece - mean) ** 2).sum(dtype=np.float64) for piece in _pieces(images)) / images.size))
    return Normalise(scale=1 / (deviation or 1.0), shift=-mean / (deviation or 1.0))


def check_finite(images: Array) -> None:
    """Refuse images with numbers that are not finite.

    Raises:
        DataError: there is one.
    """
    if not all(np.isfinite(piece).all() for piece in _pieces(images)):
        raise DataError("images", "expected finite numbers, got others", "clean the images")


def _pieces(images: Array) -> Iterator[Array]:
    step = max(1, PIECE // max(1, images[0].size))
    return (images[first : first + step] for first in range(0, len(images), step))


def _refuse_size(who: str, given: Shape, wanted: Shape) -> None:
    sizes = (" × ".join(map(str, shape[-2:])) for shape in (wanted, given))
    what = "expected images of {} pixels, as the network takes, got {}".format(*sizes)
    raise ShapeError(who, what, "resize them, or build the network for their size")
