"""Convolution along rows."""

from __future__ import annotations

from dataclasses import dataclass

from .conv import _Conv
from .convolution import _OneAxis
from .window import Pair, pair


@dataclass(frozen=True)
class Conv1d(_OneAxis, _Conv):
    """y[f] = b[f] + Σ_c W[f, c] ⋆ x[c] along rows, as ``torch.nn.Conv1d``.

    x (C, W, L), W (filters, C/groups, K), b (filters,), y (filters, OW, L), with
    OW = (W + left + right − dilation·(K − 1) − 1) // stride + 1.

    Args:
        filters: how many output rows; the number of channels is that of the layer before.
        kernel_size: pixels under a kernel.
        stride: pixels from one place of the kernel to the next.
        padding: zeros before and after the row: one number, or (left, right); or ``"same"`` for OW = ⌈W / stride⌉, as in
            ``Conv2d``.
        dilation: pixels from one weight of a kernel to the next; 1 leaves no gap.
        groups: into how many groups channels and filters are divided.
        bias: whether b is added.
        algorithm: as in ``Conv2d``.
        init: how W starts.
        bias_init: how b starts.

    Raises:
        OptionError: an option is outside its range.

    >>> Conv1d(8, 9, stride=4, padding=4).plan((1, 100)).out_shape
    (8, 25)
    """

    def _sides(self) -> tuple[Pair, Pair]:
        assert not isinstance(self.padding, str)
        left, right = pair("Conv1d", "padding", self.padding, least=0)  # type: ignore[arg-type]
        return (0, left), (0, right)
