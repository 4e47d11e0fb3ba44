"""Reads PTX as NVVM writes it: a module, its variables, its entries, their instructions.

Only the grammar is known here; what an instruction means is in ``table``. What is not recognised is refused.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field

from .errors import PtxError

SIZES = {"b8": 1, "u8": 1, "s8": 1, "b16": 2, "u16": 2, "s16": 2, "f16": 2, "b32": 4, "u32": 4, "s32": 4, "f32": 4}
SIZES |= {"b64": 8, "u64": 8, "s64": 8, "f64": 8}


@dataclass(frozen=True)
class Register:
    name: str


@dataclass(frozen=True)
class Number:
    """An immediate; ``value`` is an int, or the float that a hexadecimal pattern stands for."""

    value: int | float


@dataclass(frozen=True)
class Symbol:
    """A variable, a parameter, or a label."""

    name: str


@dataclass(frozen=True)
class Address:
    """[base + offset]"""

    base: Register | Symbol | Number
    offset: int


@dataclass(frozen=True)
class Group:
    """{a, b, …}: the registers of a vector access, or the halves of a packed one; None where a half is thrown away."""

    parts: tuple[Operand | None, ...]


Operand = Register | Number | Symbol | Address | Group


@dataclass(frozen=True, eq=False)
class Instruction:
    """One instruction, equal to itself only.

    Attributes:
        op: the opcode with all its modifiers, as written: ``add.s32``.
        guard: the predicate register it depends on, or None, and whether it is negated.
        line: its line of the PTX, from 1.
        source: file and line of the Python it comes from, where the PTX says so.
    """

    op: str
    operands: tuple[Operand, ...]
    guard: Register | None
    negated: bool
    line: int
    text: str
    source: tuple[str, int] | None = None


@dataclass(frozen=True)
class Variable:
    """Memory that the module declares: ``data`` holds its initial bytes, or None."""

    name: str
    space: str
    size: int
    align: int
    data: bytes | None = None


@dataclass
class Entry:
    """A kernel: its parameters with their types, its registers with theirs, its code."""

    name: str
    parameters: dict[str, str] = field(default_factory=dict)
    registers: dict[str, str] = field(default_factory=dict)
    variables: dict[str, Variable] = field(default_factory=dict)
    code: list[Instruction] = field(default_factory=list)
    labels: dict[str, int] = field(default_factory=dict)


VARIABLE = re.compile(
    r"(?:\.(?:visible|common|extern|weak)\s+)*\.(?P<space>global|const|shared|local)\s+(?:\.align\s+(?P<align>\d+)\s+)?"
    r"\.(?P<type>\w+)\s+(?P<name>[\w$%]+)(?P<array>\[(?P<count>\d*)\])?\s*(?:=\s*(?P<data>.*))?$",
    re.S,
)
ENTRY = re.compile(r"\.(?:visible|weak)?\s*\.?entry\s+([\w$]+)\s*\((.*?)\)([^{;]*)\{", re.S)
PARAMETER = re.compile(r"\.param\s+(?:\.align\s+\d+\s+)?\.(\w+)\s+(?:\.ptr\s+(?:\.\w+\s+)?(?:\.align\s+\d+\s+)?)?([\w$]+)")
GUARDED = re.compile(r"(?:@(!?)(%[\w$]+)\s+)?([a-z][\w.:]*)\s*(.*)$", re.S)
OPERANDS = re.compile(r"\{[^}]*\}|\[[^\]]*\]|[^,\s]+")
IGNORED = (".pragma", ".version", ".target", ".address_size", ".maxntid", ".minnctapersm", ".reqntid")


def parse(text: str) -> dict[str, Entry]:
    """The entries of a module by name.

    Raises:
        PtxError: the module is not understood.
    """
    text = re.sub(r"//[^\n]*", "", text)
    files = {int(n): name for n, name in re.findall(r'\.file\s+(\d+)\s+"([^"]*)"', text)}
    entries = {}
    first = re.search(r"\.entry", text)
    head = text[: first.start()] if first else text
    variables = {}
    for statement in head.split(";"):
        match = VARIABLE.search(statement.strip())
        if match:
            variables[match["name"]] = variable(match)
    for match in ENTRY.finditer(text):
        entry = Entry(match[1], {name: kind for kind, name in PARAMETER.findall(match[2])})
        entry.variables |= variables
        Body(entry, files).read(text[match.end() :], 1 + text.count("\n", 0, match.end()))
        entries[entry.name] = entry
    if not entries:
        raise PtxError("syntax", "expected an .entry in the module, got none")
    return entries


def variable(match: re.Match[str]) -> Variable:
    """What a declaration declares."""
    size = SIZES[match["type"]]
    data = None
    if match["data"]:
        values = [int(v, 0) for v in re.findall(r"-?\b(?:0x[0-9a-fA-F]+|\d+)\b", match["data"])]
        data = b"".join((v % (1 << 8 * size)).to_bytes(size, "little") for v in values)
    count = int(match["count"] or 0) if match["array"] else 1
    return Variable(match["name"], match["space"], size * count, int(match["align"] or size), data)


class Body:
    """Reads the statements of an entry, up to the brace that closes it."""

    def __init__(self, entry: Entry, files: dict[int, str]) -> None:
        self.entry, self.files = entry, files
        self.scopes: list[dict[str, str]] = [{}]
        self.source: tuple[str, int] | None = None

    def read(self, text: str, line: int) -> None:
        scanner = re.compile(
            r"\s*(?:(?P<open>\{)|(?P<close>\})|(?P<label>[$\w]+):|(?P<loc>\.loc\s[^\n]*)|(?P<statement>[^;]*);)"
        )
        at = 0
        while self.scopes:
            match = scanner.match(text, at)
            if match is None:
                raise PtxError("syntax", f"expected a closing brace of {self.entry.name}, got the end of the text")
            begin = match.start(match.lastgroup or 0)
            self._take(match, line + text.count("\n", 0, begin) if match["statement"] else 0)
            at = match.end()
        for name in {o.name for i in self.entry.code for o in i.operands if i.op.startswith("bra") and isinstance(o, Symbol)}:
            if name not in self.entry.labels:
                raise PtxError("syntax", f"expected the label {name} in {self.entry.name}, got none")

    def _take(self, match: re.Match[str], line: int) -> None:
        if match["open"]:
            self.scopes.append({})
        elif match["close"]:
            self.scopes.pop()
        elif match["label"]:
            self.entry.labels[match["label"]] = len(self.entry.code)
        elif match["loc"]:
            number, source = map(int, match["loc"].split()[1:3])
            self.source = (self.files.get(number, "?"), source) if source else self.source
        else:
            self._statement(match["statement"].strip(), line)

    def _statement(self, text: str, line: int) -> None:
        if text.startswith(".reg"):
            self._declare(text)
        elif declared := VARIABLE.match(text):
            self.entry.variables[declared["name"]] = variable(declared)
        elif text.startswith(IGNORED):
            pass
        elif match := GUARDED.match(text):
            operands = tuple(self._operand(o) for o in OPERANDS.findall(match[4]))
            guard = self._register(match[2]) if match[2] else None
            words = re.sub(r"\s+", " ", text) + ";"
            self.entry.code.append(Instruction(match[3], operands, guard, bool(match[1]), line, words, self.source))
        else:
            raise PtxError("syntax", f"line {line}: expected an instruction, got `{text}`")

    def _declare(self, text: str) -> None:
        """``.reg .b32 %r<5>`` declares five registers, ``.reg .b32 %temp`` one, in the scope of the braces around it."""
        _, kind, names = text.split(None, 2)
        for name in re.split(r"\s*,\s*", names):
            many = re.fullmatch(r"(%[\w$]+)<(\d+)>", name)
            for each in [f"{many[1]}{i}" for i in range(int(many[2]))] if many else [name]:
                inner = f"{each}@{len(self.entry.registers)}" if each in self.entry.registers else each
                self.scopes[-1][each] = inner
                self.entry.registers[inner] = kind[1:]

    def _register(self, name: str) -> Register:
        for scope in reversed(self.scopes):
            if name in scope:
                return Register(scope[name])
        return Register(name)  # a special one: %tid.x

    def _operand(self, text: str) -> Operand:
        if text[0] == "{":
            parts = [part.strip() for part in text[1:-1].split(",")]
            return Group(tuple(None if part == "_" else self._operand(part) for part in parts))
        if text[0] == "[":
            base, _, offset = text[1:-1].replace(" ", "").partition("+")
            return Address(self._operand(base), int(offset or 0))
        if text[0] == "%":
            return self._register(text)
        return number(text) or Symbol(text)


def number(text: str) -> Number | None:
    """An immediate: an integer, or the bits of a float."""
    if bits := re.fullmatch(r"0([fF][0-9a-fA-F]{8}|[dD][0-9a-fA-F]{16})", text):
        return Number(struct.unpack(">f" if bits[1][0] in "fF" else ">d", bytes.fromhex(bits[1][1:]))[0])
    return Number(int(text.rstrip("U"), 0)) if re.fullmatch(r"-?(0x[0-9a-fA-F]+|\d+)U?", text) else None
