"""Dropout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..arrays import Array, Shape
from ..backends.kernels import Kernels
from ..errors import OptionError
from .base import Layer, Plan
from .views import rows


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
