"""Pooling without parameters."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar

import numpy as np

from ..arrays import Array, Shape
from ..backends.kernels import Kernels
from ..errors import OptionError, ShapeError
from .base import Buffer, Layer, Plan
from .window import Pair, Window, pair

WIDEST = 2**15
"""Rows or columns of a window: every place goes through all of them, even where padding lets most lie beyond the map."""


@dataclass(frozen=True)
class _Pool2d(Layer):
    """Options and geometry that both pools share."""

    kernel_size: int | Pair
    stride: int | Pair | None = None
    padding: int | Pair = 0
    order: ClassVar[str] = "there is no dilation, and no rounding up of sizes"

    def __post_init__(self) -> None:
        window = self.window
        if any(2 * p > n for p, n in zip(window.padding, window.kernel, strict=True)):
            what = f"expected padding of at most half the kernel, got {self.padding!r} for kernel {self.kernel_size!r}"
            raise OptionError(self.label, what, "give less padding, or every window may not meet the map")

    @property
    def window(self) -> Window:
        """The window that the options describe; the stride is the kernel unless given."""
        kernel = pair(self.label, "kernel_size", self.kernel_size, least=1, most=WIDEST)
        stride = kernel if self.stride is None else pair(self.label, "stride", self.stride, least=1)
        return Window(kernel, stride, pair(self.label, "padding", self.padding, least=0))

    def _out(self, in_shape: Shape) -> Shape:
        if len(in_shape) != 3:
            raise ShapeError(self.label, f"expected an input (C, H, W), got {in_shape}", "put it after a convolution")
        return (in_shape[0], *self.window.places(self.label, (in_shape[1], in_shape[2])))


@dataclass(frozen=True)
class AvgPool2d(_Pool2d):
    """y = the mean of the window; padding counts as zeros, as with ``torch.nn.AvgPool2d``'s defaults.

    x (C, H, W, L), y (C, OH, OW, L).

    Args:
        kernel_size: pixels of the window, one number or (rows, columns).
        stride: pixels between windows; the kernel for None.
        padding: zeros around the map, at most half the kernel.

    Raises:
        OptionError: an option outside what it may be.

    >>> AvgPool2d(2).plan((6, 28, 28)).out_shape
    (6, 14, 14)
    """

    def plan(self, in_shape: Shape) -> Plan:
        """No parameters; ``share2`` is what a pixel's share in a mean comes to when squared."""
        share2 = np.full(in_shape[0], 1 / prod(self.window.kernel) ** 2)
        return Plan(self._out(in_shape), consts={"window": self.window.array(), "share2": share2})

    def forward(self, k: Kernels, x: Array, y: Array, window: Array) -> None:
        """y = Σ window / (KH·KW)."""
        k.avg_pool(x, window, y)

    def backward(self, k: Kernels, dy: Array, window: Array, dx: Array | None) -> None:
        """dx = dy / (KH·KW), summed over the windows that meet in a pixel."""
        if dx is not None:
            k.avg_pool_dx(dy, window, dx)

    def curvature(self, k: Kernels, hy: Array, window: Array, share2: Array, hx: Array | None) -> None:
        """hx = hy / (KH·KW)², summed over the windows that meet in a pixel."""
        if hx is not None:
            k.subsample_dx(hy, share2, window, hx)


@dataclass(frozen=True)
class MaxPool2d(_Pool2d):
    """y = the largest pixel of the window; of equals the first in reading order, and NaN wins, as in PyTorch.

    x (C, H, W, L), y (C, OH, OW, L). Padding never wins.

    Args:
        kernel_size: pixels of the window, one number or (rows, columns).
        stride: pixels between windows; the kernel for None.
        padding: background around the map, at most half the kernel.

    Raises:
        OptionError: an option outside what it may be.

    >>> MaxPool2d(3, stride=2, padding=1).plan((6, 28, 28)).out_shape
    (6, 14, 14)
    """

    def plan(self, in_shape: Shape) -> Plan:
        """``tap`` remembers which pixel of each window won."""
        out = self._out(in_shape)
        return Plan(out, consts={"window": self.window.array()}, saved={"argmax": Buffer(out, "int32")})

    def forward(self, k: Kernels, x: Array, y: Array, window: Array, argmax: Array) -> None:
        """y = max over the window."""
        k.max_pool(x, window, y, argmax)

    def backward(self, k: Kernels, dy: Array, window: Array, argmax: Array, dx: Array | None) -> None:
        """dx = dy at the winner, summed over the windows that it won."""
        if dx is not None:
            k.max_pool_dx(dy, argmax, window, dx)

    def curvature(self, k: Kernels, hy: Array, window: Array, argmax: Array, hx: Array | None) -> None:
        """hx = hy at the winner, summed over the windows that it won."""
        self.backward(k, hy, window, argmax, hx)
