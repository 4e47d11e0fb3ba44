"""Registers: one value for every thread, or one for all of them while they agree.

A value that no thread has a say in (a parameter, a loop counter, what is computed from them) is kept and computed once: the
register is *uniform*. PTX registers have a size and no type, so an operand is a typed view of its register.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from .errors import PtxError
from .lanes import Array, Lanes
from .syntax import SIZES

KINDS = {"u": "u", "b": "u", "s": "i", "f": "f"}


@cache
def dtype_of(kind: str) -> np.dtype:
    """The NumPy type of a PTX type: ``s32`` → int32; untyped bits are unsigned."""
    if kind == "pred":
        return np.dtype(np.bool_)
    if kind not in SIZES or kind == "f16":
        raise PtxError("unknown", f"expected a type that the interpreter knows, got .{kind}")
    return np.dtype(f"{KINDS[kind[0]]}{SIZES[kind]}")


class Register:
    """A register of ``n`` threads; see the module.

    Attributes:
        wide: a value a thread; up to date unless ``uniform``.
        one: an array of the one value; up to date if ``uniform``.
        written: which threads have written it, where that has to be watched, else None.
        passing: whether what other threads had in it may be lost when some write it.
    """

    __slots__ = ("one", "passing", "uniform", "wide", "written")

    def __init__(self, dtype: np.dtype, n: int, watched: bool = False, passing: bool = False) -> None:
        self.passing = passing
        self.wide, self.one = np.zeros(n, dtype), np.zeros(1, dtype)
        self.uniform = True
        self.written = np.zeros(n, np.bool_) if watched else None

    def spread(self) -> None:
        """Give every thread a value of its own, before some of them change theirs."""
        if self.uniform:
            self.wide[:] = self.one
            self.uniform = False


def constant(value: Array) -> Register:
    """A register that only ever holds that value, (1,)."""
    register = Register(value.dtype, 0)
    register.one = value
    return register


def typed(array: Array, dtype: np.dtype) -> Array:
    """A view of a register's bits as another type, of the low ones where that is smaller."""
    if dtype == array.dtype:
        return array
    return array.view(dtype)[:: array.itemsize // dtype.itemsize]


class Source:
    """An operand that is read, as a type."""

    __slots__ = ("one", "register", "wide")

    def __init__(self, register: Register, dtype: np.dtype) -> None:
        self.register = register
        self.wide, self.one = typed(register.wide, dtype), typed(register.one, dtype)

    def get(self, lanes: Lanes) -> Array:
        """Its value for these threads: one for each, or (1,) for all."""
        if self.register.uniform:
            return self.one
        return lanes.of(self.wide)


class Target:
    """An operand that is written; a type smaller than the register is extended to it, by its sign if it has one."""

    __slots__ = ("one", "register", "wide")

    def __init__(self, register: Register, kind: str) -> None:
        self.register = register
        exact = dtype_of(kind)
        size = register.wide.itemsize
        dtype = exact if exact == np.bool_ else np.dtype(f"{exact.kind}{size}")
        self.wide, self.one = typed(register.wide, dtype), typed(register.one, dtype)

    def put(self, value: Array, lanes: Lanes) -> None:
        """Set it for these threads: a value for each, or (1,) for all."""
        register = self.register
        if value.size == 1 and (lanes.everyone or register.passing):
            self.one[:] = value
            register.uniform = True
        elif lanes.everyone:
            self.wide[:] = value
            register.uniform = False
        else:
            register.spread()
            self.wide[lanes.index] = value


Step = Callable[[Lanes], None]


MANY = 8
"""Where at least one in so many threads is meant, all compute, which is quicker than to single them out."""


def compute(function: Callable[..., object], target: Target, sources: list[Source]) -> Step:
    """The step that sets a target to a function of sources: function(*values, out=…)."""
    register, one, wide = target.register, target.one, target.wide
    passing = register.passing

    def for_some(lanes: Lanes) -> None:
        register.spread()
        if lanes.size * MANY < lanes.total:
            values = [source.get(lanes) for source in sources]
            out = np.empty(lanes.size if any(v.size > 1 for v in values) else 1, wide.dtype)
            function(*values, out=out)
            wide[lanes.index] = out
            return
        values = [source.one if source.register.uniform else source.wide for source in sources]
        out = np.empty(lanes.total if any(v.size > 1 for v in values) else 1, wide.dtype)
        function(*values, out=out)
        np.copyto(wide, out, where=lanes.mask)

    if len(sources) == 2:  # most instructions: worth a step of their own
        (a, b), (ra, rb) = sources, (source.register for source in sources)

        def two(lanes: Lanes) -> None:
            if not (lanes.everyone or (passing and lanes.size * MANY >= lanes.total)):
                for_some(lanes)
            elif ra.uniform and rb.uniform:
                function(a.one, b.one, out=one)
                register.uniform = True
            else:
                function(a.one if ra.uniform else a.wide, b.one if rb.uniform else b.wide, out=wide)
                register.uniform = False

        return two

    def any_number(lanes: Lanes) -> None:
        if not (lanes.everyone or (passing and lanes.size * MANY >= lanes.total)):
            for_some(lanes)
            return
        values = [source.one if source.register.uniform else source.wide for source in sources]
        uniform = all([source.register.uniform for source in sources])  # noqa: C419 - a list is quicker
        function(*values, out=one if uniform else wide)
        register.uniform = uniform

    return any_number
