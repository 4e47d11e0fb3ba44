"""Where a backend works: the reference manual of what its module offers beside its kernels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from ..arrays import Array
from .program import Program
from .workspace import Workspace


class Place(Protocol):
    """Where a backend's kernels work, and on how much at a time: what its module offers beside the kernels.

    The network's arrays are NumPy's on every backend. Kernels may work on memory of their own that these arrays stand for;
    then whoever writes or reads an array on the host says so here, and nothing else crosses.

    Attributes:
        OWN_MEMORY: whether kernels work on memory of their own.
        CHECK: whether kernels check their bounds, and buffers have guard bands.
    """

    OWN_MEMORY: bool
    CHECK: bool

    def require(self) -> None:
        """Raise a BackendError where this backend cannot be used."""

    def usable_threads(self, threads: int) -> int:
        """How many threads make calls, where so many are wanted."""

    def group_lanes(self, images: int, lanes: int) -> int:
        """How many lanes a group has for a batch of so many images, in a network of so many lanes."""

    def pinned(self, size: int) -> Array:
        """So many bytes on the host, zeros, that are fast to bring."""

    def to_device(self, *arrays: Array) -> None:
        """Let kernels see what the host wrote."""

    def to_host(self, *arrays: Array) -> None:
        """Let the host see what kernels wrote, when they are done."""

    def sync_to_host(self, array: Array) -> None:
        """Let the host see an array, and kernels what it writes there until the next call."""

    def to_device_async(self, array: Array) -> None:
        """``to_device`` for pinned memory, beside what runs; calls that need it are made after ``wait_for_transfers``."""

    def wait_for_transfers(self) -> None:
        """Let calls wait for what was brought aside."""

    def keeps_on_device(self, size: int) -> bool:
        """Whether a source of so many bytes whose images never change is read as a whole."""

    def check_call(self, where: str, function: Callable[..., object]) -> None:
        """Raise a BackendError where this backend cannot call a function that a layer gives to ``k.call``."""

    def lower(self, program: Program, workspace: Workspace, moving: bool = False, fuse: bool = True) -> Program:
        """The kernels that do what a program recorded; one may stand for several calls where ``fuse`` is set."""

    def from_zero(self, call: Any) -> Any:
        """The kernel that writes what a call of a program adds to the last of its arrays; or None."""
