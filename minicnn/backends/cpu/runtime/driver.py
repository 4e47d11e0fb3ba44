"""Runs recorded programs without the interpreter: one native loop over machine-code addresses, which does not hold the GIL.

A compiled kernel is a native function of 64-bit words (``compile/machine.py``). A program becomes a table with a row (address,
first word, number of words) for each call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from ....arrays import Array
from ....errors import BackendError
from ...alignment import ALIGNMENT, aligned
from ...program import NativeCode, Task
from ..compile.jit import kernel
from ..compile.machine import NativeCall, words_of
from .atomics import barrier
from .denormals import flush_denormals, restore_mode

STEP = 8  # the number of words is rounded up to a multiple of this; the callee ignores the extra words
MOST = 128

_I32, _I64 = ir.IntType(32), ir.IntType(64)
_POINTER = ir.IntType(8).as_pointer()


def table_of(calls: Sequence[tuple[int, tuple[Array, ...]]]) -> tuple[Array, Array]:
    """The table and the words for calls given as (address, arrays)."""
    rows: list[tuple[int, int, int]] = []
    words: list[int] = []
    for address, arrays in calls:
        own = [word for array in arrays for word in words_of(array)]
        count = -(-len(own) // STEP) * STEP
        rows.append((address, len(words), count))
        words += own + [0] * (count - len(own))
    return np.array(rows, np.int64).reshape(-1, 3), np.array(words, np.int64)


@intrinsic
def call_native(typingctx: Any, address: Any, words: Any, first: Any, count: Any) -> Any:
    """Call the function at ``address`` with words[first : first + count]; returns its status, 0 for success."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        function, array, start, number = args
        base = builder.gep(context.make_array(words)(context, builder, array).data, [start])
        result, error, status = builder.alloca(_POINTER), builder.alloca(_POINTER), builder.alloca(_I32)
        builder.store(ir.Constant(_POINTER, None), error)
        builder.store(ir.Constant(_I32, -1), status)
        end = builder.append_basic_block("end")
        switch = builder.switch(number, end)
        for n in range(STEP, MOST + 1, STEP):
            block = builder.append_basic_block(f"words_{n}")
            switch.add_case(ir.Constant(_I64, n), block)
            builder.position_at_end(block)
            kind = ir.FunctionType(_I32, [_POINTER.as_pointer()] * 2 + [_I64] * n)
            values = [builder.load(builder.gep(base, [ir.Constant(_I64, i)])) for i in range(n)]
            called = builder.call(builder.inttoptr(function, kind.as_pointer()), [result, error, *values])
            builder.store(called, status)
            builder.branch(end)
        builder.position_at_end(end)
        return builder.load(status)

    return types.int32(types.int64, words, types.int64, types.int64), codegen


@intrinsic
def write_word(typingctx: Any, address: Any, value: Any) -> Any:
    """Write a word to an address."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store(args[1], builder.inttoptr(args[0], _I64.as_pointer()))
        return context.get_dummy_value()

    return types.none(types.int64, types.int64), codegen


@kernel
def run_parts(table: Array, words: Array, parts: Array, arrivals: Array, status: Array) -> None:
    """Run parts = (first row, end row, first group, end, stride, address of the group number, threads).

    The rows of a part are called once for each group, after the group number is written. If ``threads`` is above 0, the threads
    meet after the part. After a failed call no further call is made. Denormal numbers are flushed to zero.
    """
    before = flush_denormals()
    status[0] = 0
    for part in range(parts.shape[0]):
        for group in range(parts[part, 2], parts[part, 3], parts[part, 4]):
            write_word(parts[part, 5], group)
            for i in range(parts[part, 0], parts[part, 1]):
                if status[0] == 0:
                    status[0] = call_native(table[i, 0], words, table[i, 1], table[i, 2])
        if parts[part, 6] > 0:
            barrier(arrivals, parts[part, 6])
    restore_mode(before)


class Native:
    """Tasks as native code takes them: a table, and a call of ``run_parts`` on it as words.

    Args:
        tasks: tasks of native programs only; None is a barrier of all threads.
        threads: the number of threads at a barrier.
        arrivals: int64[1], the counter of the barrier.
    """

    def __init__(self, tasks: Sequence[Task | None], threads: int, arrivals: Array) -> None:
        calls: list[tuple[int, tuple[Array, ...]]] = []
        parts = []
        for task in tasks:
            if task is None:
                parts.append((0, 0, 0, 0, 1, 0, threads))
                continue
            for programs, span in task.parts:
                own = [(call.bound.address, call.bound.arrays) for program in programs for call in program.calls]
                parts.append((len(calls), len(calls) + len(own), *span, task.number.ctypes.data, 0))
                calls += own
        self.status = np.zeros(1, np.int64)
        arrays = (*table_of(calls), np.array(parts, np.int64).reshape(-1, 7), arrivals, self.status)
        call, taken, self.address = run_parts.bind(arrays)
        assert isinstance(call, NativeCall)
        self.run: Callable[[], object] = call.native()  # its status is that of the kernels, which ``check`` looks at
        words = [word for array in taken for word in words_of(array)]
        self.words = np.array(words + [0] * (-len(words) % STEP), np.int64)
        self._kept = call, calls, tasks  # the words point into these arrays

    def check(self) -> None:
        """Raise BackendError if a kernel failed."""
        if status := int(self.status[0]):
            hint = "run with MINICNN_CHECK=1 to see where"
            raise BackendError("program", f"expected every kernel to end well, got status {status}", hint)


def native(task: Task) -> NativeCode:
    """The native form of a task, made once."""
    if task.code is None:
        task.code = Native([task], 1, np.zeros(1, np.int64))
    return task.code


def relay(phases: Sequence[Sequence[Task]]) -> list[Native]:
    """The native form of each thread's tasks in all phases, with a barrier between phases."""
    threads, arrivals = max(map(len, phases)), aligned(ALIGNMENT).view(np.int64)
    found = []
    for thread in range(threads):
        own: list[Task | None] = []
        for number, tasks in enumerate(phases):
            own += [*([None] if number else []), *tasks[thread : thread + 1]]
        found.append(Native(own, threads, arrivals))
    return found
