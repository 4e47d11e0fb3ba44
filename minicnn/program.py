"""A program: the flat list of kernel calls that a pass consists of, and the recorder that writes it down."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import Any, NamedTuple

from .arrays import Array
from .errors import ContractError


class Bound(NamedTuple):
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
    """

    where: str
    name: str
    kernel: Any
    arrays: tuple[Array, ...]

    @cached_property
    def bound(self) -> Bound:
        """The kernel's code for these arrays."""
        if not hasattr(self.kernel, "bind"):
            return Bound(self.kernel, self.arrays, 0)
        function, arrays = self.kernel.bind(self.arrays)
        return Bound(function, arrays, self.kernel.address(arrays))

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

    def fused(self, backend: ModuleType) -> Program:
        """The same program in fewer calls, by the backend's rewriting rules."""
        calls, at = [], 0
        while at < len(self.calls):
            found = backend.rewriting(self.calls[at:])
            if found is None:
                calls.append(self.calls[at])
                at += 1
            else:
                count, kernel, arrays = found
                name = " + ".join(call.name for call in self.calls[at : at + count])
                calls.append(Call(self.calls[at].where, name, kernel, arrays))
                at += count
        return Program(calls)

    def __len__(self) -> int:
        return len(self.calls)

    def __str__(self) -> str:
        return "\n".join(map(str, self.calls))


Part = tuple[Sequence[Program], tuple[int, int, int]]
"""Programs to run one after another for each group of a span: first group, end and stride."""


@dataclass(eq=False)
class Job:
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

    def between(self, before: Job, after: Sequence[Job]) -> Job:
        """Another job, this one and further ones as one; the others do not read which group it is."""
        return Job([*before.parts, *self.parts, *(part for job in after for part in job.parts)], self.number, self.check)

    def run(self) -> None:
        """Run it call by call."""
        for programs, span in self.parts:
            for group in range(*span):
                self.number[0] = group
                for program in programs:
                    program.run()
                self.check()


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
        kernel = getattr(self._backend, name, None)
        if kernel is None or not hasattr(kernel, "bind"):
            known = ", ".join(sorted(n for n, v in vars(self._backend).items() if hasattr(v, "bind")))
            raise ContractError(self.where, f"expected a kernel of the backend, got k.{name}", f"use k.call or one of: {known}")
        return lambda *arrays: self._record(name, kernel, arrays)

    def call(self, function: Any, *arrays: Array) -> None:
        """Record a kernel of your own (``minicnn.kernel``), or any callable over these arrays, such as a BLAS routine."""
        self._backend.check_call(self.where, function)
        self._record(getattr(function, "__name__", repr(function)), function, arrays)

    def _record(self, name: str, kernel: Any, arrays: tuple[Array, ...]) -> None:
        self._program.append(Call(self.where, name, kernel, arrays))
