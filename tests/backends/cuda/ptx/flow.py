"""The control flow of an entry: its blocks, and where threads that part meet again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from .syntax import Address, Entry, Group, Instruction, Operand, Register, Symbol


@dataclass
class Block:
    """Instructions ``start`` … ``end`` − 1, executed one after another.

    Attributes:
        target: the block that its last branch leads to, or None.
        after: the block that follows, or None where there is none: after ``ret`` and an unconditional branch.
        leaves: whether threads end here.
        meet: the block where threads that part here meet again (the nearest post-dominator); the end is −1.
    """

    start: int
    end: int
    target: int | None = None
    after: int | None = None
    leaves: bool = False
    meet: int = -1

    @property
    def successors(self) -> list[int]:
        return [s for s in (self.target, self.after) if s is not None] + [-1] * self.leaves


def is_branch(instruction: Instruction) -> bool:
    return instruction.op in {"bra", "bra.uni"}


def ends_block(instruction: Instruction) -> bool:
    return is_branch(instruction) or instruction.op == "ret"


def blocks_of(entry: Entry) -> list[Block]:
    """The code cut at labels, and after branches and returns."""
    code = entry.code
    starts = {0, *entry.labels.values(), *(i + 1 for i, each in enumerate(code) if ends_block(each))}
    edges = [*sorted(s for s in starts if s < len(code)), len(code)]
    number = {start: n for n, start in enumerate(edges[:-1])}
    blocks = []
    for start, end in pairwise(edges):
        last = code[end - 1]
        goes_on = end < len(code) and not (ends_block(last) and last.guard is None)
        block = Block(start, end, after=number[end] if goes_on else None, leaves=last.op == "ret")
        if is_branch(last):
            (label,) = last.operands
            assert isinstance(label, Symbol)
            block.target = number[entry.labels[label.name]]
        blocks.append(block)
    return blocks


def meeting_points(blocks: list[Block]) -> None:
    """Sets ``meet``: of the blocks on every path to the end, found by narrowing down, the nearest has the most after it."""
    everything = (1 << len(blocks)) - 1
    after = [everything] * len(blocks)
    changed = True
    while changed:
        changed = False
        for n in reversed(range(len(blocks))):
            common = everything
            for s in blocks[n].successors:
                common &= after[s] if s >= 0 else 0
            found = common | 1 << n
            changed |= found != after[n]
            after[n] = found
    for n, block in enumerate(blocks):
        strict = [m for m in range(len(blocks)) if after[n] >> m & 1 and m != n]
        block.meet = max(strict, key=lambda m: after[m].bit_count(), default=-1)


def registers(operands: Iterable[Operand | None]) -> list[str]:
    """The registers that operands name."""
    found = []
    for operand in operands:
        if isinstance(operand, Register):
            found.append(operand.name)
        elif isinstance(operand, Address):
            found += registers([operand.base])
        elif isinstance(operand, Group):
            found += registers(operand.parts)
    return found


def reads_and_writes(instruction: Instruction) -> tuple[list[str], list[str]]:
    """The registers that an instruction reads, and those that it writes."""
    operands = instruction.operands
    writes_first = not instruction.op.startswith(("st.", "bra", "bar", "ret", "red."))
    reads = registers(operands[1:] if writes_first else operands) + registers([instruction.guard])
    return reads, registers(operands[:1]) if writes_first else []
