"""Random distortions of training images, drawn anew in every step while images are loaded into lanes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ..arrays import Array
from ..backends.kernels import Kernels
from ..errors import OptionError, Options, number
from .canvas import Canvas
from .pixels import Pixels
from .ranges import MOST, seed
from .seen import seen

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

SPLINE_POWER = 151 / 315  # ∫ β³(t)² dt for the cubic B-spline: the share of the variance left after smoothing along one axis


@dataclass(frozen=True, kw_only=True)
class Affine(Options):
    """Random affine distortions in the plane, about the centre. Each amount is drawn uniformly; 0 means no distortion.

    In order: scale by s and squeeze by q (columns · s · q, rows · s / q), shear (column += k · row), rotate, shift.

    Args:
        shift: largest shift in pixels, in both directions and both axes.
        scale: log s is uniform in ±log(1 + scale).
        squeeze: log q is uniform in ±log(1 + squeeze).
        shear: k is uniform in ±shear.
        rotation: largest rotation in degrees, in both directions; the 1998 paper does not rotate.

    Raises:
        OptionError: an amount is negative or above a million, or a rotation above 180.

    Source: LeCun et al. 1998, section III.B: translation, scaling, squeezing (horizontal compression with vertical
    elongation, or the reverse) and horizontal shearing; it does not give the amounts.

    >>> Affine(shift=2, scale=0.1).squeeze
    0.0
    """

    shift: float = 0.0
    scale: float = 0.0
    squeeze: float = 0.0
    shear: float = 0.0
    rotation: float = 0.0
    order: ClassVar[str] = "give shift, scale, squeeze, shear and rotation by name"

    def __post_init__(self) -> None:
        for name in ("shift", "scale", "squeeze", "shear"):
            number("Affine", name, getattr(self, name), 0, MOST, "[]")
        number("Affine", "rotation", self.rotation, 0, 180, "[]")

    @property
    def reach(self) -> list[float]:
        """The largest amounts as ``affine_inverse`` takes them: shifts, log scale, log squeeze, shear, radians."""
        logs = [math.log1p(self.scale), math.log1p(self.squeeze)]
        return [self.shift, self.shift, *logs, self.shear, math.radians(self.rotation)]


@dataclass(frozen=True)
class Elastic(Options):
    """Elastic distortions: each pixel is sampled at a position displaced by a smooth random field.

    Simard's field is white noise, uniform in ±1, smoothed by a Gaussian of deviation σ and multiplied by α. Here the field is
    a bicubic spline over random knots σ·√3 apart: a cubic B-spline of that width has the variance of the Gaussian and nearly
    its shape, and costs about ten multiply-adds a pixel for any σ. The range of the knots is chosen so that the variance,
    averaged over the pixels, is Simard's: α² / (12 π σ²).

    Args:
        alpha: α, strength in pixels, 0 to a million.
        sigma: σ, smoothness in pixels, 1 to a million.

    Raises:
        OptionError: an amount is outside its range.

    It is an augmentation of ``Augmented``, too.

    Source: P. Simard, D. Steinkraus and J. Platt, *Best Practices for Convolutional Neural Networks*, ICDAR 2003: α 34 and
    σ 4 for images of 29 × 29.

    >>> round(Elastic(alpha=34, sigma=4).deviation, 2)
    1.38
    """

    alpha: float = 0.0
    sigma: float = 4.0

    def __post_init__(self) -> None:
        number("Elastic", "alpha", self.alpha, 0, MOST, "[]")
        number("Elastic", "sigma", self.sigma, 1, MOST, "[]")

    @property
    def deviation(self) -> float:
        """Standard deviation of the displacement along each axis, in pixels."""
        return self.alpha / (self.sigma * math.sqrt(12 * math.pi))

    @property
    def reach(self) -> float:
        """The largest displacement of a knot, in pixels."""
        return math.sqrt(3) * self.deviation / SPLINE_POWER

    def check(self, shape: tuple[int, ...]) -> None:
        """Refuse no images."""

    def apply(self, canvas: Canvas) -> None:
        """Record the kernels that distort images in lanes, with black around them."""
        if not self.alpha:
            return
        rows, columns, lanes = canvas.x.shape[1:]
        at, taps = self.spline(max(rows, columns))
        side = int(at[-1]) + 4
        knots = canvas.draw(2 * side * side * [self.reach]).reshape(2, side, side, lanes)
        bent, maps = np.empty((2, side, columns, lanes), canvas.x.dtype), np.zeros((6, lanes), canvas.x.dtype)
        maps[2], maps[5] = 1, 1
        canvas.k.spline_along(knots, at, taps.astype(canvas.x.dtype), bent)
        canvas.sample(maps, bent, at, taps, 0.0)

    def spline(self, pixels: int) -> tuple[Array, Array]:
        """For each pixel of a row: the first of its four knots, and the weights of the four (pixels, 4)."""
        place = np.arange(pixels) / (self.sigma * math.sqrt(3))
        first = place.astype(np.int64)
        f = place - first
        taps = [(1 - f) ** 3, 3 * f**3 - 6 * f**2 + 4, -3 * f**3 + 3 * f**2 + 3 * f + 1, f**3]
        return first, np.stack(taps, axis=1) / 6


def padded(who: str, pixels: object) -> None:
    """Check the images of a source that reads them at displaced places.

    Raises:
        OptionError: they are none, or are resized.
    """
    if not isinstance(pixels, Pixels):
        what = f"expected pixels as data.Pixels, got {type(pixels).__name__}"
        raise OptionError(who, what, "write Pixels(images, normalise), of images of uint8")
    if pixels.fit != "pad":
        raise OptionError(who, f'expected pixels with fit "pad", got "{pixels.fit}"', "resize the images beforehand")


def displaced(k: Kernels, pixels: Pixels, index: Array, u: Array, at: Array, taps: Array, lanes: Array, x: Array) -> None:
    """Record the kernels that sample images at displaced positions.

    Args:
        k: the recorder.
        pixels: the images.
        index: (L,) the number of the image in each lane.
        u: (6 + 2 G², L) the amounts of ``affine_inverse``, then the knots of the field; G may be 0.
        at: (rows or columns,) the first knot of each pixel.
        taps: (rows or columns, 4) the weights of its knots.
        lanes: how many lanes hold images.
        x: (C, rows, columns, L) the network's input.
    """
    (_, H, W, L), dtype = x.shape, x.dtype
    side = math.isqrt((len(u) - 6) // 2)
    maps, bent = (np.empty(s, dtype) for s in ((6, L), (2, side, W, L)))
    k.affine_inverse(u, maps)
    if side:
        k.spline_along(u[6:].reshape(2, side, side, L), at, taps, bent)
    if pixels.images.ndim == 4:
        plain = np.empty_like(x)
        pixels.levels(k, index, lanes, plain)
        k.sample(plain, maps, bent, at, taps, np.zeros(1, dtype), x)
        pixels.normalised(k, x, x)
        return
    where = np.empty((2, W, L), dtype)
    quads, quad = (np.empty(s, np.uint32) for s in ((L, H + 1, W + 1), (W, L)))
    k.pack_quads(pixels.readable, index, quads)
    k.warp(quads, pixels.affine(dtype), maps, bent, at, taps, where, quad, x)


@dataclass(frozen=True, eq=False)
class Distorted:
    """A source of images that distorts them anew in every training step.

    The draws depend only on (seed, step, image), not on threads, groups or the order within a batch. Images are sampled
    bilinearly, with background around them; with all amounts zero the result equals ``pixels`` exactly. This source distorts
    wherever it is used, so validate and test with ``pixels``.

    Args:
        pixels: the images, with fit ``"pad"``.
        affine: affine distortions.
        elastic: elastic distortions, applied in the same sampling step.
        seed: seed of the draws.

    Raises:
        OptionError: ``pixels`` resizes its images, or the seed is not an integer from 0 to 2^64 − 1.

    >>> from minicnn.data import Normalise
    >>> plain = Pixels(np.zeros((2, 28, 28), np.uint8), Normalise.between(-0.1, 1.175), 32)
    >>> Distorted(plain, Affine(shift=2), seed=1).shape
    (2, 1, 32, 32)
    """

    pixels: Pixels
    affine: Affine = Affine()
    elastic: Elastic = Elastic()
    seed: int = 0

    def __post_init__(self) -> None:
        padded("Distorted", self.pixels)
        if not isinstance(self.affine, Affine) or not isinstance(self.elastic, Elastic):
            what = f"expected affine as Affine and elastic as Elastic, got {self.affine!r:.40} and {self.elastic!r:.40}"
            raise OptionError("Distorted", what, "write Distorted(pixels, Affine(shift=2), Elastic(34, 4))")
        seed("Distorted", self.seed)

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """(N, C, rows, columns), the network's input."""
        return self.pixels.shape

    def load(self, k: Kernels, index: Array, lanes: Array, x: Array, rng: Array) -> None:
        """Record the kernels that load the chosen images into lanes, distorted for the step in ``rng``."""
        at, taps = self.elastic.spline(max(x.shape[1:3]))
        side, L = int(at[-1]) + 4 if self.elastic.alpha else 0, x.shape[-1]
        reach = np.array(self.affine.reach + 2 * side * side * [self.elastic.reach], x.dtype)
        seed = np.array([self.seed, 2**64 - 1], np.uint64)  # a random stream that no dropout layer uses
        u = np.empty((len(reach), L), x.dtype)
        k.draw_uniform(seed, rng, index, reach, u)
        displaced(k, self.pixels, index, u, at, taps.astype(x.dtype), lanes, x)

    def look(self, index: ArrayLike, step: int = 0, backend: str = "cpu") -> Array:
        """Distorted images (n, rows, columns) in float32, or (n, C, rows, columns), as a network gets them in training.

        Args:
            index: the numbers of the images.
            step: the number of the step.
            backend: the backend that computes them.

        Raises:
            OptionError: there are no such images, or step is no whole number.
        """
        found = seen("Distorted.look", self, index, step, backend)
        return found if self.pixels.images.ndim == 4 else found[:, 0]
