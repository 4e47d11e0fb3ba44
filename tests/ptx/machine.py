"""Executes an entry for some blocks of a launch: all threads in step, apart where ways part, together where they meet."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .errors import PtxError
from .flow import Flow, is_branch, reads_and_writes
from .memory import Memory
from .registers import Array, Lanes, Register, Source, Step, Target, compute, constant, dtype_of
from .shadow import Threads
from .syntax import Address, Entry, Group, Instruction, Number, Operand, Symbol
from .syntax import Register as Name
from .table import ACCESSES, VALUES
from .value import copy

Shape = tuple[int, int, int]


@dataclass
class Code:
    """An entry with what is known of it."""

    entry: Entry
    flow: Flow
    stored: set[str]


class Budget:
    """How many instructions a launch may still execute, each for as many threads as there are."""

    def __init__(self, steps: int) -> None:
        self.steps = steps


class Machine:
    """The threads of some blocks.

    Args:
        constants: the values of parameters and the addresses of variables, by name, as arrays (1,).
    """

    def __init__(self, code: Code, grid: Shape, block: Shape, blocks: int, constants: dict[str, Array], budget: Budget) -> None:
        self.code, self.grid, self.block, self.blocks = code, grid, block, blocks
        self.size = block[0] * block[1] * block[2]
        self.local_block, thread = np.divmod(np.arange(self.size * blocks, dtype=np.int64), self.size)
        self.threads = Threads(self.local_block, thread)
        self.constants, self.budget = constants, budget
        self.memory = Memory(self.fault)
        self.alive = np.ones(thread.size, np.bool_)
        self.ended = 0
        doubtful = code.flow.doubtful
        self.registers = {
            name: Register(name, dtype_of(kind), thread.size, name in doubtful) for name, kind in code.entry.registers.items()
        }
        self.steps: list[list[Step] | None] = [None] * len(code.flow.blocks)
        self._place(thread, self.block, "tid", "ntid")
        self._place(self.local_block, self.grid, "ctaid", "nctaid")

    def start(self, first: int) -> None:
        """Be the blocks from that number on, at their beginning."""
        self.threads.start(self.local_block + first)
        self._place(self.threads.block, self.grid, "ctaid", "nctaid")
        self.alive[:] = True
        self.ended = 0
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
                register = self.registers.setdefault(f"%{name}.{letter}", Register(name, numbers.dtype, number.size))
                register.uniform = bool((numbers == numbers[0]).all())
                register.one[:], register.wide[:] = numbers[0], numbers

    # --- where it went wrong

    def fault(self, kind: str, problem: str, instruction: Instruction, lanes: Lanes, which: Array) -> PtxError:
        """An error of the first of the threads that ``which`` counts among ``lanes``."""
        place = int(which[0]) if which.size else 0
        lane = place if lanes is None else int(lanes[min(place, len(lanes) - 1)])
        return PtxError(kind, problem, instruction, self.name_of(lane))

    def name_of(self, lane: int) -> str:
        """Block and thread of a lane, in three axes."""
        axes = []
        for number, shape in ((int(self.threads.block[lane]), self.grid), (int(self.threads.thread[lane]), self.block)):
            axes.append((number % shape[0], number // shape[0] % shape[1], number // (shape[0] * shape[1])))
        return f"block {axes[0]}, thread {axes[1]}"

    # --- from operands to registers

    def source(self, operand: Operand, kind: str) -> Source:
        """An operand to read as that type."""
        dtype = dtype_of(kind)
        if isinstance(operand, Name):
            if operand.name not in self.registers:
                raise PtxError("unknown", f"expected a register that is declared, got {operand.name}")
            return Source(self.registers[operand.name], dtype)
        if isinstance(operand, Number):
            bits = np.iinfo(dtype).bits if dtype.kind in "iu" else 0
            value = int(operand.value) % (1 << bits) if bits else operand.value
            return Source(constant("", np.array([value], f"u{bits // 8}" if bits else dtype)), dtype)
        if isinstance(operand, Symbol) and operand.name in self.constants:
            return Source(constant(operand.name, self.constants[operand.name]), dtype)
        raise PtxError("unknown", f"expected an operand that the interpreter knows, got {operand}")

    def target(self, operand: Operand | None, kind: str) -> Target:
        """A register to write as that type."""
        if operand is None:
            return Target(Register("_", dtype_of(kind), self.threads.thread.size), kind)
        assert isinstance(operand, Name), operand
        return Target(self.registers[operand.name], kind)

    # --- from instructions to steps

    def bind(self, instruction: Instruction) -> Step:
        """What an instruction does, ready to be done."""
        step = self._bind_unguarded(instruction)
        reads, writes = reads_and_writes(instruction)
        doubtful = self.code.flow.doubtful
        if doubtful.intersection(reads) or doubtful.intersection(writes):
            step = self._watched(instruction, step, doubtful.intersection(reads), doubtful.intersection(writes))
        return self._guarded(instruction, step) if instruction.guard else step

    def _bind_unguarded(self, instruction: Instruction) -> Step:
        op, operands = instruction.op, instruction.operands
        if op in VALUES:
            value = VALUES[op]
            if len(operands) != 1 + len(value.sources):
                raise PtxError("unknown", f"expected {1 + len(value.sources)} operands, got {len(operands)}", instruction)
            if any(isinstance(o, Group) for o in operands):
                return self._repack(instruction)
            sources = [self.source(o, kind) for o, kind in zip(operands[1:], value.sources, strict=True)]
            step = compute(value.function, self.target(operands[0], value.target), sources)
            return self._dividing(instruction, sources[-1], step) if value.divides else step
        if op == "bar.sync":
            return lambda lanes: self._barrier(instruction, lanes)
        parts = op.split(".")
        if op in ACCESSES:
            return self._access(instruction, parts)
        raise PtxError("unknown", "expected an instruction of the interpreter's table, got another", instruction)

    def _dividing(self, instruction: Instruction, divisor: Source, step: Step) -> Step:
        """A step after a look at its divisor."""

        def divide(lanes: Lanes) -> None:
            zeros = np.flatnonzero(divisor.get(lanes) == 0)
            if zeros.size:
                raise self.fault("undefined", "expected a divisor other than 0", instruction, lanes, zeros)
            step(lanes)

        return divide

    def _repack(self, instruction: Instruction) -> Step:
        """``mov`` between a register and its parts, low ones first."""
        left, right = instruction.operands
        if isinstance(left, Group):
            source = self.source(right, instruction.op.split(".")[1])
            whole = source.wide.itemsize
            part = f"b{8 * whole // len(left.parts)}"
            targets = [self.target(o, part) for o in left.parts]

            def unpack(lanes: Lanes) -> None:
                pieces = np.ascontiguousarray(source.get(lanes)).view(dtype_of(part)).reshape(-1, len(targets))
                for k, target in enumerate(targets):
                    target.put(pieces[:, k], lanes)

            return unpack
        assert isinstance(right, Group)
        target = self.target(left, instruction.op.split(".")[1])
        part = f"b{8 * target.wide.itemsize // len(right.parts)}"
        sources = [self.source(o, part) for o in right.parts if o is not None]

        def pack(lanes: Lanes) -> None:
            pieces = np.broadcast_arrays(*[s.get(lanes) for s in sources])
            target.put(np.stack(pieces, axis=1).reshape(-1).view(target.wide.dtype), lanes)

        return pack

    def _access(self, instruction: Instruction, parts: list[str]) -> Step:
        """A load or a store, of one number or several side by side."""
        loads, kind = parts[0] == "ld", parts[-1]
        space = next((p for p in parts if p in {"global", "shared", "local", "param", "const"}), "generic")
        value, place = instruction.operands if loads else reversed(instruction.operands)
        assert isinstance(place, Address)
        if space == "param":
            return compute(copy, self.target(value, kind), [self.source(place.base, kind)])
        base, dtype = self.source(place.base, "u64"), dtype_of(kind)
        offset = place.offset
        several = value.parts if isinstance(value, Group) else (value,)
        memory = self.memory
        if loads:
            targets = [self.target(o, kind) for o in several]

            def load(lanes: Lanes) -> None:
                found = memory.load(instruction, space, dtype, base.get(lanes), offset, lanes, len(targets))
                for target, piece in zip(targets, found, strict=True):
                    target.put(piece, lanes)

            return load
        sources = [self.source(o, kind) for o in several if o is not None]

        def store(lanes: Lanes) -> None:
            values = [source.get(lanes) for source in sources]
            memory.store(instruction, space, dtype, base.get(lanes), offset, lanes, values)

        return store

    def _guarded(self, instruction: Instruction, step: Step) -> Step:
        def guarded(lanes: Lanes) -> None:
            some = self.chosen(instruction, lanes)
            if some is None or some.size:
                step(some)

        return guarded

    def chosen(self, instruction: Instruction, lanes: Lanes) -> Lanes:
        """The threads for which an instruction's guard holds."""
        assert instruction.guard is not None
        register = self.registers[instruction.guard.name]
        if register.written is not None and not register.written[slice(None) if lanes is None else lanes].all():
            raise self.fault(
                "unwritten", f"expected {register.name} to be written before, it was not", instruction, lanes, EMPTY
            )
        if register.uniform:
            return lanes if bool(register.one[0]) != instruction.negated else EMPTY
        holds = register.wide if lanes is None else register.wide.take(lanes)
        where = np.flatnonzero(~holds if instruction.negated else holds)
        if where.size == holds.size:
            return lanes
        return where if lanes is None else lanes.take(where)

    def _watched(self, instruction: Instruction, step: Step, reads: set[str], writes: set[str]) -> Step:
        """A step whose registers are watched for being read before they are written."""
        read, written = ([self.registers[name] for name in sorted(names)] for names in (reads, writes))

        def watched(lanes: Lanes) -> None:
            for register in read:
                known = register.written if lanes is None else register.written[lanes]  # type: ignore[index]
                if not known.all():  # type: ignore[union-attr]
                    problem = f"expected {register.name} to be written before, it was not"
                    raise self.fault("unwritten", problem, instruction, lanes, np.flatnonzero(~known))  # type: ignore[operator]
            step(lanes)
            for register in written:
                register.written[slice(None) if lanes is None else lanes] = True  # type: ignore[index]

        return watched

    def _barrier(self, instruction: Instruction, lanes: Lanes) -> None:
        """Everyone of a block is here, or it is a fault."""
        if lanes is not None:
            here = np.bincount(self.local_block[lanes], minlength=self.blocks)
            torn = np.flatnonzero((here > 0) & (here < self.size))
            if torn.size:
                absent = self.local_block == torn[0]
                absent[lanes] = False
                problem = f"expected all {self.size} threads of the block, got {here[torn[0]]}"
                raise self.fault("barrier", problem, instruction, None, np.flatnonzero(absent))
        self.threads.pass_barrier(lanes)

    # --- the run

    def run(self) -> None:
        """Execute everything to the end."""
        code, blocks = self.code.entry.code, self.code.flow.blocks
        steps = self.steps
        waiting: list[tuple[int, int, Lanes]] = [(0, -1, None)]
        while waiting:
            n, until, lanes = waiting.pop()
            lanes = self._still_alive(lanes)
            while n != until and (lanes is None or lanes.size):
                block = blocks[n]
                last = code[block.end - 1]
                bound = steps[n]
                if bound is None:
                    body = code[block.start : block.end - (is_branch(last) or last.op == "ret")]
                    bound = steps[n] = [self.bind(instruction) for instruction in body]
                for step in bound:
                    step(lanes)
                self._spend(block.end - block.start, last)
                if last.op == "ret":
                    n, lanes = self._leave(block.after, last, lanes)
                elif is_branch(last) and last.guard is not None:
                    n, until, lanes = self._part(n, until, lanes, waiting)
                else:
                    n = block.target if block.target is not None else block.after  # type: ignore[assignment]

    def _still_alive(self, lanes: Lanes) -> Lanes:
        if not self.ended:
            return lanes
        return np.flatnonzero(self.alive) if lanes is None else lanes[self.alive[lanes]]

    def _spend(self, count: int, last: Instruction) -> None:
        self.budget.steps -= count
        if self.budget.steps < 0:
            raise PtxError("endless", "expected the launch to end within its limit of instructions, it goes on", last)

    def _leave(self, after: int | None, last: Instruction, lanes: Lanes) -> tuple[int, Lanes]:
        """Threads end; the others of a guarded ``ret`` go on."""
        gone = lanes if last.guard is None else self.chosen(last, lanes)
        self.alive[slice(None) if gone is None else gone] = False
        self.ended += self.alive.size if gone is None else gone.size
        rest = self._still_alive(lanes)
        return (-1 if after is None else after), rest

    def _part(self, n: int, until: int, lanes: Lanes, waiting: list[tuple[int, int, Lanes]]) -> tuple[int, int, Lanes]:
        """A branch that some take: what to do now, the rest being left to do."""
        block = self.code.flow.blocks[n]
        last = self.code.entry.code[block.end - 1]
        taken = self.chosen(last, lanes)
        assert block.target is not None
        assert block.after is not None
        if taken is lanes:
            return block.target, until, lanes
        assert taken is not None
        if not taken.size:
            return block.after, until, lanes
        mask = np.zeros(self.alive.size, np.bool_)
        mask[slice(None) if lanes is None else lanes] = True
        mask[taken] = False
        if block.meet not in (until, -1):
            waiting.append((block.meet, until, lanes))
        waiting.append((block.after, block.meet, np.flatnonzero(mask)))
        return block.target, block.meet, taken


EMPTY = np.empty(0, np.int64)
