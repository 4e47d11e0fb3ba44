"""Where windows lie on a map: the output-size rule, written once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import OptionError, ShapeError

Pair = tuple[int, int]

MOST = 2**31 - 1
"""The largest size that an option may have: with larger ones the kernels' 64-bit arithmetic on places could overflow."""


def pair(who: str, name: str, value: int | Pair, least: int, most: int = MOST) -> Pair:
    """An option given as one number or as (rows, columns), checked to be whole, at least ``least`` and at most ``most``.

    >>> pair("Conv2d", "stride", 2, least=1)
    (2, 2)
    """
    both = (value, value) if isinstance(value, int) else value
    whole = isinstance(both, tuple) and len(both) == 2 and all(isinstance(v, int) and not isinstance(v, bool) for v in both)
    if not whole or min(both) < least:
        what = f"expected {name} as a whole number of at least {least} or a pair of them, got {value!r}"
        raise OptionError(who, what, f"give {name}={max(least, 1)} or {name}=({max(least, 1)}, {max(least, 1)})")
    if max(both) > most:
        raise OptionError(who, f"expected {name} of at most {most}, got {value!r}", f"give {name}={least}, or a little more")
    return both


def count(who: str, name: str, value: int, least: int = 1) -> int:
    """An option that counts something, checked to be a whole number of at least ``least`` and at most ``MOST``."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise OptionError(who, f"expected {name} as a whole number of at least {least}, got {value!r}", f"give {name}={least}")
    if value > MOST:
        raise OptionError(who, f"expected {name} of at most {MOST}, got {value!r}", f"give {name}={least}, or a little more")
    return value


@dataclass(frozen=True)
class Window:
    """A kernel, its stride, the background around the map, and the spacing of its taps, each as (rows, columns).

    Along each axis the window has ``(n + before + after − dilation·(kernel − 1) − 1) // stride + 1`` places on a map of
    n pixels (Dumoulin and Visin, *A guide to convolution arithmetic*, 2016, relationship 15).

    Args:
        kernel: taps along each axis.
        stride: pixels between neighbouring places.
        padding: background before the first row and column.
        dilation: pixels between neighbouring taps.
        after: background after the last row and column; as much as before unless said.

    >>> Window((5, 5)).out_size((32, 32))
    (28, 28)
    >>> Window.same((4, 4), (2, 1)).out_size((9, 9))
    (9, 9)
    """

    kernel: Pair
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)
    after: Pair | None = None

    @staticmethod
    def same(kernel: Pair, dilation: Pair) -> Window:
        """The stride-1 window whose output is as large as its input; an odd rest of background goes after, as in PyTorch."""
        total = tuple(d * (k - 1) for k, d in zip(kernel, dilation, strict=True))
        before = (total[0] // 2, total[1] // 2)
        return Window(kernel, padding=before, dilation=dilation, after=(total[0] - before[0], total[1] - before[1]))

    @property
    def trailing(self) -> Pair:
        """Background after the last row and column."""
        return self.padding if self.after is None else self.after

    @property
    def padded(self) -> bool:
        """Whether there is any background around the map."""
        return any(self.padding + self.trailing)

    def padded_size(self, size: Pair) -> Pair:
        """The map with its background."""
        rows, columns = (n + p + q for n, p, q in zip(size, self.padding, self.trailing, strict=True))
        return rows, columns

    def out_size(self, size: Pair) -> Pair:
        """How many places the window has along each axis; below 1 where it does not fit."""
        padded = self.padded_size(size)
        steps = zip(padded, self.kernel, self.stride, self.dilation, strict=True)
        rows, columns = ((n - d * (k - 1) - 1) // s + 1 for n, k, s, d in steps)
        return rows, columns

    def places(self, who: str, size: Pair) -> Pair:
        """``out_size``, or a ShapeError where the window does not fit the map once."""
        out = self.out_size(size)
        if min(out) < 1:
            kernel, dilation, padded = self.kernel, self.dilation, self.padded_size(size)
            reach = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))
            what = f"expected a map of at least {by(reach)}, the reach of its window, got {by(padded)} with padding"
            raise ShapeError(who, what, "choose a smaller kernel or dilation, or more padding")
        return out

    def array(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """What kernels take: kernel, stride, padding and dilation, rows before columns."""
        return np.array([*self.kernel, *self.stride, *self.padding, *self.dilation], np.int64)


def by(size: tuple[int, ...]) -> str:
    """A size in words.

    >>> by((27, 27))
    '27×27'
    """
    return "×".join(map(str, size))
