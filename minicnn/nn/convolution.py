"""The options that all convolutions share, over maps and over rows."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from ..arrays import Shape
from ..errors import OptionError, ShapeError, flag
from .base import Layer
from .init import Constant, Init, TorchDefault
from .window import Pair, count, pair

ALGORITHMS = ("auto", "im2col", "direct")


@dataclass(frozen=True)
class _Convolution(Layer):
    """Options, and what an input must be."""

    filters: int
    kernel_size: int | Pair
    _: KW_ONLY
    stride: int | Pair = 1
    padding: int | tuple[int | Pair, int | Pair] | str = 0
    dilation: int | Pair = 1
    groups: int = 1
    bias: bool = True
    algorithm: str = "auto"
    init: Init = TorchDefault()
    bias_init: Init = Constant(0.0)
    axes: ClassVar[str] = "(C, H, W)"
    order: ClassVar[str] = (
        "the first argument is the number of filters, and channels are inferred: give stride, padding and the rest by name"
    )

    def __post_init__(self) -> None:
        count(self.label, "filters", self.filters)
        count(self.label, "groups", self.groups)
        flag(self.label, "bias", self.bias)
        if self.filters % self.groups:
            what = f"expected filters as a multiple of groups, got {self.filters} filters in {self.groups} groups"
            raise OptionError(self.label, what, f"give groups that divide {self.filters}")
        if self.algorithm not in ALGORITHMS:
            what = f"expected algorithm as one of {', '.join(ALGORITHMS)}, got {self.algorithm!r}"
            raise OptionError(self.label, what, 'leave it at "auto"')

    def _pair(self, name: str, least: int) -> Pair:
        """An option as (rows, columns)."""
        return pair(self.label, name, getattr(self, name), least)

    @property
    def _dims(self) -> int:
        """Axes of a map."""
        return self.axes.count(",")

    def _input(self, in_shape: Shape) -> tuple[int, Pair]:
        """Channels of an input, and its rows and columns."""
        if len(in_shape) != 1 + self._dims:
            raise ShapeError(
                self.label, f"expected an input {self.axes}, got {in_shape}", "put it before Flatten and Dense layers"
            )
        if in_shape[0] % self.groups:
            what = f"expected channels as a multiple of groups, got {in_shape[0]} channels in {self.groups} groups"
            raise ShapeError(self.label, what, f"give groups that divide {in_shape[0]}")
        return in_shape[0], (1 if self._dims == 1 else in_shape[1], in_shape[-1])


class _OneAxis(_Convolution):
    """Options of a convolution over (C, W): its windows have one row."""

    axes: ClassVar[str] = "(C, W)"

    def _pair(self, name: str, least: int) -> Pair:
        return min(least, 1), count(self.label, name, getattr(self, name), least)
