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

from ...arrays import Array
from .jit import kernel

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


@kernel
def run_groups(table: Array, words: Array, group: Array, span: Array, status: Array) -> None:
    """Run a program for the groups span[0], span[0] + span[2], … below span[1]; group[0] tells the program which it is."""
    for g in range(span[0], span[1], span[2]):
        group[0] = g
        for i in range(table.shape[0]):
            status[0] = call_native(table[i, 0], words, table[i, 1], table[i, 2])
            if status[0] != 0:
                return


def arguments_of(programs: Sequence[Any], number: Array, span: tuple[int, int, int]) -> tuple[Array, ...]:
    """What ``run_groups`` takes, for programs one after another; the last of them remembers what they came to together."""
    *before, last = programs
    known = last.code
    if known is None or len(known[0]) != len(before) or any(a is not b for a, b in zip(known[0], before, strict=True)):
        calls = [(call.address, call.arrays) for program in programs for call in program.calls]
        known = last.code = (before, *table_of(calls))  # without itself: a cycle would keep old batches in memory
    return known[1], known[2], number, np.array(span), np.zeros(1, np.int64)
