"""Random changes of training images, by the names and meanings of torchvision; ``Augmented`` applies them.

Images are changed as grey levels from 0 to 255, before they are normalised.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..arrays import Shape
from ..errors import OptionError, Options, flag, number
from .canvas import Canvas, between
from .ranges import MOST, ordered, several, spread, whole

GREYS = (0.299, 0.587, 0.114)
"""How much red, green and blue count in a grey, by ITU-R BT.601."""

STILL = (0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0)
"""The numbers of ``move_inverse`` for no move."""

Range = float | tuple[float, float]
"""An amount, for both directions, or the least and the greatest."""


class Augmentation(Protocol):
    """A random change of images."""

    def check(self, shape: Shape) -> None:
        """Refuse images (C, H, W) that cannot be changed so.

        Raises:
            OptionError: they cannot.
        """
        ...

    def apply(self, canvas: Canvas) -> None:
        """Record the kernels that change the images."""
        ...


class AnyImages(Options):
    """Base of augmentations for images of any size and any number of channels."""

    def check(self, shape: Shape) -> None:
        """Nothing is refused."""


@dataclass(frozen=True)
class RandomCrop(AnyImages):
    """Pad an image on all sides and cut out as much as it was, at a random place: ``torchvision.transforms.RandomCrop``.

    Args:
        padding: pixels on each side, up to a million; the image moves by up to so many, each whole number alike.
        fill: grey level of the padding, 0 to 255.

    Raises:
        OptionError: padding is no whole number from 0 to a million, or fill is outside its range.

    >>> RandomCrop(4)
    RandomCrop(padding=4, fill=0.0)
    """

    padding: int
    fill: float = 0.0

    def __post_init__(self) -> None:
        whole("RandomCrop", "padding", self.padding, int(MOST))
        number("RandomCrop", "fill", self.fill, 0, 255, "[]")

    def apply(self, canvas: Canvas) -> None:
        """Record a shift."""
        far = self.padding + 0.5  # so that the rounded numbers are equally likely
        canvas.move(canvas.draw([0, 0, far, far, 0, 0, 0, 0], STILL), (0, 0), self.fill)


@dataclass(frozen=True)
class RandomFlip(AnyImages):
    """Mirror an image with chance p, left to right, upside down, or each by a chance of its own.

    ``torchvision.transforms.RandomHorizontalFlip`` and ``RandomVerticalFlip``.

    Args:
        horizontal: left to right.
        vertical: upside down.
        p: the chance, 0 to 1.

    Raises:
        OptionError: an option is outside its range, or no direction is wanted.

    >>> RandomFlip(vertical=True).p
    0.5
    """

    horizontal: bool = True
    vertical: bool = False
    p: float = 0.5

    def __post_init__(self) -> None:
        flag("RandomFlip", "horizontal", self.horizontal)
        flag("RandomFlip", "vertical", self.vertical)
        number("RandomFlip", "p", self.p, 0, 1, "[]")
        if not self.horizontal and not self.vertical:
            raise OptionError("RandomFlip", "expected a direction, got none", "give horizontal=True or leave RandomFlip out")

    def apply(self, canvas: Canvas) -> None:
        """Record a reflection."""
        u = canvas.draw([1, 1, 0, 0, 0, 0, 0, 0], STILL)
        canvas.move(u, (self.p * self.vertical, self.p * self.horizontal), 0.0)


@dataclass(frozen=True)
class RandomAffine(AnyImages):
    """Shear, rotate, scale and shift an image about its centre: ``torchvision.transforms.RandomAffine``.

    It is read bilinearly, where torchvision takes the nearest pixel unless told otherwise. Each amount is drawn uniformly.

    Args:
        degrees: the angle, clockwise: one number d for ±d, or the least and the greatest.
        translate: the greatest shifts to the side and down, as shares of width and height; none for None. Shifts are rounded
            to whole pixels.
        scale: the least and the greatest factor, from a millionth to a million; 1 for None.
        shear: degrees along the row: one number for ±, or the least and the greatest; of four numbers the last two are those
            down the column. None for None.
        fill: grey level around the image, 0 to 255.

    Raises:
        OptionError: an amount is outside its range.

    >>> RandomAffine(10, translate=(0.1, 0.1), scale=(0.9, 1.1)).shear is None
    True
    """

    degrees: Range
    translate: tuple[float, float] | None = None
    scale: tuple[float, float] | None = None
    shear: Range | tuple[float, float, float, float] | None = None
    fill: float = 0.0

    def __post_init__(self) -> None:
        who = "RandomAffine"
        spread(who, "degrees", self.degrees, -180, 180)
        if self.translate is not None:
            several(who, "translate", self.translate, 2, 0, 1)
        if self.scale is not None:
            ordered(who, "scale", several(who, "scale", self.scale, 2, 1 / MOST, MOST))
        self._shears()
        number(who, "fill", self.fill, 0, 255, "[]")

    def _shears(self) -> list[tuple[float, float]]:
        """Both shears as intervals in degrees."""
        if isinstance(self.shear, tuple | list) and len(self.shear) == 4:
            pairs: list[object] = [self.shear[:2], self.shear[2:]]
        else:
            pairs = [0.0 if self.shear is None else self.shear, 0.0]
        return [spread("RandomAffine", "shear", pair, -89, 89) for pair in pairs]

    def apply(self, canvas: Canvas) -> None:
        """Record the move."""
        rows, columns = canvas.x.shape[1:3]
        across, down = (0.0, 0.0) if self.translate is None else self.translate
        angles = [spread("RandomAffine", "degrees", self.degrees, -180, 180), *self._shears()]
        turn, *shears = ((math.radians(low), math.radians(high)) for low, high in angles)
        amounts: list[tuple[float, ...]] = [(0, 0), (0, 0), (-down * rows, down * rows), (-across * columns, across * columns)]
        amounts += [turn, self.scale or (1, 1), *shears]
        reach, middle = zip(*(between(*pair) for pair in amounts), strict=True)
        canvas.move(canvas.draw(reach, middle), (0, 0), self.fill)


@dataclass(frozen=True)
class RandomErasing(AnyImages):
    """Erase a rectangle of an image with chance p: ``torchvision.transforms.RandomErasing``.

    Area and ratio are drawn up to ten times, until the rectangle is smaller than the image.

    Args:
        p: the chance, 0 to 1.
        scale: the least and the greatest share of the image's area.
        ratio: the least and the greatest height over width; its logarithm is uniform.
        value: the grey level to write, 0 to 255; for None that which becomes 0 when it is normalised.

    Raises:
        OptionError: an option is outside its range.

    Source: Z. Zhong, L. Zheng, G. Kang, S. Li and Y. Yang, *Random Erasing Data Augmentation*, AAAI 2020.

    >>> RandomErasing().scale
    (0.02, 0.33)
    """

    p: float = 0.5
    scale: tuple[float, float] = (0.02, 0.33)
    ratio: tuple[float, float] = (0.3, 3.3)
    value: float | None = None

    def __post_init__(self) -> None:
        who = "RandomErasing"
        number(who, "p", self.p, 0, 1, "[]")
        ordered(who, "scale", several(who, "scale", self.scale, 2, 0, 1))
        ordered(who, "ratio", several(who, "ratio", self.ratio, 2, 1 / MOST, MOST))
        if self.value is not None:
            number(who, "value", self.value, 0, 255, "[]")

    def apply(self, canvas: Canvas) -> None:
        """Record the erasing."""
        dtype = canvas.x.dtype
        options = np.array([self.p, *self.scale, *map(math.log, self.ratio)], dtype)
        fill = canvas.empty if self.value is None else np.full(len(canvas.x), self.value)
        canvas.k.erase(canvas.draw([1.0] * 23), options, fill.astype(dtype), canvas.x)


@dataclass(frozen=True)
class ColorJitter(AnyImages):
    """Change brightness, contrast and saturation of an image, in this order: ``torchvision.transforms.ColorJitter``.

    torchvision draws the order, too, and changes hues if it is told to.

    Args:
        brightness: the factor of the grey levels: one number b for 1 − b, but at least 0, up to 1 + b; or the least and the
            greatest.
        contrast: likewise, of the distance from the mean grey of the image.
        saturation: likewise, of the distance from each pixel's grey.

    Raises:
        OptionError: an amount is outside its range; or a saturation for images that have neither one nor three channels.

    >>> ColorJitter(0.2, 0.2, (0.5, 1.5)).brightness
    0.2
    """

    brightness: Range = 0.0
    contrast: Range = 0.0
    saturation: Range = 0.0

    def __post_init__(self) -> None:
        self._factors()

    def _factors(self) -> list[tuple[float, float]]:
        found = []
        for name in ("brightness", "contrast", "saturation"):
            given = getattr(self, name)
            if isinstance(given, tuple | list):
                found.append(ordered("ColorJitter", name, several("ColorJitter", name, given, 2, 0, MOST)))
            else:
                amount = number("ColorJitter", name, given, 0, MOST, "[]")
                found.append((max(0.0, 1 - amount), 1 + amount))
        return found

    def check(self, shape: Shape) -> None:
        """Refuse saturation where no channels are red, green and blue."""
        if shape[0] not in (1, 3) and self._factors()[2] != (1, 1):
            what = f"expected images of 1 or 3 channels for saturation, got {shape[0]}"
            raise OptionError("ColorJitter", what, "leave saturation out")

    def apply(self, canvas: Canvas) -> None:
        """Record the change."""
        channels, dtype = len(canvas.x), canvas.x.dtype
        greys = np.array(GREYS if channels == 3 else [1 / channels] * channels, dtype)
        reach, middle = zip(*(between(*pair) for pair in self._factors()), strict=True)
        canvas.k.jitter(canvas.draw(reach, middle), greys, canvas.x.reshape(channels, -1, canvas.x.shape[-1]))


RECIPES = ("colour", "grey", "none")
"""What ``recipe`` knows."""


def recipe(name: str, channels: int, rows: int, columns: int) -> list[Augmentation]:
    """The augmentations of the command ``train``, for pictures of so many channels and pixels.

    Args:
        name: ``"colour"``: they are cropped after padding by an eighth of their side, mirrored left to right, and change their
            brightness, contrast and saturation by up to a fifth. ``"grey"``, for digits and letters, which must not be
            mirrored: they are rotated by up to 10 degrees, and shifted and scaled by up to a tenth. ``"none"``. Any other
            name stands for ``"grey"`` where they have one channel, else for ``"colour"``.
        channels: how many channels they have.
        rows: their height.
        columns: their width.

    >>> recipe("auto", 3, 48, 48)[0]
    RandomCrop(padding=6, fill=0.0)
    """
    if name == "none":
        return []
    if name == "grey" or (name != "colour" and channels == 1):
        return [RandomAffine(10, translate=(0.1, 0.1), scale=(0.9, 1.1))]
    return [RandomCrop(max(1, min(rows, columns) // 8)), RandomFlip(), ColorJitter(0.2, 0.2, 0.2 if channels == 3 else 0)]
