"""Dropout of elements, and of whole channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..arrays import Array, Shape
from ..backends.kernels import Kernels
from ..errors import OptionError, ShapeError, number
from .base import Buffer, Layer, Plan
from .views import by_channel, rows


@dataclass(frozen=True)
class Dropout(Layer):
    """y = x · m / (1 − rate), where m is 0 with probability ``rate`` and 1 otherwise; y = x outside training.   Any shape.

    m is a hash of (seed, step, layer, image, element), so it is the same whatever the threads and groups, and the backward
    pass makes it anew (Srivastava et al. 2014; the scaling is the inverted form that PyTorch uses).

    Args:
        rate: share of the elements that are dropped, from 0 up to but not including 1.

    Raises:
        OptionError: rate outside [0, 1).
    """

    rate: float = 0.5
    order: ClassVar[str] = "whether y is written over x is the network's matter: give rate alone"

    def __post_init__(self) -> None:
        if isinstance(self.rate, bool) or not isinstance(self.rate, int | float) or not 0 <= self.rate < 1:
            raise OptionError("Dropout", f"expected rate in [0, 1), got {self.rate!r}", "give rate=0.5")

    def plan(self, in_shape: Shape) -> Plan:
        """The shape stays."""
        return Plan(in_shape, consts={"rate_array": np.array([float(self.rate)])}, inplace=True)

    def forward(self, k: Kernels, x: Array, y: Array, rng: Array, train: bool, rate_array: Array) -> None:
        """y = x · m / (1 − rate) in training, else x."""
        if train:
            k.dropout(rows(x), rng, rate_array, rows(y))
        else:
            k.copy(x, y)

    def backward(self, k: Kernels, dy: Array, rng: Array, train: bool, rate_array: Array, dx: Array | None) -> None:
        """dx = dy · m / (1 − rate) in training, else dy."""
        if dx is not None and train:
            k.dropout(rows(dy), rng, rate_array, rows(dx))
        elif dx is not None:
            k.copy(dy, dx)

    def curvature(self, k: Kernels, hy: Array, rng: Array, rate_array: Array, hx: Array | None) -> None:
        """hx = hy · m / (1 − rate)²."""
        if hx is not None:
            k.dropout(rows(hy), rng, rate_array, rows(hx))
            k.dropout(rows(hx), rng, rate_array, rows(hx))


@dataclass(frozen=True)
class Dropout2d(Layer):
    """y[c] = x[c] · m[c] / (1 − p), m[c] = 0 with probability p and 1 otherwise; y = x outside training.   x (C, H, W, L).

    Whole channels are dropped: ``torch.nn.Dropout2d`` (Tompson et al. 2015). m is the hash of ``Dropout`` with a channel in the
    place of an element.

    Args:
        p: share of the channels that are dropped, from 0 up to but not including 1.

    Raises:
        OptionError: p outside [0, 1).
        ShapeError: the input is not (C, H, W).
    """

    p: float = 0.5
    order: ClassVar[str] = "whether y is written over x is the network's matter: give p alone"

    def __post_init__(self) -> None:
        number("Dropout2d", "p", self.p, 0, 1)

    def plan(self, in_shape: Shape) -> Plan:
        """The shape stays; it must be a map."""
        if len(in_shape) != 3:
            what = f"expected an input (C, H, W), got {in_shape}"
            raise ShapeError("Dropout2d", what, "put it after a convolution, or give Dropout")
        return Plan(in_shape, consts={"rate": np.array([float(self.p)])}, curvature={"hy_scaled": Buffer(in_shape)})

    def forward(self, k: Kernels, x: Array, y: Array, rng: Array, train: bool, rate: Array) -> None:
        """y[c] = x[c] · m[c] / (1 − p) in training, else x."""
        if train:
            k.dropout_channels(by_channel(x), rng, rate, by_channel(y))
        else:
            k.copy(x, y)

    def backward(self, k: Kernels, dy: Array, rng: Array, train: bool, rate: Array, dx: Array | None) -> None:
        """dx[c] = dy[c] · m[c] / (1 − p) in training, else dy."""
        if dx is not None and train:
            k.dropout_channels(by_channel(dy), rng, rate, by_channel(dx))
        elif dx is not None:
            k.copy(dy, dx)

    def curvature(self, k: Kernels, hy: Array, rng: Array, rate: Array, hy_scaled: Array, hx: Array | None) -> None:
        """hx[c] = hy[c] · m[c] / (1 − p)²."""
        if hx is not None:
            k.dropout_channels(by_channel(hy), rng, rate, by_channel(hy_scaled))
            k.dropout_channels(by_channel(hy_scaled), rng, rate, by_channel(hx))
