"""From the items of a network to its graph: which values every layer reads, and what it asks for, given their shapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

from ..arrays import Shape
from ..errors import OptionError, ShapeError
from ..nn.base import MOST, Layer, Plan
from ..nn.residual import Residual
from .bind import PlacedLayer, describe

Item = Layer | Residual | tuple[Any, ...]
"""A layer, or a residual block; a pair (name, layer); or (name, layer, inputs), where inputs is the name of what it reads, or
several names. The name of an earlier item in place of the layer means that item's layer once more, with the same
parameters."""

INPUT = "input"
"""The name of a network's only input."""


def checked_shapes(given: Any) -> dict[str, Shape]:
    """The shape of each input by its name, given as the shape of the only one, or as a dict.

    Raises:
        OptionError: a shape or a name is none.
    """
    if not isinstance(given, Mapping):
        return {INPUT: _checked_shape(given)}
    if not given or not all(isinstance(name, str) and name and "." not in name for name in given):
        what = f"expected in_shape as a shape, or a dict of shapes by names without dots, got {given!r}"
        raise OptionError("Network", what, 'write for example {"left": (1, 28, 28), "right": (1, 28, 28)}')
    return {name: _checked_shape(shape) for name, shape in given.items()}


def _checked_shape(shape: Any) -> Shape:
    """The shape of one image as a tuple of positive whole numbers."""
    sizes = tuple(shape) if isinstance(shape, Sequence) else ()
    if not sizes or not all(isinstance(s, int) and not isinstance(s, bool) and s > 0 for s in sizes):
        raise OptionError("Network", f"expected in_shape as positive whole numbers, got {shape!r}", "give (C, H, W) or (D,)")
    if prod(sizes) > MOST:
        raise OptionError("Network", f"expected in_shape of at most 2^40 numbers in all, got {shape!r}", "give smaller images")
    return sizes


class _Planner:
    """What is known while the items are gone through: the values by name, their shapes, and a line for messages."""

    def __init__(self, in_shapes: Mapping[str, Shape]) -> None:
        self.numbers = {name: number for number, name in enumerate(in_shapes)}
        self.shapes = list(in_shapes.values())
        self.placed: list[PlacedLayer] = []
        self.trail = str(self.shapes[0])

    def place(self, item: Item) -> None:
        """Plan the next item."""
        index = len(self.placed)
        name, what, inputs = self._parts(index, item)
        if isinstance(what, Residual):
            self._read(name, inputs)
            last = self.placed[-1].name if self.placed else next(iter(self.numbers))
            for each in what.items(name, last if inputs is None else inputs[0]):
                self.place(each)
            return
        layer, owner = self._layer(item, name, what)
        if name in self.numbers:
            raise OptionError("Network", f"expected every name once, got {name!r} again", "rename one of the layers")
        read = self._read(name, inputs)
        in_shapes = tuple(self.shapes[number] for number in read)
        title = layer.label if name == str(index) else f"{name} {layer.label}"
        plan = self._plan(layer, describe(index, name, layer), title, in_shapes)
        placed = PlacedLayer(index, name, layer, in_shapes, plan, read, len(self.shapes), owner)
        placed.check_names()
        if owner != name:
            self._check_shared(placed)
        self.numbers[name] = placed.value
        self.placed.append(placed)
        self.shapes.append(plan.out_shape)
        self.trail += f" → {title} → {plan.out_shape}"

    def _parts(self, index: int, item: Item) -> tuple[str, Any, tuple[str, ...] | None]:
        """Name, layer and inputs of an item, of which a layer alone has neither name nor inputs."""
        name, what, *more = item if isinstance(item, tuple) and len(item) in (2, 3) else (str(index), item)
        inputs = (more[0],) if more and isinstance(more[0], str) else more[0] if more else None
        well = inputs is None or (
            isinstance(inputs, Sequence) and len(inputs) > 0 and all(isinstance(each, str) for each in inputs)
        )
        if (
            not isinstance(what, Layer | Residual | str)
            or (isinstance(what, Residual) and inputs is not None and len(inputs) != 1)
            or isinstance(item, str)
            or not isinstance(name, str)
            or not name
            or "." in name
            or not well
        ):
            told = f"expected a Layer, a pair (name without dots, Layer) or (name, Layer, names of its inputs), got {item!r}"
            raise OptionError("Network", told, 'write for example ("C1", Conv2d(6, 5))')
        return name, what, None if inputs is None else tuple(inputs)

    def _layer(self, item: Item, name: str, what: Layer | str) -> tuple[Layer, str]:
        """The layer of an item, and the name of its parameters' owner."""
        if isinstance(what, Layer):
            return what, name
        for known in self.placed:
            if known.name == what:
                return known.layer, known.owner
        raise OptionError("Network", f"expected the name of a layer before {name}, got {what!r}", "put that layer first")

    def _read(self, name: str, inputs: tuple[str, ...] | None) -> tuple[int, ...]:
        """The numbers of the values that an item reads: the one before it, where it names none."""
        if inputs is None:
            if not self.placed and len(self.shapes) > 1:
                what = f"expected {name} to name what it reads, as there are several inputs, got no name"
                raise OptionError("Network", what, f"write ({name!r}, layer, {next(iter(self.numbers))!r})")
            return (len(self.shapes) - 1,)
        if unknown := [each for each in inputs if each not in self.numbers]:
            known = ", ".join(self.numbers)
            raise OptionError(
                "Network", f"expected inputs of {name} from before it, got {unknown[0]!r}", f"give one of: {known}"
            )
        return tuple(self.numbers[each] for each in inputs)

    def _plan(self, layer: Layer, who: str, title: str, in_shapes: tuple[Shape, ...]) -> Plan:
        """What a layer asks for."""
        if len(in_shapes) > 1 and not layer.joins:
            raise ShapeError(who, f"expected one input, got {len(in_shapes)}", "join them with Add or Concat first")
        try:
            return layer.plan(*in_shapes)
        except ShapeError as error:
            raise ShapeError(who, error.what, error.hint, f"{self.trail} → {title} ✗") from None
        except MemoryError:
            what, hint = "expected constants that fit into memory, got larger ones", "make the layer or its input smaller"
            raise ShapeError(who, what, hint, f"{self.trail} → {title} ✗") from None

    def _check_shared(self, placed: PlacedLayer) -> None:
        """Refuse to use parameters once more on an input for which they would have another shape."""
        first = next(known for known in self.placed if known.name == placed.owner)
        ours, theirs = ({name: param.shape for name, param in each.plan.params.items()} for each in (placed, first))
        if ours != theirs:
            what = f"expected parameters of {theirs} as in {first.name}, got an input for which they are {ours}"
            raise ShapeError(placed.who, what, "give it an input of the same shape")


def plan_graph(
    items: Sequence[Item], in_shapes: Mapping[str, Shape], outputs: Sequence[str] | None = None
) -> list[PlacedLayer]:
    """Ask every layer what it needs, given what it reads.

    Args:
        items: the items.
        in_shapes: the shapes of the inputs by name.
        outputs: the names of the outputs; that of the last layer for None.

    Raises:
        OptionError: an item is none, a name comes twice or is unknown, or a value is read by nobody and no output.
        ShapeError: a layer does not take the shape of what it reads.
    """
    if not items:
        raise OptionError("Network", "expected at least one layer, got none", "give a list of layers")
    planner = _Planner(in_shapes)
    for item in items:
        planner.place(item)
    ends = [planner.placed[-1].name] if outputs is None else _outputs(outputs, planner.placed)
    read = {number for placed in planner.placed for number in placed.inputs} | {planner.numbers[name] for name in ends}
    if unread := [name for name, number in planner.numbers.items() if number not in read]:
        last = "the last" if outputs is None else "an output"
        what = f"expected every value to be read, or to be {last}, got {unread[0]!r}, which nobody reads"
        raise OptionError("Network", what, "let a later layer read it, name it in outputs, or leave it out")
    return planner.placed


def _outputs(names: Sequence[str], layers: Sequence[PlacedLayer]) -> Sequence[str]:
    """The names of the outputs, each of which is a layer's."""
    known = [placed.name for placed in layers]
    if isinstance(names, str) or not isinstance(names, Sequence) or not names or not all(name in known for name in names):
        what = f"expected outputs as names of layers, got {names!r}"
        raise OptionError("Network", what, f"give some of: {', '.join(known)}")
    return names


def items_of(layers: Sequence[PlacedLayer], in_shapes: Mapping[str, Shape]) -> list[tuple[str, Layer | str, tuple[str, ...]]]:
    """The items that these layers were planned from, every input by its name."""
    names = [*in_shapes, *(placed.name for placed in layers)]
    return [
        (placed.name, placed.layer if placed.owner == placed.name else placed.owner, tuple(names[v] for v in placed.inputs))
        for placed in layers
    ]
