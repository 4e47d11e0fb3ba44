"""Convolutions as the kernels of a compiled backend do them: the way by shape, and what each way needs beside its arrays.

Layers record ``conv2d``, ``conv2d_dx``, ``conv2d_dW_add`` and their sparse forms on weights as they are. There are five ways:

- *direct*, from register tiles, whose weights are packed once per update. The kernels meet the border by themselves, at some
  cost for every tap; where there are few channels to share it, x is copied into a frame of zeros instead;
- *whole*: where the window is the whole map, as in LeNet-5's C5, x as a vector is the one column, so it is a matrix product;
- *im2col*, as the textbooks write it, where the layer asks for it: the columns of a few output rows at a time are kept;
- *depthwise*: where filters read one channel each, all of them in one call, on a backend that has kernels for the shape;
- *image*: the sums of direct for a group of one image, from weights as they are, on a backend that has such kernels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from math import prod

import numpy as np

from ..arrays import Array
from .packing import blocks, filter_block
from .program import Call, Kernel
from .workspace import Workspace

FEW = 4
"""Up to so many channels a frame pays."""

WIDE = 16
"""A frame of more pixels than so many maps and outputs is not made: wide padding with large dilation would take any memory."""

SPREAD = 5
"""Rows of so many taps are spread over dx: with fewer, what dx meets outside dy costs less than the steps between the tiles."""

COLUMNS = 1 << 14
"""About how many numbers an image's columns may hold at a time."""

VECTORS = 32
"""Transposed arrays are filled up to a multiple of so many numbers, the widest row of a tile that there is."""


def rows(a: Array) -> Array:
    """(…, L) as (D, L)."""
    return a.reshape(-1, a.shape[-1])


def maps(a: Array) -> Array:
    """(F, …) as (F, P)."""
    return a.reshape(a.shape[0], -1)


def groups_of(count: int, *arrays: Array) -> Iterator[tuple[Array, ...]]:
    """The arrays' parts for one group of maps after another, as views."""
    for i in range(count):
        yield tuple(a[i * (len(a) // count) : (i + 1) * (len(a) // count)] for a in arrays)


def by_link(links: Array, column: int, count: int) -> tuple[Array, Array]:
    """Where the links of each map (column 0) or channel (1) begin, and the links sorted so."""
    table = links[np.argsort(links[:, column], kind="stable")]
    return np.searchsorted(table[:, column], np.arange(count + 1)), table


def nowhere(x: Array, W: Array, window: Array, y: Array) -> bool:
    """The rule of a backend without kernels of its own for filters that read one channel."""
    return False


class Convolutions:
    """The rules that replace recorded convolutions and outer products by kernels.

    Args:
        kernels: by name; those for one image are looked for where a group has one lane.
        depthwise: whether there are kernels for a convolution of x with W, given its window and y, whose filters read one
            channel each.
    """

    def __init__(
        self, kernels: Mapping[str, Kernel], depthwise: Callable[[Array, Array, Array, Array], bool] = nowhere
    ) -> None:
        self._kernels, self._depthwise = kernels, depthwise
        self._rules: dict[str, Callable[[Call, Workspace], list[Call]]] = {
            "conv2d": self._conv2d,
            "conv2d_dx": self._conv2d_dx,
            "conv2d_dW_add": self._conv2d_dW_add,
            "sparse_conv2d": self._sparse_conv2d,
            "sparse_conv2d_dx": self._sparse_conv2d_dx,
            "sparse_conv2d_dW_add": self._sparse_conv2d_dW_add,
            "outer_add": self._outer_add,
        }

    def of(self, made: Callable[[Kernel], Kernel]) -> Convolutions:
        """The same rules, with other kernels made of these."""
        return Convolutions({name: made(kernel) for name, kernel in self._kernels.items()}, self._depthwise)

    def lowered(self, recorded: Iterable[Call], workspace: Workspace) -> list[Call]:
        """The calls that do what the calls of a program say."""
        workspace.begin()
        done: list[Call] = []
        for call in recorded:
            rule = self._rules.get(call.name)
            done += [call] if rule is None else [replace(made, replaces=call.recorded) for made in rule(call, workspace)]
            workspace.changed(call.arrays if rule is None else call.arrays[-1:])  # which of them others write, none says
        workspace.end()
        return done

    @property
    def names(self) -> list[str]:
        """The operations that it replaces."""
        return list(self._rules)

    def _make(self, call: Call, name: str, *arrays: Array) -> Call:
        return Call(call.where, name, self._kernels[name], arrays)

    # --- y = W ⋆ x + b ---

    def _conv2d(self, call: Call, workspace: Workspace) -> list[Call]:
        x, W, b, window, y = call.arrays
        if self._is_depthwise(call, x, W, window, y):
            return [self._make(call, "depthwise_conv2d", *call.arrays)]
        groups = len(x) // W.shape[1]
        if covers(call, x, W, window, y):
            parts = groups_of(groups, x, y, W, b)
            return [self._make(call, "gemm_bias", maps(ws), rows(xs), bs, maps(ys)) for xs, ys, ws, bs in parts]
        if by_columns(call):
            return [made for part in groups_of(groups, x, y, W, b) for made in self._by_columns(call, workspace, window, *part)]
        padded, inner, calls = self._padded(call, workspace, x, W, window, y)
        for xs, ys, ws, bs in groups_of(groups, padded, y, W, b):
            if self._is_single(x):
                calls.append(self._make(call, "conv2d_image", xs, ws, bs, inner, ys))
                continue
            packed, before = self._packed(call, workspace, "pack_filters", ws, len(ws), ws.shape[1])
            calls += [*before, self._make(call, "conv2d", xs, packed, bs, inner, ys)]
        return calls

    def _by_columns(
        self, call: Call, workspace: Workspace, window: Array, x: Array, y: Array, W: Array, b: Array
    ) -> Iterator[Call]:
        """y = W cols + b, a few rows of y at a time."""
        for row, cols, out in columns(workspace, W, y):
            yield self._make(call, "im2col", x, window, row, cols)
            yield self._make(call, "gemm_bias", maps(W), cols.reshape(prod(cols.shape[:3]), -1), b, out)

    # --- dW += dy ⋆ x ---

    def _conv2d_dW_add(self, call: Call, workspace: Workspace) -> list[Call]:
        x, dy, window, dW = call.arrays
        if self._is_depthwise(call, x, dW, window, dy):
            return [self._make(call, "depthwise_conv2d_dW_add", *call.arrays)]
        groups = len(x) // dW.shape[1]
        if covers(call, x, dW, window, dy):
            parts = groups_of(groups, x, dy, dW)
            return [self._outer(call, workspace, maps(dys), rows(xs), maps(dws)) for xs, dys, dws in parts]
        calls: list[Call] = []
        if by_columns(call):
            for xs, dys, dws in groups_of(groups, x, dy, dW):
                for row, cols, dout in columns(workspace, dws, dys):
                    calls.append(self._make(call, "im2col", xs, window, row, cols))
                    calls.append(self._make(call, "gemm_nt_add", dout, cols.reshape(prod(cols.shape[:3]), -1), maps(dws)))
            return calls
        padded, inner, calls = self._padded(call, workspace, x, dW, window, dy)
        name = "conv2d_image_dW_add" if self._is_single(x) else "conv2d_dW_add"
        parts = groups_of(groups, padded, dy, dW)
        return [*calls, *(self._make(call, name, xs, dys, inner, dws) for xs, dys, dws in parts)]

    # --- dx = W ∗ dy ---

    def _conv2d_dx(self, call: Call, workspace: Workspace) -> list[Call]:
        dy, W, window, dx = call.arrays
        if self._is_depthwise(call, dx, W, window, dy):
            return [self._make(call, "depthwise_conv2d_dx", *call.arrays)]
        groups, calls = len(dx) // W.shape[1], list[Call]()
        whole = covers(call, dx, W, window, dy)
        for dys, ws, dxs in groups_of(groups, dy, W, dx):
            if whole:
                calls.append(self._make(call, "gemm_tn", maps(ws), maps(dys), rows(dxs)))
            elif by_columns(call):
                calls += self._dx_by_columns(call, workspace, window, dys, ws, dxs)
            elif self._is_single(dy):
                calls.append(self._make(call, "conv2d_image_dx", dys, ws, window, dxs))
            elif groups == 1 and spreads(dy, W, window, dx):
                first, table = by_link(all_links(len(W), len(dx)), 1, len(dx))
                calls.append(self._make(call, "sparse_conv2d_dx", dy, W.reshape(-1, *W.shape[2:]), first, table, dx))
            else:
                packed, before = self._packed(call, workspace, "pack_channels", ws, ws.shape[1], len(ws))
                calls += [*before, self._make(call, "conv2d_dx", dys, packed, window, dxs)]
        return calls

    def _dx_by_columns(self, call: Call, workspace: Workspace, window: Array, dy: Array, W: Array, dx: Array) -> Iterator[Call]:
        """dcols = Wᵀ dy and dx = col2im(dcols), a few rows of dy at a time."""
        yield self._make(call, "zero", dx)
        for row, cols, dout in columns(workspace, W, dy):
            yield self._make(call, "gemm_tn", maps(W), dout, cols.reshape(prod(cols.shape[:3]), -1))
            yield self._make(call, "col2im_add", cols, window, row, dx)

    # --- over links ---

    def _sparse_conv2d(self, call: Call, workspace: Workspace) -> list[Call]:
        x, W, b, links, y = call.arrays
        return [self._make(call, "sparse_conv2d", x, W, b, *by_link(links, 0, len(y)), y)]

    def _sparse_conv2d_dx(self, call: Call, workspace: Workspace) -> list[Call]:
        dy, W, links, dx = call.arrays
        return [self._make(call, "sparse_conv2d_dx", dy, W, *by_link(links, 1, len(dx)), dx)]

    def _sparse_conv2d_dW_add(self, call: Call, workspace: Workspace) -> list[Call]:
        x, dy, links, dW = call.arrays
        first, table = by_link(links, 1, len(x))
        return [self._make(call, "sparse_conv2d_dW_add", x, dy, first, table[:, 0].copy(), table[:, 2].copy(), dW)]

    # --- what they share ---

    def _outer_add(self, call: Call, workspace: Workspace) -> list[Call]:
        return [self._outer(call, workspace, *call.arrays)]

    def _outer(self, call: Call, workspace: Workspace, dy: Array, x: Array, dW: Array) -> Call:
        """dW += dy xᵀ for few columns, by way of xᵀ."""
        xt = workspace.temporary((x.shape[1], -(-len(x) // VECTORS) * VECTORS), x.dtype)
        return self._make(call, "outer_add", dy, x, xt, dW)

    def _is_depthwise(self, call: Call, x: Array, W: Array, window: Array, y: Array) -> bool:
        """Whether one kernel does it for all filters, which read one channel each."""
        return W.shape[1] == 1 and not by_columns(call) and self._depthwise(x, W, window, y)

    def _is_single(self, x: Array) -> bool:
        """Whether this is the only image of its group, and there are kernels for that."""
        return bool(x.shape[-1] == 1) and "conv2d_image" in self._kernels

    def _packed(
        self, call: Call, workspace: Workspace, kernel: str, W: Array, count: int, others: int
    ) -> tuple[Array, list[Call]]:
        """Weights in blocks of so many filters or channels, and the calls that make them first."""
        size = filter_block(count)
        shape = (blocks(count, size), others, *W.shape[2:], size)
        return workspace.derived.array(call.where, self._kernels[kernel], W, shape)

    def _padded(
        self, call: Call, workspace: Workspace, x: Array, W: Array, window: Array, y: Array
    ) -> tuple[Array, Array, list[Call]]:
        """x in a frame of zeros where that pays, the window there, and the call that writes it unless an earlier pass did."""
        sides = frame(x, W, window, y)
        if sides == x.shape[1:3] or len(x) > FEW or prod(sides) > WIDE * (prod(x.shape[1:3]) + prod(y.shape[1:3])):
            return x, window, []
        padded, new = workspace.copy(x, window, (len(x), *sides, x.shape[3]))
        inner = np.array([*window[:4], 0, 0, *window[6:]])
        return padded, inner, [self._make(call, "pad", x, window, padded)] if new else []


def covers(call: Call, x: Array, W: Array, window: Array, y: Array) -> bool:
    """Whether the window is the whole map, so that the convolution is a matrix product."""
    plain = bool((window[4:] == (0, 0, 1, 1)).all()) and W.shape[2:] == x.shape[1:3] and y.shape[1:3] == (1, 1)
    return plain and call.options.get("algorithm", "auto") == "auto"


def by_columns(call: Call) -> bool:
    """Whether the layer asks for im2col."""
    return call.options.get("algorithm") == "im2col"


def spreads(dy: Array, W: Array, window: Array, dx: Array) -> bool:
    """Whether dx is made by spreading every row of dy over the taps, which needs a window without border, gaps and steps."""
    inside = all(n + k - 1 == m for n, k, m in zip(dy.shape[1:3], W.shape[2:], dx.shape[1:3], strict=True))
    return inside and W.shape[3] == SPREAD and tuple(window[2:]) == (1, 1, 0, 0, 1, 1)


def frame(x: Array, W: Array, window: Array, y: Array) -> tuple[int, int]:
    """The rows and columns that the window reaches: the map itself where there is no padding."""
    sides = []
    for axis in (0, 1):
        size, taps, places = x.shape[1 + axis], W.shape[2 + axis], y.shape[1 + axis]
        stride, before, dilation = (int(window[n + axis]) for n in (2, 4, 6))
        reach = (places - 1) * stride + dilation * (taps - 1) + 1
        sides.append(max(reach, size + before))
    return sides[0], sides[1]


def columns(workspace: Workspace, W: Array, y: Array) -> Iterator[tuple[Array, Array, Array]]:
    """For a few output rows at a time: the first row, memory for their columns, and their part of y as (F, P)."""
    _, channels, kh, kw = W.shape
    tall, wide, lanes = y.shape[1:]
    height = min(tall, max(1, COLUMNS // (channels * kh * kw * wide)))
    for first in range(0, tall, height):
        count = min(height, tall - first)
        cols = workspace.temporary((channels, kh, kw, count, wide, lanes), W.dtype)
        yield np.array([first]), cols, maps(y)[:, first * wide * lanes : (first + count) * wide * lanes]


def all_links(filters: int, channels: int) -> Array:
    """A dense convolution as links (map, channel, kernel)."""
    c, f = np.divmod(np.arange(filters * channels), filters)
    return np.stack([f, c, f * channels + c], axis=1)
