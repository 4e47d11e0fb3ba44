"""The only file that imports the CUDA compiler: Numba's CUDA target, built in or from the package ``numba-cuda``.

A kernel is a plain Python function named ``…_kernel``; functions shared by kernels are ``inline``. Only this file changes if
the target is replaced.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numba import cuda as numba_cuda
from numba import njit, types
from numba.core import config
from numba.core.errors import NumbaPerformanceWarning
from numba.np.numpy_support import from_dtype

from ....arrays import Array
from ....errors import BackendError

cuda: Any = numba_cuda
"""The module that kernels use: ``cuda.threadIdx``, ``cuda.shared`` and so on."""

SIMULATED = bool(getattr(config, "ENABLE_CUDASIM", False))
"""``NUMBA_ENABLE_CUDASIM=1``: kernels run as Python threads, without a GPU."""

OLDEST = (8, 0)
"""The lowest compute capability that kernels are tested for: Ampere, 2020."""

INSTALL = (
    'install an NVIDIA driver and run pip install "numba-cuda[cu13]" "cuda-toolkit[nvjitlink]==13.0.*", or give backend="cpu"'
)

Argument = Array | int | float

CudaFunction = Callable[..., None]
"""A kernel as plain Python, or compiled."""

DeviceArray = Any
"""Memory on the device: an array of Numba's CUDA target, which has no types."""


Function = TypeVar("Function", bound=Callable[..., object])


def inline(function: Function) -> Function:
    """Decorate a function to be compiled as part of the kernels that call it."""
    decorate: Any = cuda.jit(device=True) if SIMULATED else njit(inline="always")
    inlined: Function = decorate(function)
    return inlined


def signature(arguments: tuple[Argument, ...]) -> object:
    """The types of a kernel's arguments: C-contiguous arrays, int64 and float64."""
    return types.void(*map(_type_of, arguments))


def _type_of(argument: Argument) -> types.Type:
    if isinstance(argument, np.ndarray):
        return types.Array(from_dtype(argument.dtype), argument.ndim, "C")
    return types.float64 if isinstance(argument, float) else types.int64


def compiled(function: CudaFunction, kinds: object) -> CudaFunction:
    """The compiled kernel; call it as ``compiled(…)[grid, block, stream](*arguments)``."""
    made: CudaFunction = cuda.jit(kinds)(function)
    return made


def configured(kernel: CudaFunction, grid: tuple[int, ...], block: tuple[int, ...], stream: object) -> Callable[..., None]:
    """A kernel with its grid, without Numba's warning about small grids."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NumbaPerformanceWarning)
        launch: Callable[..., None] = kernel[grid, block, stream]  # type: ignore[index]  # a compiled one takes them
        return launch


def capability() -> tuple[int, int]:
    """The compute capability of the current device.

    Raises:
        BackendError: there is no device, it is too old, or the compiler's library is missing.
    """
    if SIMULATED:
        return OLDEST
    if error := cuda.cuda_error():
        problem = " ".join(str(error).split()).removesuffix(".")
        raise BackendError("backend cuda", f"expected an NVIDIA driver, got: {problem}", INSTALL)
    if not len(cuda.gpus):
        raise BackendError("backend cuda", "expected a GPU, got a driver without one", 'give backend="cpu"')
    if not cuda.is_available():
        raise BackendError("backend cuda", "expected NVIDIA's compiler library libNVVM, got none", INSTALL)
    found: tuple[int, int] = tuple(cuda.get_current_device().compute_capability)
    if found < OLDEST:
        what = f"expected a GPU of compute capability {OLDEST[0]}.{OLDEST[1]} or newer, got {found[0]}.{found[1]}"
        raise BackendError("backend cuda", what, 'use a newer card, or give backend="cpu"')
    return found


def device_name() -> str:
    """The name of the current device."""
    name = "the CUDA simulator" if SIMULATED else cuda.get_current_device().name
    return name.decode() if isinstance(name, bytes) else str(name)


__all__ = [
    "OLDEST",
    "SIMULATED",
    "Argument",
    "CudaFunction",
    "DeviceArray",
    "capability",
    "compiled",
    "configured",
    "cuda",
    "device_name",
    "inline",
    "signature",
]
