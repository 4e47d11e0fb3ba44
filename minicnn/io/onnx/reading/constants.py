"""Operators over numbers that are known when the graph is read: the chains that exporters write around shapes and weights."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import numpy as np

from ....arrays import Array
from ....errors import DataError
from .builder import Builder
from .file import DTYPES
from .node import Node
from .values import BATCH, MOST, RANK, Constant, Flow, Value, settled

Operator = Callable[[Node, Builder], Value | tuple[Value, ...]]


def constant(node: Node, _: Builder) -> Value:
    """Numbers that stand in an attribute."""
    found = next((each for name in ("value", "value_float", "value_int") if (each := node.constant_of(name)) is not None), None)
    kinds = {"value_floats": np.float32, "value_ints": np.int64}
    for name, kind in kinds.items():
        if found is None and (each := node.constant_of(name)) is not None:
            found = each.astype(kind)
    if found is None:
        node.refuse("a value of numbers", "none")
    return Constant(found.astype(np.float32) if node.has("value_float") else found)


def shape(node: Node, _: Builder) -> Value:
    """The sizes of a value, of which the first is that of the batch."""
    x = node.given(0)
    if x is None:
        node.refuse("an input", "none")
    if isinstance(x, Flow) and x.turned:
        node.refuse("an input whose first axis is the batch", "one whose second axis is")
    sizes = x.array.shape if isinstance(x, Constant) else (BATCH, *x.shape)
    start, end = node.whole("start", 0), node.whole("end", len(sizes))
    return settled(np.array([*sizes], object)[start:end])


def constant_of_shape(node: Node, _: Builder) -> Value:
    """One number in every place of a shape."""
    sizes, value = node.whole_numbers(0, "shape"), node.constant_of("value")
    if any(n < 0 for n in sizes) or prod(sizes) > MOST or len(sizes) > RANK or (value is not None and value.size != 1):
        node.refuse(f"a shape of at most {MOST:,} numbers, and one value", str(sizes)[:60])
    fill = np.zeros(1, np.float32) if value is None else value.reshape(1)
    return Constant(np.full(sizes, fill))


def expand(node: Node, _: Builder) -> Value:
    """Numbers repeated to a shape."""
    sizes, given = tuple(node.whole_numbers(1, "shape")), node.constant(0, "input")
    try:
        shape = np.broadcast_shapes(given.shape, sizes)
    except ValueError:
        node.refuse(f"a shape to which {given.shape} broadcasts", str(sizes)[:60])
    node.bound(prod(shape))
    return Constant(np.broadcast_to(given, shape).copy())


def _arrays(node: Node) -> list[Array]:
    """All inputs."""
    return [value.array for value in node.inputs if isinstance(value, Constant)]


def _axes(node: Node, index: int) -> tuple[int, ...] | None:
    """Axes, which are an input in later versions and an attribute in earlier ones."""
    found = node.whole_numbers(index, "axes") if node.optional(index) else node.numbers("axes", None)
    return None if found is None else tuple(found)


def _gather(node: Node) -> Array:
    data, at = _arrays(node)
    axis = node.axis(node.whole("axis", 0), data.ndim)
    node.bound(at.size * prod((*data.shape[:axis], *data.shape[axis + 1 :])))
    return np.take(data, at.astype(np.int64), axis=axis)


def _unsqueeze(node: Node) -> Array:
    axes = _axes(node, 1)
    return np.expand_dims(_arrays(node)[0], axes or ())


def _squeeze(node: Node) -> Array:
    return np.squeeze(_arrays(node)[0], _axes(node, 1))


def _concat(node: Node) -> Array:
    arrays = _arrays(node)
    if any(each.dtype == object for each in arrays):
        arrays = [each.astype(object) for each in arrays]
    node.bound(sum(each.size for each in arrays))
    return np.concatenate(arrays, node.whole("axis", 0))


def slices(node: Node, rank: int) -> list[slice]:
    """What a node of the operator Slice takes of each axis."""
    if node.opset < 10:
        starts, ends = node.numbers("starts", []) or [], node.numbers("ends", []) or []
        axes, steps = node.numbers("axes", None), None
    else:  # the ends are often the largest number there is
        starts, ends = (
            [int(n) for n in np.clip(node.constant(at, what).ravel()[:64], -MOST, MOST)]
            for at, what in ((1, "starts"), (2, "ends"))
        )
        axes = node.whole_numbers(3, "axes") if node.optional(3) else None
        steps = node.whole_numbers(4, "steps") if node.optional(4) else None
    axes = list(range(len(starts))) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps
    if not len(starts) == len(ends) == len(axes) == len(steps) or 0 in steps:
        node.refuse(
            "as many starts, ends, axes and steps, none of them 0", f"{len(starts)}, {len(ends)}, {len(axes)}, {steps}"[:60]
        )
    found = [slice(None)] * rank
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        last = None if step < 0 and end <= -MOST else end
        found[node.axis(axis, rank)] = slice(start, last, step)
    return found


def _slice(node: Node) -> Array:
    data = _arrays(node)[0]
    return data[tuple(slices(node, data.ndim))]


def _cast(node: Node) -> Array:
    kind, found = cast_kind(node), _arrays(node)[0]
    return found if found.dtype == object and kind.startswith("int") else found.astype(kind)


def cast_kind(node: Node) -> str:
    """The kind of numbers that Cast gives."""
    kind = DTYPES.get(node.whole("to", 0))
    node.ignore("saturate", "round_mode")
    if kind is None:
        node.refuse(f"numbers of one of the kinds {', '.join(DTYPES.values())}", "another kind")
    return kind


def _reshape(node: Node) -> Array:
    data, sizes = node.constant(0, "data"), node.whole_numbers(1, "shape")
    if not node.whole("allowzero", 0):
        sizes = [data.shape[at] if n == 0 else n for at, n in enumerate(sizes)]
    return data.reshape(sizes)


def _transpose(node: Node) -> Array:
    return np.transpose(_arrays(node)[0], node.numbers("perm", None))


def _div(node: Node) -> Array:
    a, b = _arrays(node)
    if a.dtype.kind == "f":
        return a / b
    return (np.sign(a) * np.sign(b) * (abs(a) // abs(b))).astype(a.dtype)  # rounds towards 0


FOLDED: dict[str, Callable[[Node], Array]] = {
    "Add": lambda node: np.add(*_arrays(node)),
    "Cast": _cast,
    "Concat": _concat,
    "Div": _div,
    "Gather": _gather,
    "Mul": lambda node: np.multiply(*_arrays(node)),
    "Neg": lambda node: -_arrays(node)[0],
    "Reciprocal": lambda node: 1 / _arrays(node)[0],
    "Reshape": _reshape,
    "Slice": _slice,
    "Sqrt": lambda node: np.sqrt(_arrays(node)[0]),
    "Squeeze": _squeeze,
    "Sub": lambda node: np.subtract(*_arrays(node)),
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
"""Operators whose result is worked out where all that they read is known."""


def folded(node: Node, otherwise: Operator | None, builder: Builder) -> Value | tuple[Value, ...]:
    """The numbers that a node gives; or what reads it otherwise, where it reads a value of the network."""
    if any(isinstance(value, Flow) for value in node.inputs):
        if otherwise is None:
            node.refuse("operators that layers of minicnn express", "one that none does")
        return otherwise(node, builder)
    if node.op in ("Add", "Sub", "Mul", "Div"):
        _check_broadcast(node)
    try:
        with np.errstate(all="ignore"):
            return settled(np.asarray(FOLDED[node.op](node)))
    except DataError:
        raise
    except (TypeError, ValueError, IndexError, ArithmeticError, MemoryError) as fault:
        node.refuse("constants of which its result follows", f"others ({fault})"[:120])


def _check_broadcast(node: Node) -> None:
    """Refuse two constants that fit together nowhere, or whose result would be large."""
    shapes = [each.shape for each in _arrays(node)]
    if len(shapes) != 2:
        node.refuse("two inputs", str(len(shapes)))
    try:
        size = prod(np.broadcast_shapes(*shapes))
    except ValueError:
        size = MOST + 1
    if size > max(MOST, *map(prod, shapes)):
        node.refuse(f"constants that broadcast, to at most {MOST:,} numbers", f"shapes {shapes[0]} and {shapes[1]}")
