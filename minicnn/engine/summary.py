"""The layers of a network as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

from ..arrays import Shape
from ..nn.window import by
from .bind import PlacedLayer

HEAD = ("layer", "kind", "output", "parameters", "connections")


def parameters(placed: PlacedLayer) -> int:
    """How many trained numbers a layer has for itself."""
    return sum(prod(p.shape) for p in placed.plan.params.values()) if placed.owner == placed.name else 0


def kind(placed: PlacedLayer, names: Sequence[str], outputs: Sequence[str]) -> str:
    """A layer's class, whose parameters it has where they are another's, and what it reads where that is not the row above.

    That it is an output is said where that does not go without saying.
    """
    once_more = "" if placed.owner == placed.name else f" as {placed.owner}"
    reads = "" if placed.inputs == (placed.value - 1,) else f" ({', '.join(names[value] for value in placed.inputs)})"
    output = " → output" if placed.name in outputs and tuple(outputs) != (names[-1],) else ""
    return f"{placed.layer.label}{once_more}{reads}{output}"


def rows_of(in_shapes: Mapping[str, Shape], layers: Sequence[PlacedLayer], outputs: Sequence[str]) -> list[tuple[str, ...]]:
    """One row a layer: name, kind, output shape, parameters, connections; the totals last.

    What a layer reads stands behind its kind, where that is not the row above; a layer that is once more has no parameters.
    """
    names = [*in_shapes, *(b.name for b in layers)]
    rows: list[tuple[str, ...]] = [(name, "", by(shape), "", "") for name, shape in in_shapes.items()]
    rows += [
        (b.name, kind(b, names, outputs), by(b.plan.out_shape), f"{parameters(b):,}", f"{b.plan.connections:,}") for b in layers
    ]
    total, links = sum(map(parameters, layers)), sum(b.plan.connections for b in layers)
    return [*rows, ("total", "", "", f"{total:,}", f"{links:,}")]


def table(in_shapes: Mapping[str, Shape], layers: Sequence[PlacedLayer], outputs: Sequence[str]) -> str:
    """The rows of ``rows_of`` as text under their titles."""
    rows = [HEAD, *rows_of(in_shapes, layers, outputs)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEAD))]
    lines = []
    for row in rows:
        cells = [cell.ljust(w) if i < 3 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))]
        lines.append("  ".join(cells).rstrip())
    rule = "-" * max(map(len, lines))
    return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])
