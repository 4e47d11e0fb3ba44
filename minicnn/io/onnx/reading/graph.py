"""A graph, node by node, from its inputs to its outputs."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING

from ....arrays import Shape
from .builder import LARGEST, Builder
from .file import DTYPES, ModelFile
from .node import Attribute, Node, clean
from .operators import OPERATORS
from .values import MOST, MOST_MADE, Constant, Flow, Value

if TYPE_CHECKING:
    from onnx import NodeProto, ValueInfoProto

OLDEST, NEWEST = 7, 28
"""The versions of ONNX's operators that are read; what a later one means by an operator is not known here."""

MOST_NODES, MOST_NAMED = 10_000, 20_000
"""So many nodes, and so many inputs with initialisers and outputs, a graph may have."""

STANDARD = ("", "ai.onnx")
"""The names of the domain of ONNX's own operators."""


class Graph:
    """What a network is made of.

    Args:
        file: the model.

    Raises:
        DataError: it is damaged, or has what no layers express.
    """

    def __init__(self, file: ModelFile) -> None:
        self._file, graph = file, file.proto.graph
        self.opset = self._version()
        if file.proto.functions or graph.sparse_initializer:
            file.refuse("a graph of ONNX's own operators", "functions of its own" if file.proto.functions else "sparse tensors")
        self._tensors = {tensor.name: tensor for tensor in graph.initializer}
        self._values: dict[str, Value] = {}
        self._seen = set[str]()
        self._made = 0
        nodes, named = len(graph.node), len(graph.input) + len(graph.output)
        if nodes > MOST_NODES or named > MOST_NAMED:
            what = f"at most {MOST_NODES:,} nodes, and {MOST_NAMED:,} inputs and outputs"
            file.refuse(what, f"{nodes:,} and {named:,}")
        self._makers = self._found_makers(graph.node)
        needed = self._needed([output.name for output in graph.output])
        self.batch: int | None = None
        self.dtype = "float32"
        shapes = self._inputs([found for found in graph.input if found.name not in self._tensors], needed)
        self.builder = Builder(shapes, self._readers(needed, [output.name for output in graph.output]))
        for node in graph.node:
            if any(name in needed for name in node.output if name):
                self._read(node, needed)
        self.outputs = self._outputs([output.name for output in graph.output])

    def _version(self) -> int:
        """The version of ONNX's own operators."""
        found = [entry.version for entry in self._file.proto.opset_import if entry.domain in STANDARD]
        if len(found) != 1 or not OLDEST <= found[0] <= NEWEST:
            self._file.refuse(f"operators of one version from {OLDEST} to {NEWEST}", f"versions {found}"[:80])
        return int(found[0])

    def _found_makers(self, nodes: Sequence[NodeProto]) -> dict[str, NodeProto]:
        """The node that gives each value; every value has one, before whatever reads it."""
        makers: dict[str, NodeProto] = {}
        known = set(self._tensors) | {found.name for found in self._file.proto.graph.input}
        for node in nodes:
            if unknown := [name for name in node.input if name and name not in known]:
                self._file.refuse(
                    "nodes in an order in which each reads what is before it", f"{clean(unknown[0])} from nowhere"
                )
            for name in node.output:
                if name in known:
                    self._file.refuse("every name once", f"{clean(name)} again")
                if name:
                    makers[name] = node
                    known.add(name)
        return makers

    def _needed(self, outputs: Sequence[str]) -> set[str]:
        """The names of all values on which the outputs depend."""
        waiting, found = list(outputs), set[str]()
        if not outputs:
            self._file.refuse("a graph with an output", "none")
        while waiting:
            name = waiting.pop()
            if name and name not in found:
                found.add(name)
                waiting += self._makers[name].input if name in self._makers else ()
        return found

    def _readers(self, needed: set[str], outputs: Sequence[str]) -> dict[str, int]:
        """How many nodes and outputs read a value."""
        counts = dict.fromkeys(needed, 0)
        seen = {id(node): node for name, node in self._makers.items() if name in needed}
        for name in [*outputs, *(name for node in seen.values() for name in node.input if name)]:
            counts[name] = counts.get(name, 0) + 1
        return counts

    def _inputs(self, found: Sequence[ValueInfoProto], needed: set[str]) -> dict[str, Shape]:
        """The shape of an image of each input by its name in the network."""
        if not found:
            self._file.refuse("a graph with an input", "none")
        shapes: dict[str, Shape] = {}
        for given in found:
            shape, kind = self._shape(given)
            if given.name not in needed:
                self._file.refuse("inputs that the outputs depend on", f"{clean(given.name)}, which they do not")
            name = "input" if len(found) == 1 else clean(given.name).replace(".", "_")
            if name in shapes or not name:
                self._file.refuse("inputs with names of their own", repr(name))
            shapes[name] = shape
            self._values[given.name] = Flow(name, shape, kind[0] != "f")
            if kind == "float64":
                self.dtype = kind
        return shapes

    def _shape(self, given: ValueInfoProto) -> tuple[Shape, str]:
        """The shape of an image of an input, and the kind of its numbers."""
        name = clean(given.name)
        tensor = given.type.tensor_type
        kind = DTYPES.get(tensor.elem_type)
        if kind is None or kind in ("bool", "float16"):
            self._file.refuse(f"the input {name} as float32, float64 or whole numbers", kind or f"kind {tensor.elem_type}")
        dims = [dim.dim_value if dim.HasField("dim_value") else None for dim in tensor.shape.dim]
        if not dims:
            self._file.refuse(f"the input {name} with axes, of which the first is the batch", "a single number")
        if unknown := [at for at, n in enumerate(dims[1:], 1) if n is None or not 0 < n <= MOST]:
            got = f"axis {unknown[0]} of size {dims[unknown[0]] or 'unknown'}"
            self._file.refuse(f"the input {name} with fixed sizes from 1 to 2^24 but for the batch", got)
        batch = dims[0]
        if batch is not None:
            if batch < 1 or self.batch not in (None, batch):
                self._file.refuse("one size of the batch, of at least 1", f"{batch} for {name}")
            self.batch = batch
        shape = tuple(n for n in dims[1:] if n is not None)
        if prod(shape) > LARGEST:
            self._file.refuse(f"the input {name} of at most {LARGEST:,} numbers an image", f"{prod(shape):,}")
        return shape, kind

    def _read(self, found: NodeProto, needed: set[str]) -> None:
        """Read a node."""
        title = found.name or next((name for name in found.output if name), "") or "without a name"
        inputs = [self._value(name) if name else None for name in found.input]
        attributes: dict[str, Attribute] = {}
        odd = [
            a.name for a in found.attribute if (value := self._file.attribute(a)) is None or attributes.update({a.name: value})
        ]
        outputs = [name if name in needed else "" for name in found.output]
        node = Node(found.op_type, title, self.opset, inputs, attributes, list(found.input), outputs, self.batch)
        operator = OPERATORS.get(found.op_type) if found.domain in STANDARD else None
        if operator is None:
            domain = "" if found.domain in STANDARD else f" of the domain {clean(found.domain)}"
            node.refuse("operators that layers of minicnn express", f"one{domain} that none does")
        if odd:
            node.refuse("attributes that are numbers, words or arrays", clean(odd[0]))
        results = operator(node, self.builder)
        node.finish()
        given = (results,) if isinstance(results, Constant | Flow) else results
        self._made += sum(value.array.size for value in given if isinstance(value, Constant) and value.array.base is None)
        if self._made + self.builder.made > MOST_MADE + 8 * self._file.numbers:
            node.refuse("constants and weights in proportion to those of the file", "too many that follow from others")
        for name, result in zip(found.output, given, strict=False):
            if name:
                self._values[name] = result
                if isinstance(result, Flow):
                    (self.builder.renamed if result.name in self._seen else self._seen).add(result.name)
        if lacking := [name for name in outputs if name and name not in self._values]:
            node.refuse("outputs that layers of minicnn give", clean(lacking[0]))

    def _value(self, name: str) -> Value:
        """What a name stands for."""
        if name not in self._values:
            if name not in self._tensors:
                self._file.refuse("every value from a node, an input or an initialiser", f"{clean(name)} from nowhere")
            self._values[name] = Constant(self._file.array(self._tensors[name]), name)
        return self._values[name]

    def _outputs(self, names: Sequence[str]) -> list[str]:
        """The items that give the outputs, by the names that the graph has for these."""
        found: list[str] = []
        numbers = set[str]()
        for name in names:
            value = self._value(name)
            if not isinstance(value, Flow):
                self._file.refuse("outputs that depend on the input", f"{clean(name)}, which is constant")
            if value.turned:
                self._file.refuse("outputs whose first axis is the batch", f"{clean(name)}, whose second axis is")
            if value.name not in self.builder.items or self.builder.origin(value.name) in numbers:
                node = Node("Identity", name, self.opset, [value], {}, [name], [name], self.batch)
                value = self.builder.copy(node, value)
            numbers.add(self.builder.origin(value.name))
            found.append(value.name)
        for at, name in enumerate(names):
            found[at] = self.builder.rename(found[at], clean(name).replace(".", "_"))
        return found
