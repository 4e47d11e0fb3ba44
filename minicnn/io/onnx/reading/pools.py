"""Pools over windows, and over all of a map."""

from __future__ import annotations

from functools import partial
from math import prod

import numpy as np

from ....arrays import Array
from ....nn import AdaptiveAvgPool2d, AvgPool2d, Conv2d, GlobalAvgPool2d, GlobalMaxPool2d, MaxPool2d, Pad2d
from .builder import Builder
from .constants import Operator
from .node import Node
from .values import Flow, Value
from .windows import Along, along


def _maps(node: Node, b: Builder, x: Flow) -> Flow:
    """x as maps: rows are maps of one row."""
    if len(x.shape) not in (2, 3):
        node.refuse("maps (N, C, H, W) or rows (N, C, W)", f"an input of {len(x.shape) + 1} axes")
    return x if len(x.shape) == 3 else b.reshape(node, x, (x.shape[0], 1, x.shape[1]))


def _windows(node: Node, x: Flow) -> tuple[list[Along], bool]:
    """The windows along rows and columns, and whether a last one may reach beyond the padding."""
    kernel, ceil = node.numbers("kernel_shape", None) or [], bool(node.whole("ceil_mode", 0))
    found = along(node, x.shape[1:], kernel, ceil)
    return ([Along(1, 1, 1, 1, 0, 0, 1)] if len(found) == 1 else []) + found, ceil


def _finish(node: Node, b: Builder, x: Flow, y: Flow, axes: list[Along]) -> Flow:
    """The result, which has as many places as ONNX's rule says, in the graph's shape."""
    shape = (x.shape[0], *(a.places for a in axes))
    if y.shape != shape:
        node.refuse(f"windows of which layers have {shape[1:]} places", f"{y.shape[1:]}")
    return b.reshape(node, y, (shape[0], *shape[4 - len(x.shape) :]))


def _pair(axes: list[Along], name: str) -> tuple[int, int]:
    """A number of the windows along rows and columns."""
    return getattr(axes[0], name), getattr(axes[1], name)


def max_pool(node: Node, b: Builder) -> Value:
    """Maxima of windows. Padding that a layer has not is the border's pixel repeated, which every window there has anyway."""
    node.only_output()
    node.ignore("storage_order")
    x = node.flow(whole=True)
    (axes, ceil), maps = _windows(node, x), _maps(node, b, x)
    kernel, stride, dilation = (_pair(axes, name) for name in ("kernel", "stride", "dilation"))
    largest, places = partial(MaxPool2d, kernel, stride, dilation=dilation), _pair(axes, "places")
    if all(a.even for a in axes):
        layer = partial(largest, padding=_pair(axes, "before"), ceil_mode=ceil)
        return _finish(node, b, x, b.add(node, layer, maps), axes)
    for mode in (False, True):  # more or less background behind the map than the last window needs changes nothing
        layer = partial(largest, padding=_pair(axes, "before"), ceil_mode=mode)
        fits = all(2 * a.before <= a.kernel for a in axes)
        if fits and layer().window.out_size((maps.shape[1], maps.shape[2]), mode) == places:
            return _finish(node, b, x, b.add(node, layer, maps), axes)
    ends = [max(a.needed, 0) for a in axes]
    for a, end in zip(axes, ends, strict=True):
        beyond = a.before >= a.reach or end >= a.reach or (a.dilation > 1 and (a.before or end))
        if beyond:
            node.refuse("windows that all meet the map, and taps side by side where padding is uneven", "others")
    rows, columns = ((a.before, end) for a, end in zip(axes, ends, strict=True))
    padded = b.add(node, partial(Pad2d, (rows, columns), "replicate"), maps)
    return _finish(node, b, x, b.add(node, largest, padded), axes)


def average_pool(node: Node, b: Builder) -> Value:
    """Means of windows; those that no pool has are sums, by a convolution, over how many pixels count."""
    x = node.flow()
    counted = bool(node.whole("count_include_pad", 0))
    (axes, ceil), maps = _windows(node, x), _maps(node, b, x)
    if all(a.even and a.dilation == 1 for a in axes):
        options = {"padding": _pair(axes, "before"), "ceil_mode": ceil, "count_include_pad": counted}
        layer = partial(AvgPool2d, _pair(axes, "kernel"), _pair(axes, "stride"), **options)  # type: ignore[arg-type]
        return _finish(node, b, x, b.add(node, layer, maps), axes)
    node.bound(max(a.places * a.kernel for a in axes))
    node.bound(x.shape[0] * prod(a.kernel for a in axes))
    rows, columns = (_counts(a, counted) for a in axes)
    if not rows.all() or not columns.all():
        node.refuse("windows that all meet the map", "others")
    channels, taps = x.shape[0], _pair(axes, "kernel")
    padding = tuple((a.before, max(a.needed, 0)) for a in axes)
    options = {"stride": _pair(axes, "stride"), "dilation": _pair(axes, "dilation"), "padding": padding, "groups": channels}
    sums = partial(Conv2d, channels, taps, bias=False, **options)  # type: ignore[arg-type]
    ones = np.full((channels, 1, *taps), 1 / prod(taps))
    y = b.add(node, sums, maps, arrays={"W": ones}, frozen=True)
    node.bound(x.shape[0] * len(rows) * len(columns))
    share = prod(taps) / (rows[:, None] * columns)
    if (share != 1).any() and y.shape[1:] == share.shape:
        y = b.scale(node, y, np.broadcast_to(share, y.shape), 0)
    return _finish(node, b, x, y, axes)


def _counts(a: Along, counted: bool) -> Array:
    """How many pixels count in each place of a window along an axis: those of the map, and of its padding if that counts."""
    at = np.arange(a.places)[:, None] * a.stride - a.before + np.arange(a.kernel) * a.dilation
    first, last = (-a.before, a.size + a.after) if counted else (0, a.size)
    found: Array = ((at >= first) & (at < last)).sum(1)
    return found


def global_pool(kind: type[GlobalAvgPool2d] | type[GlobalMaxPool2d]) -> Operator:
    """One window over all of a map."""

    def read(node: Node, b: Builder) -> Value:
        x = node.flow()
        y = b.add(node, kind, _maps(node, b, x))
        return b.reshape(node, y, (x.shape[0], *(1,) * (len(x.shape) - 1)))

    return read


def reduced(kind: type[GlobalAvgPool2d] | type[GlobalMaxPool2d]) -> Operator:
    """Means or maxima over neighbouring axes of an image; maxima over the last ones alone."""

    def read(node: Node, b: Builder) -> Value:
        x = node.flow()
        keep, empty = bool(node.whole("keepdims", 1)), bool(node.whole("noop_with_empty_axes", 0))
        given = node.whole_numbers(1, "axes") if node.optional(1) else node.numbers("axes", None)
        if not given:
            if empty:
                return x
            node.refuse("axes, as the first axis of all is the batch", "none")
        axes = sorted({node.own_axis(axis, x.shape) for axis in given})
        first, end = axes[0], axes[-1] + 1
        if axes != list(range(first, end)):
            node.refuse("neighbouring axes", str(given))
        before, after = prod(x.shape[:first]), prod(x.shape[end:])
        cut = b.reshape(node, x, (before, prod(x.shape[first:end]), after))
        if after == 1:
            y = b.add(node, kind, cut)
        elif kind is GlobalAvgPool2d:
            y = b.add(node, partial(AdaptiveAvgPool2d, (1, None)), cut)
        else:
            node.refuse("the last axes", str(given))
        left = [(1 if first <= axis < end else n) for axis, n in enumerate(x.shape) if keep or not first <= axis < end]
        return b.reshape(node, y, tuple(left))

    return read


def reduce_sum(node: Node, b: Builder) -> Value:
    """Sums over neighbouring axes: means times how many numbers there are."""
    x, y = node.flow(), reduced(GlobalAvgPool2d)(node, b)
    assert isinstance(y, Flow)
    return y if y is x else b.scale(node, y, x.size // y.size, 0)


OPERATORS: dict[str, Operator] = {
    "AveragePool": average_pool,
    "GlobalAveragePool": global_pool(GlobalAvgPool2d),
    "GlobalMaxPool": global_pool(GlobalMaxPool2d),
    "MaxPool": max_pool,
    "ReduceMax": reduced(GlobalMaxPool2d),
    "ReduceMean": reduced(GlobalAvgPool2d),
    "ReduceSum": reduce_sum,
}
