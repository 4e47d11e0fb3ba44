"""From instructions to steps: operands become views of registers, and what an instruction does becomes one call."""

from __future__ import annotations

import numpy as np

from .access import Access
from .errors import PtxError
from .flow import reads_and_writes
from .lanes import Array, Lanes
from .memory import Memory
from .registers import Register, Source, Step, Target, compute, constant, dtype_of
from .syntax import Address, Group, Instruction, Number, Operand, Symbol
from .syntax import Register as Name
from .table import ACCESSES, VALUES
from .team import Team
from .value import copy

NOBODY = np.empty(0, np.int64)


class Binder:
    """Makes steps for a team.

    Args:
        constants: the values of parameters and the addresses of variables, by name, as arrays (1,).
    """

    def __init__(self, team: Team, registers: dict[str, Register], constants: dict[str, Array], memory: Memory) -> None:
        self.team, self.registers, self.constants, self.memory = team, registers, constants, memory
        self.watching = any(register.written is not None for register in registers.values())

    # --- operands

    def source(self, operand: Operand | None, kind: str) -> Source:
        """An operand to read as that type."""
        dtype = dtype_of(kind)
        if isinstance(operand, Name) and operand.name in self.registers:
            return Source(self.registers[operand.name], dtype)
        if isinstance(operand, Number):
            bits = 8 * dtype.itemsize
            whole = dtype.kind in "iu"
            value = int(operand.value) % (1 << bits) if whole else operand.value
            return Source(constant(np.array([value], f"u{dtype.itemsize}" if whole else dtype)), dtype)
        if isinstance(operand, Symbol) and operand.name in self.constants:
            return Source(constant(self.constants[operand.name]), dtype)
        raise PtxError("unknown", f"expected an operand that the interpreter knows, got {operand}")

    def target(self, operand: Operand | None, kind: str) -> Target:
        """A register to write as that type, or nowhere."""
        if operand is None:
            return Target(Register(dtype_of(kind), self.team.thread.size), kind)
        if isinstance(operand, Name) and operand.name in self.registers:
            return Target(self.registers[operand.name], kind)
        raise PtxError("unknown", f"expected a register that is declared, got {operand}")

    def chosen(self, instruction: Instruction, lanes: Lanes) -> Lanes:
        """The threads for which an instruction's guard holds."""
        assert instruction.guard is not None
        register = self.registers[instruction.guard.name]
        self._check_written(instruction, instruction.guard.name, lanes)
        if register.uniform:
            return lanes if bool(register.one[0]) != instruction.negated else Lanes(lanes.total, NOBODY)
        holds = lanes.of(register.wide)
        return lanes.among(~holds if instruction.negated else holds)

    # --- steps

    def bind(self, instruction: Instruction) -> Step:
        """What an instruction does, ready to be done."""
        step = self._bind(instruction)
        if self.watching:
            step = self._watched(instruction, step)
        return self._guarded(instruction, step) if instruction.guard else step

    def _bind(self, instruction: Instruction) -> Step:
        op = instruction.op
        if op in VALUES:
            return self._value(instruction)
        if op in ACCESSES:
            return self._access(instruction)
        if op == "bar.sync":
            return lambda lanes: self.team.barrier(instruction, lanes)
        raise PtxError("unknown", "expected an instruction of the interpreter's table, got another", instruction)

    def _value(self, instruction: Instruction) -> Step:
        """Compute a value from values."""
        value, operands = VALUES[instruction.op], instruction.operands
        if len(operands) != 1 + len(value.sources):
            raise PtxError("unknown", f"expected {1 + len(value.sources)} operands, got {len(operands)}", instruction)
        left, *right = operands
        if isinstance(left, Group):
            return self._unpack(left, self.source(right[0], value.target))
        if isinstance(right[0], Group):
            return self._pack(self.target(left, value.target), right[0])
        sources = [self.source(o, kind) for o, kind in zip(right, value.sources, strict=True)]
        step = compute(value.function, self.target(left, value.target), sources)
        return self._dividing(instruction, sources[-1], step) if value.divides else step

    def _dividing(self, instruction: Instruction, divisor: Source, step: Step) -> Step:
        """A step after a look at its divisor."""

        def divide(lanes: Lanes) -> None:
            zeros = np.flatnonzero(divisor.get(lanes) == 0)
            if zeros.size:
                raise self.team.fault("undefined", "expected a divisor other than 0", instruction, lanes, zeros)
            step(lanes)

        return divide

    def _unpack(self, parts: Group, source: Source) -> Step:
        """``mov`` from a register to its parts, low ones first."""
        kind = f"b{8 * source.wide.itemsize // len(parts.parts)}"
        targets = [self.target(part, kind) for part in parts.parts]

        def unpack(lanes: Lanes) -> None:
            pieces = np.ascontiguousarray(source.get(lanes)).view(dtype_of(kind)).reshape(-1, len(targets))
            for k, target in enumerate(targets):
                target.put(pieces[:, k], lanes)

        return unpack

    def _pack(self, target: Target, parts: Group) -> Step:
        """``mov`` from parts, low ones first, to a register."""
        kind = f"b{8 * target.wide.itemsize // len(parts.parts)}"
        sources = [self.source(part, kind) for part in parts.parts]

        def pack(lanes: Lanes) -> None:
            pieces = np.broadcast_arrays(*[source.get(lanes) for source in sources])
            target.put(np.stack(pieces, axis=1).reshape(-1).view(target.wide.dtype), lanes)

        return pack

    def _access(self, instruction: Instruction) -> Step:
        """Load or store a number, or several side by side."""
        move, *middle, kind = instruction.op.split(".")
        space = next((part for part in middle if part not in ("v2", "v4")), "generic")
        value, place = instruction.operands if move == "ld" else reversed(instruction.operands)
        assert isinstance(place, Address)
        if space == "param":
            return compute(copy, self.target(value, kind), [self.source(place.base, kind)])
        base, memory = self.source(place.base, "u64"), self.memory
        parts = value.parts if isinstance(value, Group) else (value,)
        access = Access(instruction, space, dtype_of(kind), len(parts), place.offset, store=move == "st")
        if access.store:
            sources = [self.source(part, kind) for part in parts]
            return lambda lanes: memory.store(access, base.get(lanes), lanes, [source.get(lanes) for source in sources])
        targets = [self.target(part, kind) for part in parts]

        def load(lanes: Lanes) -> None:
            for target, piece in zip(targets, memory.load(access, base.get(lanes), lanes), strict=True):
                target.put(piece, lanes)

        return load

    def _guarded(self, instruction: Instruction, step: Step) -> Step:
        def guarded(lanes: Lanes) -> None:
            some = self.chosen(instruction, lanes)
            if some.size:
                step(some)

        return guarded

    # --- registers that are watched

    def _check_written(self, instruction: Instruction, name: str, lanes: Lanes) -> None:
        written = self.registers[name].written
        if written is None:
            return
        missing = np.flatnonzero(~lanes.of(written))
        if missing.size:
            raise self.team.fault("unwritten", f"expected {name} to be written before, it was not", instruction, lanes, missing)

    def _watched(self, instruction: Instruction, step: Step) -> Step:
        """A step, or one whose registers are watched for being read before they are written."""
        reads, writes = (
            [name for name in names if name in self.registers and self.registers[name].written is not None]
            for names in reads_and_writes(instruction)
        )
        if not reads and not writes:
            return step

        def watched(lanes: Lanes) -> None:
            for name in reads:
                self._check_written(instruction, name, lanes)
            step(lanes)
            for name in writes:
                self.registers[name].written[lanes.where] = True

        return watched
