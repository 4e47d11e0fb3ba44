"""Pools whose windows follow the size of the map: one window over all of it, or a given number of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..arrays import Shape
from ..errors import OptionError, ShapeError
from .base import Buffer, Plan, check_size
from .pool import _Average, _Maximum
from .separable import ranges, tables
from .window import Pair, Window, count


def _size(label: str, in_shape: Shape) -> Pair:
    """Rows and columns of the input."""
    if len(in_shape) != 3:
        raise ShapeError(label, f"expected an input (C, H, W), got {in_shape}", "put it after a convolution")
    return in_shape[1], in_shape[2]


@dataclass(frozen=True)
class GlobalAvgPool2d(_Average):
    """y[c] = the mean of map c: (C, H, W) as (C,), ready for ``Dense`` (Lin, Chen and Yan, *Network in Network*, 2013).

    x (C, H, W, L), y (C, L). PyTorch has it as ``AdaptiveAvgPool2d(1)`` and ``Flatten``.

    Raises:
        ShapeError: the input is not (C, H, W).

    >>> GlobalAvgPool2d().plan((64, 8, 8)).out_shape
    (64,)
    """

    order: ClassVar[str] = "its window is the whole map, and its output a vector: leave it out"

    def plan(self, in_shape: Shape) -> Plan:
        """One window for each map."""
        size = _size(self.label, in_shape)
        return Plan((in_shape[0],), consts={"windows": Window(size, size).array()})


@dataclass(frozen=True)
class GlobalMaxPool2d(_Maximum):
    """y[c] = the largest pixel of map c: (C, H, W) as (C,); of equals the first in reading order, and NaN wins.

    x (C, H, W, L), y (C, L). PyTorch has it as ``AdaptiveMaxPool2d(1)`` and ``Flatten``.

    Raises:
        ShapeError: the input is not (C, H, W).

    >>> GlobalMaxPool2d().plan((64, 8, 8)).out_shape
    (64,)
    """

    order: ClassVar[str] = "its window is the whole map, and its output a vector: leave it out"

    def plan(self, in_shape: Shape) -> Plan:
        """One window for each map, and which of its pixels won."""
        size, out = _size(self.label, in_shape), (in_shape[0],)
        return Plan(out, consts={"window": Window(size, size).array()}, saved={"argmax": Buffer(out, "int32")})


@dataclass(frozen=True)
class AdaptiveAvgPool2d(_Average):
    """y[c, i, j] = the mean of the rows ⌊iH/OH⌋ to ⌈(i + 1)H/OH⌉ − 1, and columns likewise, as in PyTorch.

    x (C, H, W, L), y (C, OH, OW, L).

    Args:
        output_size: places, one number or (rows, columns), of which None means as many as the input has.

    Raises:
        OptionError: output_size is below 1.
        ShapeError: the input is not (C, H, W).

    >>> AdaptiveAvgPool2d(7).plan((64, 9, 14)).out_shape
    (64, 7, 7)
    >>> AdaptiveAvgPool2d((1, None)).plan((64, 9, 14)).out_shape
    (64, 1, 14)
    """

    output_size: int | tuple[int | None, int | None]

    def __post_init__(self) -> None:
        self._places((1, 1))

    def _places(self, size: Pair) -> Pair:
        """Rows and columns of the output."""
        given = self.output_size if isinstance(self.output_size, tuple) else (self.output_size,) * 2
        if len(given) != 2 or self.output_size is None:
            what = f"expected output_size as a whole number or a pair, in which None keeps the size, got {self.output_size!r}"
            raise OptionError(self.label, what, "give output_size=1 or output_size=(1, None)")
        rows, columns = (n if o is None else count(self.label, "output_size", o) for o, n in zip(given, size, strict=True))
        return rows, columns

    def plan(self, in_shape: Shape) -> Plan:
        """A window where windows tile the map, else tables."""
        size = _size(self.label, in_shape)
        places = self._places(size)
        out = (in_shape[0], *places)
        check_size(out)
        if all(n % o == 0 for n, o in zip(size, places, strict=True)):
            part = (size[0] // places[0], size[1] // places[1])
            return Plan(out, consts={"windows": Window(part, part).array()})
        rows, columns = (_parts(n, o) for n, o in zip(size, places, strict=True))
        return Plan(out, consts=tables("windows", ranges(*rows), ranges(*columns)))


def _parts(size: int, places: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The first pixel of every place along one axis, that behind its last, and the share of each."""
    place = np.arange(places)
    first, last = place * size // places, -(-(place + 1) * size // places)
    return first, last, 1 / (last - first)
