"""A program: the list of kernel calls that a pass consists of; and tasks and schedules: who runs which programs when."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Protocol

import numpy as np

from ..arrays import Array, same
from .listing import line, listing, preformatted

if TYPE_CHECKING:
    from .interface import Backend, Memory

Function = Callable[..., object]
"""What is called with arrays: a ``Kernel``, or any function of Python over arrays."""


class BoundCall(NamedTuple):
    """A call ready to be made.

    Attributes:
        run: makes it.
        arrays: what the function is called with, as it takes them.
        address: of the native function, or 0 where there is none.
    """

    run: Callable[[], object]
    arrays: tuple[Array, ...]
    address: int


def interpreted(function: Function, arrays: tuple[Array, ...]) -> BoundCall:
    """The call of a function that the interpreter runs."""
    return BoundCall(partial(function, *arrays), arrays, 0)


class Kernel(ABC):
    """A function over arrays that is made ready for them before it runs, and reads and writes no others.

    Attributes:
        __name__: as in listings.
    """

    __name__: str

    @abstractmethod
    def bind(self, arrays: tuple[Array, ...]) -> BoundCall:
        """The call with these arrays, ready to be made."""

    def __call__(self, *arrays: Array) -> None:
        """Run now."""
        self.bind(arrays).run()

    def __repr__(self) -> str:
        return f"<kernel {self.__name__}>"


@dataclass(frozen=True, eq=False)
class Call:
    """One kernel with the arrays it works on. It is compiled on first use, so calls that lowering replaces never are.

    Attributes:
        where: the layer and pass that asked for it.
        name: the kernel's name.
        kernel: what is called.
        arrays: what it works on.
        options: what a layer asks of lowering, which alone reads it.
        replaces: the recorded calls that it does, perhaps with other calls; None where it was recorded itself.
        note: what a listing says behind it; nothing but for calls that groups make together.
    """

    note: ClassVar[str] = ""

    where: str
    name: str
    kernel: Function
    arrays: tuple[Array, ...]
    options: Mapping[str, str] = field(default_factory=dict)
    replaces: tuple[Call, ...] | None = None

    @property
    def bound(self) -> BoundCall:
        """The kernel's code for these arrays, found once."""
        known: BoundCall | None = self.__dict__.get("_bound")  # cached_property of Python 3.11 has one lock for all calls
        if known is None:
            kernel = self.kernel
            known = kernel.bind(self.arrays) if isinstance(kernel, Kernel) else interpreted(kernel, self.arrays)
            self.__dict__["_bound"] = known
        return known

    @property
    def recorded(self) -> tuple[Call, ...]:
        """The recorded calls that it does: itself, or those that it replaces."""
        return (self,) if self.replaces is None else self.replaces

    def given(self, array: Array) -> bool:
        """Whether it is given a part of an array."""
        return any(np.may_share_memory(own, array) for own in self.arrays)

    def moved(self, old: Array, new: Array) -> Call:
        """The same call with one array in the place of another."""
        arrays = tuple(new.reshape(a.shape) if same(a, old) else a for a in self.arrays)
        return replace(self, arrays=arrays)

    def __str__(self) -> str:
        return line(self)


SOLE_READER = {"reads": "sole"}
"""The option of calls in inference that are the only readers of their first array: nobody needs it after them."""


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
            call.bound.run()

    def from_zero(self, backend: Backend, total: Array) -> Program:
        """The same program on a vector that it adds to, whatever that holds: what is not simply written is cleared first.

        Args:
            backend: whose kernels write in place of adding.
            total: the vector, of which calls are given parts.
        """
        calls = list(self.calls)
        start = total.ctypes.data
        ends = [0]
        for number, call in enumerate(self.calls):
            kernel = None if backend.lowering is None else backend.lowering.from_zero(call)
            if kernel is None:
                continue
            part = call.arrays[-1]
            first = (part.ctypes.data - start) // total.itemsize
            inside = part.flags.c_contiguous and first >= 0 and first + part.size <= total.size
            if inside and not any(before.given(part) for before in self.calls[:number]):
                calls[number] = replace(call, name=kernel.__name__, kernel=kernel, replaces=call.recorded)
                ends += [first, first + part.size]
        ends.append(total.size)
        gaps = zip(sorted(ends)[::2], sorted(ends)[1::2], strict=True)
        rest = [total[first:end] for first, end in gaps if first < end]
        return Program([*(Call("", "zero", backend.kernels["zero"], (part,), replaces=()) for part in rest), *calls])

    def __len__(self) -> int:
        return len(self.calls)

    def __str__(self) -> str:
        return listing(self.calls)

    _repr_html_ = preformatted


Part = tuple[Sequence[Program], tuple[int, int, int]]
"""Programs to run one after another for each group of a span: first group, end and stride."""


class NativeCode(Protocol):
    """Tasks as machine code.

    Attributes:
        address: the function that runs them.
        words: its arguments.
        status: int64[1], 0 when all kernels ended well.
        run: runs them in this thread.
    """

    address: int
    words: Array
    status: Array
    run: Callable[[], object]

    def check(self) -> None:
        """Raise a BackendError if a kernel failed."""
        ...


@dataclass(eq=False)
class Task:
    """What one thread does for a batch.

    Attributes:
        parts: programs with the groups to run them for, in order.
        number: int64[1], where the programs read which group it is.
        check: called after every group where a backend is in check mode.
        code: what a backend remembers, to run the task without the interpreter.
    """

    parts: Sequence[Part]
    number: Array
    check: Callable[[], None] = lambda: None
    code: NativeCode | None = None

    @property
    def native(self) -> bool:
        """Whether there are calls and all are machine code, so that the whole can run without the interpreter."""
        if self.code is not None:
            return True
        programs = [program for programs, _ in self.parts for program in programs]
        return any(program.calls for program in programs) and all(program.native for program in programs)

    def run(self, memory: Memory | None = None) -> None:
        """Run it call by call.

        Args:
            memory: the backend's.
        """
        for programs, span in self.parts:
            for group in range(*span):
                if self.number[0] != group:
                    self.number[0] = group
                    if memory is not None:
                        memory.to_device(self.number)
                for program in programs:
                    program.run()
                self.check()


@dataclass(eq=False)
class Schedule:
    """What threads do for a batch: a phase begins when all tasks of the one before it are done.

    Attributes:
        phases: the tasks of each, which run side by side.
        code: what a backend remembers, to run them in one native call.
    """

    phases: Sequence[Sequence[Task]]
    code: Sequence[NativeCode] | None = None
