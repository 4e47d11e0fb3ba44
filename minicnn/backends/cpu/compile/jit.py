"""The only place where Python functions become machine code.

A kernel is a plain function over arrays: inputs, constants, outputs last. It returns None and allocates nothing; what it
raises has constant arguments. It is compiled for each combination of array types that it is called with, with an explicit
signature and a unique name.
"""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property, update_wrapper
from types import FunctionType
from typing import Any, overload

import numpy as np
from numba import njit, types
from numba.core.compiler_lock import global_compiler_lock
from numba.core.errors import NumbaError
from numba.np.numpy_support import from_dtype

from ....arrays import Array, DType
from ... import program
from ...fork import at_fork
from ...log import CompileLog
from ...program import BoundCall, interpreted
from .cache import find, store, words
from .dependencies import calls_into
from .host import HOST
from .machine import Machine, NativeCall, ObjectCode, loaded
from .mode import CHECK, INTERPRET
from .narrow import Fit, NarrowArray, with_vectors
from .uninterrupted import uninterrupted

FLAGS = {"nsz", "arcp", "contract", "afn", "reassoc"}
"""Fast-math without ``nnan`` and ``ninf``: a NaN stays a NaN, and ``isnan`` stays true."""

Function = Callable[..., None]

Key = tuple[tuple[DType, int, bool], ...]
"""Type, rank and contiguity of each array."""


TILES = "minicnn.backends.cpu.tiles"
"""Whose functions kernels are compiled anew for where vectors are narrower."""

LOG = CompileLog(words)

COMPILING = global_compiler_lock
"""Lets only one thread compile a new kernel. It is Numba's own lock, so there is no second lock to deadlock with."""

# Without these a forked child would find a half-changed compiler.
at_fork(COMPILING.acquire, COMPILING.release, COMPILING.release)


class Kernel(program.Kernel):
    """A kernel and its compiled specialisations.

    Args:
        function: the kernel as plain Python.
        flat: whether it works element by element, so that arrays of any rank are passed as vectors.
        vector_bytes: of its vectors.
    """

    def __init__(self, function: FunctionType, flat: bool, vector_bytes: int = HOST.bytes) -> None:
        self.function, self.flat, self._vector_bytes = function, flat, vector_bytes
        self.__name__, self.__doc__, self.__module__ = function.__name__, function.__doc__, function.__module__
        self.__wrapped__, self.__qualname__ = function, function.__qualname__
        self._compiled: dict[Key, Machine] = {}
        self._narrow: dict[int, Kernel] = {}

    def bind(self, arrays: tuple[Array, ...]) -> BoundCall:
        """The call of the machine code for these arrays, in the form it takes; compiles if needed."""
        arrays = self._as_taken(arrays)
        if INTERPRET:
            plain = self._vector_bytes == HOST.bytes
            return interpreted(self.function if plain else with_vectors(self.function, self._vector_bytes), arrays)
        machine = self._machine(arrays, compiles=True)
        assert machine is not None
        return BoundCall(NativeCall(machine, arrays), arrays, machine.address)

    def fitted(self, fit: Fit) -> Kernel:
        """The kernel for groups of fewer lanes than usual: itself where they fill its vectors, or where it names none."""
        if fit.vector_bytes >= self._vector_bytes or not self._has_vectors:
            return self
        return self._narrow.setdefault(fit.vector_bytes, Kernel(self.function, self.flat, fit.vector_bytes))

    def load(self, arrays: tuple[Array, ...]) -> bool:
        """Whether there is machine code for these arrays, in memory or in the cache, from which it is then loaded."""
        return self._machine(self._as_taken(arrays), compiles=False) is not None

    def ready(self, arrays: tuple[Array, ...]) -> bool:
        """Whether its machine code for these arrays is in memory."""
        return self.key(arrays) in self._compiled

    def key(self, arrays: tuple[Array, ...]) -> Key:
        """What tells the specialisation for these arrays from others."""
        return _key_of(self._as_taken(arrays))

    def _as_taken(self, arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        return tuple(a.reshape(-1) for a in arrays) if self.flat else arrays

    def _machine(self, arrays: tuple[Array, ...], compiles: bool) -> Machine | None:
        key = _key_of(arrays)
        if key not in self._compiled:
            with COMPILING, uninterrupted():
                if key not in self._compiled:
                    machine = _made(self.function, tuple(_array_type(a, self._vector_bytes) for a in arrays), compiles)
                    if machine is None:
                        return None
                    self._compiled[key] = machine
        return self._compiled[key]

    @cached_property
    def _has_vectors(self) -> bool:
        return calls_into(self.function, TILES)

    def __reduce__(self) -> str:
        """Pickle by name, as for a function."""
        return self.__qualname__


@overload
def kernel(function: Function, /) -> Kernel: ...
@overload
def kernel(*, flat: bool) -> Callable[[Function], Kernel]: ...


def kernel(function: Any = None, /, *, flat: bool = False) -> Kernel | Callable[[Function], Kernel]:
    """Make a function over arrays a kernel, with minicnn's compiler flags and cache.

    Args:
        function: loops over arrays; inputs, constants, outputs last; returns None and allocates nothing. What it raises has
            constant arguments.
        flat: True for elementwise kernels: arrays of any rank reach the function as vectors.
    """

    def make(function: Any) -> Kernel:
        return Kernel(function, flat)

    return make if function is None else make(function)


class Selection(program.Kernel):
    """A kernel chosen among several, by the shapes of its arrays."""

    def __init__(self, choose: Callable[..., Kernel | Selection]) -> None:
        self.choose = choose
        self.__name__, self.__doc__, self.__module__ = choose.__name__, choose.__doc__, choose.__module__
        self.__wrapped__ = choose

    def bind(self, arrays: tuple[Array, ...]) -> BoundCall:
        """The call of the chosen kernel's machine code for these arrays, in the form it takes."""
        with COMPILING:  # a kernel made on demand is made only once
            return self.choose(*arrays).bind(arrays)

    def fitted(self, fit: Fit) -> Selection:
        """The same choice, of kernels for groups of fewer lanes than usual."""

        def choose(*arrays: Array) -> Kernel | Selection:
            return self.choose(*arrays).fitted(fit)

        return Selection(update_wrapper(choose, self.choose))


def select(choose: Callable[..., Kernel | Selection]) -> Selection:
    """Decorate a function that returns the kernel to use for its arrays."""
    return Selection(choose)


def fitted(kernel: program.Function, fit: Fit) -> program.Function:
    """A kernel for groups of fewer lanes than usual; any other function as it is."""
    return kernel.fitted(fit) if isinstance(kernel, Kernel | Selection) else kernel


def _key_of(arrays: tuple[Array, ...]) -> Key:
    return tuple((a.dtype, a.ndim, a.flags.c_contiguous) for a in arrays)


def _array_type(array: Array, vector_bytes: int) -> types.Array:
    plain = types.Array(from_dtype(array.dtype), array.ndim, "C" if array.flags.c_contiguous else "A")
    return plain if vector_bytes == HOST.bytes else NarrowArray(plain, vector_bytes)


def _made(function: FunctionType, signature: tuple[types.Type, ...], compiles: bool) -> Machine | None:
    """The machine code, from the cache or compiled; None where the cache has none and it is not to be compiled."""
    own = _renamed(function, signature)
    with LOG.binding(function.__name__) as binding:
        if (code := find(own)) is not None:
            return loaded(code)
        if compiles:
            binding.missed()
            return _compiled(own, signature)
        binding.given_up()
        return None


def _compiled(function: FunctionType, signature: tuple[types.Type, ...]) -> Machine:
    """The machine code of a function, newly compiled and stored."""
    # Without Numba's wrappers, which let Python and C call it, and without its counting of references: ``machine.py``.
    options: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, "_nrt": False}
    dispatcher: Any = njit(fastmath=FLAGS, error_model="numpy", nogil=True, boundscheck=CHECK, **options)(function)
    try:
        with _garbage_collected():
            dispatcher.compile(signature)
    except NumbaError as error:
        error.add_note(
            "A kernel allocates nothing: it takes the arrays that it writes, and what it raises has constant arguments."
        )
        raise
    (result,) = dispatcher.overloads.values()
    code = ObjectCode(result.fndesc.llvm_func_name, result.library._get_compiled_object())
    if code.calls_python:
        return Machine(result.library.get_pointer_to_function(code.name), result)
    _forget_module(result.library)
    store(function, code)
    return loaded(code)


@contextmanager
def _garbage_collected() -> Iterator[None]:
    """Collect the compiler's garbage without scanning older objects. Left alone, garbage grows to a quarter of all objects."""
    if gc.get_freeze_count():  # another part of the program has frozen objects; unfreezing would undo that
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.collect()
        gc.unfreeze()


def _forget_module(library: Any) -> None:
    """Free the module that the machine code was made from: some hundred kilobytes a kernel, which are no longer needed."""
    module = library._final_module
    library._codegen._engine._ee.remove_module(module)
    module.close()


def _renamed(function: FunctionType, signature: tuple[types.Type, ...]) -> FunctionType:
    """A copy under a unique name: cached variants of one name can be confused between processes."""
    captured = [_in_full(cell.cell_contents) for cell in function.__closure__ or ()]
    digest = hashlib.sha256(repr((signature, captured)).encode()).hexdigest()[:12]
    copy = FunctionType(function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__)
    copy.__module__ = function.__module__
    copy.__qualname__ = f"{function.__qualname__}_{digest}"
    return copy


def _in_full(value: object) -> object:
    """A captured value in a form with a complete ``repr``; that of a large array is shortened."""
    return (value.dtype.str, value.shape, value.tobytes()) if isinstance(value, np.ndarray) else value
