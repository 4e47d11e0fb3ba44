"""Pools: means and maxima of windows, and maxima put back in their places.

Versions of ONNX and its runtimes have meant different things by ``ceil_mode``. It is never written: the padding behind a map is
as much as the last window needs.
"""

from __future__ import annotations

import numpy as np

from ....nn import (
    AdaptiveAvgPool2d,
    AvgPool1d,
    AvgPool2d,
    GlobalAvgPool2d,
    GlobalMaxPool2d,
    MaxPool1d,
    MaxPool2d,
    MaxUnpool1d,
    MaxUnpool2d,
)
from .convolutions import last
from .steps import Option, Place, Steps

Windows = AvgPool1d | AvgPool2d | MaxPool1d | MaxPool2d | MaxUnpool1d | MaxUnpool2d


def behind(at: Place, layer: Windows) -> list[int]:
    """Pixels behind the map, along each axis, that the last window reaches."""
    window, size = layer.window, (1, *at.in_shapes[-1])[-2:]
    places = window.out_size((size[0], size[1]), layer.ceil_mode)
    along = zip(places, window.stride, window.dilation, window.kernel, size, window.padding, strict=True)
    rows, columns = (max((o - 1) * s + d * (k - 1) + 1 - n - p, 0) for o, s, d, k, n, p in along)
    return last(at, (rows, columns))


def bordered(at: Steps, x: str, before: list[int], after: list[int], *number: str) -> str:
    """A map with a border of zeros, or of another number."""
    return at.node("Pad", x, at.constant("border", [0, 0, *before, 0, 0, *after]), *number)


def average_pool(at: Place, layer: AvgPool2d | AvgPool1d) -> str:
    """``AveragePool``. Zeros that count are a border of their own where a window reaches beyond them, as that never counts."""
    window, x, after = layer.window, at.x, behind(at, layer)
    before = last(at, window.padding)
    counts = layer.count_include_pad and any(before)
    if counts and any(a > b for a, b in zip(after, before, strict=True)):
        x = bordered(at, x, before, before)
        before, after, counts = [0 for _ in before], [max(a - b, 0) for a, b in zip(after, before, strict=True)], False
    options: dict[str, Option] = {"kernel_shape": last(at, window.kernel), "strides": last(at, window.stride)}
    return at.node("AveragePool", x, pads=[*before, *after], count_include_pad=int(counts), **options)


def winners(at: Place, layer: MaxPool1d | MaxPool2d | MaxUnpool1d | MaxUnpool2d, x: str) -> tuple[str, dict[str, Option]]:
    """What ``MaxPool`` reads, and its options.

    ONNX Runtime takes less padding than the kernel has taps. Dilated windows may reach further: −∞ stands around the map then.
    """
    window, after = layer.window, behind(at, layer)
    before, kernel = last(at, window.padding), last(at, window.kernel)
    if any(a >= k for a, k in zip(after, kernel, strict=True)):
        x = bordered(at, x, before, after, at.constant("least", -np.inf))
        before = after = [0 for _ in kernel]
    options: dict[str, Option] = {"kernel_shape": kernel, "strides": last(at, window.stride), "pads": [*before, *after]}
    return x, options | {"dilations": last(at, window.dilation)}


def max_pool(at: Place, layer: MaxPool2d | MaxPool1d) -> str:
    """``MaxPool``."""
    x, options = winners(at, layer, at.x)
    return at.node("MaxPool", x, **options)


def max_unpool(at: Place, layer: MaxUnpool2d | MaxUnpool1d) -> str:
    """``ScatterElements`` to the places that ``MaxPool`` finds again; where windows overlap, values are added.

    ``MaxUnpool`` keeps one of those that meet in a pixel, and ONNX Runtime has it for float32 only.
    """
    values, pooled = at.inputs
    x, options = winners(at, layer, pooled)
    _, places = at.several(2, "MaxPool", x, **options)
    row = at.constant("row", [-1])
    zeros = at.node("Reshape", at.node("Expand", at.constant("zero", 0.0), at.node("Shape", x)), row)
    flat = [at.node("Reshape", each, row) for each in (places, values)]
    added = at.node("ScatterElements", zeros, *flat, axis=0, reduction="add")
    channels, *size = at.in_shapes[1]
    if x == pooled:
        return at.node("Reshape", added, at.constant("shape", [-1, channels, *size]))
    before, after = last(at, layer.window.padding), behind(at, layer)
    whole = [b + n + a for b, n, a in zip(before, size, after, strict=True)]
    wide = at.node("Reshape", added, at.constant("shape", [-1, channels, *whole]))
    ends = at.constant("ends", [b + n for b, n in zip(before, size, strict=True)])
    return at.node("Slice", wide, at.constant("starts", before), ends, at.constant("axes", list(range(2, 2 + len(size)))))


def global_average_pool(at: Place, layer: GlobalAvgPool2d) -> str:
    """``GlobalAveragePool``, as a vector."""
    return at.node("Flatten", at.node("GlobalAveragePool", at.x))


def global_max_pool(at: Place, layer: GlobalMaxPool2d) -> str:
    """``GlobalMaxPool``, as a vector."""
    return at.node("Flatten", at.node("GlobalMaxPool", at.x))


def adaptive_average_pool(at: Place, layer: AdaptiveAvgPool2d) -> str:
    """``AveragePool`` where windows tile the map, else products with matrices of the shares."""
    size, out = at.in_shape[1:], at.out_shape[1:]
    if not at.has("weights"):
        part = [n // o for n, o in zip(size, out, strict=True)]
        return at.node("AveragePool", at.x, kernel_shape=part, strides=part)
    taps, weights = at.array("windows"), at.array("weights")
    shares = np.zeros((len(taps), max(size) + 1))  # its last column takes what taps of −1 give
    np.add.at(shares, (np.arange(len(taps))[:, None], taps), weights)
    rows = at.constant("rows", shares[: out[0], : size[0]])
    columns = at.constant("columns", shares[out[0] :, : size[1]].T)
    return at.node("MatMul", at.node("MatMul", rows, at.x), columns)
