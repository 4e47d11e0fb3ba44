"""The convolution layer."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from math import prod
from typing import ClassVar

from ..arrays import Array, Shape
from ..backends.kernels import Kernels
from ..errors import OptionError, ShapeError, flag
from .base import Layer, Param, Plan
from .init import Constant, Init, TorchDefault
from .views import maps, zeros
from .window import Pair, Window, count, pair, sides

ALGORITHMS = ("auto", "im2col", "direct")


@dataclass(frozen=True)
class Conv2d(Layer):
    """y[f] = b[f] + Σ_c W[f, c] ⋆ x[c], a cross-correlation as in PyTorch.

    x (C, H, W, L), W (filters, C/groups, KH, KW), b (filters,), y (filters, OH, OW, L), with
    OH = (H + top + bottom − dilation·(KH − 1) − 1) // stride + 1. With groups, each group of filters reads its own group of
    channels.

    Args:
        filters: how many output maps; how many channels there are, the layer before says.
        kernel_size: taps, one number or (rows, columns).
        stride: pixels between places.
        padding: zeros around the map: one number for all sides, (rows, columns), or ((top, bottom), (left, right)); or
            ``"same"`` for OH = ⌈H / stride⌉ with as few zeros as give it, an odd one at the end, as in TensorFlow, and with
            stride 1 in PyTorch.
        dilation: pixels between taps.
        groups: into how many groups channels and filters fall.
        bias: whether b is added.
        algorithm: ``"im2col"`` writes every window as a column and multiplies; ``"direct"`` computes the same sums without
            columns; ``"auto"`` takes direct, except where the window is the whole map: x is the one column then, and the
            convolution a matrix product (``benchmarks/conv_bench.py`` shows why).
        init: how W starts.
        bias_init: how b starts.

    Raises:
        OptionError: an option outside what it may be.

    >>> Conv2d(6, 5).plan((1, 32, 32)).out_shape
    (6, 28, 28)
    >>> Conv2d(8, 3, padding="same").plan((3, 10, 10)).out_shape
    (8, 10, 10)
    """

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
    order: ClassVar[str] = (
        "the first argument is the number of filters, and channels are inferred: give stride, padding and the rest by name"
    )

    def __post_init__(self) -> None:
        count("Conv2d", "filters", self.filters)
        count("Conv2d", "groups", self.groups)
        flag("Conv2d", "bias", self.bias)
        if self.filters % self.groups:
            what = f"expected filters as a multiple of groups, got {self.filters} filters in {self.groups} groups"
            raise OptionError("Conv2d", what, f"give groups that divide {self.filters}")
        if self.algorithm not in ALGORITHMS:
            what = f"expected algorithm as one of {', '.join(ALGORITHMS)}, got {self.algorithm!r}"
            raise OptionError("Conv2d", what, 'leave it at "auto"')
        if isinstance(self.padding, str) and self.padding != "same":
            what = f'expected padding as numbers or "same", got {self.padding!r}'
            raise OptionError("Conv2d", what, 'give padding=0 or padding="same"')
        _ = self.window((1, 1))

    def window(self, size: Pair) -> Window:
        """The window that the options describe on a map of that size."""
        kernel = pair("Conv2d", "kernel_size", self.kernel_size, least=1)
        stride = pair("Conv2d", "stride", self.stride, least=1)
        dilation = pair("Conv2d", "dilation", self.dilation, least=1)
        if isinstance(self.padding, str):
            return Window.same(kernel, dilation, stride, size)
        before, after = sides("Conv2d", "padding", self.padding)
        return Window(kernel, stride, before, dilation, after)

    def plan(self, in_shape: Shape) -> Plan:
        """W (filters, C/groups, KH, KW) and b (filters,)."""
        if len(in_shape) != 3:
            raise ShapeError("Conv2d", f"expected an input (C, H, W), got {in_shape}", "put it before Flatten and Dense layers")
        channels, size = in_shape[0], (in_shape[1], in_shape[2])
        window = self.window(size)
        if channels % self.groups:
            what = f"expected channels as a multiple of groups, got {channels} channels in {self.groups} groups"
            raise ShapeError("Conv2d", what, f"give groups that divide {channels}")
        out = window.places("Conv2d", size)
        shape = (self.filters, channels // self.groups, *window.kernel)
        fan_in, fan_out = prod(shape[1:]), self.filters // self.groups * prod(window.kernel)
        params = {"W": Param(shape, self.init, fan_in, fan_out)}
        consts = {"window": window.array()}
        if self.bias:
            params["b"] = Param((self.filters,), self.bias_init, fan_in, fan_out)
        else:
            consts["b"] = zeros(self.filters)
        links = prod(out) * self.filters * (fan_in + self.bias)
        return Plan((self.filters, *out), params, consts, connections=links)

    def forward(self, k: Kernels, x: Array, y: Array, W: Array, b: Array, window: Array) -> None:
        """y = W ⋆ x + b."""
        k.conv2d(x, W, b, window, y, algorithm=self.algorithm)

    def backward(
        self, k: Kernels, x: Array, dy: Array, W: Array, window: Array, dx: Array | None, dW: Array, db: Array | None = None
    ) -> None:
        """dW += dy ⋆ x, db += Σ dy, dx = W ∗ dy (the full convolution)."""
        if db is not None:
            k.row_sum_add(maps(dy), db)
        k.conv2d_dW_add(x, dy, window, dW, algorithm=self.algorithm)
        if dx is not None:
            k.conv2d_dx(dy, W, window, dx, algorithm=self.algorithm)

    def curvature(
        self, k: Kernels, x2: Array, hy: Array, W2: Array, window: Array, hx: Array | None, hW: Array, hb: Array | None = None
    ) -> None:
        """hW += hy ⋆ x², hb += Σ hy, hx = W² ∗ hy."""
        self.backward(k, x2, hy, W2, window, hx, hW, hb)
