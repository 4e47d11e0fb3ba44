"""A backend as the engine sees it: one object with its kernels and, where it has them, its own memory, lowering and threads.

What a backend does without is None, and the engine does without it: NumPy's has its kernels only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..arrays import Array, DType
from .kernels import NAMES
from .log import CompileLog
from .program import Call, Function, Program, Schedule, Task
from .workspace import Workspace


class Memory(Protocol):
    """Copies of the network's arrays that kernels work on, in the memory of a device.

    Nothing is copied implicitly: call ``to_device`` after writing an array on the host, ``to_host`` before reading it there.
    """

    def group_lanes(self, images: int) -> int:
        """How many lanes a group has for a batch of so many images."""
        ...

    def pinned(self, size: int) -> Array:
        """So many bytes on the host, zeros, from which copies are fast."""
        ...

    def to_device(self, *arrays: Array) -> None:
        """Let kernels see what the host wrote."""
        ...

    def to_host(self, *arrays: Array) -> None:
        """Let the host see what kernels wrote, when they are done."""
        ...

    def sync_to_host(self, array: Array) -> None:
        """Let the host see an array, and kernels what it writes there until the next call."""
        ...

    def to_device_async(self, array: Array) -> None:
        """``to_device`` for pinned memory while kernels run; those that need it run after ``wait_for_transfers``."""
        ...

    def wait_for_transfers(self) -> None:
        """Let later calls wait for what ``to_device_async`` copies."""
        ...

    def keeps_on_device(self, size: int) -> bool:
        """Whether a source of so many bytes whose images never change is copied as a whole."""
        ...


class Lowering(Protocol):
    """The one place where recorded calls are replaced by the kernels that do them."""

    def lower(
        self,
        program: Program,
        workspace: Workspace,
        moving: bool = False,
        fuse: bool = True,
        results: Sequence[Array] | None = None,
    ) -> Program:
        """The program in kernels.

        Args:
            program: what layers recorded.
            workspace: memory for scratch, and for what is derived from the parameters.
            moving: let a call write its output over an input that no later call is given.
            fuse: let one kernel stand for several calls.
            results: what is read after the program, where that is all; None where any array may be.
        """
        ...

    def most_alone(self, program: Program) -> int:
        """Up to how many images a batch takes less time image by image than in lanes; 0 where it never does.

        Args:
            program: what inference on one image is in kernels.
        """
        ...

    def from_zero(self, call: Call) -> Function | None:
        """The kernel that writes what a call adds to the last of its arrays; None where there is none."""
        ...

    def check_call(self, where: str, function: Function) -> None:
        """Raise a BackendError where the function that a layer gives to ``k.call`` cannot be called."""
        ...


class NativeThreads(Protocol):
    """Threads that run machine code without the interpreter, the caller being the first of them."""

    def run(self, tasks: Sequence[Task]) -> None:
        """Run tasks side by side, and return when all are done."""
        ...

    def run_schedule(self, work: Schedule) -> None:
        """Run phases one after another, in one native call."""
        ...


def kernels_in(*modules: object) -> dict[str, Function]:
    """The kernels of the manual that modules hold, by name; of two with one name the later."""
    named = ((name, value) for module in modules for name, value in vars(module).items() if name in NAMES)
    return dict(sorted({name: value for name, value in named if callable(value)}.items()))


@dataclass(frozen=True, eq=False)
class Backend:
    """What executes recorded calls.

    Attributes:
        name: as in ``Network(backend=...)``.
        kernels: those of ``kernels.Kernels`` by name; none allocates memory, except on a backend that is ``interpreted``.
        log: what it compiled.
        describe: the hardware that it uses, in words.
        require: raises a BackendError where it cannot be used here; None where it always can.
        memory: None where kernels work on the network's own arrays.
        lowering: None where programs run as they were recorded.
        compile_ahead: makes the machine code of calls that so many threads are about to run, on all processors; None where
            each call is compiled when it is first made.
        native: makes its threads, whose helpers wait in a loop unless they are told that there are more threads than
            processors; None where calls are made by the interpreter.
        threads: whether several threads may make calls, or only the caller's.
        checked: whether kernels check their bounds, and buffers have guard bands.
        interpreted: whether kernels are plain Python.
        fitted: makes it for groups of so many lanes in a dtype, where kernels depend on them; None where none do.
    """

    name: str
    kernels: dict[str, Function]
    log: CompileLog
    describe: Callable[[], str]
    require: Callable[[], object] | None = None
    memory: Memory | None = None
    lowering: Lowering | None = None
    compile_ahead: Callable[[Sequence[Call], int], None] | None = None
    native: Callable[[bool], NativeThreads] | None = None
    threads: bool = False
    checked: bool = False
    interpreted: bool = False
    fitted: Callable[[int, DType], Backend] | None = None

    def of_lanes(self, lanes: int, dtype: DType) -> Backend:
        """The backend for groups of so many lanes."""
        return self if self.fitted is None else self.fitted(lanes, dtype)
