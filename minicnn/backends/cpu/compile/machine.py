"""Machine code in memory, and calls of it from Python.

A compiled kernel is a native function of 64-bit words. Each array takes seven words and more: Numba's meminfo and parent (null
here, because the caller keeps its arrays alive), the number of elements, their size, the address, the shape and the strides.
It returns a status, 0 for success. Numba's own way from Python to a native function, which checks and counts references,
would take a tenth of the time that compiling takes, and more than half of the time that loading takes.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from ctypes import CFUNCTYPE, Structure, c_int32, c_int64, c_void_p, string_at
from functools import cache, partial
from typing import NamedTuple

import numpy as np
from llvmlite import binding, ir
from numba.core.registry import cpu_target

from ....arrays import Array
from ....errors import BackendError

WORDS = 64
"""So many words are passed in a call from Python, or a multiple of it; a callee ignores those that it does not take."""

ADDRESS, RESULT, RAISED, FIRST = range(4)
"""Where the block of a call holds the function's address, its result, what it raised and its words."""

_I32, _I64 = ir.IntType(32), ir.IntType(64)
_POINTER = ir.IntType(8).as_pointer()


class ObjectCode(NamedTuple):
    """What the compiler makes of a kernel.

    Attributes:
        name: of the native function.
        content: an object file, which has no other function that others call.
    """

    name: str
    content: bytes

    @property
    def calls_python(self) -> bool:
        """Whether it calls the interpreter, as ``print`` does, with constants that the compiler holds for it."""
        return b"numba_gil_ensure" in self.content


class Machine(NamedTuple):
    """Machine code in memory.

    Attributes:
        address: of the native function.
        kept: what holds the code, and frees it when nobody needs it any more.
    """

    address: int
    kept: object


def loaded(code: ObjectCode) -> Machine:
    """The machine code of a kernel.

    Every kernel has an engine of its own, so that functions of the same name in two object files are never mistaken for each
    other.

    Raises:
        ValueError: the object file has no such function.
    """
    cpu_target.target_context  # noqa: B018 (the first access tells LLVM where Numba's and C's functions are)
    engine = _engine()
    engine.add_object_file(binding.ObjectFileRef.from_data(code.content))
    engine.finalize_object()
    address = engine.get_function_address(code.name)
    if not address:
        raise ValueError(f"no function {code.name} in the object file")
    return Machine(address, engine)


class NativeCall:
    """A call of machine code with arrays, ready to be made from Python, any number of times.

    Args:
        machine: what is called.
        arrays: what it is called with; they are not checked, and keep their places in memory.
    """

    def __init__(self, machine: Machine, arrays: tuple[Array, ...]) -> None:
        self._machine, self._arrays = machine, arrays
        self._block: Array | None = None
        self._native: Callable[[], int] | None = None

    def __call__(self) -> None:
        """Make the call; what it raises is raised here."""
        native = self._native or self.native()
        if status := native():
            raise _error(status, self._block)

    def native(self) -> Callable[[], int]:
        """The call alone, which returns the status and raises nothing."""
        if self._native is None:
            words = [word for array in self._arrays for word in words_of(array)]
            count = -(-len(words) // WORDS) * WORDS
            self._block = np.array([self._machine.address, 0, 0, *words, *[0] * (count - len(words))], np.int64)
            self._native = partial(_caller(count), self._block.ctypes.data)
        return self._native


class _Raised(Structure):
    """How Numba describes an exception: pickled, with its class and its arguments."""

    _fields_ = (("pickled", c_void_p), ("size", c_int32))


def words_of(array: Array) -> list[int]:
    """The words of an array as a native argument."""
    return [0, 0, array.size, array.itemsize, array.ctypes.data, *array.shape, *array.strides]


def _error(status: int, block: Array | None) -> BaseException:
    if status < 0 or block is None or not block[RAISED]:
        return BackendError("kernel", f"expected it to end well, got status {status}", "run with MINICNN_CHECK=1 to see where")
    raised = _Raised.from_address(int(block[RAISED]))
    kind, arguments, _ = pickle.loads(string_at(raised.pickled, raised.size))
    error: BaseException = kind(*arguments) if kind else RuntimeError("No active exception to reraise")
    return error


def _engine(module: ir.Module | None = None) -> binding.ExecutionEngine:
    """An engine with the code of a module, or with none; it is not optimised, which would take four times as long."""
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    target = binding.Target.from_default_triple().create_target_machine(opt=0, jit=True)
    return binding.create_mcjit_compiler(binding.parse_assembly("" if module is None else str(module)), target)


@cache
def _caller(count: int) -> Callable[[int], int]:
    """A native function that takes the address of a block and makes its call with so many words."""
    module = ir.Module("caller")
    function = ir.Function(module, ir.FunctionType(_I32, [_I64.as_pointer()]), f"call_with_{count}_words")
    builder = ir.IRBuilder(function.append_basic_block())
    places = [builder.gep(function.args[0], [ir.Constant(_I64, i)]) for i in range(FIRST + count)]
    result, raised = (builder.bitcast(places[i], _POINTER.as_pointer()) for i in (RESULT, RAISED))
    kind = ir.FunctionType(_I32, [_POINTER.as_pointer()] * 2 + [_I64] * count)
    callee = builder.inttoptr(builder.load(places[ADDRESS]), kind.as_pointer())
    builder.ret(builder.call(callee, [result, raised, *map(builder.load, places[FIRST:])]))
    engine = _engine(module)
    engine.finalize_object()
    call = CFUNCTYPE(c_int32, c_int64)(engine.get_function_address(function.name))
    call.engine = engine  # type: ignore[attr-defined]  # which holds its code
    return call
