"""Resize: maps of any other size by the nearest pixels, or by interpolating between them."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

import numpy as np

from ..arrays import Array, Shape
from ..errors import OptionError, ShapeError, flag, number
from .base import Plan, check_size
from .separable import Axis, _Separable, tables
from .window import Pair, pair

CHOICES = {
    "mode": ("nearest", "linear"),
    "coordinate_transformation_mode": (
        *("half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric"),
    ),
    "nearest_mode": ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil"),
}


@dataclass(frozen=True)
class Resize(_Separable):
    """y = every map in another size, by the rules of ONNX's operator ``Resize``.

    x (C, H, W, L), y (C, OH, OW, L). Pixel o of an axis of y lies at a place u between the pixels of x: (o + ½)/s − ½ for
    ``"half_pixel"``, o/s for ``"asymmetric"``, o·(n − 1)/(s·n − 1) for ``"align_corners"``, s the scale and n the size of x.
    ``"nearest"`` takes the pixel at u rounded, ``"linear"`` the two around u. Beyond the border stands its pixel.

    Args:
        size: rows and columns of y, one number or a pair.
        mode: ``"nearest"`` or ``"linear"``.
        scales: s of rows and columns; size of y over size of x for None. They differ where a size was rounded.
        coordinate_transformation_mode: where pixels lie: ``"half_pixel"``, ``"half_pixel_symmetric"``,
            ``"pytorch_half_pixel"``, ``"align_corners"`` or ``"asymmetric"``.
        nearest_mode: how u is rounded: ``"round_prefer_floor"``, ``"round_prefer_ceil"``, ``"floor"`` or ``"ceil"``.
        antialias: whether ``"linear"`` takes all pixels that a pixel of a smaller y covers.

    Raises:
        OptionError: an option is outside its range.
        ShapeError: the input is not (C, H, W).

    Source: https://onnx.ai/onnx/operators/onnx__Resize.html

    >>> Resize((7, 9), mode="linear").plan((6, 14, 14)).out_shape
    (6, 7, 9)
    """

    size: int | Pair
    _: KW_ONLY
    mode: str = "nearest"
    scales: tuple[float, float] | None = None
    coordinate_transformation_mode: str = "half_pixel"
    nearest_mode: str = "round_prefer_floor"
    antialias: bool = False
    order: ClassVar[str] = "the first argument is the size of y: give mode and the rest by name"

    def __post_init__(self) -> None:
        pair("Resize", "size", self.size, least=1)
        flag("Resize", "antialias", self.antialias)
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                what = f"expected {name} as one of {', '.join(choices)}, got {getattr(self, name)!r}"
                raise OptionError("Resize", what, f'give {name}="{choices[0]}"')
        if self.scales is not None:
            if not isinstance(self.scales, tuple) or len(self.scales) != 2:
                what = f"expected scales as a pair of numbers, or None, got {self.scales!r}"
                raise OptionError("Resize", what, "leave it out")
            for each in self.scales:
                number("Resize", "scales", each, 0, math.inf, "()")

    def plan(self, in_shape: Shape) -> Plan:
        """Tables of the pixels that every row and column reads."""
        if len(in_shape) != 3:
            raise ShapeError("Resize", f"expected an input (C, H, W), got {in_shape}", "put it after a convolution")
        size = pair("Resize", "size", self.size, least=1)
        out = (in_shape[0], *size)
        check_size(out)
        given = self.scales or (size[0] / in_shape[1], size[1] / in_shape[2])
        rows, columns = (self._axis(*each) for each in zip(in_shape[1:], size, given, strict=True))
        return Plan(out, consts=tables("taps", rows, columns))

    def _axis(self, size: int, places: int, scale: float) -> Axis:
        """The pixels that each place reads."""
        at = self._at(size, places, scale)
        first = np.floor(at)
        part = at - first
        if self.mode == "nearest":
            up = {
                "round_prefer_floor": part > 0.5,
                "round_prefer_ceil": part >= 0.5,
                "floor": np.zeros(places, bool),
                "ceil": part > 0,
            }[self.nearest_mode]
            taps = np.clip(first + up, 0, size - 1).astype(np.int64)
            return Axis(taps[:, None], np.ones((places, 1)))
        slope = min(scale, 1.0) if self.antialias else 1.0
        reach = math.ceil(1 / slope)
        taps = first[:, None].astype(np.int64) + np.arange(1 - reach, reach + 1)
        weights = np.maximum(1 - slope * abs(taps - at[:, None]), 0)
        return _merged(np.clip(taps, 0, size - 1), weights / weights.sum(1, keepdims=True))

    def _at(self, size: int, places: int, scale: float) -> Array:
        """Where the pixels of y lie between those of x."""
        o, whole, kind = np.arange(places, dtype=np.float64), scale * size, self.coordinate_transformation_mode
        if kind == "align_corners":
            return o * ((size - 1) / (whole - 1)) if whole != 1 else np.zeros(places)
        if kind == "asymmetric":
            return o / scale
        if kind == "pytorch_half_pixel" and whole == 1:
            return np.full(places, -0.5)
        shift = size / 2 * (1 - places / whole) if kind == "half_pixel_symmetric" else 0.0
        return shift + (o + 0.5) / scale - 0.5


def _merged(taps: Array, weights: Array) -> Axis:
    """Every pixel of a place once, with what it counts in all; those that count nothing are left out."""
    weights = weights.copy()
    for at in range(1, taps.shape[1]):
        same = taps[:, at] == taps[:, at - 1]
        weights[:, at] += np.where(same, weights[:, at - 1], 0)
        weights[:, at - 1] = np.where(same, 0, weights[:, at - 1])
    order = np.argsort(weights == 0, axis=1, kind="stable")
    taps, weights = np.take_along_axis(taps, order, 1), np.take_along_axis(weights, order, 1)
    reads = int((weights > 0).sum(1).max())
    return Axis(np.where(weights > 0, taps, -1)[:, :reads], weights[:, :reads])
