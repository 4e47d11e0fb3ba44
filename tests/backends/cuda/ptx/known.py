"""What is known of an entry before it runs; the rest is checked while its threads run.

Known are the registers that every path writes before it reads them, those that nobody misses outside a block, the accesses to
shared memory that a barrier separates from every write, and which parameters an address comes from.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from .flow import Block, blocks_of, meeting_points, reads_and_writes, registers
from .syntax import Address, Entry, Instruction


@dataclass
class Flow:
    """What is known of an entry.

    Attributes:
        doubtful: registers that some path reads before it is written.
        passing: registers that live in one block only, so that nobody misses what those elsewhere had in them.
        exposed: accesses to shared memory (by their place in the code) that no barrier separates from all writes.
    """

    blocks: list[Block]
    doubtful: set[str] = field(default_factory=set)
    passing: set[str] = field(default_factory=set)
    exposed: set[int] = field(default_factory=set)


def analyse(entry: Entry) -> Flow:
    """The flow of an entry."""
    flow = Flow(blocks_of(entry))
    meeting_points(flow.blocks)
    flow.doubtful = unwritten_on_some_path(entry, flow.blocks)
    flow.passing = passing_registers(entry, flow.blocks)
    flow.exposed = exposed_accesses(entry, flow.blocks)
    return flow


def unwritten_on_some_path(entry: Entry, blocks: list[Block]) -> set[str]:
    """Registers that are read where not every path has written them; a guarded instruction may not write."""
    bit = {name: 1 << n for n, name in enumerate(entry.registers)}
    everything = (1 << len(bit)) - 1
    known = [everything] * len(blocks)
    known[0] = 0
    doubtful: set[str] = set()

    def through(n: int, visit: Callable[[str, int], None]) -> int:
        state = known[n]
        for instruction in entry.code[blocks[n].start : blocks[n].end]:
            reads, writes = reads_and_writes(instruction)
            for name in reads:
                visit(name, state)
            if instruction.guard is None:
                for name in writes:
                    state |= bit[name]
        return state

    changed = True
    while changed:
        changed = False
        for n, block in enumerate(blocks):
            state = through(n, lambda name, state: None)
            for s in block.successors:
                if s >= 0 and known[s] & ~state:
                    known[s] &= state
                    changed = True
    for n in range(len(blocks)):
        through(n, lambda name, state: doubtful.add(name) if name in bit and not state & bit[name] else None)
    return doubtful


def passing_registers(entry: Entry, blocks: list[Block]) -> set[str]:
    """Registers that only one block names, in which everyone who executes it writes them, and before anything reads them."""
    home: dict[str, int] = {}
    staying: set[str] = set()
    for n, block in enumerate(blocks):
        for instruction in entry.code[block.start : block.end]:
            reads, writes = reads_and_writes(instruction)
            for name in (*reads, *writes):
                early = name in reads and name not in home
                guarded = name in writes and instruction.guard is not None
                if home.setdefault(name, n) != n or early or guarded:
                    staying.add(name)
    return {*entry.registers} - staying


def exposed_accesses(entry: Entry, blocks: list[Block]) -> set[int]:
    """Accesses to shared memory that meet a write before, or after, without a barrier between them."""
    code = entry.code
    before = _reached_without_barrier(code, blocks, forwards=True)
    behind = _reached_without_barrier(code, blocks, forwards=False)
    return before | behind


def _reached_without_barrier(code: list[Instruction], blocks: list[Block], forwards: bool) -> set[int]:
    """The accesses that some path leads to from a write, along or against the flow, without a barrier on the way."""
    sources: list[list[int]] = [[] for _ in blocks]
    for n, block in enumerate(blocks):
        for s in block.successors:
            if s >= 0:
                sources[s if forwards else n].append(n if forwards else s)
    leaving = [False] * len(blocks)
    reached: set[int] = set()
    changed = True
    while changed:
        changed = False
        for n, block in enumerate(blocks):
            open_write = any(leaving[s] for s in sources[n])
            places = range(block.start, block.end)
            for place in places if forwards else reversed(places):
                op = code[place].op
                if op == "bar.sync":
                    open_write = False
                elif accesses_shared(op):
                    if open_write:
                        reached.add(place)
                    open_write |= not op.startswith("ld")
            changed |= open_write != leaving[n]
            leaving[n] |= open_write
    return reached


def accesses_shared(op: str) -> bool:
    """Whether an instruction may access shared memory: it says so, or it says no space."""
    parts = op.split(".")
    return parts[0] in {"ld", "st", "atom", "red"} and (
        "shared" in parts or not {"global", "param", "local", "const"} & {*parts}
    )


def parameters_behind(entry: Entry) -> dict[str, set[str]]:
    """For every register the parameters that its value comes from, other than through memory and predicates."""
    behind: dict[str, set[str]] = {name: set() for name in entry.registers}
    changed = True
    while changed:
        changed = False
        for instruction in entry.code:
            reads, writes = reads_and_writes(instruction)
            if instruction.op.startswith("ld.param"):
                found = {instruction.operands[1].base.name}
            elif instruction.op.startswith("ld"):
                found = set()
            else:
                found = set().union(*(behind[name] for name in reads if name in behind and entry.registers[name] != "pred"))
            for name in writes:
                changed |= not found <= behind[name]
                behind[name] |= found
    return behind


def stored_parameters(entry: Entry) -> set[str]:
    """The parameters that the addresses of writes come from."""
    behind = parameters_behind(entry)
    stored: set[str] = set()
    for instruction in entry.code:
        if instruction.op.startswith(("st.", "atom.", "red.")):
            address = next(o for o in instruction.operands if isinstance(o, Address))
            stored = stored.union(*(behind[name] for name in registers([address])))
    return stored
