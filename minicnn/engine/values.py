"""Where the values of a network and their gradients lie: which share memory, as nobody needs both at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..arrays import Shape
from ..errors import OptionError
from .bind import PlacedLayer
from .record import signature_of


class Values:
    """Who writes and who reads every value: the inputs of a network, and the outputs of its layers.

    A view is no value of its own: what reads it reads the value that it looks at.

    Args:
        layers: the layers.
        in_shapes: the shapes of the network's inputs.
        outputs: the values that are the network's outputs.

    Raises:
        OptionError: two outputs are one value.

    Attributes:
        origin: for each value, the one whose memory it is seen through.
        ends: those of the outputs, in their order.
        readers: the layers that read each value, first to last; of a view none.
    """

    def __init__(self, layers: Sequence[PlacedLayer], in_shapes: Sequence[Shape], outputs: Sequence[int]) -> None:
        self.layers, self.in_shapes, self.inputs, self.outputs = layers, in_shapes, len(in_shapes), outputs
        count = self.inputs + len(layers)
        self.origin = list(range(count))
        self.readers: list[list[PlacedLayer]] = [[] for _ in range(count)]
        for placed in layers:
            if placed.plan.view:
                self.origin[placed.value] = self.origin[placed.inputs[0]]
            else:
                for value in dict.fromkeys(self.origin[each] for each in placed.inputs):
                    self.readers[value].append(placed)
        self.ends = [self.origin[value] for value in outputs]
        if twice := [value for value in outputs if self.ends.count(self.origin[value]) > 1]:
            names = " and ".join(str(layers[value - self.inputs].name) for value in twice[:2])
            what = f"expected outputs of which no two are the same numbers, got {names}"
            raise OptionError("Network", what, "leave one of them out")

    def reads(self, placed: PlacedLayer) -> list[int]:
        """The values that a layer reads, views looked through."""
        return [self.origin[value] for value in placed.inputs]

    def shape(self, value: int) -> Shape:
        """The shape of a value, without lanes."""
        writer = self.writer(value)
        return self.in_shapes[value] if writer is None else writer.plan.out_shape

    def writer(self, value: int) -> PlacedLayer | None:
        """The layer that writes a value; None for an input."""
        return None if value < self.inputs else self.layers[value - self.inputs]

    def written(self, value: int) -> int:
        """The number of the layer that writes a value, and so reads its gradient; −1 for an input."""
        return value - self.inputs if value >= self.inputs else -1

    def read_by_one(self, placed: PlacedLayer) -> int | None:
        """What a layer reads first, where it reads that once, and nobody else does."""
        first, *others = self.reads(placed)
        return first if self.readers[first] == [placed] and first not in others and first not in self.ends else None

    def wanted(self, of_input: bool) -> list[bool]:
        """For each value whether its gradient is wanted: where a trained layer, or a wanted input, is above it."""
        wanted = [of_input] * self.inputs
        for placed in self.layers:
            wanted.append(placed.trained or any(wanted[value] for value in placed.inputs))
        return wanted


def values_of(layers: Sequence[PlacedLayer], in_shapes: Mapping[str, Shape], outputs: Sequence[str]) -> Values:
    """The values of a network whose inputs and outputs have names."""
    numbers = {placed.name: placed.value for placed in layers}
    return Values(layers, list(in_shapes.values()), [numbers[name] for name in outputs])


def numbered(name: str, count: int) -> list[str]:
    """The names of so many buffers of a kind: one alone has no number."""
    return [name] if count == 1 else [f"{name}{number}" for number in range(count)]


@dataclass
class LiveRange:
    """A buffer, and from when to when it holds what somebody needs, in steps of a pass.

    Attributes:
        name: its name in the arena.
        shape: without lanes.
        first: the step that writes it first.
        last: the step that reads it last.
    """

    name: str
    shape: Shape
    first: int
    last: int


def share_buffers(live: Sequence[LiveRange]) -> list[list[LiveRange]]:
    """Buffers in as few rows as possible: the live ranges of a row do not overlap, so its buffers may share memory."""
    rows: list[list[LiveRange]] = []
    for each in sorted(live, key=lambda each: each.first):
        row = next((row for row in rows if row[-1].last < each.first), None)
        if row is None:
            rows.append([each])
        else:
            row.append(each)
    return rows


class Activations:
    """Which buffer holds each value.

    Args:
        values: the network's.
        train: whether there is a backward pass.
        keep: keep every value also where nobody needs it.

    Attributes:
        names: for each value, the name of its buffer.
        rows: the buffers of the layers' outputs; in training each in a row of its own.
    """

    def __init__(self, values: Values, train: bool, keep: bool) -> None:
        self.names = numbered("in", values.inputs)
        live: dict[str, LiveRange] = {}
        for step, placed in enumerate(values.layers):
            for value in values.reads(placed):
                if value >= values.inputs:
                    live[self.names[value]].last = step
            over = None if keep else self._over(values, placed, train)
            if placed.plan.view:
                self.names.append(self.names[placed.inputs[0]])
            elif over is not None:
                self.names.append(self.names[over])
            else:
                name = f"{placed.name}.y"
                live[name] = LiveRange(name, placed.plan.out_shape, step, step)
                self.names.append(name)
        for value in values.ends:
            if value >= values.inputs:
                live[self.names[value]].last = len(values.layers)
        self.rows = [[each] for each in live.values()] if train or keep else share_buffers(list(live.values()))

    @staticmethod
    def _over(values: Values, placed: PlacedLayer, train: bool) -> int | None:
        """The value that a layer may write its output over: one that it alone reads and no backward pass needs."""
        if placed.plan.view or not placed.plan.inplace:
            return None
        x = values.read_by_one(placed)
        writer = None if x is None else values.writer(x)
        if writer is None:
            return None
        needed = "x" in signature_of(placed.layer.backward) or "y" in signature_of(writer.layer.backward)
        return None if train and needed else x


@dataclass(frozen=True)
class Writes:
    """Where a layer writes the gradient of something that it reads.

    Attributes:
        name: the buffer.
        total: the buffer that it is added to; None for the first who writes, where this is that buffer.
    """

    name: str
    total: str | None = None


class Gradients:
    """Which buffer holds the gradient of each value, and where a value has several readers, what they write before it is added.

    On the way back the loss comes first, then the last reader of a value: the first of them writes, the others write beside it
    and are added, in order. A layer that hands its gradient on, as a sum does, writes nothing where its readers can share dy.

    Args:
        values: the network's.
        reuse: buffers may lie over each other, and dx over dy where a layer allows it.

    Attributes:
        names: for each value, the name of its gradient's buffer.
        writes: for each layer, where it writes the gradients of what it reads.
        rows: the buffers.
    """

    def __init__(self, values: Values, reuse: bool) -> None:
        layers, end = values.layers, len(values.layers)
        self.names = [""] * len(values.origin)
        self.writes: list[list[Writes]] = [[] for _ in layers]
        live: dict[str, LiveRange] = {}
        for value, given, name in zip(values.ends, values.outputs, numbered("dy", len(values.ends)), strict=True):
            self.names[value] = name
            live[name] = LiveRange(name, values.shape(given), -1, end if value < values.inputs else -1)
        for placed in reversed(layers):
            if placed.plan.view:
                continue
            step = end - 1 - placed.index
            dy = self.names[placed.value]
            live[dy].last = max(live[dy].last, step)
            handed = reuse and self._handed_on(values, placed)
            over = values.read_by_one(placed) if reuse and placed.plan.inplace and not self._waiting(values, placed) else None
            for number, (value, shape) in enumerate(zip(values.reads(placed), placed.in_shapes, strict=True)):
                own = dy if handed else f"{placed.name}.dx" + (str(number) if number else "")
                if self.names[value]:
                    total = self.names[value]
                    if own != dy:
                        live[own] = LiveRange(own, shape, step, step)
                    live[total].last = max(live[total].last, step)
                    self.writes[placed.index].append(Writes(own, total))
                    continue
                name = dy if value == over and number == 0 else own
                if name != dy:
                    live[own] = LiveRange(own, shape, step, step)
                self.names[value] = name
                if value < values.inputs:
                    live[name].last = end
                self.writes[placed.index].append(Writes(name))
        for value, origin in enumerate(values.origin):
            self.names[value] = self.names[origin]
        self.rows = share_buffers(list(live.values())) if reuse else [[each] for each in live.values()]

    def _waiting(self, values: Values, placed: PlacedLayer) -> bool:
        """Whether the gradient of another value lies where a layer's dy does, and is still to be read or added to."""
        dy = self.names[placed.value]
        held = (value for value, name in enumerate(self.names) if name == dy and value != placed.value)
        return any(values.written(value) < placed.index for value in held)

    def _handed_on(self, values: Values, placed: PlacedLayer) -> bool:
        """Whether the gradients of all that a layer reads can be its dy: nobody adds to one of them before all are read."""
        reads = values.reads(placed)
        if not placed.layer.hands_on or len(set(reads)) < len(reads) or self._waiting(values, placed):
            return False
        new = [value for value in reads if not self.names[value]]
        for value in new:
            adding = [reader.index for reader in values.readers[value] if reader.index < placed.index]
            if adding and any(values.written(other) < max(adding) for other in new if other != value):
                return False
        return True
