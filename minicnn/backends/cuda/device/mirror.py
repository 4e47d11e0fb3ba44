"""Device copies of host arrays.

Everything above the backend works with NumPy arrays. Each array that owns its memory gets a device copy of the same size and
content when a launch first uses it or a view of it. Kernels work on the device copies. Nothing is copied implicitly afterwards:
call ``push``, ``pull`` or ``sync_to_host``.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable

import numpy as np

from ....arrays import Array, DType
from .gpu import Device, Gpu
from .launch import Shape
from .target import Argument, CudaFunction, DeviceArray


def address(array: Array) -> int:
    """The address of an array's first element."""
    start: int = array.__array_interface__["data"][0]
    return start


def owner_of(array: Array) -> Array:
    """The array that owns the memory of this one."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def bytes_of(owner: Array) -> Array:
    """The memory of an array that owns it, as bytes in memory order."""
    flat = owner.reshape(-1) if owner.flags.c_contiguous else owner.T.reshape(-1)
    return flat.view(np.uint8) if owner.size else np.empty(0, np.uint8)


def span(array: Array, owner: Array) -> tuple[int, int]:
    """First and end of an array's bytes within its owner."""
    start = address(array) - address(owner)
    reach = sum((extent - 1) * stride for extent, stride in zip(array.shape, array.strides, strict=True)) + array.itemsize
    return start, start + (reach if array.size else 0)


def vector(array: Array) -> Array:
    """An array's memory from its first to its last element as a vector of its dtype; rows may be strided."""
    owner = owner_of(array)
    start, end = span(array, owner)
    return bytes_of(owner)[start:end].view(array.dtype)


class DeviceCopy:
    """The device copy of one owner's memory.

    Attributes:
        block: the memory on the device.
        seen: number of launches when both sides were last equal.
        views: arrays on the device, by position, shape and dtype.
    """

    def __init__(self, owner: Array, device: Device) -> None:
        self._owner = weakref.ref(owner)  # does not keep the owner alive
        self.block = device.allocate(owner.nbytes)
        self.seen = -1
        self.views: dict[tuple[int, tuple[int, ...], DType], DeviceArray] = {}

    @property
    def host(self) -> Array:
        """The bytes on the host."""
        owner = self._owner()
        assert owner is not None
        return bytes_of(owner)


class Mirror:
    """The device copies on one device.

    Args:
        device: the device.
    """

    def __init__(self, device: Device) -> None:
        self.device = device
        self._copies: dict[int, DeviceCopy] = {}
        self._synced: dict[int, DeviceCopy] = {}
        self._launches = 0
        self._lock = threading.RLock()  # shared by the networks of all threads

    def push(self, *arrays: Array) -> None:
        """Upload these arrays."""
        with self._lock:
            for array in arrays:
                self._send(array, self.device.upload)

    def push_async(self, array: Array) -> None:
        """Upload an array in pinned memory asynchronously."""
        with self._lock:
            self._send(array, self.device.upload_async)

    def _send(self, array: Array, upload: Callable[[DeviceArray, int, Array], None]) -> None:
        owner = owner_of(array)
        known = id(owner) in self._copies
        copy = self._copy_of(owner)
        if known:  # a new copy has just been uploaded as a whole
            start, end = span(array, owner)
            upload(copy.block, start, copy.host[start:end])

    def pull(self, *arrays: Array) -> None:
        """Download these arrays, after the kernels that write them."""
        with self._lock:
            for array in arrays:
                owner = owner_of(array)
                if copy := self._copies.get(id(owner)):
                    start, end = span(array, owner)
                    self.device.download(copy.block, start, copy.host[start:end])

    def sync_to_host(self, array: Array) -> None:
        """Download the memory of an array's owner, and upload it again before the next launch: the host may write to it."""
        key = id(owner_of(array))
        with self._lock:
            if copy := self._copies.get(key):
                if copy.seen != self._launches:
                    self.device.download(copy.block, 0, copy.host)
                    copy.seen = self._launches
                self._synced[key] = copy

    def write_back(self) -> None:
        """Upload the arrays that the host may have changed."""
        with self._lock:
            for copy in list(self._synced.values()):
                self.device.upload(copy.block, 0, copy.host)
            self._synced.clear()

    def prepare(
        self,
        kernel: CudaFunction,
        shape: Shape,
        arguments: tuple[Argument, ...],
        numbers: Callable[[], tuple[int | float, ...]],
    ) -> Callable[[], None]:
        """A function that launches a kernel on the device copies, with the current numbers."""
        with self._lock:
            there = [self._view(a) if isinstance(a, np.ndarray) else a for a in arguments]
            launch = self.device.prepare(kernel, shape, there, (*arguments, *numbers()))

        def run() -> None:
            with self._lock:
                if self._synced:
                    self.write_back()
                self._launches += 1
                launch(*numbers())

        return run

    def _copy_of(self, owner: Array) -> DeviceCopy:
        key = id(owner)
        if key not in self._copies:
            copy = self._copies[key] = DeviceCopy(owner, self.device)
            self.device.upload(copy.block, 0, copy.host)
            copy.seen = self._launches
            weakref.finalize(owner, self._forget, key)
        return self._copies[key]

    def _forget(self, key: int) -> None:
        self._copies.pop(key, None)
        self._synced.pop(key, None)

    def _view(self, array: Array) -> DeviceArray:
        owner = owner_of(array)
        copy = self._copy_of(owner)
        place = (address(array) - address(owner), array.shape, array.dtype)
        if place not in copy.views:
            copy.views[place] = self.device.view(copy.block, place[0], array)
        return copy.views[place]


_current: Mirror | None = None
_LOCK = threading.Lock()


def mirror() -> Mirror:
    """The device copies on the current device: the current GPU, unless ``use`` set another.

    Raises:
        BackendError: there is no usable GPU.
    """
    global _current  # noqa: PLW0603 - a process has one device
    if _current is None:
        with _LOCK:
            if _current is None:
                _current = Mirror(Gpu())
    return _current


def use(device: Device | None) -> None:
    """Use another device from now on, without copies yet; None for the current GPU."""
    global _current  # noqa: PLW0603
    _current = None if device is None else Mirror(device)
