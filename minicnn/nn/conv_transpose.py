"""Transposed convolutions: the adjoint of a convolution as a layer."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from math import prod

import numpy as np

from ..arrays import Array, Shape
from ..backends.kernels import Kernels
from ..errors import OptionError, ShapeError
from .base import Param, Plan
from .convolution import _Convolution, _OneAxis
from .views import filters, maps, planes
from .window import Pair, Window, by


@dataclass(frozen=True)
class _ConvTranspose(_Convolution):
    """Every pixel of x, times W, added up where it falls on y: x is the output, and y the input, of a convolution."""

    _: KW_ONLY
    padding: int | Pair = 0
    output_padding: int | Pair = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        window, extra = self.window, self._pair("output_padding", 0)
        if any(e >= max(s, d) for e, s, d in zip(extra, window.stride, window.dilation, strict=True)):
            got = f"{self.output_padding!r} with stride {self.stride!r} and dilation {self.dilation!r}"
            what = f"expected output_padding below the stride or the dilation, got {got}"
            raise OptionError(self.label, what, "give less of it, or crop less with padding")

    @property
    def window(self) -> Window:
        """The window of the convolution whose adjoint this is."""
        kernel, stride, dilation = (self._pair(name, 1) for name in ("kernel_size", "stride", "dilation"))
        return Window(kernel, stride, self._pair("padding", 0), dilation)

    def plan(self, in_shape: Shape) -> Plan:
        """W (C, filters/groups, KH, KW) and b (filters,)."""
        (channels, size), window = self._input(in_shape), self.window
        grown = zip(size, window.stride, window.dilation, window.kernel, self._pair("output_padding", 0), strict=True)
        whole = tuple((n - 1) * s + d * (k - 1) + 1 + extra for n, s, d, k, extra in grown)
        out = tuple(n - 2 * p for n, p in zip(whole, window.padding, strict=True))[-self._dims :]
        if min(out) < 1:
            what = f"expected padding that leaves a pixel of {by(whole)}, got {self.padding!r}"
            raise ShapeError(self.label, what, "give less padding: it is cut off on every side")
        taps = window.kernel[-self._dims :]
        shape = (channels, self.filters // self.groups, *taps)
        fan_in, fan_out = prod(shape[1:]), channels // self.groups * prod(taps)
        params = {"W": Param(shape, self.init, fan_in, fan_out)}
        if self.bias:
            params["b"] = Param((self.filters,), self.bias_init, fan_in, fan_out)
        links = prod(in_shape) * fan_in + prod(out) * self.filters * self.bias
        return Plan((self.filters, *out), params, {"window": window.array()}, connections=links)

    def forward(self, k: Kernels, x: Array, y: Array, W: Array, window: Array, b: Array | None = None) -> None:
        """y = W ∗ x + b."""
        k.conv2d_dx(planes(x), filters(W), window, planes(y), algorithm=self.algorithm)
        if b is not None:
            k.row_add(b, maps(y))

    def backward(
        self, k: Kernels, x: Array, dy: Array, W: Array, window: Array, dx: Array | None, dW: Array, db: Array | None = None
    ) -> None:
        """dW += x ⋆ dy, db += Σ dy, dx = W ⋆ dy."""
        if db is not None:
            k.row_sum_add(maps(dy), db)
        k.conv2d_dW_add(planes(dy), planes(x), window, filters(dW), algorithm=self.algorithm)
        if dx is not None:
            k.conv2d(planes(dy), filters(W), np.zeros(len(x), x.dtype), window, planes(dx), algorithm=self.algorithm)

    def curvature(
        self, k: Kernels, x2: Array, hy: Array, W2: Array, window: Array, hx: Array | None, hW: Array, hb: Array | None = None
    ) -> None:
        """hW += x² ⋆ hy, hb += Σ hy, hx = W² ⋆ hy."""
        self.backward(k, x2, hy, W2, window, hx, hW, hb)


@dataclass(frozen=True)
class ConvTranspose2d(_ConvTranspose):
    """y[f] = b[f] + Σ_c W[c, f] ∗ x[c]: the gradient of a convolution by its input as a layer, as ``torch.nn.ConvTranspose2d``.

    Tap (i, j) of the pixel (h, w) of x falls on the pixel (stride·h + dilation·i − padding, …) of y. x (C, H, W, L),
    W (C, filters/groups, KH, KW), b (filters,), y (filters, OH, OW, L), with
    OH = (H − 1)·stride − 2·padding + dilation·(KH − 1) + output_padding + 1 (Dumoulin and Visin, *A guide to convolution
    arithmetic*, 2016, chapter 4). With groups, each group of channels gives its own group of filters.

    Args:
        filters: how many output maps; the number of channels is that of the layer before.
        kernel_size: pixels under a kernel, one number or (rows, columns).
        stride: pixels of y between neighbours of x.
        padding: rows and columns that are cut off y on every side, one number or (rows, columns).
        output_padding: further rows below and columns to the right; less than the stride or the dilation.
        dilation: pixels from one weight of a kernel to the next; 1 leaves no gap.
        groups: into how many groups channels and filters are divided.
        bias: whether b is added.
        algorithm: as in ``Conv2d``.
        init: how W starts; its fan_in is filters/groups · KH · KW, as PyTorch computes it.
        bias_init: how b starts.

    Raises:
        OptionError: an option is outside its range.
        ShapeError: an input that it does not fit, or padding that leaves nothing.

    >>> ConvTranspose2d(6, 4, stride=2, padding=1).plan((16, 7, 7)).out_shape
    (6, 14, 14)
    """


@dataclass(frozen=True)
class ConvTranspose1d(_OneAxis, _ConvTranspose):
    """y[f] = b[f] + Σ_c W[c, f] ∗ x[c] along rows, as ``torch.nn.ConvTranspose1d``.

    x (C, W, L), W (C, filters/groups, K), b (filters,), y (filters, OW, L), with
    OW = (W − 1)·stride − 2·padding + dilation·(K − 1) + output_padding + 1.

    Args:
        filters: how many output rows; the number of channels is that of the layer before.
        kernel_size: pixels under a kernel.
        stride: pixels of y between neighbours of x.
        padding: pixels that are cut off y at both ends.
        output_padding: further pixels at the end; less than the stride or the dilation.
        dilation: pixels from one weight of a kernel to the next; 1 leaves no gap.
        groups: into how many groups channels and filters are divided.
        bias: whether b is added.
        algorithm: as in ``Conv2d``.
        init: how W starts; its fan_in is filters/groups · K, as PyTorch computes it.
        bias_init: how b starts.

    Raises:
        OptionError: an option is outside its range.
        ShapeError: an input that it does not fit, or padding that leaves nothing.

    >>> ConvTranspose1d(1, 4, stride=4).plan((8, 25)).out_shape
    (1, 100)
    """
