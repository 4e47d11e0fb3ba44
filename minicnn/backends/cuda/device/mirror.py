"""Arrays of the host and their twins on the device.

Everything above the backend works with NumPy arrays. On a GPU they stand for memory of the device: each array that owns its
memory gets a twin of the same size when a launch first names it or a view of it, with what it holds at that moment. Kernels
work on the twins. What changes on either side afterwards crosses only on demand: ``push``, ``pull``, or ``sync_to_host``.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from ....arrays import Array
from .gpu import Device, Gpu
from .launch import Shape
from .target import Argument


def address(array: Array) -> int:
    """Where an array begins."""
    start: int = array.__array_interface__["data"][0]
    return start


def owner_of(array: Array) -> Array:
    """The array whose memory this one is a view of."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def bytes_of(owner: Array) -> Array:
    """The memory of an array that owns it, as bytes in their order."""
    flat = owner.reshape(-1) if owner.flags.c_contiguous else owner.T.reshape(-1)
    return flat.view(np.uint8) if owner.size else np.empty(0, np.uint8)


def span(array: Array, owner: Array) -> tuple[int, int]:
    """The bytes of the owner from an array's first to its last."""
    start = address(array) - address(owner)
    reach = sum((extent - 1) * stride for extent, stride in zip(array.shape, array.strides, strict=True)) + array.itemsize
    return start, start + (reach if array.size else 0)


def vector(array: Array) -> Array:
    """An array's memory from its first to its last element as a vector, in its dtype; rows may lie apart."""
    owner = owner_of(array)
    start, end = span(array, owner)
    return bytes_of(owner)[start:end].view(array.dtype)


class DeviceCopy:
    """The memory of an owner on both sides.

    Attributes:
        block: its bytes there.
        seen: how many launches there were when both were last the same.
        views: arrays on the device, by their place, shape and dtype.
    """

    def __init__(self, owner: Array, device: Device) -> None:
        self._owner = weakref.ref(owner)  # a twin does not keep its owner alive
        self.block = device.allocate(owner.nbytes)
        self.seen = -1
        self.views: dict[Any, Any] = {}

    @property
    def host(self) -> Array:
        """Its bytes here."""
        owner = self._owner()
        assert owner is not None
        return bytes_of(owner)


class Mirror:
    """The twins on a device.

    Args:
        device: where they live.
    """

    def __init__(self, device: Device) -> None:
        self.device = device
        self._copies: dict[int, DeviceCopy] = {}
        self._lent: dict[int, DeviceCopy] = {}
        self._launches = 0
        self._lock = threading.RLock()  # one book for the networks of all threads

    def push(self, *arrays: Array) -> None:
        """Upload what arrays hold."""
        with self._lock:
            for array in arrays:
                self._send(array, self.device.upload)

    def push_aside(self, array: Array) -> None:
        """Upload an array in pinned memory beside what runs."""
        with self._lock:
            self._send(array, self.device.upload_aside)

    def _send(self, array: Array, upload: Callable[[Any, int, Array], None]) -> None:
        owner = owner_of(array)
        known = id(owner) in self._copies
        copy = self._copy_of(owner)
        if known:  # else all of it has just gone
            start, end = span(array, owner)
            upload(copy.block, start, copy.host[start:end])

    def pull(self, *arrays: Array) -> None:
        """Download what kernels made of arrays, when they have."""
        with self._lock:
            for array in arrays:
                owner = owner_of(array)
                if copy := self._copies.get(id(owner)):
                    start, end = span(array, owner)
                    self.device.download(copy.block, start, copy.host[start:end])

    def sync_to_host(self, array: Array) -> None:
        """Let the host read an array, and write it until the next launch: all of its owner's memory comes, and goes back."""
        key = id(owner_of(array))
        with self._lock:
            if copy := self._copies.get(key):
                if copy.seen != self._launches:
                    self.device.download(copy.block, 0, copy.host)
                    copy.seen = self._launches
                self._lent[key] = copy

    def settle(self) -> None:
        """Take back what was lent."""
        with self._lock:
            for copy in list(self._lent.values()):
                self.device.upload(copy.block, 0, copy.host)
            self._lent.clear()

    def prepare(
        self, kernel: Any, shape: Shape, arguments: tuple[Argument, ...], numbers: Callable[[], tuple[int | float, ...]]
    ) -> Callable[[], None]:
        """What launches a kernel on the twins of its arrays, with the numbers of the moment."""
        with self._lock:
            there = [self._view(a) if isinstance(a, np.ndarray) else a for a in arguments]
            launch = self.device.prepare(kernel, shape, there, (*arguments, *numbers()))

        def settled() -> None:
            with self._lock:
                if self._lent:
                    self.settle()
                self._launches += 1
                launch(*numbers())

        return settled

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
        self._lent.pop(key, None)

    def _view(self, array: Array) -> Any:
        owner = owner_of(array)
        copy = self._copy_of(owner)
        place = (address(array) - address(owner), array.shape, array.dtype)
        if place not in copy.views:
            copy.views[place] = self.device.view(copy.block, place[0], array)
        return copy.views[place]


_current: Mirror | None = None
_LOCK = threading.Lock()


def mirror() -> Mirror:
    """The twins on the device in use: the current GPU unless ``use`` named another.

    Raises:
        BackendError: there is no GPU that can be used.
    """
    global _current  # noqa: PLW0603 - a process has one device
    if _current is None:
        with _LOCK:
            if _current is None:
                _current = Mirror(Gpu())
    return _current


def use(device: Device | None) -> None:
    """Work on another device from now on, with no twins yet; on the current GPU for None."""
    global _current  # noqa: PLW0603
    _current = None if device is None else Mirror(device)
