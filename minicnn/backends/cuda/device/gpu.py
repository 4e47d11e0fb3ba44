"""The GPU as the backend uses it: memory, transfers and launches, all in the order of one stream."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from ....arrays import Array
from ....errors import BackendError
from ...log import CompileLog
from . import target
from .launch import Shape
from .target import Argument, CudaFunction, DeviceArray

LOG = CompileLog(lambda: "compiling kernels for the GPU, anew in every run")


class Device(Protocol):
    """The interface of a GPU. ``Gpu`` is a real one; the tests have one in ordinary memory that executes PTX.

    Attributes:
        name: what it is called.
        capability: its compute capability.
    """

    name: str
    capability: tuple[int, int]

    def pinned(self, size: int) -> Array:
        """Page-locked host memory of ``size`` bytes, zeros; uploads from it run while the host goes on."""
        ...

    def allocate(self, size: int) -> DeviceArray:
        """``size`` bytes of device memory."""
        ...

    def upload(self, block: DeviceArray, start: int, data: Array) -> None:
        """block[start:] = data, both as bytes. Pinned data must not change before ``download`` returns."""
        ...

    def download(self, block: DeviceArray, start: int, data: Array) -> None:
        """data = block[start:], after everything launched before."""
        ...

    def upload_async(self, block: DeviceArray, start: int, data: Array) -> None:
        """``upload`` of pinned data at the same time as kernels; launches after ``join`` wait for it."""
        ...

    def join(self) -> None:
        """Make later launches wait for asynchronous uploads."""
        ...

    def view(self, block: DeviceArray, start: int, like: Array) -> DeviceArray:
        """The array at this position of the block, with the dtype and shape of ``like``."""
        ...

    def prepare(
        self, kernel: CudaFunction, shape: Shape, arguments: Sequence[DeviceArray], like: Sequence[Argument]
    ) -> Callable[..., None]:
        """A function that launches the kernel on these arguments and on numbers given at each call; ``like`` are the host's."""
        ...


class _Event(Protocol):
    """An event of Numba's CUDA target."""

    def record(self, stream: object) -> None: ...

    def wait(self, stream: object) -> None: ...


class Gpu:
    """The current CUDA device.

    Raises:
        BackendError: there is no usable device.
    """

    def __init__(self) -> None:
        self.capability = target.capability()
        self.name = target.device_name()
        self._stream, self._transfers = target.cuda.stream(), target.cuda.stream()
        self._arrived: _Event | None = None
        self._compiled: dict[tuple[CudaFunction, object], CudaFunction] = {}

    def pinned(self, size: int) -> Array:
        """Page-locked memory."""
        memory: Array = target.cuda.pinned_array(size, np.uint8)
        memory[...] = 0
        return memory

    def allocate(self, size: int) -> DeviceArray:
        """Memory of the device.

        Raises:
            BackendError: there is not enough memory left.
        """
        try:
            return target.cuda.device_array(max(1, size), np.uint8)
        except Exception as error:  # the driver's error class differs between targets
            what = f"expected {size:,} bytes of free device memory, got: {error}"
            raise BackendError("backend cuda", what, "give smaller batches, or fewer images at a time") from error

    def upload(self, block: DeviceArray, start: int, data: Array) -> None:
        """An asynchronous copy. The driver copies memory that is not pinned before it returns."""
        block[start : start + data.size].copy_to_device(data, stream=self._stream)

    def download(self, block: DeviceArray, start: int, data: Array) -> None:
        """A copy that waits until it is done."""
        block[start : start + data.size].copy_to_host(data, stream=self._stream)
        self._stream.synchronize()

    def upload_async(self, block: DeviceArray, start: int, data: Array) -> None:
        """A copy on a separate stream."""
        block[start : start + data.size].copy_to_device(data, stream=self._transfers)
        event: _Event = target.cuda.event()
        event.record(self._transfers)
        self._arrived = event

    def join(self) -> None:
        """Make the device wait, not the host."""
        if self._arrived is not None:
            self._arrived.wait(self._stream)
            self._arrived = None

    def view(self, block: DeviceArray, start: int, like: Array) -> DeviceArray:
        """A device array of Numba."""
        return block[start : start + like.nbytes].view(like.dtype).reshape(like.shape)

    def prepare(
        self, kernel: CudaFunction, shape: Shape, arguments: Sequence[DeviceArray], like: Sequence[Argument]
    ) -> Callable[..., None]:
        """Compile once for each combination of types."""
        kinds = target.signature(tuple(like))
        key = (kernel, kinds)
        if key not in self._compiled or target.SIMULATED:  # a simulated kernel stores its grid
            with LOG.binding(kernel.__name__) as binding:
                binding.missed()
                self._compiled[key] = target.compiled(kernel, kinds)
        launch = target.configured(self._compiled[key], shape.grid, shape.block, self._stream)
        return lambda *numbers: launch(*arguments, *numbers)
