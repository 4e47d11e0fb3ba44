"""Where this backend's kernels work: on a device, on a whole batch at a time, in the order of one stream."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...arrays import Array
from .device.launch import LANES, parts
from .device.mirror import mirror

OWN_MEMORY = True
"""Whether kernels work on memory of their own."""


MOST_LANES = 4096
"""A larger batch goes in parts, so that memory stays bounded."""

RESIDENT = 1 << 30
"""A source of at most so many bytes stays on the device."""


def require() -> None:
    """Find the device.

    Raises:
        BackendError: there is none that can be used.
    """
    mirror()


def current() -> Any:
    """The device in use."""
    return mirror().device


def group_lanes(images: int, lanes: int) -> int:
    """The batch, padded to whole warps, is one group."""
    return min(parts(images, LANES) * LANES, MOST_LANES)


def pinned(size: int) -> Array:
    """Page-locked bytes, zeros."""
    return mirror().device.pinned(size)


def to_device(*arrays: Array) -> None:
    """Upload what the host wrote into these arrays."""
    mirror().push(*arrays)


def to_host(*arrays: Array) -> None:
    """Download what kernels wrote into these arrays, when it is there."""
    mirror().pull(*arrays)


def sync_to_host(array: Array) -> None:
    """Download an array for the host to read, and take back at the next launch what it wrote."""
    mirror().sync_to_host(array)


def to_device_async(array: Array) -> None:
    """Upload pinned memory beside what runs."""
    mirror().push_aside(array)


def wait_for_transfers() -> None:
    """Let launches wait for what was uploaded aside."""
    mirror().device.join()


def keeps_on_device(size: int) -> bool:
    """Whether a source that never changes is taken to the device as a whole."""
    return size <= RESIDENT


class NativeThreads:
    """The calling thread, which launches.

    Args:
        patience: not needed.
    """

    def __init__(self, patience: int) -> None:
        pass

    def run(self, tasks: Sequence[Any]) -> None:
        """Launch jobs (``minicnn.backends.program.Job``) one after another."""
        for task in tasks:
            for programs, span in task.parts:
                for group in range(*span):
                    if task.number[0] != group:
                        task.number[0] = group
                        to_device(task.number)
                    for program in programs:
                        program.run()
