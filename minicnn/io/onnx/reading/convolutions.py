"""Convolutions and transposed convolutions over rows and maps."""

from __future__ import annotations

from functools import partial

from ....arrays import Array
from ....nn import Conv1d, Conv2d, ConvTranspose1d, ConvTranspose2d
from .builder import Builder
from .constants import Operator
from .node import Node
from .shapes import select
from .values import Flow, Value
from .windows import along


def _weights(node: Node) -> tuple[Flow, Array, dict[str, Array]]:
    """Input, weights and all parameters of a convolution."""
    x, W = node.flow(), node.weights(1, "weights")
    if len(x.shape) not in (2, 3) or W.ndim != len(x.shape) + 1:
        got = f"input and weights of {len(x.shape) + 1} and {W.ndim} axes"
        node.refuse("maps (N, C, H, W) or rows (N, C, W), and weights of as many axes", got)
    if (kernel := node.numbers("kernel_shape", None)) not in (None, list(W.shape[2:])):
        node.refuse(f"a kernel_shape of {list(W.shape[2:])}, that of its weights", str(kernel))
    arrays = {"W": W}
    if node.optional(2):
        arrays["b"] = node.weights(2, "bias")
    return x, W, arrays


def conv(node: Node, b: Builder) -> Value:
    """A convolution, with padding of each side by itself."""
    x, W, arrays = _weights(node)
    group, axes = node.whole("group", 1), along(node, x.shape[1:], list(W.shape[2:]))
    pads = [a.before if a.before == a.after else (a.before, a.after) for a in axes]
    padding = pads[0] if len(pads) == 1 or (pads[0] == pads[1] and isinstance(pads[0], int)) else tuple(pads)
    options = {"padding": padding, "groups": group, "bias": "b" in arrays}
    kernel, stride, dilation = ([getattr(a, name) for a in axes] for name in ("kernel", "stride", "dilation"))
    if group < 1 or W.shape[1] * group != x.shape[0]:
        node.refuse(f"weights for {x.shape[0]} channels in {group} groups", f"for {W.shape[1]} a group")
    kind = Conv1d if len(axes) == 1 else Conv2d
    taps, steps, gaps = ((own[0] if len(own) == 1 else tuple(own)) for own in (kernel, stride, dilation))
    return b.add(
        node,
        partial(kind, len(W), taps, stride=steps, dilation=gaps, **options),  # type: ignore[arg-type]
        x,
        arrays=arrays,
        shared=node.reads[1:],
    )


def conv_transpose(node: Node, b: Builder) -> Value:
    """A transposed convolution; what other padding cuts off on one side alone is left out afterwards."""
    x, W, arrays = _weights(node)
    count = len(x.shape) - 1
    strides, dilations = node.sizes("strides", count, 1), node.sizes("dilations", count, 1)
    extra, group = node.sizes("output_padding", count, 0), node.whole("group", 1)
    grown = zip(x.shape[1:], strides, dilations, W.shape[2:], extra, strict=True)
    full = [(n - 1) * s + d * (k - 1) + 1 + e for n, s, d, k, e in grown]
    cuts = _cuts(node, x.shape[1:], full, strides)
    short = [max(0, -after) for _, after in cuts]
    even = all(before == after >= 0 for before, after in cuts)
    padding = [before if even else 0 for before, _ in cuts]
    kind = ConvTranspose1d if count == 1 else ConvTranspose2d
    parts = ([*W.shape[2:]], strides, padding, [e + more for e, more in zip(extra, short, strict=True)], dilations)
    kernel, stride, pad, output_padding, dilation = (own[0] if count == 1 else tuple(own) for own in parts)
    options = {"padding": pad, "output_padding": output_padding, "dilation": dilation, "groups": group, "bias": "b" in arrays}
    layer = partial(kind, W.shape[1] * group, kernel, stride=stride, **options)  # type: ignore[arg-type]
    y = b.add(node, layer, x, arrays=arrays, shared=node.reads[1:])
    for axis, (before, after) in enumerate(cuts if not even else (), 1):
        y = select(node, b, y, axis, range(before, y.shape[axis] - max(after, 0)))
    return y


def _cuts(node: Node, size: tuple[int, ...], full: list[int], strides: list[int]) -> list[tuple[int, int]]:
    """What is cut off before and behind the whole result along each axis; less than nothing behind it where it grows."""
    count, kind = len(size), node.text("auto_pad", "NOTSET", ("NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"))
    pads, wanted = node.sizes("pads", 2 * count, 0), node.numbers("output_shape", None)
    if wanted is None and kind in ("NOTSET", "VALID"):
        return list(zip(pads[:count], pads[count:], strict=True)) if kind == "NOTSET" else [(0, 0)] * count
    if wanted is None:
        wanted = [n * s for n, s in zip(size, strides, strict=True)]
    wanted = wanted[-count:]
    found = []
    for whole, own in zip(full, wanted, strict=False):
        total = whole - own
        less, more = total // 2, total - total // 2
        found.append((less, more) if kind == "SAME_UPPER" else (more, less))
    if len(found) != count or any(before < 0 for before, _ in found):
        node.refuse(f"an output_shape of {count} sizes that its windows reach", str(wanted))
    return found


OPERATORS: dict[str, Operator] = {"Conv": conv, "ConvTranspose": conv_transpose}
