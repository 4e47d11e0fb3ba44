"""Convolution over a connection table, as LeNet-5's C3."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from math import prod
from typing import ClassVar

import numpy as np

from ..arrays import Array, Shape
from ..backends.kernels import Kernels
from ..errors import OptionError, ShapeError
from .base import Buffer, Layer, Param, Plan
from .init import Constant, Init, TorchDefault
from .views import maps
from .window import Pair, Window, pair

Table = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class SparseConv2d(Layer):
    """y[f] = b[f] + Σ_j W[k(f) + j] ⋆ x[table[f][j]]: every output map reads only the channels that its row lists.

    x (C, H, W, L), y (maps, OH, OW, L), b (maps,). The kernels lie packed, W (kernels, KH, KW), in the order of the table:
    map 0's kernels, one for each of its channels, then map 1's. With ``group_sizes``, the maps of a group share one set of
    kernels, applied in the order in which each row lists its channels, and one bias; b is (groups,) then. Every map starts by
    its own fan-in, channels × KH × KW (LeCun et al. 1998, section II.B and table I).

    Args:
        table: for each output map, the channels it reads, in order.
        kernel_size: pixels under a kernel, one number or (rows, columns).
        group_sizes: how many maps each group has, in the order of the table; every map is on its own for None.
        init: how W starts.
        bias_init: how b starts.

    Raises:
        OptionError: an empty table or row, a channel listed twice or negative, or groups that do not fit the table.

    >>> layer = SparseConv2d(((0, 1), (1, 2), (0, 1, 2)), kernel_size=5)
    >>> layer.plan((3, 14, 14)).params["W"].shape
    (7, 5, 5)
    >>> SparseConv2d(((0, 1), (1, 2), (2, 0)), 5, group_sizes=(3,)).plan((3, 14, 14)).params["W"].shape
    (2, 5, 5)
    """

    table: Table
    kernel_size: int | Pair
    _: KW_ONLY
    group_sizes: tuple[int, ...] | None = None
    init: Init = TorchDefault()
    bias_init: Init = Constant(0.0)
    order: ClassVar[str] = "the first argument is the table of channels, whose rows are the maps: give the rest by name"

    def __post_init__(self) -> None:
        pair("SparseConv2d", "kernel_size", self.kernel_size, least=1)
        if not isinstance(self.table, tuple) or not self.table or not all(_whole_numbers(row) and row for row in self.table):
            what = f"expected a table with at least one channel in every row, got {self.table!r}"
            raise OptionError("SparseConv2d", what, "list the channels that each map reads")
        for f, row in enumerate(self.table):
            if min(row) < 0 or len(set(row)) < len(row):
                what = f"expected row {f} to list channels from 0 on, each once, got {row!r}"
                raise OptionError("SparseConv2d", what, "correct the row")
        self._check_groups()

    def _check_groups(self) -> None:
        if not _whole_numbers(self._sizes) or not self._sizes or min(self._sizes) < 1 or sum(self._sizes) != len(self.table):
            what = f"expected group_sizes as the sizes of groups of {len(self.table)} maps in all, got {self.group_sizes!r}"
            raise OptionError("SparseConv2d", what, "let the sizes add up to the number of rows of the table")
        for f, first in enumerate(self._firsts):
            if len(self.table[f]) != len(self.table[first]):
                what = f"expected map {f} to read {len(self.table[first])} channels as map {first}, got {len(self.table[f])}"
                raise OptionError("SparseConv2d", what, "tie only maps with equally many channels")

    @property
    def _sizes(self) -> tuple[int, ...]:
        """How many maps each group has."""
        return (1,) * len(self.table) if self.group_sizes is None else self.group_sizes

    @property
    def _group(self) -> Array:
        """The group of each map."""
        return np.repeat(np.arange(len(self._sizes)), self._sizes)

    @property
    def _firsts(self) -> Array:
        """The first map of each map's group."""
        starts = np.cumsum([0, *self._sizes[:-1]])
        return starts[self._group]

    @property
    def links(self) -> list[tuple[int, int, int]]:
        """Every link as (map, channel, kernel)."""
        rows = [len(row) if f == self._firsts[f] else 0 for f, row in enumerate(self.table)]
        starts = np.cumsum([0, *rows[:-1]])
        return [(f, c, int(starts[self._firsts[f]]) + j) for f, row in enumerate(self.table) for j, c in enumerate(row)]

    def plan(self, in_shape: Shape) -> Plan:
        """W (kernels, KH, KW), b (groups,), and the links."""
        kh, kw = pair("SparseConv2d", "kernel_size", self.kernel_size, least=1)
        channels = 1 + max(max(row) for row in self.table)
        if len(in_shape) != 3 or in_shape[0] < channels:
            what = f"expected an input ({channels} or more channels, H, W), got {in_shape}"
            raise ShapeError("SparseConv2d", what, "let the table list only channels that there are")
        out = Window((kh, kw)).places("SparseConv2d", (in_shape[1], in_shape[2]))
        links = np.array(self.links)
        fan_of_group = np.array([len(self.table[f]) * kh * kw for f in np.unique(self._firsts)])
        fan_of_kernel = np.zeros(links[:, 2].max() + 1)
        fan_of_kernel[links[:, 2]] = fan_of_group[self._group[links[:, 0]]]
        users = np.bincount(links[:, 1])
        params = {
            "W": Param((len(fan_of_kernel), kh, kw), self.init, fan_of_kernel[:, None, None], int(users.max()) * kh * kw),
            "b": Param((len(self._sizes),), self.bias_init, fan_of_group, 1),
        }
        consts = {"links": links}
        connections = prod(out) * (len(links) * kh * kw + len(self.table))
        derived = {"bias": Buffer((len(self.table),))}
        return Plan((len(self.table), *out), params, consts, derived, connections=connections)

    def prepare(self, k: Kernels, b: Array, bias: Array) -> None:
        """Give every map the bias of its group."""
        k.spread(b, self._group, bias)

    def forward(self, k: Kernels, x: Array, y: Array, W: Array, bias: Array, links: Array) -> None:
        """y = W ⋆ x + b over the links."""
        k.sparse_conv2d(x, W, bias, links, y)

    def backward(self, k: Kernels, x: Array, dy: Array, W: Array, links: Array, dx: Array | None, dW: Array, db: Array) -> None:
        """db += Σ dy, dW += dy ⋆ x, dx = W ∗ dy over the links."""
        k.group_sum_add(maps(dy), self._group, db)
        k.sparse_conv2d_dW_add(x, dy, links, dW)
        if dx is not None:
            k.sparse_conv2d_dx(dy, W, links, dx)

    def curvature(
        self, k: Kernels, x2: Array, hy: Array, W2: Array, links: Array, hx: Array | None, hW: Array, hb: Array
    ) -> None:
        """hb += Σ hy, hW += hy ⋆ x², hx = W² ∗ hy over the links; what maps share is summed over them."""
        self.backward(k, x2, hy, W2, links, hx, hW, hb)


def _whole_numbers(values: object) -> bool:
    """Whether these are a tuple of whole numbers."""
    return isinstance(values, tuple) and all(isinstance(v, int) and not isinstance(v, bool) for v in values)
