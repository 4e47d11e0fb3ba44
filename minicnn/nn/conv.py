"""The convolution layers."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from ..arrays import Array, Shape
from ..backends.kernels import Kernels
from ..errors import OptionError
from .base import Param, Plan
from .convolution import _Convolution
from .views import filters, maps, planes, zeros
from .window import Pair, Window, sides


@dataclass(frozen=True)
class _Conv(_Convolution):
    """W over every place of the map, added up over channels."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.padding, str) and self.padding != "same":
            what = f'expected padding as numbers or "same", got {self.padding!r}'
            raise OptionError(self.label, what, 'give padding=0 or padding="same"')
        _ = self.window((1, 1))

    def window(self, size: Pair) -> Window:
        """The window that the options describe on a map of that size."""
        kernel, stride, dilation = (self._pair(name, 1) for name in ("kernel_size", "stride", "dilation"))
        if isinstance(self.padding, str):
            return Window.same(kernel, dilation, stride, size)
        before, after = self._sides()
        return Window(kernel, stride, before, dilation, after)

    def _sides(self) -> tuple[Pair, Pair]:
        """The zeros before and after rows and columns."""
        assert not isinstance(self.padding, str)
        return sides(self.label, "padding", self.padding)

    def plan(self, in_shape: Shape) -> Plan:
        """W (filters, C/groups, KH, KW) and b (filters,)."""
        channels, size = self._input(in_shape)
        window = self.window(size)
        taps, out = window.kernel[-self._dims :], window.places(self.label, size)[-self._dims :]
        shape = (self.filters, channels // self.groups, *taps)
        fan_in, fan_out = prod(shape[1:]), self.filters // self.groups * prod(taps)
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
        k.conv2d(planes(x), filters(W), b, window, planes(y), algorithm=self.algorithm)

    def backward(
        self, k: Kernels, x: Array, dy: Array, W: Array, window: Array, dx: Array | None, dW: Array, db: Array | None = None
    ) -> None:
        """dW += dy ⋆ x, db += Σ dy, dx = W ∗ dy (the full convolution)."""
        if db is not None:
            k.row_sum_add(maps(dy), db)
        k.conv2d_dW_add(planes(x), planes(dy), window, filters(dW), algorithm=self.algorithm)
        if dx is not None:
            k.conv2d_dx(planes(dy), filters(W), window, planes(dx), algorithm=self.algorithm)

    def curvature(
        self, k: Kernels, x2: Array, hy: Array, W2: Array, window: Array, hx: Array | None, hW: Array, hb: Array | None = None
    ) -> None:
        """hW += hy ⋆ x², hb += Σ hy, hx = W² ∗ hy."""
        self.backward(k, x2, hy, W2, window, hx, hW, hb)


@dataclass(frozen=True)
class Conv2d(_Conv):
    """y[f] = b[f] + Σ_c W[f, c] ⋆ x[c], a cross-correlation as in PyTorch.

    x (C, H, W, L), W (filters, C/groups, KH, KW), b (filters,), y (filters, OH, OW, L), with
    OH = (H + top + bottom − dilation·(KH − 1) − 1) // stride + 1. With groups, each group of filters reads its own channels.
    L is the lane axis, the last one: kernels work on a group of images side by side, one in each lane. You never give or get
    it: images are (N, C, H, W), and shapes such as ``in_shape`` are those of one image.

    Args:
        filters: how many output maps; the number of channels is that of the layer before.
        kernel_size: pixels under a kernel, one number or (rows, columns).
        stride: pixels from one place of the kernel to the next.
        padding: zeros around the map: one number for all sides, (rows, columns), or ((top, bottom), (left, right)); or
            ``"same"`` for OH = ⌈H / stride⌉ with as few zeros as give it, an odd one at the end, as in TensorFlow, and with
            stride 1 in PyTorch.
        dilation: pixels from one weight of a kernel to the next; 1 leaves no gap.
        groups: into how many groups channels and filters are divided.
        bias: whether b is added.
        algorithm: ``"im2col"`` writes every window as a column and multiplies; ``"direct"`` does without; ``"auto"`` takes
            direct, except where the window is the whole map, the one column (``benchmarks/conv_bench.py`` shows why).
        init: how W starts.
        bias_init: how b starts.

    Raises:
        OptionError: an option is outside its range.

    >>> Conv2d(6, 5).plan((1, 32, 32)).out_shape
    (6, 28, 28)
    >>> Conv2d(8, 3, padding="same").plan((3, 10, 10)).out_shape
    (8, 10, 10)
    """
