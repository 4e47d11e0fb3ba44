"""Pooling without parameters: the means and the maxima of windows."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, replace
from math import prod
from typing import ClassVar

import numpy as np

from ..arrays import Array, Shape
from ..backends.kernels import Kernels
from ..errors import OptionError, ShapeError, flag
from .base import Buffer, Layer, Plan
from .separable import ranges, tables
from .views import planes
from .window import MOST, Pair, Window, by, count, pair

WIDEST = 2**15
"""Rows or columns of a window: every place goes through all of them, even where padding lets most lie beyond the map."""


class _Average(Layer):
    """Means over windows: ``windows`` is a window where all count equally many pixels, else the taps of ``weights``."""

    def forward(self, k: Kernels, x: Array, y: Array, windows: Array, weights: Array | None = None) -> None:
        """y = Σ window / how many pixels count."""
        if weights is None:
            k.avg_pool(planes(x), windows, planes(y))
        else:
            k.resample(planes(x), windows, weights, planes(y))

    def backward(self, k: Kernels, dy: Array, dx: Array | None, windows: Array, weights: Array | None = None) -> None:
        """dx = dy / how many pixels count, summed over the windows that meet in a pixel."""
        if dx is not None and weights is None:
            k.avg_pool_dx(planes(dy), windows, planes(dx))
        elif dx is not None and weights is not None:
            k.resample_dx(planes(dy), windows, weights, planes(dx))

    def curvature(self, k: Kernels, hy: Array, hx: Array | None, windows: Array, weights2: Array | None = None) -> None:
        """hx = hy / (how many pixels count)², summed over the windows that meet in a pixel."""
        if hx is not None and weights2 is None:
            share2 = np.full(len(hy), 1 / prod(windows[:2].tolist()) ** 2, hy.dtype)
            k.subsample_dx(planes(hy), share2, windows, planes(hx))
        else:
            self.backward(k, hy, hx, windows, weights2)


class _Maximum(Layer):
    """Maxima over windows; ``argmax`` remembers which tap of each won."""

    def forward(self, k: Kernels, x: Array, y: Array, window: Array, argmax: Array) -> None:
        """y = max over the window."""
        k.max_pool(planes(x), window, planes(y), planes(argmax))

    def backward(self, k: Kernels, dy: Array, window: Array, argmax: Array, dx: Array | None) -> None:
        """dx = dy at the winner, summed over the windows that it won."""
        if dx is not None:
            k.max_pool_dx(planes(dy), planes(argmax), window, planes(dx))

    def curvature(self, k: Kernels, hy: Array, window: Array, argmax: Array, hx: Array | None) -> None:
        """hx = hy at the winner, summed over the windows that it won."""
        self.backward(k, hy, window, argmax, hx)


@dataclass(frozen=True)
class _Pool(Layer):
    """Options and geometry that all pools over windows share."""

    kernel_size: int | Pair
    stride: int | Pair | None = None
    padding: int | Pair = 0
    _: KW_ONLY
    ceil_mode: bool = False
    axes: ClassVar[str] = "(C, H, W)"

    def __post_init__(self) -> None:
        flag(self.label, "ceil_mode", self.ceil_mode)
        window = self.window
        if any(2 * p > n for p, n in zip(window.padding, window.kernel, strict=True)):
            what = f"expected padding of at most half the kernel, got {self.padding!r} for kernel {self.kernel_size!r}"
            raise OptionError(self.label, what, "give less padding, or every window may not meet the map")

    def _pair(self, name: str, least: int, most: int = MOST) -> Pair:
        """An option as (rows, columns)."""
        return pair(self.label, name, getattr(self, name), least, most)

    @property
    def window(self) -> Window:
        """The window that the options describe; the stride is the kernel unless given."""
        kernel = self._pair("kernel_size", 1, WIDEST)
        return Window(kernel, kernel if self.stride is None else self._pair("stride", 1), self._pair("padding", 0))

    def _size(self, in_shape: Shape) -> Pair:
        """Rows and columns of the input."""
        if len(in_shape) != self.axes.count(",") + 1:
            raise ShapeError(self.label, f"expected an input {self.axes}, got {in_shape}", "put it after a convolution")
        return (1, in_shape[1]) if len(in_shape) == 2 else (in_shape[1], in_shape[2])

    def _out(self, in_shape: Shape) -> Shape:
        """The shape of the output."""
        places = self.window.places(self.label, self._size(in_shape), self.ceil_mode)
        return (in_shape[0], *places[3 - len(in_shape) :])


class _OneAxis(_Pool):
    """Options of a pool over (C, W): its windows have one row."""

    axes: ClassVar[str] = "(C, W)"

    def _pair(self, name: str, least: int, most: int = MOST) -> Pair:
        return 0 if name == "padding" else 1, count(self.label, name, getattr(self, name), least, most)


@dataclass(frozen=True)
class _AvgPool(_Average, _Pool):
    """What both pools of means share."""

    _: KW_ONLY
    count_include_pad: bool = True
    order: ClassVar[str] = "give ceil_mode and count_include_pad by name"

    def __post_init__(self) -> None:
        super().__post_init__()
        flag(self.label, "count_include_pad", self.count_include_pad)

    def plan(self, in_shape: Shape) -> Plan:
        """No parameters; tables where the windows at a border count fewer pixels than the others."""
        window, size, out = self.window, self._size(in_shape), self._out(in_shape)
        places = window.out_size(size, self.ceil_mode)
        axes = zip(size, places, window.kernel, window.stride, window.padding, strict=True)
        parts = [parts_of(*axis, self.count_include_pad) for axis in axes]
        if all((counts == n).all() for (_, _, counts), n in zip(parts, window.kernel, strict=True)):
            return Plan(out, consts={"windows": window.array()})
        rows, columns = (ranges(first, last, 1 / counts) for first, last, counts in parts)
        return Plan(out, consts=tables("windows", rows, columns))


def parts_of(size: int, places: int, kernel: int, stride: int, padding: int, count_padding: bool) -> tuple[Array, Array, Array]:
    """For the windows along one axis: the first pixel, the one behind the last, and how many count.

    Padding counts if it is asked for, but never what lies beyond it, where ``ceil_mode`` lets a window reach.
    """
    start = np.arange(places) * stride - padding
    end = np.minimum(start + kernel, size + padding)
    first, last = np.maximum(start, 0), np.minimum(end, size)
    return first, last, end - start if count_padding else last - first


@dataclass(frozen=True)
class _Dilated(_Pool):
    """Windows of which one tap wins."""

    _: KW_ONLY
    dilation: int | Pair = 1
    order: ClassVar[str] = "give dilation and ceil_mode by name"

    @property
    def window(self) -> Window:
        """The window that the options describe; the stride is the kernel unless given."""
        return replace(super().window, dilation=self._pair("dilation", 1))

    def _won(self, in_shape: Shape) -> Plan:
        """``argmax`` remembers which tap of each window won."""
        out, size, window = self._out(in_shape), self._size(in_shape), self.window
        places = window.out_size(size, self.ceil_mode)
        axes = zip(size, places, window.kernel, window.stride, window.padding, window.dilation, strict=True)
        if any(misses(*axis) for axis in axes):
            got = f"dilation {self.dilation!r} with padding {self.padding!r}"
            what = f"expected windows that all have a tap on the {by(size)} map, got {got}"
            raise ShapeError(self.label, what, "give less padding or less dilation")
        return Plan(out, consts={"window": window.array()}, saved={"argmax": Buffer(out, "int32")})


@dataclass(frozen=True)
class _MaxPool(_Maximum, _Dilated):
    """What both pools of maxima share."""

    def plan(self, in_shape: Shape) -> Plan:
        """``argmax`` remembers which tap of each window won."""
        return self._won(in_shape)


def misses(size: int, places: int, kernel: int, stride: int, padding: int, dilation: int) -> bool:
    """Whether a window has all of its taps before or behind the map along one axis: gaps may be wider than the map.

    >>> misses(size=2, places=1, kernel=2, stride=1, padding=1, dilation=3)
    True
    """
    before = range(-padding, min(0, places * stride - padding), stride)  # those that begin on the map meet it
    return any(-start > dilation * (kernel - 1) or start % dilation >= size for start in before)


@dataclass(frozen=True)
class AvgPool2d(_AvgPool):
    """y = the mean of the window, as with ``torch.nn.AvgPool2d``.

    x (C, H, W, L), y (C, OH, OW, L).

    Args:
        kernel_size: pixels of the window, one number or (rows, columns).
        stride: pixels from one window to the next; those of the kernel for None.
        padding: zeros around the map, at most half the kernel.
        ceil_mode: whether a last window may reach beyond the padding, if it begins before its end; what is there never counts.
        count_include_pad: whether the zeros of the padding count in the mean.

    Raises:
        OptionError: an option is outside its range.

    >>> AvgPool2d(2).plan((6, 28, 28)).out_shape
    (6, 14, 14)
    """


@dataclass(frozen=True)
class MaxPool2d(_MaxPool):
    """y = the largest pixel of the window; of equals the first in reading order, and NaN wins, as in PyTorch.

    x (C, H, W, L), y (C, OH, OW, L). Padding never wins.

    Args:
        kernel_size: pixels of the window, one number or (rows, columns).
        stride: pixels from one window to the next; those of the kernel for None.
        padding: background around the map, at most half the kernel.
        ceil_mode: whether a last window may reach beyond the padding, if it begins before its end.
        dilation: pixels from one neighbour in the window to the next; 1 leaves no gap.

    Raises:
        OptionError: an option is outside its range.

    >>> MaxPool2d(3, stride=2, padding=1).plan((6, 28, 28)).out_shape
    (6, 14, 14)
    """


@dataclass(frozen=True)
class AvgPool1d(_OneAxis, _AvgPool):
    """y = the mean of the window along a row, as with ``torch.nn.AvgPool1d``.

    x (C, W, L), y (C, OW, L).

    Args:
        kernel_size: pixels of the window.
        stride: pixels from one window to the next; those of the kernel for None.
        padding: zeros before and after the row, at most half the kernel.
        ceil_mode: whether a last window may reach beyond the padding, if it begins before its end; what is there never counts.
        count_include_pad: whether the zeros of the padding count in the mean.

    Raises:
        OptionError: an option is outside its range.

    >>> AvgPool1d(4, 2).plan((6, 100)).out_shape
    (6, 49)
    """


@dataclass(frozen=True)
class MaxPool1d(_OneAxis, _MaxPool):
    """y = the largest pixel of the window along a row; of equals the first, and NaN wins, as in PyTorch.

    x (C, W, L), y (C, OW, L). Padding never wins.

    Args:
        kernel_size: pixels of the window.
        stride: pixels from one window to the next; those of the kernel for None.
        padding: background before and after the row, at most half the kernel.
        ceil_mode: whether a last window may reach beyond the padding, if it begins before its end.
        dilation: pixels from one neighbour in the window to the next; 1 leaves no gap.

    Raises:
        OptionError: an option is outside its range.

    >>> MaxPool1d(4, 4).plan((6, 100)).out_shape
    (6, 25)
    """
