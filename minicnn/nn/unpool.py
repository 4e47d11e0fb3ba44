"""Max pooling undone: values go back to where the maxima of a map were."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from ..arrays import Array, Shape
from ..backends.kernels import Kernels
from ..errors import ShapeError
from .base import Buffer, Plan
from .pool import _Dilated, _OneAxis
from .views import planes


@dataclass(frozen=True)
class _MaxUnpool(_Dilated):
    """What both share. A layer has one output, so the places of the maxima are found again in what the pool read."""

    joins: ClassVar[bool] = True

    def plan(self, *in_shapes: Shape) -> Plan:
        """The shape of the second input; ``argmax`` remembers which tap of each of its windows won."""
        if len(in_shapes) != 2:
            what = f"expected two inputs, the values and the map that was pooled, got {len(in_shapes)}"
            raise ShapeError(self.label, what, f'write ("up", {self.label}(2), ("values", "map"))')
        values, pooled = in_shapes
        won = self._won(pooled)
        if values != won.out_shape:
            what = f"expected values {won.out_shape}, one for every window on {pooled}, got {values}"
            raise ShapeError(self.label, what, "give the values first, then what the pool read, and the pool's options")
        return replace(won, out_shape=pooled, work={"maxima": Buffer(values)})

    def forward(self, k: Kernels, xs: tuple[Array, ...], y: Array, window: Array, argmax: Array, maxima: Array) -> None:
        """y = Σ of the values of the windows that the pixel won."""
        values, pooled = xs
        k.max_pool(planes(pooled), window, planes(maxima), planes(argmax))
        k.max_pool_dx(planes(values), planes(argmax), window, planes(y))

    def backward(self, k: Kernels, dy: Array, dxs: tuple[Array | None, ...], window: Array, argmax: Array) -> None:
        """dx_0 = dy at the winner, dx_1 = 0."""
        if dxs[0] is not None:
            k.max_pool_take(planes(dy), planes(argmax), window, planes(dxs[0]))
        if dxs[1] is not None:
            k.zero(dxs[1])

    def curvature(self, k: Kernels, hy: Array, hxs: tuple[Array | None, ...], window: Array, argmax: Array) -> None:
        """hx_0 = hy at the winner, hx_1 = 0."""
        self.backward(k, hy, hxs, window, argmax)


@dataclass(frozen=True)
class MaxUnpool2d(_MaxUnpool):
    """y = every value at the place of its window's maximum, 0 elsewhere, as ``torch.nn.MaxUnpool2d`` (Zeiler and Fergus, 2014).

    It reads the values (C, OH, OW, L) and the map (C, H, W, L) that a ``MaxPool2d`` with the same options read; y (C, H, W, L).
    PyTorch is given the places of the maxima in the map's stead, and its size. Where windows overlap, the values of all that
    a pixel won are added; in PyTorch one of them stays. No gradient goes to the map.

    Args:
        kernel_size: as in the pool, as are all options.
        stride: pixels from one window to the next; those of the kernel for None.
        padding: background around the map, at most half the kernel.
        ceil_mode: whether a last window may reach beyond the padding, if it begins before its end.
        dilation: pixels from one neighbour in the window to the next; 1 leaves no gap.

    Raises:
        OptionError: an option is outside its range.
        ShapeError: not two inputs, or values that are not one for every window.

    >>> from minicnn import Conv2d, MaxPool2d, Network
    >>> coder = [("pool", MaxPool2d(2), "input"), ("conv", Conv2d(3, 3, padding=1))]
    >>> Network([*coder, ("up", MaxUnpool2d(2), ("conv", "input"))], (3, 8, 8), threads=1).out_shape
    (3, 8, 8)
    """


@dataclass(frozen=True)
class MaxUnpool1d(_OneAxis, _MaxUnpool):
    """y = every value at the place of its window's maximum, 0 elsewhere, along rows: ``MaxUnpool2d`` for (C, W, L).

    Args:
        kernel_size: as in the pool, as are all options.
        stride: pixels from one window to the next; those of the kernel for None.
        padding: background before and after the row, at most half the kernel.
        ceil_mode: whether a last window may reach beyond the padding, if it begins before its end.
        dilation: pixels from one neighbour in the window to the next; 1 leaves no gap.

    Raises:
        OptionError: an option is outside its range.
        ShapeError: not two inputs, or values that are not one for every window.

    >>> MaxUnpool1d(4).plan((6, 25), (6, 100)).out_shape
    (6, 100)
    """
