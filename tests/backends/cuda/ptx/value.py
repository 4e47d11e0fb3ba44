"""What an instruction that computes is to the interpreter, and the simplest of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .lanes import Array


@dataclass(frozen=True)
class Value:
    """target = function(*sources).

    Attributes:
        function: called with one array for each source, of their types, and ``out``, which may be one of them.
        target: the PTX type of what it computes.
        sources: the PTX types of what it is computed from.
        divides: whether the last source must not be zero.
    """

    function: Callable[..., object]
    target: str
    sources: tuple[str, ...]
    divides: bool = False


def copy(x: Array, out: Array) -> None:
    out[...] = x


def choose(x: Array, y: Array, p: Array, out: Array) -> None:
    """p ? x : y"""
    out[...] = x if p.size == 1 and p[0] else y if p.size == 1 else np.where(p, x, y)


UNTYPED = ("b16", "b32", "b64")
INTEGER = ("s16", "u16", "s32", "u32", "s64", "u64")
FLOAT = ("f32", "f64")

MOVES = {
    **{f"mov.{t}": Value(copy, t, (t,)) for t in ("pred", *UNTYPED, *INTEGER, *FLOAT)},
    **{f"selp.{t}": Value(choose, t, (t, t, "pred")) for t in (*UNTYPED, *INTEGER, *FLOAT)},
    **{f"cvta.{to}{space}.u64": Value(copy, "u64", ("u64",)) for to in ("", "to.") for space in ("global", "shared", "local")},
}
"""Moves and choices; an address is the same number in every space."""

ORDERED = {
    "eq": np.equal,
    "ne": lambda x, y, out: np.copyto(out, (x < y) | (x > y)),
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "num": lambda x, y, out: np.copyto(out, ~(np.isnan(x) | np.isnan(y))),
}
"""Comparisons of floats that a NaN makes false; those ending in u, and nan, are true where the opposite one is false."""

OPPOSITE = {"equ": "ne", "neu": "eq", "ltu": "ge", "leu": "gt", "gtu": "le", "geu": "lt", "nan": "num"}


def opposite(compare: Callable[..., object]) -> Callable[..., object]:
    def unordered(x: Array, y: Array, out: Array) -> None:
        compare(x, y, out=out)
        np.logical_not(out, out=out)

    return unordered


COMPARISONS = {
    **{f"setp.{c}.{t}": Value(ORDERED[c], "pred", (t, t)) for c in ("eq", "lt", "le", "gt", "ge") for t in INTEGER},
    **{f"setp.ne.{t}": Value(np.not_equal, "pred", (t, t)) for t in (*INTEGER, *UNTYPED)},
    **{f"setp.eq.{t}": Value(np.equal, "pred", (t, t)) for t in UNTYPED},
    **{f"setp.{c}.{t}": Value(f, "pred", (t, t)) for c, f in ORDERED.items() for t in FLOAT},
    **{f"setp.{c}.{t}": Value(opposite(ORDERED[o]), "pred", (t, t)) for c, o in OPPOSITE.items() for t in FLOAT},
}
