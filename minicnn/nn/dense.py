"""The dense layer."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from math import prod
from typing import ClassVar

from ..arrays import Array, Shape
from ..backends.kernels import Kernels
from ..errors import flag
from .base import Layer, Param, Plan
from .init import Constant, Init, TorchDefault
from .views import rows, zeros
from .window import count


@dataclass(frozen=True)
class Dense(Layer):
    """y = W x + b.   x (D, L), W (units, D), b (units,), y (units, L); x of a higher rank is read as one vector.

    Args:
        units: how many outputs; the number of inputs is that of the layer before.
        bias: whether b is added.
        init: how W starts.
        bias_init: how b starts.

    Raises:
        OptionError: units below 1 or too many, or bias is not True or False.

    >>> Dense(84).plan((120,)).out_shape
    (84,)
    """

    units: int
    _: KW_ONLY
    bias: bool = True
    init: Init = TorchDefault()
    bias_init: Init = Constant(0.0)
    order: ClassVar[str] = "the first argument is the number of outputs, and inputs are inferred: give the rest by name"

    def __post_init__(self) -> None:
        count("Dense", "units", self.units)
        flag("Dense", "bias", self.bias)

    def plan(self, in_shape: Shape) -> Plan:
        """W (units, D) and b (units,) for D inputs."""
        d = prod(in_shape)
        params = {"W": Param((self.units, d), self.init, fan_in=d, fan_out=self.units)}
        if not self.bias:
            return Plan((self.units,), params, {"b": zeros(self.units)}, connections=self.units * d)
        params["b"] = Param((self.units,), self.bias_init, fan_in=d, fan_out=self.units)
        return Plan((self.units,), params, connections=self.units * (d + 1))

    def forward(self, k: Kernels, x: Array, y: Array, W: Array, b: Array) -> None:
        """y = W x + b."""
        k.gemm_bias(W, rows(x), b, y)

    def backward(self, k: Kernels, x: Array, dy: Array, W: Array, dx: Array | None, dW: Array, db: Array | None = None) -> None:
        """dW += dy xᵀ, db += Σ dy, dx = Wᵀ dy."""
        k.outer_add(dy, rows(x), dW)
        if db is not None:
            k.row_sum_add(dy, db)
        if dx is not None:
            k.gemm_tn(W, dy, rows(dx))

    def curvature(
        self, k: Kernels, x2: Array, hy: Array, W2: Array, hx: Array | None, hW: Array, hb: Array | None = None
    ) -> None:
        """hW += hy (x²)ᵀ, hb += Σ hy, hx = (W²)ᵀ hy."""
        self.backward(k, x2, hy, W2, hx, hW, hb)
