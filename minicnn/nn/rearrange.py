"""Permute and IndexSelect: the same numbers in another order, and some of them."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar

import numpy as np

from ..arrays import Array, Shape
from ..backends.kernels import Kernels
from ..errors import OptionError, ShapeError
from .base import Layer, Plan, check_size
from .separable import Axis, _Separable, tables
from .window import MOST, Window


@dataclass(frozen=True)
class Permute(Layer):
    """y = x with its axes in another order, as ``torch.permute`` of an image: axis i of y is axis ``dims[i]`` of x.

    Two neighbouring runs of axes change places, as (C, H, W) → (H, W, C) or (C, H, W) → (C, W, H) do. Only the whole order of
    three axes turned round is none of these: that is two such layers.

    Args:
        dims: the axes of an image from 0 on, without that of the batch.

    Raises:
        OptionError: dims is no such order.
        ShapeError: the input has another number of axes.

    >>> Permute((1, 2, 0)).plan((3, 28, 30)).out_shape
    (28, 30, 3)
    """

    dims: tuple[int, ...]
    order: ClassVar[str] = "give the order of the axes as one tuple"

    def __post_init__(self) -> None:
        given = self.dims if isinstance(self.dims, tuple) else ()
        if not given or any(type(n) is not int for n in given) or self._runs() is None:
            what = f"expected dims as all axes from 0 on, of which two neighbouring runs change places, got {self.dims!r}"
            raise OptionError("Permute", what, "give dims=(1, 2, 0), or two of these layers")

    def _runs(self) -> tuple[int, int, int] | None:
        """Where the first run begins, where the second does, and where that ends; None for another order."""
        own = list(range(len(self.dims)))
        moved = [at for at in own if self.dims[at] != at]
        if not moved:
            return 0, 0, 0
        first, end = moved[0], moved[-1] + 1
        middle = self.dims[first]
        wanted = [*own[:first], *own[middle:end], *own[first:middle], *own[end:]]
        return (first, middle, end) if list(self.dims) == wanted else None

    def plan(self, in_shape: Shape) -> Plan:
        """The same sizes in another order."""
        if len(in_shape) != len(self.dims):
            what = f"expected an input of {len(self.dims)} axes, got {in_shape}"
            raise ShapeError("Permute", what, f"give an order of {len(in_shape)} axes")
        return Plan(tuple(in_shape[axis] for axis in self.dims), consts={"row": np.zeros(1, np.int64)})

    def forward(self, k: Kernels, x: Array, y: Array, row: Array) -> None:
        """y[p, b, a, s] = x[p, a, b, s], for the runs a and b: the rows of a matrix become columns."""
        x, window, y = self._cut(x, y)
        k.im2col(x, window, row, y)

    def backward(self, k: Kernels, dy: Array, dx: Array | None, row: Array) -> None:
        """dx[p, a, b, s] = dy[p, b, a, s]."""
        if dx is not None:
            k.zero(dx)
            dx, window, dy = self._cut(dx, dy)
            k.col2im_add(dy, window, row, dx)

    def curvature(self, k: Kernels, hy: Array, hx: Array | None, row: Array) -> None:
        """hx[p, a, b, s] = hy[p, b, a, s]."""
        self.backward(k, hy, hx, row)

    def _cut(self, x: Array, y: Array) -> tuple[Array, Array, Array]:
        """x as maps of A rows of B pixels, the window that takes a whole row, and y as its columns."""
        first, middle, end = self._runs() or (0, 0, 0)
        before, rows, columns = (prod(x.shape[i:j]) for i, j in ((0, first), (first, middle), (middle, end)))
        cut = x.reshape(before, rows, columns, -1)
        return cut, Window((1, columns)).array(), y.reshape(before, 1, columns, rows, 1, cut.shape[-1])


@dataclass(frozen=True)
class IndexSelect(_Separable):
    """y[c, i, j] = x[c, rows[i], columns[j]], as ``torch.index_select`` of both axes of every map.

    x (C, H, W, L), y (C, len(rows), len(columns), L). A row may be there several times.

    Args:
        rows: the rows of x by their numbers from 0 on; all of them for None.
        columns: the columns of x likewise.

    Raises:
        OptionError: rows or columns are no such numbers.
        ShapeError: the input is not (C, H, W), or has too few rows or columns.

    >>> IndexSelect(rows=(0, 2, 4)).plan((6, 5, 7)).out_shape
    (6, 3, 7)
    """

    rows: tuple[int, ...] | None = None
    columns: tuple[int, ...] | None = None
    order: ClassVar[str] = "give rows and columns as tuples"

    def __post_init__(self) -> None:
        for name, given in (("rows", self.rows), ("columns", self.columns)):
            well = isinstance(given, tuple) and len(given) > 0 and all(type(n) is int and 0 <= n <= MOST for n in given)
            if given is not None and not well:
                what = f"expected {name} as a tuple of whole numbers of at least 0, or None, got {given!r:.60}"
                raise OptionError("IndexSelect", what, f"give {name}=(0, 1)")

    def plan(self, in_shape: Shape) -> Plan:
        """Tables of one pixel for every row and column."""
        if len(in_shape) != 3:
            raise ShapeError("IndexSelect", f"expected an input (C, H, W), got {in_shape}", "put a Reshape before it")
        axes = []
        for name, given, size in zip(("rows", "columns"), (self.rows, self.columns), in_shape[1:], strict=True):
            if given is not None and max(given) >= size:
                what = f"expected an input of more than {max(given)} {name}, got {in_shape}"
                raise ShapeError("IndexSelect", what, f"give {name} below {size}")
            at = np.arange(size) if given is None else np.array(given)
            axes.append(Axis(at[:, None], np.ones((len(at), 1))))
        out = (in_shape[0], *(len(axis.taps) for axis in axes))
        check_size(out)
        return Plan(out, consts=tables("taps", *axes))
