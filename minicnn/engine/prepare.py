"""Which part of what follows from the parameters a group needs: derived arrays that its programs never read are not made."""

from __future__ import annotations

from collections.abc import Sequence

from ..backends.program import Call, Program
from .bind import PlacedLayer


def needed(prepare: Program, layers: Sequence[PlacedLayer], programs: Sequence[Program]) -> Program:
    """The calls of ``prepare`` without those that only make derived arrays which no call of the programs is given.

    Where a program holds a call of plain Python all are kept, as that may know an array without being given it.

    Args:
        prepare: the calls that make the derived arrays of all layers.
        layers: the layers.
        programs: what a group runs.
    """
    if not all(program.native for program in (prepare, *programs)):
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
