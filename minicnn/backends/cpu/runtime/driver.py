"""Runs recorded programs without the interpreter: one loop over machine-code addresses, so that threads do not share a lock.

A compiled kernel is a native function whose arguments are 64-bit words, seven and a few for every array: Numba's meminfo and
parent (null here: the program keeps its arrays alive), the number of elements, their size, the address, the shape and the
strides. A program becomes a table (address, first word, number of words), a row for each call.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from ....arrays import Array
from ....errors import BackendError
from ...alignment import ALIGNMENT, aligned
from ..compile.jit import kernel
from .atomics import meet
from .denormals import flush_denormals, restore_mode

STEP = 8  # calls are made with a multiple of so many words; a callee does not look at words it does not know
MOST = 128

_I32, _I64 = ir.IntType(32), ir.IntType(64)
_POINTER = ir.IntType(8).as_pointer()


def words_of(array: Array) -> list[int]:
    """An array as native code takes it."""
    return [0, 0, array.size, array.itemsize, array.ctypes.data, *array.shape, *array.strides]


def table_of(calls: Sequence[tuple[int, tuple[Array, ...]]]) -> tuple[Array, Array]:
    """The table and the words of calls given as (address, arrays)."""
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
    """Run parts = (first row, end row, first group, end, stride, address of the number, members).

    Rows of the table are called for each group, which the number tells. Where there are members, they meet after the part.
    After a call that fails, none is made. Denormal numbers count as zero meanwhile.
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
            meet(arrivals, parts[part, 6])
    restore_mode(before)


class Native:
    """Jobs, one after another, as native code takes them: a table, and the call of ``run_parts`` on it as words.

    Args:
        tasks: ``minicnn.backends.program.Job`` whose programs are machine code throughout; None where all members meet.
        usable_threads: how many threads meet.
        arrivals: int64[1], where they count.
    """

    def __init__(self, tasks: Sequence[Any], usable_threads: int, arrivals: Array) -> None:
        calls: list[tuple[int, tuple[Array, ...]]] = []
        parts = []
        for task in tasks:
            if task is None:
                parts.append((0, 0, 0, 0, 1, 0, usable_threads))
                continue
            for programs, span in task.parts:
                own = [(call.bound.address, call.bound.arrays) for program in programs for call in program.calls]
                parts.append((len(calls), len(calls) + len(own), *span, task.number.ctypes.data, 0))
                calls += own
        self.status = np.zeros(1, np.int64)
        arrays = (*table_of(calls), np.array(parts, np.int64).reshape(-1, 7), arrivals, self.status)
        self.entry, self.arrays = run_parts.bind(arrays)
        self.address = run_parts.address(self.arrays)
        words = [word for array in self.arrays for word in words_of(array)]
        self.words = np.array(words + [0] * (-len(words) % STEP), np.int64)
        self._kept = calls, tasks  # the arrays that the words point to

    def run(self) -> None:
        """Run the jobs in this thread."""
        self.entry(*self.arrays)

    def check(self) -> None:
        """Raise BackendError where a kernel did not end well."""
        if status := int(self.status[0]):
            hint = "run with MINICNN_CHECK=1 to see where"
            raise BackendError("program", f"expected every kernel to end well, got status {status}", hint)


def native(task: Any) -> Native:
    """The job's native form, made once."""
    if task.code is None:
        task.code = Native([task], 1, np.zeros(1, np.int64))
    code: Native = task.code
    return code


def relay(phases: Sequence[Sequence[Any]]) -> list[Native]:
    """Stages of jobs as what each thread does: its jobs, and between stages it meets the others."""
    usable_threads, arrivals = max(map(len, phases)), aligned(ALIGNMENT).view(np.int64)
    found = []
    for thread in range(usable_threads):
        own: list[Any] = []
        for number, tasks in enumerate(phases):
            own += [*([None] if number else []), *tasks[thread : thread + 1]]
        found.append(Native(own, usable_threads, arrivals))
    return found
