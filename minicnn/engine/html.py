"""Networks and scores as a notebook shows them. All text is escaped: names may come from files of others."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from .summary import HEAD, parameters, rows_of

if TYPE_CHECKING:
    from .handle import Handle
    from .score import Score


def network_html(net: Handle) -> str:
    """The layers of a network as ``summary`` lists them, and what the network runs on."""
    total = sum(map(parameters, net.layers))
    threads = "1 thread" if net.threads == 1 else f"{net.threads} threads"
    words = f"{type(net).__name__}: {total:,} parameters, {net.dtype}, backend {net.backend.name}, {threads}"
    return table(words, HEAD, rows_of(net.in_shapes, net.layers, net.outputs), left=3)


def score_html(score: Score) -> str:
    """Loss and accuracy, of several outputs each in a row."""
    rows = [("all", score), *score.outputs.items()]
    accuracies = ["" if one.accuracy is None else f"{100 * one.accuracy:.2f} %" for _, one in rows]
    cells = [(name, f"{one.loss:.6g}", said, f"{one.images:,}") for (name, one), said in zip(rows, accuracies, strict=True)]
    head = ("output", "loss", "accuracy", "images")
    if not score.outputs:
        return table("Score", head[1:], [row[1:] for row in cells], left=0)
    return table("Score", head, cells)


def table(caption: str, head: Sequence[str], rows: Sequence[Sequence[object]], left: int = 1) -> str:
    """A table.

    Args:
        caption: what stands over it.
        head: the titles of its columns; no row for them where all are empty.
        rows: what stands in its fields.
        left: so many columns are text; the others are numbers, which end at one place.

    >>> table("a & b", ["x"], [["<i>"]]).count("&lt;i&gt;")
    1
    """
    aligned = ["left"] * left + ["right"] * (len(head) - left)
    lines = [f'<table><caption style="text-align:left;font-weight:bold">{escape(caption)}</caption>']
    for tag, cells in [("th", head)] * any(head) + [("td", row) for row in rows]:
        made = (
            f'<{tag} style="text-align:{side}">{escape(str(cell))}</{tag}>' for side, cell in zip(aligned, cells, strict=True)
        )
        lines.append(f"<tr>{''.join(made)}</tr>")
    return "\n".join([*lines, "</table>"])
