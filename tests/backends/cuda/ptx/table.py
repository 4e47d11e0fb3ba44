"""The table: every instruction, with all its modifiers, that the interpreter knows. ``test_table`` has a test of each."""

from __future__ import annotations

from .conversions import CONVERSIONS
from .floats import FLOATS
from .integers import INTEGERS
from .value import COMPARISONS, MOVES, Value

VALUES: dict[str, Value] = {**MOVES, **COMPARISONS, **INTEGERS, **FLOATS, **CONVERSIONS}
"""What computes."""

LOADABLE = ("b8", "u8", "s8", "b16", "u16", "s16", "b32", "u32", "s32", "b64", "u64", "s64", "f32", "f64")
SPACES = ("global", "shared", "local")

ACCESSES = {
    *(f"ld.param.{t}" for t in LOADABLE),
    *(f"{move}.{space}.{t}" for move in ("ld", "st") for space in SPACES for t in LOADABLE),
    *(f"{move}.{t}" for move in ("ld", "st") for t in LOADABLE),
    *(f"ld.const.{t}" for t in LOADABLE),
    *(f"{move}.{space}.{v}.{t}" for move in ("ld", "st") for space in SPACES for v in ("v2", "v4") for t in ("u32", "f32")),
}
"""What reads and writes memory."""

FLOW = {"bra", "bra.uni", "ret", "bar.sync"}
"""What says what comes next."""

TABLE = {*VALUES, *ACCESSES, *FLOW}
