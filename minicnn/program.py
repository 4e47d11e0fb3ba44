"""A program: the flat list of kernel calls that a pass consists of, and the recorder that writes it down."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from .arrays import Array
from .errors import ContractError


@dataclass(frozen=True)
class Call:
    """One kernel with the arrays it works on.

    Attributes:
        where: the layer and pass that asked for it.
        name: the kernel's name.
        function: what is called.
        arrays: what it is called with.
        address: the native function, or 0 where there is none.
    """

    where: str
    name: str
    function: Callable[..., object]
    arrays: tuple[Array, ...]
    address: int = 0

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
        self.code: Any = None
        """What a backend remembers, to run the calls without the interpreter."""

    def append(self, call: Call) -> None:
        """Add a call at the end."""
        self.calls.append(call)
        self.code = None

    def __add__(self, other: Program) -> Program:
        return Program([*self.calls, *other.calls])

    @property
    def native(self) -> bool:
        """Whether every call is machine code, so that the whole can run without the interpreter."""
        return all(call.address for call in self.calls)

    def run(self) -> None:
        """Make the calls in order."""
        for call in self.calls:
            call.function(*call.arrays)

    def __len__(self) -> int:
        return len(self.calls)

    def __str__(self) -> str:
        return "\n".join(map(str, self.calls))


@dataclass(frozen=True)
class Job:
    """Programs that one thread runs for some of the groups of a batch.

    Attributes:
        programs: run one after another for every group.
        number: int64[1], where the programs read which group it is.
        span: first group, end and stride.
        check: called after every group where a backend is in check mode.
    """

    programs: Sequence[Program]
    number: Array
    span: tuple[int, int, int]
    check: Callable[[], None]

    def run(self) -> None:
        """Run them call by call."""
        for group in range(*self.span):
            self.number[0] = group
            for program in self.programs:
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
        self._record(getattr(function, "__name__", repr(function)), function, arrays)

    def _record(self, name: str, kernel: Any, arrays: tuple[Array, ...]) -> None:
        if hasattr(kernel, "bind"):
            function, arrays = kernel.bind(arrays)
            self._program.append(Call(self.where, name, function, arrays, kernel.address(arrays)))
        else:
            self._program.append(Call(self.where, name, kernel, arrays))
