"""What goes wrong when PTX is executed, and where."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .syntax import Instruction


class PtxError(Exception):
    """PTX that cannot be executed, or that does what a GPU may not forgive.

    Attributes:
        kind: one word: syntax, unknown, arguments, bounds, alignment, race, barrier, unwritten, undefined, endless.
    """

    def __init__(self, kind: str, problem: str, instruction: Instruction | None = None, thread: str = "") -> None:
        self.kind = kind
        where = [f"{kind}:"]
        if instruction is not None:
            where = [f"{kind} in line {instruction.line} of the PTX, `{instruction.text}`"]
            if instruction.source:
                where.append("from {}:{}".format(*instruction.source))
            where[-1] += "," if thread else ":"
        super().__init__(" ".join([*where, *([f"{thread}:"] if thread else []), problem]))
