"""Memory on a GPU: arrays have device copies, a whole batch is one group, and everything runs on one stream."""

from __future__ import annotations

from ...arrays import Array
from .device.launch import LANES, parts
from .device.mirror import mirror

MOST_LANES = 4096
"""The largest group. A larger batch is divided into several, so that memory stays bounded."""

RESIDENT = 1 << 30
"""A source of at most this many bytes stays on the device."""


def describe() -> str:
    """The GPU in use.

    Raises:
        BackendError: there is no usable GPU.
    """
    device = mirror().device
    return f"{device.name}, compute capability {device.capability[0]}.{device.capability[1]}"


class DeviceMemory:
    """See ``interface.Memory``: the copies of ``device.mirror``."""

    def group_lanes(self, images: int) -> int:
        """The whole batch, rounded up to warps."""
        return min(parts(images, LANES) * LANES, MOST_LANES)

    def pinned(self, size: int) -> Array:
        """Page-locked bytes, zeros."""
        return mirror().device.pinned(size)

    def to_device(self, *arrays: Array) -> None:
        """Upload these arrays after writing to them."""
        mirror().push(*arrays)

    def to_host(self, *arrays: Array) -> None:
        """Download these arrays before reading them; waits for the kernels that write them."""
        mirror().pull(*arrays)

    def sync_to_host(self, array: Array) -> None:
        """Download an array for the host; it is uploaded again at the next launch, because the host may write to it."""
        mirror().sync_to_host(array)

    def to_device_async(self, array: Array) -> None:
        """Upload an array in pinned memory while kernels run."""
        mirror().push_async(array)

    def wait_for_transfers(self) -> None:
        """Make later launches wait for asynchronous uploads."""
        mirror().device.join()

    def keeps_on_device(self, size: int) -> bool:
        """Whether a source of this size that never changes is copied to the device as a whole."""
        return size <= RESIDENT
