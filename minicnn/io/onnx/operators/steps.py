"""The nodes and constants of an ONNX graph while it is written, and the names that they get."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, count

import numpy as np

from ....arrays import Array, DType, Shape
from ....engine.bind import PlacedLayer
from ....errors import OptionError
from ....network import Network

Option = int | float | str | Sequence[int]
"""An attribute of a node."""

LARGEST = 2**31 - 2**24
"""Bytes of constants that a file may have: Protocol Buffers end at 2^31, and nodes take some of it."""


@dataclass
class Node:
    """An operator with the names of what it reads and writes."""

    operator: str
    inputs: Sequence[str]
    outputs: list[str]
    options: Mapping[str, Option]


class Graph:
    """What was written so far.

    Args:
        dtype: of all constants that are floats.

    Attributes:
        nodes: in the order in which they run.
        constants: arrays by name.
    """

    def __init__(self, dtype: DType) -> None:
        self.dtype, self.nodes, self.constants = dtype, list[Node](), dict[str, Array]()
        self._taken, self._bytes = set[str](), 0

    @property
    def element(self) -> int:
        """The number by which ONNX knows the dtype."""
        return {4: 1, 8: 11}[self.dtype.itemsize]

    def value(self, name: str) -> str:
        """A name for a value: this one, or where it is taken already, this one with a number."""
        found, number = name, 1
        while found in self._taken:
            number += 1
            found = f"{name}{number}"
        self._taken.add(found)
        return found

    def keep(self, names: Sequence[str], array: Array) -> str:
        """Keep a constant; its name, the first of these, or the last with a number, that is free or holds the same."""
        held = np.array(array, self.dtype if array.dtype.kind == "f" else np.int64, order="C")
        for name in chain(names, (f"{names[-1]}{number}" for number in count(2))):
            known = self.constants.get(name)
            if known is not None and known.shape == held.shape and known.tobytes() == held.tobytes():
                return name
            if known is None:
                self.constants[name] = held
                self._bytes += held.nbytes
                break
        if self._bytes > LARGEST:
            what = "expected a network of at most 2 GB, as a file of ONNX holds, got a larger one"
            raise OptionError("export", what, 'give dtype="float32" if it is float64, or make it smaller')
        return name


class Steps:
    """Nodes that belong together: what they write is called by their common name, a dot and the operator.

    Args:
        graph: what they are written into.
        name: their common name.
    """

    def __init__(self, graph: Graph, name: str) -> None:
        self.graph, self.name = graph, name

    def node(self, operator: str, *inputs: str, **options: Option) -> str:
        """Write a node; the name of its output."""
        return self.several(1, operator, *inputs, **options)[0]

    def several(self, outputs: int, operator: str, *inputs: str, **options: Option) -> list[str]:
        """Write a node of several outputs; their names."""
        names = [self.graph.value(f"{self.name}.{operator}") for _ in range(outputs)]
        self.graph.nodes.append(Node(operator, inputs, names, options))
        return names

    def constant(self, name: str, values: Array | Sequence[int] | float) -> str:
        """Keep a constant; its name, behind the common one."""
        return self.graph.keep([f"{self.name}.{name}"], np.asarray(values))

    def call(self, value: str, name: str) -> str:
        """Give a value, which one of these nodes or another wrote, a name of its own."""
        last = self.graph.nodes[-1] if self.graph.nodes else None
        if last is None or last.outputs[0] != value or not value.startswith(f"{self.name}."):
            self.node("Identity", value)
            last = self.graph.nodes[-1]
        last.outputs[0] = name
        return name


class Place(Steps):
    """A layer in its place: what it reads, and its arrays.

    Args:
        graph: what its nodes are written into.
        placed: the layer in its network.
        inputs: the names of the values that it reads.
        net: the network.

    Attributes:
        x: the first value that it reads.
        inputs: all of them.
    """

    def __init__(self, graph: Graph, placed: PlacedLayer, inputs: Sequence[str], net: Network) -> None:
        super().__init__(graph, placed.name)
        self.x, self.inputs, self._placed, self._net = inputs[0], inputs, placed, net

    @property
    def in_shape(self) -> Shape:
        """Shape of what it reads first, without the batch."""
        return self._placed.in_shape

    @property
    def in_shapes(self) -> tuple[Shape, ...]:
        """Shapes of all that it reads."""
        return self._placed.in_shapes

    @property
    def out_shape(self) -> Shape:
        """Shape of its output, without the batch."""
        return self._placed.plan.out_shape

    def has(self, name: str) -> bool:
        """Whether there is a parameter, a constant or a state of that name."""
        plan = self._placed.plan
        return name in plan.params or name in plan.consts or name in plan.state

    def array(self, name: str) -> Array:
        """A parameter, a constant or a state as it is now."""
        plan, full = self._placed.plan, f"{self._placed.owner}.{name}"
        if name in plan.params:
            return self._net.params[full]
        return self._net.state[full] if name in plan.state else plan.consts[name]

    def weight(self, name: str, array: Array | None = None) -> str:
        """Keep an array of the layer, or what is made of it, under its name in the network; layers that share it share that."""
        found = self.array(name) if array is None else array
        return self.graph.keep([f"{self._placed.owner}.{name}", f"{self.name}.{name}"], found)

    def weights(self, bias: bool) -> list[str]:
        """Keep W, and b where the layer has one."""
        return [self.weight(name) for name in ("W", "b")[: 1 + bias]]
