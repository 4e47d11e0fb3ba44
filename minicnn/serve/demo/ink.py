"""From what was drawn to an image of 28 × 28 grey levels, by the steps that made MNIST, and images moved or made noisy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...arrays import Array
from ...errors import need

PAD = 128
"""Rows and columns of the drawing, black or white, as NIST's scans were."""

PAD_BYTES = PAD * PAD // 8
SIDE, BOX, MIDDLE = 28, 20, 14


def digit(bits: bytes) -> Array:
    """A drawing as MNIST would have stored it.

    The smallest rectangle around the ink is scaled to fit a box of 20 × 20, with its proportions kept; a grey level is the
    share of ink under a pixel. The box is placed in 28 × 28 so that the centre of mass of its grey levels lies in pixel 14 of
    rows and columns, counted from 0. That is where each digit of MNIST has it.

    Args:
        bits: 128 × 128 pixels, eight a byte, row by row; 1 is ink.

    Returns:
        (28, 28) uint8, 255 for ink.

    >>> bits = np.zeros((128, 128), np.uint8)
    >>> bits[40:80, 60:70] = 1
    >>> found = digit(np.packbits(bits).tobytes())
    >>> np.flatnonzero(found.any(axis=1))[[0, -1]].tolist(), np.flatnonzero(found.any(axis=0))[[0, -1]].tolist()
    ([4, 23], [12, 16])
    """
    need("PIL")
    from PIL import Image

    ink = np.unpackbits(np.frombuffer(bits, np.uint8)).reshape(PAD, PAD)
    image = np.zeros((SIDE, SIDE), np.uint8)
    if not ink.any():
        return image
    (top, bottom), (left, right) = (np.flatnonzero(ink.any(axis=axis))[[0, -1]] for axis in (1, 0))
    cut = 255 * ink[top : bottom + 1, left : right + 1]
    scale = BOX / max(cut.shape)
    rows, columns = (max(1, round(n * scale)) for n in cut.shape)
    small = np.asarray(Image.fromarray(cut).resize((columns, rows), Image.Resampling.BOX))
    places = [_first(small.sum(axis=axis, dtype=np.int64)) for axis in (1, 0)]
    image[places[0] : places[0] + rows, places[1] : places[1] + columns] = small
    return image


def _first(mass: Array) -> int:
    """Where the box begins along an axis, so that its centre of mass is in the middle pixel, and no ink is cut off."""
    centre = float(mass @ np.arange(len(mass))) / float(mass.sum())
    return min(max(round(MIDDLE - centre), 0), SIDE - len(mass))


@dataclass(frozen=True)
class Change:
    """What is done with an image before a network sees it: scaled and rotated about the middle, shifted, then made noisy.

    Args:
        down: shift in pixels.
        right: shift in pixels.
        rotation: degrees, anticlockwise.
        scale: scale factor.
        noise: the share of pixels whose grey level v becomes 255 − v, the same ones each time.
    """

    down: float = 0.0
    right: float = 0.0
    rotation: float = 0.0
    scale: float = 1.0
    noise: float = 0.0

    def of(self, image: Array) -> Array:
        """An image (28, 28) of uint8, changed.

        >>> image = np.zeros((28, 28), np.uint8)
        >>> image[4, 14] = 255
        >>> np.argwhere(Change(down=2, right=-3).of(image)).tolist()
        [[6, 11]]
        >>> np.argwhere(Change(rotation=90).of(image)).tolist()
        [[13, 4]]
        """
        if (self.down, self.right, self.rotation, self.scale) != (0, 0, 0, 1):
            image = self._moved(image)
        if self.noise:
            image = np.where(np.random.default_rng(0).random(image.shape) < self.noise, 255 - image, image)
        return image

    def _moved(self, image: Array) -> Array:
        """Every pixel is read, bilinearly, where it comes from."""
        from PIL import Image

        turn, middle = np.radians(self.rotation), SIDE / 2
        cos, sin = np.cos(turn) / self.scale, np.sin(turn) / self.scale
        across, down = middle + self.right, middle + self.down
        way = (cos, -sin, middle - cos * across + sin * down, sin, cos, middle - sin * across - cos * down)
        moved = Image.fromarray(image).transform((SIDE, SIDE), Image.Transform.AFFINE, way, Image.Resampling.BILINEAR)
        return np.asarray(moved)
