"""What a backend offers beside its kernels, unless it has something of its own: see ``interface.py``.

Kernels work on the host's own arrays, so that nothing is copied; and programs run as they were recorded, by plain calls on the
caller's thread, one after another.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..arrays import Array
from .alignment import aligned
from .program import Program
from .workspace import Workspace

OWN_MEMORY = False
"""Whether kernels work on memory of their own."""

CHECK = False
"""Whether kernels check their bounds, and buffers have guard bands."""

INTERPRET = False
"""Whether kernels are plain Python, which may allocate."""

PATIENT = IMPATIENT = 0
"""Nobody waits for machine code to run."""


class NativeThreads:
    """Nobody: a backend without machine code hands none over.

    Args:
        patience: not needed.
    """

    def __init__(self, patience: int) -> None:
        pass


pinned = aligned


def require() -> None:
    """The host is always there."""


def usable_threads(threads: int) -> int:
    """The caller's thread."""
    return 1


def group_lanes(images: int, lanes: int) -> int:
    """The network's."""
    return lanes


def to_device(*arrays: Array) -> None:
    """Kernels read what the host wrote."""


def to_host(*arrays: Array) -> None:
    """The host reads what kernels wrote."""


def sync_to_host(array: Array) -> None:
    """The host writes what kernels will read."""


def to_device_async(array: Array) -> None:
    """There is no way to be on."""


def wait_for_transfers() -> None:
    """Nothing is on its way."""


def keeps_on_device(size: int) -> bool:
    """Every source is read where it is."""
    return True


def check_call(where: str, function: Callable[..., object]) -> None:
    """Any callable over arrays can be called."""


def lower(program: Program, workspace: Workspace, moving: bool = False, fuse: bool = True) -> Program:
    """Every recorded call is a kernel."""
    return program


def from_zero(call: Any) -> None:
    """Every kernel that adds needs zeros to add to."""


__all__ = [
    "CHECK",
    "IMPATIENT",
    "INTERPRET",
    "OWN_MEMORY",
    "PATIENT",
    "NativeThreads",
    "check_call",
    "from_zero",
    "group_lanes",
    "keeps_on_device",
    "lower",
    "pinned",
    "require",
    "sync_to_host",
    "to_device",
    "to_device_async",
    "to_host",
    "usable_threads",
    "wait_for_transfers",
]
