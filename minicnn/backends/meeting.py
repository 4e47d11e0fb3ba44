"""Where the groups of a batch meet: calls of a program that are made once for all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, TypeVar

from ..arrays import Array
from .program import Call, Program

C = TypeVar("C", bound=Call)


@dataclass(frozen=True, eq=False)
class Barrier(Call):
    """Where a pass needs the measurements of all groups of a batch; no rule of lowering looks across it.

    Attributes:
        merge: gives, for a number of groups, the program that runs once when all have come here.
        rows: the measurements that it reads, arrays with a row for each group.
    """

    merge: Callable[[int], Program] = lambda groups: Program()
    rows: Sequence[Array] = ()


class Meeting(NamedTuple):
    """The groups that make a call together: one of each lot, then the next one of each, and so on.

    Attributes:
        lots: how many lots there are.
        all_here: whether all groups of the batch are, so that what lots add up is summed at once, in the order of the lots.
        threads: how many share the work.
    """

    lots: int
    all_here: bool
    threads: int


@dataclass(frozen=True, eq=False)
class WideCall(Call):
    """A call whose weights are wider than the cache: it is better made once for all groups of a batch than for each.

    A group that is a batch makes it like any other call.

    Attributes:
        together: gives, for the same call of all groups of a meeting, what each thread runs.
    """

    note: ClassVar[str] = ", all groups at once"
    together: Callable[[Sequence[Call], Meeting], Sequence[Program]] = lambda calls, meeting: ()


def cut(program: Program, *kinds: type[C]) -> tuple[list[Program], list[C]]:
    """The parts of a program between the calls of some kinds, and these calls."""
    parts, found = [Program()], []
    for call in program.calls:
        if isinstance(call, kinds):
            found.append(call)
            parts.append(Program())
        else:
            parts[-1].append(call)
    return parts, found


def as_one_group(program: Program) -> Program:
    """The program for a batch that is one group, with the merges in place of the barriers."""
    calls = ((call.merge(1).calls if isinstance(call, Barrier) else (call,)) for call in program.calls)
    return Program(each for some in calls for each in some)


def left_to_sum(total: Array, program: Program) -> list[slice]:
    """The parts of a vector of gradients to which a program adds group by group."""
    ends = [0]
    for call in program.calls:
        first = (call.arrays[-1].ctypes.data - total.ctypes.data) // total.itemsize if isinstance(call, WideCall) else -1
        if 0 <= first < total.size:
            ends += [first, first + call.arrays[-1].size]
    ends = [*sorted(ends), total.size]
    return [slice(first, end) for first, end in zip(ends[::2], ends[1::2], strict=True) if first < end]
