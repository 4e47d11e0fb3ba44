"""Shared words between threads: atomic loads, stores and additions, and waiting."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, register_jitable

from ....arrays import Array


@intrinsic
def load_shared(typingctx: Any, array: Any, index: Any) -> Any:
    """array[index], as last written by any thread."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = builder.gep(context.make_array(array)(context, builder, args[0]).data, [args[1]])
        return builder.load_atomic(pointer, "seq_cst", 8)

    return types.int64(array, types.int64), codegen


@intrinsic
def store_shared(typingctx: Any, array: Any, index: Any, value: Any) -> Any:
    """array[index] = value, visible to every thread after all earlier writes."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = builder.gep(context.make_array(array)(context, builder, args[0]).data, [args[1]])
        builder.store_atomic(args[2], pointer, "seq_cst", 8)
        return context.get_dummy_value()

    return types.none(array, types.int64, types.int64), codegen


@intrinsic
def relax(typingctx: Any) -> Any:
    """A hint to the processor that this is a spin loop."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        if "x86_64" in str(builder.module.triple):
            kind = ir.FunctionType(ir.VoidType(), [])
            builder.call(cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.sse2.pause"), [])
        return context.get_dummy_value()

    return types.none(), codegen


@intrinsic
def count_up(typingctx: Any, array: Any, index: Any) -> Any:
    """Atomically array[index] += 1; returns the old value."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = builder.gep(context.make_array(array)(context, builder, args[0]).data, [args[1]])
        return builder.atomic_rmw("add", pointer, ir.Constant(ir.IntType(64), 1), "seq_cst")

    return types.int64(array, types.int64), codegen


@register_jitable
def barrier(arrivals: Array, threads: int) -> None:
    """A barrier: wait until ``threads`` threads have called it as often as this one; arrivals[0] counts all calls."""
    before = count_up(arrivals, 0)
    wanted = before - before % threads + threads
    while load_shared(arrivals, 0) < wanted:
        relax()
