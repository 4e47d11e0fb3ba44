"""The network as it grows while a graph is read: items, the numbers of their parameters, and which of them stay as they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from math import prod

import numpy as np

from ....arrays import Array, Shape
from ....errors import MinicnnError
from ....nn import Conv1d, Conv2d, Dense, Permute, Reshape, Subsample
from ....nn.base import Layer
from ....train.architecture import TABLES, listed
from .node import Node, clean
from .values import Flow

LARGEST = 2**28
"""So many numbers a value of an image may have: a gigabyte."""

Arrays = Mapping[str, Array]


class Built:
    """An item of the network with what belongs to it."""

    def __init__(self, layer: Layer, reads: tuple[str, ...], arrays: dict[str, Array], frozen: bool, owner: str) -> None:
        self.layer, self.reads, self.arrays, self.frozen, self.owner = layer, reads, arrays, frozen, owner


class Builder:
    """Items in their order.

    Args:
        inputs: the shape of each input by its name in the network.
        readers: how many nodes and outputs of the graph read a value, by the value's name in the graph.
    """

    def __init__(self, inputs: Mapping[str, Shape], readers: Mapping[str, int]) -> None:
        self.inputs, self.items, self.readers = dict(inputs), dict[str, Built](), readers
        self._shapes: dict[str, Shape] = {name: shape or (1,) for name, shape in inputs.items()}
        self._known: dict[object, str] = {}
        self.made = 0
        """How many numbers the arrays of all items have."""
        self.renamed = set[str]()
        """Items whose value has several names in the graph."""

    def add(
        self,
        node: Node,
        layer: Callable[[], Layer],
        *reads: Flow,
        shape: Shape | None = None,
        arrays: Arrays | None = None,
        frozen: bool = False,
        shared: Sequence[str] = (),
    ) -> Flow:
        """A layer that reads some values.

        Args:
            node: the node that it stands for.
            layer: makes it.
            reads: what it reads.
            shape: what the graph has as the shape of the result, where that is not the layer's own.
            arrays: the numbers of its parameters and its state.
            frozen: whether these stay as they are when the network is trained.
            shared: the names of its parameters in the file; a layer with the same ones and options is that layer again.

        Raises:
            DataError: the layer does not take its options or its inputs, or is too large.
        """
        in_shapes = [self._shapes[value.name] for value in reads]
        try:
            made = layer()
            plan = made.plan(*in_shapes) if listed(made, max(map(max, in_shapes))) <= TABLES else None
        except MinicnnError as error:
            raise node.error(error.what, error.who) from None
        except MemoryError:
            node.refuse("a layer that fits into memory", "a larger one")
        if plan is None:
            node.refuse(f"tables of at most {TABLES:,} numbers", "larger ones")
        if prod(plan.out_shape) > LARGEST:
            node.refuse(f"at most {LARGEST:,} numbers of an image", f"{prod(plan.out_shape):,}")
        given = dict(arrays or {})
        self.made += sum(array.size for array in given.values())
        wanted = {name: param.shape for name, param in plan.params.items()} | {
            name: buffer.shape for name, buffer in plan.state.items()
        }
        if unlike := [name for name, array in given.items() if array.shape != wanted.get(name)]:
            node.refuse(f"weights of shape {wanted.get(unlike[0])}", str(given[unlike[0]].shape))
        name = self._free(node)
        key = (made, tuple(shared), tuple(wanted.items()))
        owner = self._known.setdefault(key, name) if shared else name
        if owner != name and any(not np.array_equal(array, self.items[owner].arrays[own]) for own, array in given.items()):
            owner = name  # the same numbers of the file, used otherwise
        self.items[name] = Built(made, tuple(value.name for value in reads), given, frozen, owner)
        self._shapes[name] = plan.out_shape
        return Flow(name, plan.out_shape if shape is None else shape, all(value.whole for value in reads))

    def _free(self, node: Node) -> str:
        """A name in the network for an item of a node."""
        wanted = clean(node.name).replace(".", "_") or node.op
        name, count = wanted, 1
        while name in self.items or name in self._shapes or not name:
            count += 1
            name = f"{wanted}-{count}"
        return name

    def rename(self, item: str, name: str) -> str:
        """Give an item another name, where nothing else has it; the name that it has then."""
        if not name or name in self.items or name in self.inputs:
            return item
        new = {item: name}
        for each in self.items.values():
            each.reads, each.owner = tuple(new.get(read, read) for read in each.reads), new.get(each.owner, each.owner)
        self.items = {new.get(key, key): each for key, each in self.items.items()}
        return name

    def keep(self, outputs: Sequence[str]) -> None:
        """Leave out the items on which no output depends."""
        waiting, needed = list(outputs), set[str]()
        while waiting:
            name = waiting.pop()
            if name not in needed and name in self.items:
                needed.add(name)
                waiting += (*self.items[name].reads, self.items[name].owner)
        self.items = {name: item for name, item in self.items.items() if name in needed}

    def origin(self, name: str) -> str:
        """The item, or the input, whose numbers an item has in another shape."""
        while name in self.items and isinstance(self.items[name].layer, Reshape):
            name = self.items[name].reads[0]
        return name

    def copy(self, node: Node, x: Flow) -> Flow:
        """The numbers of x once more, as a network's outputs are each their own."""
        return self.add(node, partial(Permute, tuple(range(len(self._shapes[x.name])))), x, shape=x.shape)

    # --- what several operators need ---

    def reshape(self, node: Node, x: Flow, shape: Shape) -> Flow:
        """x in another shape; nothing where the network has it in that shape already."""
        if prod(shape) != x.size:
            node.refuse(f"a shape of {x.size} numbers of an image", str(shape))
        last = self.items.get(x.name)
        if self._shapes[x.name] != (shape or (1,)) and last is not None and isinstance(last.layer, Reshape):
            x = replace(x, name=last.reads[0])  # one in place of two; an item that nobody reads is left out in the end
        if self._shapes[x.name] == (shape or (1,)):
            return replace(x, shape=shape)
        return self.add(node, lambda: Reshape(shape or (1,)), x, shape=shape)

    def permute(self, node: Node, x: Flow, order: Sequence[int]) -> Flow:
        """x with its axes in another order; those of one pixel go where they belong without a layer."""
        shape = tuple(x.shape[axis] for axis in order)
        real = [axis for axis in range(len(order)) if x.shape[axis] > 1]
        wanted = [real.index(axis) for axis in order if axis in real]
        now = list(range(len(wanted)))
        if now != wanted:
            x = self.reshape(node, x, tuple(x.shape[axis] for axis in real))
        while now != wanted:
            first = next(at for at, axis in enumerate(now) if axis != wanted[at])
            middle, end = now.index(wanted[first]), len(now)
            while now[end - 1] == wanted[end - 1]:
                end -= 1
            if [*now[middle:end], *now[first:middle]] != wanted[first:end]:
                end = middle + 1
            run = (*range(first), *range(middle, end), *range(first, middle), *range(end, len(now)))
            x = self.add(node, partial(Permute, run), x)
            now = [now[at] for at in run]
        return self.reshape(node, x, shape)

    def scale(self, node: Node, x: Flow, factor: Array | float, shift: Array | float, frozen: bool = True) -> Flow:
        """factor · x + shift; both broadcast to the shape of x.

        One number for each channel is kept as such, anything else as one for each number of x.
        """
        factor, shift = np.asarray(factor, np.float64), np.asarray(shift, np.float64)
        shape = x.shape or (1,)
        own = (shape[0], *(1,) * (len(shape) - 1))
        by_channel = all(_fits(part, own) for part in (factor, shift))
        wide = own if by_channel else shape
        cut = (shape[0], prod(shape[1:]), 1) if by_channel else (prod(shape), 1, 1)
        node.bound(prod(wide))
        arrays = {name: np.broadcast_to(part, wide).ravel() for name, part in (("W", factor), ("b", shift))}
        flat = self.reshape(node, x, cut)
        return self.reshape(node, self.add(node, lambda: Subsample(1), flat, arrays=arrays, frozen=frozen), x.shape)

    def shifted(self, graph_name: str, x: Flow, shift: Array) -> bool:
        """Add numbers to the bias of the layer that gives x, if it is one that has none and nobody else reads it."""
        last = self.items.get(x.name)
        if last is None or self.readers.get(graph_name, 2) > 1 or x.name in self.renamed or last.owner != x.name:
            return False
        if not isinstance(last.layer, Conv1d | Conv2d | Dense) or last.layer.bias or x.shape != self._shapes[x.name]:
            return False
        if any(item.owner == x.name for name, item in self.items.items() if name != x.name):
            return False
        count = x.shape[0]
        if not _fits(shift, (count, *(1,) * (len(x.shape) - 1))):
            return False
        last.layer = replace(last.layer, bias=True)
        last.arrays["b"] = np.broadcast_to(shift, (count, *(1,) * (len(x.shape) - 1))).ravel()
        self._known = {key: name for key, name in self._known.items() if name != x.name}
        return True


def _fits(part: Array, shape: Shape) -> bool:
    """Whether an array broadcasts to a shape."""
    sizes = zip(part.shape[::-1], shape[::-1], strict=False)
    return part.ndim <= len(shape) and all(n in (1, own) for n, own in sizes)
