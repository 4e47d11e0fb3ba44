"""Upsample: larger maps by repeating or interpolating pixels."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

import numpy as np

from ..arrays import Array, Shape
from ..backends.kernels import Kernels
from ..errors import OptionError, ShapeError, flag
from .base import Layer, Plan, check_size
from .separable import Axis, tables
from .window import Pair, Window, pair

MODES = ("nearest", "bilinear")


@dataclass(frozen=True)
class Upsample(Layer):
    """y = every map, ``scale_factor`` times as large, as ``torch.nn.Upsample`` with a whole ``scale_factor``.

    x (C, H, W, L), y (C, factor · H, factor · W, L). ``"nearest"`` repeats pixels; ``"bilinear"`` lays pixel o of y at
    (o + ½)/factor − ½ between the pixels of x, or at o · (H − 1)/(factor · H − 1) with ``align_corners``.

    Args:
        scale_factor: one whole number or (rows, columns).
        mode: ``"nearest"`` or ``"bilinear"``.
        align_corners: whether the corners of y are those of x; for ``"bilinear"`` alone.

    Raises:
        OptionError: an option is outside its range.
        ShapeError: the input is not (C, H, W).

    >>> Upsample(2).plan((6, 14, 14)).out_shape
    (6, 28, 28)
    """

    scale_factor: int | Pair
    _: KW_ONLY
    mode: str = "nearest"
    align_corners: bool = False
    order: ClassVar[str] = "the first argument is the scale factor, not the size: give mode and align_corners by name"

    def __post_init__(self) -> None:
        pair("Upsample", "scale_factor", self.scale_factor, least=1)
        flag("Upsample", "align_corners", self.align_corners)
        if self.mode not in MODES:
            what = f"expected mode as one of {', '.join(MODES)}, got {self.mode!r}"
            raise OptionError("Upsample", what, 'give mode="nearest"')
        if self.align_corners and self.mode != "bilinear":
            what = f'expected align_corners with mode "bilinear", got it with {self.mode!r}'
            raise OptionError("Upsample", what, "leave it out")

    def plan(self, in_shape: Shape) -> Plan:
        """For the nearest pixel the window of those that repeat it, else tables of two pixels for every row and column."""
        if len(in_shape) != 3:
            raise ShapeError("Upsample", f"expected an input (C, H, W), got {in_shape}", "put it after a convolution")
        factor = pair("Upsample", "scale_factor", self.scale_factor, least=1)
        out = (in_shape[0], factor[0] * in_shape[1], factor[1] * in_shape[2])
        check_size(out)
        if self.mode == "nearest":
            return Plan(out, consts={"places": Window(factor, factor).array()})
        rows, columns = (_between(n, o, self.align_corners) for n, o in zip(in_shape[1:], out[1:], strict=True))
        return Plan(out, consts=tables("places", rows, columns))

    def forward(self, k: Kernels, x: Array, y: Array, places: Array, weights: Array | None = None) -> None:
        """y = x at all its places, or between its pixels."""
        if weights is None:
            k.subsample_dx(x, np.ones(len(x), x.dtype), places, y)
        else:
            k.resample(x, places, weights, y)

    def backward(self, k: Kernels, dy: Array, dx: Array | None, places: Array, weights: Array | None = None) -> None:
        """dx = Σ of dy over the places that read the pixel, times its weight there."""
        if dx is not None and weights is None:
            k.subsample(dy, np.ones(len(dy), dy.dtype), np.zeros(len(dy), dy.dtype), places, dx)
        elif dx is not None and weights is not None:
            k.resample_dx(dy, places, weights, dx)

    def curvature(self, k: Kernels, hy: Array, hx: Array | None, places: Array, weights2: Array | None = None) -> None:
        """hx = Σ of hy over the places that read the pixel, times the square of its weight there."""
        self.backward(k, hy, hx, places, weights2)


def _between(size: int, places: int, align_corners: bool) -> Axis:
    """The two pixels around every place along one axis, and how much of each; one alone where a place lies on a pixel."""
    o = np.arange(places)
    at = o * ((size - 1) / max(places - 1, 1)) if align_corners else np.maximum((o + 0.5) * (size / places) - 0.5, 0)
    first = np.minimum(at.astype(np.int64), size - 1)
    part = np.where(first < size - 1, at - first, 0)
    return Axis(np.stack([first, np.where(part > 0, first + 1, -1)], 1), np.stack([1 - part, part], 1))
