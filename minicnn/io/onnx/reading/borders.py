"""Borders around maps, and maps of another size."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from math import prod

import numpy as np

from ....nn import Pad2d, Resize, Upsample
from ....nn.base import Layer
from ....nn.resize import CHOICES
from .builder import Builder
from .constants import Operator
from .node import Node
from .shapes import select
from .values import MOST, MOST_PLACES, Flow, Value

MODES = {"constant": "zeros", "reflect": "reflect", "edge": "replicate", "wrap": ""}


def pad(node: Node, b: Builder) -> Value:
    """A border around axes of an image."""
    x = node.flow(whole=True)
    mode, rank = node.text("mode", "constant", tuple(MODES)), len(x.shape) + 1
    if node.opset < 11:
        pads, fill, axes = node.numbers("pads", []) or [], node.real("value", 0.0), list(range(rank))
    else:
        pads = node.whole_numbers(1, "pads")
        given = node.constant(2, "value") if node.optional(2) and mode == "constant" else np.zeros(1)
        if given.size != 1 or not np.isfinite(given.astype(float)).all():
            node.refuse("one finite number as value", str(given.tolist())[:40])
        fill = float(given.ravel()[0])
        axes = node.whole_numbers(3, "axes") if node.optional(3) else list(range(rank))
    if len(pads) != 2 * len(axes):
        node.refuse(f"{2 * len(axes)} pads", str(len(pads)))
    around = {node.axis(axis, rank): (pads[at], pads[len(axes) + at]) for at, axis in enumerate(axes)}
    if any(around.pop(0, (0, 0))) or len(around) < len(axes) - 1:
        node.refuse("a border of the image, as the first axis is the batch", str(pads)[:60])
    if fill:
        node.bound(x.size)
    mask = np.zeros((x.shape or (1,)) if fill else ())
    for axis, (before, after) in sorted(around.items()):
        x = _around(node, b, x, axis - 1, before, after, mode)
        if fill:
            cut = [(max(before, 0), max(after, 0)) if at == axis - 1 else (0, 0) for at in range(len(x.shape))]
            mask = mask[
                tuple(
                    slice(max(-before, 0), n - max(-after, 0)) if at == axis - 1 else slice(None)
                    for at, n in enumerate(mask.shape)
                )
            ]
            node.bound(prod(n + sum(own) for n, own in zip(mask.shape, cut, strict=True)))
            mask = np.pad(mask, cut, constant_values=fill)
    if not fill:
        return x
    if x.whole:
        node.refuse("floating-point numbers, as the layers compute with those alone", "whole ones")
    return b.scale(node, x, 1.0, mask)


def _around(node: Node, b: Builder, x: Flow, axis: int, before: int, after: int, mode: str) -> Flow:
    """A border before and behind one axis of an image; less than nothing is cut off."""
    if min(before, after) < 0:
        kept = range(max(-before, 0), x.shape[axis] - max(-after, 0))
        x, before, after = select(node, b, x, axis, kept), max(before, 0), max(after, 0)
    if not before and not after:
        return x
    size = x.shape[axis]
    if mode == "wrap":
        if before + size + after > MOST_PLACES:
            node.refuse(f"at most {MOST_PLACES:,} pixels of an axis", "more")
        return select(node, b, x, axis, [at % size for at in range(-before, size + after)])
    shape = (*x.shape[:axis], before + size + after, *x.shape[axis + 1 :])
    cut = b.reshape(node, x, (prod(x.shape[:axis]), size, prod(x.shape[axis + 1 :])))
    layer = partial(Pad2d, ((before, after), (0, 0)), MODES[mode])
    return b.reshape(node, b.add(node, layer, cut), shape)


def resize(node: Node, b: Builder) -> Value:
    """Maps or rows of another size, by the nearest pixels or between them."""
    x = node.flow()
    size, scales = _target(node, x)
    kind = node.text("mode", "nearest")
    node.ignore("cubic_coeff_a", "exclude_outside", "extrapolation_value")
    if kind not in CHOICES["mode"] or node.whole("exclude_outside", 0):
        node.refuse(
            "the mode nearest or linear with all pixels",
            f"{kind}" + (" that leaves some out" if node.whole("exclude_outside", 0) else ""),
        )
    name = "coordinate_transformation_mode"
    where = "asymmetric" if node.opset < 11 else node.text(name, "half_pixel")
    if where not in CHOICES[name]:
        node.refuse(f"the {name} as one of {', '.join(CHOICES[name])}", where)
    rounds = "floor" if node.opset < 11 else node.text("nearest_mode", "round_prefer_floor", CHOICES["nearest_mode"])
    antialias = bool(node.whole("antialias", 0))
    maps = x if len(x.shape) == 3 else b.reshape(node, x, (x.shape[0], 1, x.shape[1]))
    out = (x.shape[0], *size[3 - len(x.shape) :])
    whole = [own / n for own, n in zip(size, maps.shape[1:], strict=True)]
    factors = (round(whole[0]), round(whole[1]))
    layer: Callable[[], Layer]
    plain = where == "half_pixel" and not antialias and scales == whole == list(factors)
    if (plain and kind == "nearest" and rounds == "round_prefer_floor") or (
        where == "asymmetric" and kind == "nearest" and rounds == "floor" and scales == whole == list(factors)
    ):
        layer = partial(Upsample, factors)
    elif plain and kind == "linear":
        layer = partial(Upsample, factors, mode="bilinear")
    else:
        given = None if scales == whole else (scales[0], scales[1])
        options = {"mode": kind, "scales": given, name: where, "nearest_mode": rounds, "antialias": antialias}
        layer = partial(Resize, (size[0], size[1]), **options)  # type: ignore[arg-type]
    return b.reshape(node, b.add(node, layer, maps), out)


def _target(node: Node, x: Flow) -> tuple[list[int], list[float]]:
    """Rows and columns of the result, and the scale of each; one row for an image that is a row."""
    if len(x.shape) not in (2, 3):
        node.refuse("maps (N, C, H, W) or rows (N, C, W)", f"an input of {len(x.shape) + 1} axes")
    rank, old = len(x.shape) + 1, node.opset < 11
    axes = [node.axis(axis, rank) for axis in node.numbers("axes", None) or range(rank)]
    policy = node.text("keep_aspect_ratio_policy", "stretch", ("stretch", "not_larger", "not_smaller"))
    sizes = node.whole_numbers(3, "sizes", batch=node.batch or 1) if not old and node.optional(3) else []
    if sizes:
        given = dict(zip(axes, sizes, strict=False))
        if len(sizes) != len(axes) or min(sizes) < 1:
            node.refuse(f"{len(axes)} sizes of at least 1", str(sizes))
        wanted = {axis: n / x.shape[axis - 1] for axis, n in given.items() if axis}
        if policy != "stretch":
            own = (min if policy == "not_larger" else max)(wanted.values())
            wanted = dict.fromkeys(wanted, own)
            given |= {axis: math.floor(own * x.shape[axis - 1] + 0.5) for axis in wanted}
        if given.pop(0, 1) not in (1, node.batch or 1):
            node.refuse("the first axis as it is, as it is the batch", "another size")
        new = [given.get(axis, x.shape[axis - 1]) for axis in range(1, rank)]
    else:
        at = 1 if old else 2
        scales = [float(s) for s in node.weights(at, "scales").ravel()[:8]] if node.optional(at) else node.reals("scales")
        if len(scales) != len(axes) or not all(0 < s < MOST for s in scales):
            node.refuse(f"{len(axes)} scales above 0", str(scales))
        wanted = dict(zip(axes, scales, strict=True))
        new = [math.floor(x.shape[axis - 1] * wanted.get(axis, 1.0)) for axis in range(1, rank)]
        if wanted.get(0, 1.0) != 1:
            node.refuse("the first axis as it is, as it is the batch", "another size")
    if new[0] != x.shape[0] or wanted.get(1, 1.0) != 1 or min(new) < 1:
        node.refuse("other sizes of the maps alone", str(new))
    factors = [wanted.get(axis, 1.0) for axis in range(2, rank)]
    return [1] * (4 - rank) + new[1:], [1.0] * (4 - rank) + factors


OPERATORS: dict[str, Operator] = {"Pad": pad, "Resize": resize, "Upsample": resize}
