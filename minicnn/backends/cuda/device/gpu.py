"""A GPU as the backend sees it: memory, transfers, launches, all in the order of one stream."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from ....arrays import Array
from ....errors import BackendError
from ...log import CompileLog
from . import target
from .launch import Shape
from .target import Argument

LOG = CompileLog(lambda: "compiling kernels for the GPU, anew in every run")


class Device(Protocol):
    """What a GPU must do. ``Gpu`` is a real one; the tests have one in ordinary memory that executes PTX."""

    def pinned(self, size: int) -> Array:
        """So many bytes of host memory, zeros, from which uploads go on while the host does something else."""
        ...

    def allocate(self, size: int) -> Any:
        """So many bytes on the device."""
        ...

    def upload(self, block: Any, start: int, data: Array) -> None:
        """block[start:] = data, bytes both; pinned data must stay as it is until ``download`` returns."""
        ...

    def download(self, block: Any, start: int, data: Array) -> None:
        """data = block[start:] when all before it is done."""
        ...

    def upload_aside(self, block: Any, start: int, data: Array) -> None:
        """``upload`` of pinned data beside what runs; what is launched after ``join`` waits for it."""
        ...

    def join(self) -> None:
        """Let what is launched from now on wait for uploads aside."""
        ...

    def view(self, block: Any, start: int, like: Array) -> Any:
        """The array that begins there, with the dtype and shape of another one."""
        ...

    def prepare(self, kernel: Any, shape: Shape, arguments: Sequence[Any], like: Sequence[Argument]) -> Callable[..., None]:
        """What launches a kernel on arguments of the device and numbers that are given then; ``like`` are all of the host's."""
        ...


class Gpu:
    """The current CUDA device.

    Raises:
        BackendError: there is none that can be used.
    """

    def __init__(self) -> None:
        self.capability = target.capability()
        self.name = target.device_name()
        self._stream, self._aside = target.cuda.stream(), target.cuda.stream()
        self._arrived: Any = None
        self._compiled: dict[Any, Any] = {}

    def pinned(self, size: int) -> Array:
        """Page-locked memory."""
        memory: Array = target.cuda.pinned_array(size, np.uint8)
        memory[...] = 0
        return memory

    def allocate(self, size: int) -> Any:
        """Memory of the device.

        Raises:
            BackendError: there is not so much left.
        """
        try:
            return target.cuda.device_array(max(1, size), np.uint8)
        except Exception as error:  # the driver's error class differs between targets
            what = f"expected {size:,} bytes of free device memory, got: {error}"
            raise BackendError("backend cuda", what, "give smaller batches, or fewer images at a time") from error

    def upload(self, block: Any, start: int, data: Array) -> None:
        """An asynchronous copy; the driver takes what is not pinned before it returns."""
        block[start : start + data.size].copy_to_device(data, stream=self._stream)

    def download(self, block: Any, start: int, data: Array) -> None:
        """A copy, and a wait for it."""
        block[start : start + data.size].copy_to_host(data, stream=self._stream)
        self._stream.synchronize()

    def upload_aside(self, block: Any, start: int, data: Array) -> None:
        """A copy on a stream of its own."""
        block[start : start + data.size].copy_to_device(data, stream=self._aside)
        self._arrived = target.cuda.event()
        self._arrived.record(self._aside)

    def join(self) -> None:
        """Wait on the device, not on the host."""
        if self._arrived is not None:
            self._arrived.wait(self._stream)
            self._arrived = None

    def view(self, block: Any, start: int, like: Array) -> Any:
        """A device array of Numba's."""
        return block[start : start + like.nbytes].view(like.dtype).reshape(like.shape)

    def prepare(self, kernel: Any, shape: Shape, arguments: Sequence[Any], like: Sequence[Argument]) -> Callable[..., None]:
        """Compiled once for each combination of types."""
        kinds = target.signature(tuple(like))
        key = (kernel, kinds)
        if key not in self._compiled or target.SIMULATED:  # a simulated kernel holds one grid
            with LOG.binding(kernel.__name__) as binding:
                binding.missed()
                self._compiled[key] = target.compiled(kernel, kinds)
        launch = target.configured(self._compiled[key], shape.grid, shape.block, self._stream)
        return lambda *numbers: launch(*arguments, *numbers)
