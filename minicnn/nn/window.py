"""Where windows lie on a map: the output-size rule, written once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arrays import Array
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


def sides(who: str, name: str, value: int | tuple[int | Pair, int | Pair]) -> tuple[Pair, Pair]:
    """An option for the four sides of a map, as (top, left) and (bottom, right).

    It is one number for all sides, or one for (rows, columns), each of which may be a pair (before, after).

    >>> sides("Conv2d", "padding", 1)
    ((1, 1), (1, 1))
    >>> sides("Conv2d", "padding", ((0, 1), (2, 3)))
    ((0, 2), (1, 3))
    """
    if isinstance(value, tuple) and len(value) == 4:
        what = f"expected {name} of four sides as ((top, bottom), (left, right)), got {value!r}"
        raise OptionError(who, what, "write the sides in that form")
    if not isinstance(value, tuple) or len(value) != 2:
        both = pair(who, name, value, least=0)
        return both, both
    (top, bottom), (left, right) = (pair(who, name, each, least=0) for each in value)
    return (top, left), (bottom, right)


def count(who: str, name: str, value: int, least: int = 1, most: int = MOST) -> int:
    """An option that counts something, checked to be a whole number of at least ``least`` and at most ``most``."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise OptionError(who, f"expected {name} as a whole number of at least {least}, got {value!r}", f"give {name}={least}")
    if value > most:
        raise OptionError(who, f"expected {name} of at most {most}, got {value!r}", f"give {name}={least}, or a little more")
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
    def same(kernel: Pair, dilation: Pair, stride: Pair = (1, 1), size: Pair = (1, 1)) -> Window:
        """The window with as little background as gives ⌈n / stride⌉ places; an odd rest of it goes after.

        That is TensorFlow's rule, and PyTorch's for stride 1, where any size gives the same window.
        """
        axes = zip(kernel, dilation, stride, size, strict=True)
        rows, columns = (max((-(-n // s) - 1) * s + d * (k - 1) + 1 - n, 0) for k, d, s, n in axes)
        before = (rows // 2, columns // 2)
        return Window(kernel, stride, before, dilation, after=(rows - before[0], columns - before[1]))

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

    def out_size(self, size: Pair, ceil: bool = False) -> Pair:
        """How many places the window has along each axis; below 1 where it does not fit.

        With ``ceil`` there is one more where a rest is left that begins before the background behind the map.
        """
        padded = self.padded_size(size)
        steps = zip(padded, self.kernel, self.stride, self.dilation, self.trailing, strict=True)
        rows, columns = (_places(n - d * (k - 1) - 1, s, n - after if ceil else 0) for n, k, s, d, after in steps)
        return rows, columns

    def places(self, who: str, size: Pair, ceil: bool = False) -> Pair:
        """``out_size``, or a ShapeError where the window does not fit the map once."""
        out = self.out_size(size, ceil)
        if min(out) < 1:
            kernel, dilation, padded = self.kernel, self.dilation, self.padded_size(size)
            reach = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))
            what = f"expected a map of at least {by(reach)}, the reach of its window, got {by(padded)} with padding"
            raise ShapeError(who, what, "choose a smaller kernel or dilation, or more padding")
        return out

    def array(self) -> Array:
        """What kernels take: kernel, stride, padding and dilation, rows before columns."""
        return np.array([*self.kernel, *self.stride, *self.padding, *self.dilation], np.int64)


def _places(extent: int, stride: int, end: int) -> int:
    """How many steps of a stride fit into ``extent``, and the first place; a further one that begins before ``end``."""
    places = extent // stride + 1
    return places + (extent % stride > 0 and places * stride < end)


def by(size: tuple[int, ...]) -> str:
    """A size in words.

    >>> by((27, 27))
    '27×27'
    """
    return "×".join(map(str, size))
