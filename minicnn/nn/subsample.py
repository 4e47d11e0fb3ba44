"""Trainable subsampling, as LeNet-5's S2 and S4."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from math import prod
from typing import ClassVar

import numpy as np

from ..arrays import Array, Shape
from ..backends.kernels import Kernels
from ..errors import ShapeError
from .base import Buffer, Layer, Param, Plan
from .init import Constant, Init, TorchDefault
from .views import maps
from .window import Pair, Window, by, pair


@dataclass(frozen=True)
class Subsample(Layer):
    """y[c] = W[c] · (sum of the window in x[c]) + b[c]: one trainable coefficient and one bias a map.

    x (C, H, W, L), W (C,), b (C,), y (C, H/window, W/window, L). The windows tile the map (LeCun et al. 1998, section
    II.B, layers S2 and S4); an activation layer follows.

    Args:
        window: pixels that are summed, one number or (rows, columns).
        init: how W starts; its fan-in is the window's area.
        bias_init: how b starts.

    Raises:
        OptionError: window below 1.

    >>> Subsample(2).plan((6, 28, 28)).out_shape
    (6, 14, 14)
    """

    window: int | Pair = 2
    _: KW_ONLY
    init: Init = TorchDefault()
    bias_init: Init = Constant(0.0)
    order: ClassVar[str] = "the windows lie side by side, so there is no stride and no padding: give init by name"

    def __post_init__(self) -> None:
        pair("Subsample", "window", self.window, least=1)

    @property
    def windows(self) -> Window:
        """The windows, side by side."""
        size = pair("Subsample", "window", self.window, least=1)
        return Window(size, stride=size)

    def plan(self, in_shape: Shape) -> Plan:
        """W (C,) and b (C,)."""
        windows = self.windows
        size = windows.kernel
        if len(in_shape) != 3:
            raise ShapeError("Subsample", f"expected an input (C, H, W), got {in_shape}", "put it after a convolution")
        if in_shape[1] % size[0] or in_shape[2] % size[1]:
            what = f"window {by(size)} does not tile the {by(in_shape[1:])} map of its input {in_shape}"
            raise ShapeError("Subsample", what, "choose a kernel or padding that leaves a multiple of the window")
        out = windows.out_size((in_shape[1], in_shape[2]))
        channels, fan_in = in_shape[0], prod(size)
        params = {
            "W": Param((channels,), self.init, fan_in, 1),
            "b": Param((channels,), self.bias_init, fan_in, 1),
        }
        consts, sums = {"window": windows.array()}, {"sums": Buffer((channels, *out))}
        links = channels * prod(out) * (fan_in + 1)
        return Plan((channels, *out), params, consts, curvature=sums, connections=links)

    def forward(self, k: Kernels, x: Array, y: Array, W: Array, b: Array, window: Array) -> None:
        """y = W · Σ window + b."""
        k.subsample(x, W, b, window, y)

    def backward(
        self, k: Kernels, x: Array, dy: Array, W: Array, window: Array, dx: Array | None, dW: Array, db: Array
    ) -> None:
        """dW += Σ dy · Σ window, db += Σ dy, dx = W · dy at every pixel of the window."""
        k.subsample_dcoef_add(x, dy, window, dW)
        k.row_sum_add(maps(dy), db)
        if dx is not None:
            k.subsample_dx(dy, W, window, dx)

    def curvature(
        self, k: Kernels, x: Array, hy: Array, W2: Array, sums: Array, hx: Array | None, hW: Array, hb: Array
    ) -> None:
        """hW += Σ hy · (Σ window)², hb += Σ hy, hx = W² · hy at every pixel of the window."""
        window, pixel = self.windows.array(), Window((1, 1)).array()
        k.subsample(x, np.ones(hb.shape, hb.dtype), np.zeros(hb.shape, hb.dtype), window, sums)
        k.square(sums, sums)
        k.subsample_dcoef_add(sums, hy, pixel, hW)
        k.row_sum_add(maps(hy), hb)
        if hx is not None:
            k.subsample_dx(hy, W2, window, hx)
