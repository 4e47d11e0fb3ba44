"""A program: the flat list of kernel calls that a pass consists of, and the recorder that writes it down."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from ..arrays import Array, same
from ..errors import ContractError
from .kernels import NAMES
from .placeholder import plain


class BoundCall(NamedTuple):
    """A call ready to be made.

    Attributes:
        function: what is called.
        arrays: what it is called with, as it takes them.
        address: the native function, or 0 where there is none.
    """

    function: Callable[..., object]
    arrays: tuple[Array, ...]
    address: int


@dataclass(frozen=True, eq=False)
class Call:
    """One kernel with the arrays it works on. It is compiled when it is first made, so that a rewritten call costs nothing.

    Attributes:
        where: the layer and pass that asked for it.
        name: the kernel's name.
        kernel: a kernel of the backend, or any callable.
        arrays: what it works on.
        options: what a layer asks of lowering, which alone reads it.
    """

    where: str
    name: str
    kernel: Any
    arrays: tuple[Array, ...]
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def bound(self) -> BoundCall:
        """The kernel's code for these arrays, found once."""
        known: BoundCall | None = self.__dict__.get(
            "_bound"
        )  # cached_property of Python 3.11 has one lock for all calls there are
        if known is None:
            known = self.__dict__["_bound"] = self._bind()
        return known

    def _bind(self) -> BoundCall:
        if not hasattr(self.kernel, "bind"):
            return BoundCall(self.kernel, self.arrays, 0)
        function, arrays = self.kernel.bind(self.arrays)
        return BoundCall(function, arrays, self.kernel.address(arrays))

    def given(self, array: Array) -> bool:
        """Whether it is given a part of an array."""
        return any(np.may_share_memory(own, array) for own in self.arrays)

    def moved(self, old: Array, new: Array) -> Call:
        """The same call with one array in the place of another."""
        arrays = tuple(new.reshape(a.shape) if same(a, old) else a for a in self.arrays)
        return replace(self, arrays=arrays)

    def __str__(self) -> str:
        shapes = ", ".join("×".join(map(str, a.shape)) for a in self.arrays)
        return f"{self.where:16} {self.name}({shapes})"


class Program:
    """A list of calls; to run it is to walk it.

    Args:
        calls: the calls, in order.
    """

    def __init__(self, calls: Iterable[Call] = ()) -> None:
        self.calls = list(calls)

    def append(self, call: Call) -> None:
        """Add a call at the end."""
        self.calls.append(call)

    def __add__(self, other: Program) -> Program:
        return Program([*self.calls, *other.calls])

    @property
    def native(self) -> bool:
        """Whether every call is machine code, so that the whole can run without the interpreter."""
        return all(call.bound.address for call in self.calls)

    def run(self) -> None:
        """Make the calls in order."""
        for call in self.calls:
            function, arrays, _ = call.bound
            function(*arrays)

    def from_zero(self, backend: ModuleType, total: Array) -> Program:
        """The same program on a vector that it adds to, whatever that holds: what is not simply written is cleared first.

        Args:
            backend: whose kernels write in place of adding.
            total: the vector, of which calls are given parts.
        """
        calls = list(self.calls)
        start = total.ctypes.data
        ends = [0]
        for number, call in enumerate(self.calls):
            kernel = backend.from_zero(call)
            if kernel is None:
                continue
            part = call.arrays[-1]
            first = (part.ctypes.data - start) // total.itemsize
            inside = part.flags.c_contiguous and first >= 0 and first + part.size <= total.size
            if inside and not any(before.given(part) for before in self.calls[:number]):
                calls[number] = replace(call, name=kernel.__name__, kernel=kernel)
                ends += [first, first + part.size]
        ends.append(total.size)
        clearing = Program()
        for first, end in zip(sorted(ends)[::2], sorted(ends)[1::2], strict=True):
            if first < end:
                Recorder(backend, clearing).zero(total[first:end])
        return clearing + Program(calls)

    def __len__(self) -> int:
        return len(self.calls)

    def __str__(self) -> str:
        return "\n".join(map(str, self.calls))


Part = tuple[Sequence[Program], tuple[int, int, int]]
"""Programs to run one after another for each group of a span: first group, end and stride."""


@dataclass(eq=False)
class Task:
    """What one thread does for a batch.

    Attributes:
        parts: programs with the groups to run them for, in order.
        number: int64[1], where the programs read which group it is.
        check: called after every group where a backend is in check mode.
        code: what a backend remembers, to run the job without the interpreter.
    """

    parts: Sequence[Part]
    number: Array
    check: Callable[[], None] = lambda: None
    code: Any = None

    @property
    def native(self) -> bool:
        """Whether there are calls and all are machine code, so that the whole can run without the interpreter."""
        if self.code is not None:
            return True
        programs = [program for programs, _ in self.parts for program in programs]
        return any(program.calls for program in programs) and all(program.native for program in programs)

    def run(self) -> None:
        """Run it call by call."""
        for programs, span in self.parts:
            for group in range(*span):
                self.number[0] = group
                for program in programs:
                    program.run()
                self.check()


@dataclass(eq=False)
class Schedule:
    """What threads do for a batch: a stage begins when all jobs of the one before it are done.

    Attributes:
        phases: the jobs of each, which run side by side.
        code: what a backend remembers, to run them with one hand-over.
    """

    phases: Sequence[Sequence[Task]]
    code: Any = None


class Recorder:
    """What layers see as ``k``: every kernel of the backend as a method that writes the call down instead of making it.

    Args:
        backend: the module that holds the kernels.
        program: where the calls are written.
    """

    def __init__(self, backend: ModuleType, program: Program) -> None:
        self._backend, self._program = backend, program
        self.where = ""

    def __getattr__(self, name: str) -> Callable[..., None]:
        kernel = getattr(self._backend, name, None) if name in NAMES else None
        if kernel is None:
            known = ", ".join(sorted(n for n in NAMES if hasattr(self._backend, n)))
            raise ContractError(self.where, f"expected a kernel of the backend, got k.{name}", f"use k.call or one of: {known}")
        return lambda *arrays, **options: self._record(name, kernel, arrays, options)

    def call(self, function: Any, *arrays: Array) -> None:
        """Record a kernel of your own (``minicnn.kernel``), or any callable over these arrays, such as a BLAS routine."""
        self._backend.check_call(self.where, function)
        self._record(getattr(function, "__name__", repr(function)), function, arrays, {})

    def _record(self, name: str, kernel: Any, arrays: tuple[Array, ...], options: Mapping[str, str]) -> None:
        self._program.append(Call(self.where, name, kernel, tuple(map(plain, arrays)), options))
