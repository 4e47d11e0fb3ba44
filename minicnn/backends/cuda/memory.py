"""Memory and execution on a GPU: arrays have device copies, a whole batch is one group, and everything runs on one stream."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...arrays import Array
from .device.launch import LANES, parts
from .device.mirror import mirror

OWN_MEMORY = True
"""Whether kernels work on copies of the arrays in device memory."""


MOST_LANES = 4096
"""The largest group. A larger batch is divided into several, so that memory stays bounded."""

RESIDENT = 1 << 30
"""A source of at most this many bytes stays on the device."""


def require() -> None:
    """Find the device now.

    Raises:
        BackendError: there is no usable device.
    """
    mirror()


def current() -> Any:
    """The device."""
    return mirror().device


def group_lanes(images: int, lanes: int) -> int:
    """Lanes of a group: the whole batch, rounded up to warps."""
    return min(parts(images, LANES) * LANES, MOST_LANES)


def pinned(size: int) -> Array:
    """Page-locked bytes, zeros."""
    return mirror().device.pinned(size)


def to_device(*arrays: Array) -> None:
    """Upload these arrays after writing to them."""
    mirror().push(*arrays)


def to_host(*arrays: Array) -> None:
    """Download these arrays before reading them; waits for the kernels that write them."""
    mirror().pull(*arrays)


def sync_to_host(array: Array) -> None:
    """Download an array for the host; it is uploaded again at the next launch, because the host may write to it."""
    mirror().sync_to_host(array)


def to_device_async(array: Array) -> None:
    """Upload an array in pinned memory while kernels run."""
    mirror().push_async(array)


def wait_for_transfers() -> None:
    """Make later launches wait for asynchronous uploads."""
    mirror().device.join()


def keeps_on_device(size: int) -> bool:
    """Whether a source of this size that never changes is copied to the device as a whole."""
    return size <= RESIDENT


class NativeThreads:
    """The calling thread, which launches the kernels.

    Args:
        patience: not used.
    """

    def __init__(self, patience: int) -> None:
        pass

    def run(self, tasks: Sequence[Any]) -> None:
        """Launch tasks (``minicnn.backends.program.Task``) one after another."""
        for task in tasks:
            for programs, span in task.parts:
                for group in range(*span):
                    if task.number[0] != group:
                        task.number[0] = group
                        to_device(task.number)
                    for program in programs:
                        program.run()
