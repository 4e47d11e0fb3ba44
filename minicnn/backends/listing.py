"""Programs in words: the listing that ``print(net.program())`` shows, and a notebook too."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import zip_longest
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .program import Call


def formula(call: Call) -> str:
    """A kernel and the shapes of its arrays."""
    shapes = ", ".join("×".join(map(str, a.shape)) for a in call.arrays)
    return f"{call.name}({shapes}){call.note}"


def line(call: Call) -> str:
    """The layer and pass of a call, and what it calls."""
    return f"{call.where:16} {formula(call)}"


def listing(calls: Sequence[Call]) -> str:
    """What was recorded; behind → the calls that do it where lowering has replaced it, behind ↑ nothing more to do."""
    blocks: list[tuple[list[Call], list[Call]]] = []
    for call in calls:
        if not blocks or not any(one in blocks[-1][0] for one in call.recorded):
            blocks.append(([], []))
        recorded, made = blocks[-1]
        recorded += [one for one in call.recorded if one not in recorded]
        made.append(call)
    rows = []
    for recorded, made in blocks:
        left = list(map(line, recorded)) or [f"{made[0].where:16}"]
        right = [formula(call) for call in made]
        marks = ["" if right == [formula(call) for call in recorded] else "  →  ", *["  +  "] * (len(made) - 1)]
        done = [f"{mark}{text}" for mark, text in zip(marks, right, strict=True)] if marks[0] else []
        done += ["  ↑"] * (len(recorded) - len(done)) if done else []
        rows += list(zip_longest(left, done, fillvalue=""))
    width = max((len(one) for one, other in rows if other), default=0)
    return "\n".join(f"{one:{width}}{other}".rstrip() for one, other in rows)


def preformatted(value: object) -> str:
    """What ``print`` shows, in letters of one width.

    >>> preformatted("1 < 2")
    '<pre>1 &lt; 2</pre>'
    """
    return f"<pre>{escape(str(value))}</pre>"
