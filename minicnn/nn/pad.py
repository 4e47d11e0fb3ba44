"""A border around every map."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arrays import Array, Shape
from ..errors import OptionError, ShapeError
from .base import Plan, check_size
from .separable import Axis, _Separable, tables
from .window import Pair, by, sides

MODES = ("zeros", "reflect", "replicate")


@dataclass(frozen=True)
class Pad2d(_Separable):
    """y = x with more rows and columns around every map.

    x (C, H, W, L), y (C, top + H + bottom, left + W + right, L). ``"reflect"`` is the map mirrored at its first and last
    pixel, which are not repeated; ``"replicate"`` repeats them. PyTorch has the modes as ``ZeroPad2d``, ``ReflectionPad2d``
    and ``ReplicationPad2d``, whose order of sides is another one.

    Args:
        padding: pixels on each side: one number for all, (rows, columns), or ((top, bottom), (left, right)).
        mode: ``"zeros"``, ``"reflect"`` or ``"replicate"``.

    Raises:
        OptionError: an option is outside its range.
        ShapeError: the input is not (C, H, W), or has too few pixels to reflect.

    >>> Pad2d(((0, 1), (2, 3))).plan((6, 28, 28)).out_shape
    (6, 29, 33)
    """

    padding: int | tuple[int | Pair, int | Pair]
    mode: str = "zeros"

    def __post_init__(self) -> None:
        sides("Pad2d", "padding", self.padding)
        if self.mode not in MODES:
            raise OptionError("Pad2d", f"expected mode as one of {', '.join(MODES)}, got {self.mode!r}", 'give mode="zeros"')

    def plan(self, in_shape: Shape) -> Plan:
        """Tables of one pixel, or none, for every row and column."""
        if len(in_shape) != 3:
            raise ShapeError("Pad2d", f"expected an input (C, H, W), got {in_shape}", "put it before Flatten and Dense layers")
        size, (before, after) = in_shape[1:], sides("Pad2d", "padding", self.padding)
        if self.mode == "reflect" and any(max(b, a) >= n for b, a, n in zip(before, after, size, strict=True)):
            what = f"expected less padding than the {by(size)} map has pixels, as they are reflected, got {self.padding!r}"
            raise ShapeError("Pad2d", what, 'give less padding, or mode="replicate"')
        out = (in_shape[0], *(b + n + a for b, n, a in zip(before, size, after, strict=True)))
        check_size(out)
        rows, columns = (self._axis(np.arange(-b, n + a), n) for b, n, a in zip(before, size, after, strict=True))
        return Plan(out, consts=tables("taps", rows, columns))

    def _axis(self, at: Array, size: int) -> Axis:
        """The pixels that stand at these places, counted from the first pixel of the map."""
        last = size - 1
        if self.mode == "reflect":
            at = last - abs(last - abs(at))
        elif self.mode == "replicate":
            at = np.clip(at, 0, last)
        else:
            at = np.where((at >= 0) & (at <= last), at, -1)
        return Axis(at[:, None], np.ones((len(at), 1)))
