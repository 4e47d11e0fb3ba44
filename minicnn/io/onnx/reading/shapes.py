"""Operators that give the same numbers in another shape or order, or some of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from math import prod

import numpy as np

from ....arrays import Shape
from ....nn import IndexSelect
from .builder import Builder
from .constants import Operator, cast_kind, slices
from .node import Node
from .values import BATCH, MOST_PLACES, Constant, Flow, Value


def identity(node: Node, _: Builder) -> Value:
    """The value itself."""
    found = node.given(0)
    if found is None:
        node.refuse("an input", "none")
    return found


def cast(node: Node, _: Builder) -> Value:
    """A value as floating-point numbers, which the network's values are."""
    x, kind = node.flow(whole=True), cast_kind(node)
    if kind not in ("float32", "float64"):
        node.refuse("a cast to float32 or float64, as the network computes with those alone", kind)
    return Flow(x.name, x.shape)


def dropout(node: Node, _: Builder) -> Value:
    """The value itself, as in every pass that does not train."""
    node.ignore("ratio", "seed", "is_test")
    node.only_output()
    if node.optional(2) and node.constant(2, "training_mode").any():
        ratio = node.constant(1, "ratio") if node.optional(1) else np.float32(0.5)
        if ratio.any():
            node.refuse("dropout that is off, or drops nothing", "one that draws random numbers")
    return node.flow()


def flatten(node: Node, b: Builder) -> Value:
    """All axes of an image as one."""
    x, axis = node.flow(whole=True), node.whole("axis", 1)
    if axis not in (1, -len(x.shape)):
        node.refuse("axis 1, as the first axis is the batch", str(axis))
    return b.reshape(node, x, (x.size,))


def reshape(node: Node, b: Builder) -> Value:
    """An image in another shape."""
    x = node.flow(whole=True)
    given = node.given(1) if node.opset >= 5 else None
    if not isinstance(given, Constant) or given.array.ndim != 1 or given.array.size > 64:
        node.refuse("a shape that follows from that of its input", "another one")
    sizes = given.array.tolist()
    zeros = bool(node.whole("allowzero", 0))
    sizes = [n if n != 0 or zeros else (BATCH, *x.shape)[at] if at <= len(x.shape) else 0 for at, n in enumerate(sizes)]
    return b.reshape(node, x, _without_batch(node, x, sizes))


def _without_batch(node: Node, x: Flow, sizes: list[object]) -> Shape:
    """A shape without the batch, which must be its first axis."""
    rest = [n if isinstance(n, int) else 0 for n in sizes[1:]]
    known = prod(n for n in rest if n != -1)
    first = sizes[0] if sizes else 0
    if rest.count(-1) == 1 and known > 0 and x.size % known == 0:
        rest = [x.size // known if n == -1 else n for n in rest]
    kept = first is BATCH or first == -1 or (first == node.batch and first is not None)
    if not kept or min(rest, default=1) < 1 or prod(rest) != x.size or (first == -1 and -1 in sizes[1:]):
        shown = ", ".join(map(str, sizes))
        node.refuse(f"a shape that keeps the batch and the {x.size} numbers of an image", f"({shown})"[:80])
    return tuple(rest)


def squeeze(node: Node, b: Builder) -> Value:
    """Without axes of one pixel."""
    x = node.flow(whole=True)
    given = node.whole_numbers(1, "axes") if node.optional(1) else node.numbers("axes", None)
    if given is None:
        node.refuse("the axes that are left out, as the batch may be one image", "none")
    axes = {node.own_axis(axis, x.shape) for axis in given}
    if any(x.shape[axis] != 1 for axis in axes):
        node.refuse("axes of size 1", str(x.shape))
    return b.reshape(node, x, tuple(n for axis, n in enumerate(x.shape) if axis not in axes))


def unsqueeze(node: Node, b: Builder) -> Value:
    """With further axes of one pixel."""
    x = node.flow(whole=True)
    given = (node.whole_numbers(1, "axes") if node.optional(1) else node.numbers("axes", None)) or []
    rank = 1 + len(x.shape) + len(given)
    axes = {node.axis(axis, rank) for axis in given}
    if 0 in axes or len(axes) < len(given):
        node.refuse("further axes behind that of the batch", str(given))
    sizes = iter(x.shape)
    return b.reshape(node, x, tuple(1 if axis in axes else next(sizes) for axis in range(1, rank)))


def transpose(node: Node, b: Builder) -> Value:
    """The axes of an image in another order. The batch and the axis behind it may change places for a while."""
    x = node.flow(whole=True, turned=True)
    rank = len(x.shape) + 1
    order = node.numbers("perm", list(range(rank))[::-1]) or []
    if rank > 1 and order == [1, 0, *range(2, rank)]:
        return replace(x, turned=not x.turned)
    if x.turned or sorted(order) != list(range(rank)) or order[0] != 0:
        node.refuse(f"an order of {rank} axes that keeps the batch first", str(order))
    return b.permute(node, x, [axis - 1 for axis in order[1:]])


def select(node: Node, b: Builder, x: Flow, axis: int, places: Sequence[int]) -> Flow:
    """Some places along an axis of an image."""
    size = x.shape[axis]
    if places == range(size):
        return x
    if len(places) > MOST_PLACES:
        node.refuse(f"at most {MOST_PLACES:,} places along an axis", f"{len(places):,}")
    if not places or not all(0 <= at < size for at in places):
        node.refuse(f"places from 0 to {size - 1}", str(list(places))[:60])
    if list(places) == list(range(size)):
        return x
    shape = (*x.shape[:axis], len(places), *x.shape[axis + 1 :])
    if axis == len(x.shape) - 1 and axis > 0:
        cut, layer = (prod(x.shape[: axis - 1]), x.shape[axis - 1], size), partial(IndexSelect, None, tuple(places))
    else:
        cut, layer = (prod(x.shape[:axis]), size, prod(x.shape[axis + 1 :])), partial(IndexSelect, tuple(places))
    return b.reshape(node, b.add(node, layer, b.reshape(node, x, cut)), shape)


def slice_(node: Node, b: Builder) -> Value:
    """Every so many places along axes of an image."""
    x = node.flow(whole=True)
    batch, *own = slices(node, len(x.shape) + 1)
    if batch != slice(None):
        node.refuse("slices of the image, as the first axis is the batch", "one of the first axis")
    for axis, part in enumerate(own):
        x = select(node, b, x, axis, range(x.shape[axis])[part])
    return x


def gather(node: Node, b: Builder) -> Value:
    """Places along an axis of an image by their numbers."""
    x, at = node.flow(whole=True), node.constant(1, "indices")
    axis = node.own_axis(node.whole("axis", 0), x.shape)
    if at.ndim > 1 or at.dtype.kind not in "iu" or at.size > MOST_PLACES:
        node.refuse("indices in one row, or a single one", f"{at.dtype} of shape {at.shape}")
    size = x.shape[axis]
    places = [int(n) + size if n < 0 else int(n) for n in at.ravel()]
    found = select(node, b, x, axis, places)
    return found if at.ndim else b.reshape(node, found, (*x.shape[:axis], *x.shape[axis + 1 :]))


def gather_nd(node: Node, b: Builder) -> Value:
    """Places along the first axis of an image, where that stands before the batch: PyTorch's x[:, [0, 2]]."""
    x, at = node.flow(whole=True, turned=True), node.constant(1, "indices")
    whole = at.ndim == 2 and at.shape[1] == 1 and at.dtype.kind in "iu" and at.size <= MOST_PLACES
    if not x.turned or not whole or node.whole("batch_dims", 0):
        node.refuse("places along the first axis of an image", f"indices of shape {at.shape}")
    size = x.shape[0]
    places = [int(n) + size if n < 0 else int(n) for n in at.ravel()]
    return replace(select(node, b, replace(x, turned=False), 0, places), turned=True)


def split(node: Node, b: Builder) -> Value | tuple[Value, ...]:
    """An axis of an image in parts."""
    x = node.flow(whole=True)
    axis = node.own_axis(node.whole("axis", 0), x.shape)
    size, count = x.shape[axis], node.whole("num_outputs", len(node.outputs))
    parts = node.whole_numbers(1, "split") if node.optional(1) else node.numbers("split", None)
    if parts is None and 0 < count <= size:
        each = -(-size // count)
        parts = [each] * (count - 1) + [size - each * (count - 1)]
    if not parts or sum(parts) != size or min(parts) < 1:
        node.refuse(f"parts of at least 1 that are {size} together", str(parts)[:60])
    starts = [sum(parts[:at]) for at in range(len(parts))]
    return tuple(select(node, b, x, axis, range(start, start + n)) for start, n in zip(starts, parts, strict=True))


OPERATORS: dict[str, Operator] = {
    "Cast": cast,
    "Dropout": dropout,
    "Flatten": flatten,
    "Gather": gather,
    "GatherND": gather_nd,
    "Identity": identity,
    "Reshape": reshape,
    "Slice": slice_,
    "Split": split,
    "Squeeze": squeeze,
    "Transpose": transpose,
    "Unsqueeze": unsqueeze,
}
