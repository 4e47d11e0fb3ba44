"""Test images made harder by a fixed amount: rotated, shifted, scaled or noisy."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from ..arrays import Array
from ..backends.kernels import Kernels
from ..errors import number
from .distortions import Elastic, displaced, padded
from .pixels import Pixels
from .ranges import MOST


@dataclass(frozen=True, eq=False)
class Moved:
    """A source of images that are all transformed alike about the centre: scaled, then rotated, then shifted.

    Args:
        pixels: the images, with fit ``"pad"``.
        down: shift in pixels.
        right: shift in pixels.
        scale: scale factor.
        rotation: degrees, anticlockwise.

    Raises:
        OptionError: ``pixels`` resizes its images, or a number is outside its range.

    >>> from minicnn.data import Normalise
    >>> Moved(Pixels(np.zeros((2, 28, 28), np.uint8), Normalise(scale=1, shift=0), 32), rotation=30).shape
    (2, 1, 32, 32)
    """

    pixels: Pixels
    down: float = 0.0
    right: float = 0.0
    scale: float = 1.0
    rotation: float = 0.0

    def __post_init__(self) -> None:
        padded("Moved", self.pixels)
        for name in ("down", "right"):
            number("Moved", name, getattr(self, name), -MOST, MOST, "[]")
        number("Moved", "scale", self.scale, 1 / MOST, MOST, "[]")
        number("Moved", "rotation", self.rotation, -360, 360, "[]")

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, C, rows, columns), the network's input."""
        return self.pixels.shape

    def load(self, k: Kernels, index: Array, lanes: Array, x: Array) -> None:
        """Record the kernels that load the chosen images into lanes."""
        amounts = [self.down, self.right, math.log(self.scale), 0, 0, math.radians(self.rotation)]
        u = np.array(amounts, x.dtype)[:, None].repeat(x.shape[-1], axis=1)
        at, taps = Elastic().spline(max(x.shape[1:3]))
        displaced(k, self.pixels, index, u, at, taps.astype(x.dtype), lanes, x)


def noisy(pixels: Pixels, share: float, seed: int) -> Pixels:
    """Invert a random share of the pixels of each image: grey level v becomes 255 − v."""
    number("noisy", "share", share, 0, 1, "[]")
    flipped = np.random.default_rng(seed).random(pixels.images.shape) < share
    return replace(pixels, images=np.where(flipped, 255 - pixels.images, pixels.images))


def perturbations(pixels: Pixels, seed: int = 0) -> dict[str, Pixels | Moved]:
    """The perturbations that LeNet-5 reads according to the 1998 paper (figure 13 and its text), by name.

    Rotation by up to 30° both ways, scale over a factor of 2, shifts, and a tenth of the pixels inverted; the unchanged images
    come first. The paper shifts by half a character's height in a larger field. Here a character must stay inside the image,
    which allows shifts of 4 pixels.

    Args:
        pixels: the images, with fit ``"pad"``.
        seed: seed of the noise.

    >>> from minicnn.data import Normalise
    >>> len(perturbations(Pixels(np.zeros((2, 28, 28), np.uint8), Normalise(scale=1, shift=0))))
    14
    """
    table: dict[str, Pixels | Moved] = {"as they are": pixels}
    table |= {f"rotated by {angle}°".replace("-", "−"): Moved(pixels, rotation=angle) for angle in (-30, -15, 15, 30)}
    shifts = {"up": (-4, 0), "down": (4, 0), "left": (0, -4), "right": (0, 4)}
    table |= {f"shifted {way} by 4 pixels": Moved(pixels, down, right) for way, (down, right) in shifts.items()}
    table |= {f"scaled by {factor}": Moved(pixels, scale=factor) for factor in (0.7, 0.85, 1.2, 1.4)}
    return table | {"a tenth of the pixels flipped": noisy(pixels, 0.1, seed)}
