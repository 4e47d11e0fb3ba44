"""Convolutions, and the layers that are convolutions to ONNX: over a table of connections, and trainable subsampling."""

from __future__ import annotations

import numpy as np

from ....nn import Conv1d, Conv2d, ConvTranspose1d, ConvTranspose2d, SparseConv2d, Subsample
from ....nn.window import Pair
from .steps import Option, Place


def last(at: Place, both: Pair) -> list[int]:
    """(rows, columns) for the axes that the layer's maps have: of a row the columns alone."""
    return list(both[3 - len(at.in_shape) :])


def conv(at: Place, layer: Conv2d | Conv1d) -> str:
    """``Conv``."""
    window = layer.window((1, *at.in_shape)[-2:])  # type: ignore[arg-type]  # two numbers
    options: dict[str, Option] = {"strides": last(at, window.stride), "dilations": last(at, window.dilation)}
    options |= {"pads": [*last(at, window.padding), *last(at, window.trailing)], "group": layer.groups}
    return at.node("Conv", at.x, *at.weights(layer.bias), kernel_shape=last(at, window.kernel), **options)


def conv_transpose(at: Place, layer: ConvTranspose2d | ConvTranspose1d) -> str:
    """``ConvTranspose``.

    ONNX Runtime takes less ``output_padding`` than the stride. More of it, which a dilation allows, is padding that is not cut
    off, and behind that a border that has nothing but the bias.
    """
    window, more = layer.window, layer.output_padding
    stride, cut = last(at, window.stride), last(at, window.padding)
    extra = list(more) if isinstance(more, tuple) else [more] * len(cut)
    options: dict[str, Option] = {"strides": stride, "dilations": last(at, window.dilation), "group": layer.groups}
    options["kernel_shape"] = last(at, window.kernel)
    if all(e < s for e, s in zip(extra, stride, strict=True)):
        return at.node("ConvTranspose", at.x, *at.weights(layer.bias), pads=[*cut, *cut], output_padding=extra, **options)
    ends = [max(c - e, 0) for c, e in zip(cut, extra, strict=True)]
    y = at.node("ConvTranspose", at.x, at.weight("W"), pads=[*cut, *ends], **options)
    behind = [max(e - c, 0) for c, e in zip(cut, extra, strict=True)]
    y = at.node("Pad", y, at.constant("border", [0, 0, *(0 for _ in cut), 0, 0, *behind]))
    return at.node("Add", y, at.weight("b", at.array("b").reshape(-1, *(1 for _ in cut)))) if layer.bias else y


def sparse_conv(at: Place, layer: SparseConv2d) -> str:
    """``Conv`` with weights that are 0 where there is no link; a group's bias stands for each of its maps."""
    packed = at.array("W")
    W = np.zeros((len(layer.table), at.in_shape[0], *packed.shape[1:]), packed.dtype)
    maps, channels, kernels = np.array(layer.links).T
    W[maps, channels] = packed[kernels]
    b = at.array("b") if layer.group_sizes is None else np.repeat(at.array("b"), layer.group_sizes)
    return at.node("Conv", at.x, at.weight("W", W), at.weight("b", b), kernel_shape=list(packed.shape[1:]))


def subsample(at: Place, layer: Subsample) -> str:
    """``Conv`` with a group for each map and one number in all of its kernel."""
    size = layer.windows.kernel
    W = np.broadcast_to(at.array("W")[:, None, None, None], (at.in_shape[0], 1, *size))
    options: dict[str, Option] = {"kernel_shape": list(size), "strides": list(size), "group": at.in_shape[0]}
    return at.node("Conv", at.x, at.weight("W", W), at.weight("b"), **options)
