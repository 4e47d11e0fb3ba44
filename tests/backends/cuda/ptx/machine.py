"""Executes an entry for some blocks of a launch: all threads in step, apart where ways part, together where they meet."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .binding import Binder
from .errors import PtxError
from .flow import is_branch
from .known import Flow
from .lanes import Array, Lanes
from .memory import Memory
from .registers import Register, Step, dtype_of
from .syntax import Entry, Instruction
from .team import Shape, Team

END = -1
"""The block after the last one."""

Waiting = list[tuple[int, int, Lanes]]
"""What is left to do: from which block, up to which block, by whom."""


@dataclass
class Code:
    """An entry with what is known of it.

    Attributes:
        stored: the parameters that the addresses of writes come from.
    """

    entry: Entry
    flow: Flow
    stored: set[str]


class Budget:
    """How many instructions a launch may still execute, each for as many threads as there are."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def spend(self, count: int, last: Instruction) -> None:
        self.steps -= count
        if self.steps < 0:
            raise PtxError("endless", "expected the launch to end within its limit of instructions, it goes on", last)


class Machine:
    """A team and its registers; steps are made when they are first needed.

    Args:
        constants: the values of parameters and the addresses of variables, by name, as arrays (1,).
    """

    def __init__(self, code: Code, team: Team, constants: dict[str, Array], budget: Budget) -> None:
        self.code, self.team, self.budget = code, team, budget
        self.memory = Memory(team)
        n, flow = team.thread.size, code.flow
        self.registers = {
            name: Register(dtype_of(kind), n, name in flow.doubtful, name in flow.passing)
            for name, kind in code.entry.registers.items()
        }
        self._place(team.thread, team.shape, "tid", "ntid")
        self._place(team.block, team.grid, "ctaid", "nctaid")
        self.binder = Binder(team, self.registers, constants, self.memory)
        self.steps: list[list[Step] | None] = [None] * len(code.flow.blocks)

    def start(self, first: int) -> None:
        """Be the blocks from that number on, at their beginning."""
        self.team.start(first)
        self._place(self.team.block, self.team.grid, "ctaid", "nctaid")
        for register in self.registers.values():
            if register.written is not None:
                register.written[:] = False

    def _place(self, number: Array, shape: Shape, own: str, all_of_them: str) -> None:
        """Set the special registers of three axes."""
        below = 1
        for letter, length in zip("xyz", shape, strict=True):
            value = (number // below % length).astype(np.uint32)
            below *= length
            for name, numbers in ((own, value), (all_of_them, np.full(1, length, np.uint32))):
                register = self.registers.setdefault(f"%{name}.{letter}", Register(numbers.dtype, number.size))
                register.uniform = bool((numbers == numbers[0]).all())
                register.one[:], register.wide[:] = numbers[0], numbers

    def run(self) -> None:
        """Execute everything to the end."""
        code, blocks = self.code.entry.code, self.code.flow.blocks
        waiting: Waiting = [(0, END, self.team.everyone)]
        while waiting:
            n, until, lanes = waiting.pop()
            lanes = self.team.still_alive(lanes)
            while n != until and lanes.size:
                block = blocks[n]
                last = code[block.end - 1]
                for step in self._steps(n):
                    step(lanes)
                self.budget.spend(block.end - block.start, last)
                if last.op == "ret":
                    self.team.end(lanes if last.guard is None else self.binder.chosen(last, lanes))
                    n, lanes = (END if block.after is None else block.after), self.team.still_alive(lanes)
                elif is_branch(last) and last.guard is not None:
                    n, until, lanes = self._part(n, until, lanes, waiting)
                else:
                    n = block.after if block.target is None else block.target

    def _steps(self, n: int) -> list[Step]:
        """The steps of a block, without what says where to go on."""
        steps = self.steps[n]
        if steps is None:
            block, code = self.code.flow.blocks[n], self.code.entry.code
            body = code[block.start : block.end]
            steps = self.steps[n] = [self.binder.bind(i) for i in body if not is_branch(i) and i.op != "ret"]
        return steps

    def _part(self, n: int, until: int, lanes: Lanes, waiting: Waiting) -> tuple[int, int, Lanes]:
        """A branch that some take: what to do now, the rest being left to do."""
        block = self.code.flow.blocks[n]
        taken = self.binder.chosen(self.code.entry.code[block.end - 1], lanes)
        assert block.target is not None
        assert block.after is not None
        if taken is lanes:
            return block.target, until, lanes
        if not taken.size:
            return block.after, until, lanes
        if block.meet not in (until, END):
            waiting.append((block.meet, until, lanes))
        waiting.append((block.after, block.meet, lanes.without(taken)))
        return block.target, block.meet, taken
