"""Flatten and Reshape: the same numbers in another shape."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar

from ..arrays import Shape
from ..backends.kernels import Kernels
from ..errors import OptionError, ShapeError
from .base import Layer, Plan
from .window import MOST, by


@dataclass(frozen=True)
class Flatten(Layer):
    """(C, H, W) as (C·H·W,), in the order of PyTorch's ``Flatten``. With lanes last it moves nothing.

    >>> Flatten().plan((16, 5, 5)).out_shape
    (400,)
    """

    order: ClassVar[str] = "it takes all axes of an image: leave them out"

    def plan(self, in_shape: Shape) -> Plan:
        """A view of the input."""
        return Plan((prod(in_shape),), view=True)

    def forward(self, k: Kernels) -> None:
        """Nothing to do: y is x in another shape."""

    def backward(self, k: Kernels) -> None:
        """Nothing to do: dx is dy in another shape."""


@dataclass(frozen=True)
class Reshape(Layer):
    """x in another shape, in the order of PyTorch's ``reshape``. With lanes last it moves nothing.

    Args:
        shape: the shape of one image; one axis may be −1, and takes what the others leave.

    Raises:
        OptionError: shape is no tuple of whole numbers, or has more than one −1.
        ShapeError: the input has another number of elements.

    >>> Reshape((16, 5, -1)).plan((400,)).out_shape
    (16, 5, 5)
    """

    shape: tuple[int, ...]
    order: ClassVar[str] = "give the shape of one image as one tuple"

    def __post_init__(self) -> None:
        given = self.shape if isinstance(self.shape, tuple) else ()
        whole = all(isinstance(n, int) and not isinstance(n, bool) and (n == -1 or 0 < n <= MOST) for n in given)
        if not given or not whole or given.count(-1) > 1:
            what = f"expected shape as a tuple of whole numbers from 1 to {MOST}, of which one may be -1, got {self.shape!r}"
            raise OptionError("Reshape", what, "give shape=(16, 5, 5) or shape=(16, 5, -1)")

    def plan(self, in_shape: Shape) -> Plan:
        """A view of the input."""
        rest, known = prod(in_shape), prod(n for n in self.shape if n > 0)
        if rest % known or (-1 not in self.shape and rest != known):
            what = f"expected an input of {'k · ' if -1 in self.shape else ''}{known} numbers, got {by(in_shape)}"
            raise ShapeError("Reshape", what, f"give a shape of {rest} numbers")
        return Plan(tuple(rest // known if n < 0 else n for n in self.shape), view=True)

    def forward(self, k: Kernels) -> None:
        """Nothing to do: y is x in another shape."""

    def backward(self, k: Kernels) -> None:
        """Nothing to do: dx is dy in another shape."""
