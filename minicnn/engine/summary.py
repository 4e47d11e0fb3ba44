"""The layers of a network as a table."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from ..arrays import Shape
from ..nn.window import by
from .bind import PlacedLayer

HEAD = ("layer", "kind", "output", "parameters", "connections")


def parameters(placed: PlacedLayer) -> int:
    """How many trained numbers a layer has."""
    return sum(prod(p.shape) for p in placed.plan.params.values())


def table(in_shape: Shape, layers: Sequence[PlacedLayer]) -> str:
    """One row a layer: name, kind, output shape, parameters, connections; the totals last."""
    rows = [HEAD, ("input", "", by(in_shape), "", "")]
    rows += [(b.name, b.layer.label, by(b.plan.out_shape), f"{parameters(b):,}", f"{b.plan.connections:,}") for b in layers]
    total, links = sum(map(parameters, layers)), sum(b.plan.connections for b in layers)
    rows.append(("total", "", "", f"{total:,}", f"{links:,}"))
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEAD))]
    lines = []
    for row in rows:
        cells = [cell.ljust(w) if i < 3 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))]
        lines.append("  ".join(cells).rstrip())
    rule = "-" * max(map(len, lines))
    return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])
