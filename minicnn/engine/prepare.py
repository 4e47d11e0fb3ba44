"""What must be made of the parameters before programs run: the arrays that layers derive, and those that lowering asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from ..backends.derived import Derived
from ..backends.program import Call, Kernel, Program
from .bind import PlacedLayer

Work = TypeVar("Work")


@dataclass
class Prepared(Generic[Work]):
    """Work that needs what is derived from the parameters, in two forms.

    Attributes:
        whole: derives that first.
        work: does not.
        promise: the promise under which it was derived last; 0 where there was none.
    """

    whole: Work
    work: Work
    promise: int = 0


class Preparation:
    """The programs that refresh what follows from the parameters.

    Args:
        layers: the layers.
        whole: the calls that all layers recorded in ``prepare``.
        derived: what lowering derives.

    Attributes:
        promise: the number of the promise that parameters stay as they are, under which what was derived need not be derived
            again; 0 where nobody gave one.
    """

    def __init__(self, layers: Sequence[PlacedLayer], whole: Program, derived: Derived) -> None:
        self._layers, self.whole, self.derived = layers, whole, derived
        self.promise = 0

    def of(self, programs: Sequence[Program]) -> Program:
        """What these programs need."""
        refresh = self.derived.refresh(programs)
        return needed(self.whole, self._layers, [*programs, refresh]) + refresh


def needed(prepare: Program, layers: Sequence[PlacedLayer], programs: Iterable[Program]) -> Program:
    """The calls of ``prepare`` without those that only make derived arrays which no call of the programs is given.

    Where a program holds a call of plain Python all are kept, as that may know an array without being given it.

    Args:
        prepare: the calls that make the derived arrays of all layers.
        layers: the layers.
        programs: what a group runs.
    """
    programs = list(programs)
    if not all(isinstance(call.kernel, Kernel) for program in (prepare, *programs) for call in program.calls):
        return prepare
    derived = [placed.shared[name] for placed in layers for name in placed.plan.derived]
    states = [placed.shared[name] for placed in layers for name in placed.plan.state]
    read = [call for program in programs for call in program.calls]
    wanted = [array for array in derived if any(call.given(array) for call in read)]
    kept: list[Call] = []
    for call in reversed(prepare.calls):  # what is made of a derived array needs the calls before it that make that one
        made = [array for array in derived if call.given(array)]
        if not made or any(call.given(array) for array in (*wanted, *states)):
            kept.insert(0, call)
            wanted += made
    return Program(kept)
