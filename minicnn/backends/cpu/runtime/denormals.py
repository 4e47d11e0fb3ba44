"""Flushes denormal numbers to zero while a program runs: arithmetic with them takes a hundred cycles and more on many cores.

They occur where something decays: the momentum of an inactive unit, the second moment of a tiny gradient, the slope of a
saturated activation function. The mode belongs to a thread. It covers whole programs, but not the interpreter.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

X86_FLUSH = (1 << 15) | (1 << 6)
"""MXCSR bits: flush denormal results to zero, and read denormal operands as zero (Intel SDM, volume 1, 10.2.3)."""

ARM_FLUSH = 1 << 24
"""FPCR.FZ: the same on AArch64 (Arm ARM, C5.2.8)."""

_I32, _I64, _VOID = ir.IntType(32), ir.IntType(64), ir.VoidType()
_POINTER = ir.IntType(8).as_pointer()
_MXCSR = ir.FunctionType(_VOID, [_POINTER])


def _read(builder: Any) -> Any:
    """The floating-point control word of this thread; 0 on an unknown processor."""
    triple = str(builder.module.triple)
    if "x86_64" in triple:
        word = builder.alloca(_I32)
        builder.call(_intrinsic(builder, _MXCSR, "llvm.x86.sse.stmxcsr"), [builder.bitcast(word, _POINTER)])
        return builder.zext(builder.load(word), _I64)
    if "aarch64" in triple or "arm64" in triple:
        return builder.call(_intrinsic(builder, ir.FunctionType(_I64, []), "llvm.aarch64.get.fpcr"), [])
    return ir.Constant(_I64, 0)


def _write(builder: Any, value: Any) -> None:
    triple = str(builder.module.triple)
    if "x86_64" in triple:
        word = builder.alloca(_I32)
        builder.store(builder.trunc(value, _I32), word)
        builder.call(_intrinsic(builder, _MXCSR, "llvm.x86.sse.ldmxcsr"), [builder.bitcast(word, _POINTER)])
    elif "aarch64" in triple or "arm64" in triple:
        builder.call(_intrinsic(builder, ir.FunctionType(_VOID, [_I64]), "llvm.aarch64.set.fpcr"), [value])


def _intrinsic(builder: Any, kind: ir.FunctionType, name: str) -> Any:
    return cgutils.get_or_insert_function(builder.module, kind, name)


@intrinsic
def flush_denormals(typingctx: Any) -> Any:
    """Flush denormal numbers to zero from now on; returns the previous mode."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        before = _read(builder)
        flush = X86_FLUSH if "x86_64" in str(builder.module.triple) else ARM_FLUSH
        _write(builder, builder.or_(before, ir.Constant(_I64, flush)))
        return before

    return types.int64(), codegen


@intrinsic
def keep_denormals(typingctx: Any) -> Any:
    """Calculate with denormal numbers from now on; returns the previous mode."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        before = _read(builder)
        flush = X86_FLUSH if "x86_64" in str(builder.module.triple) else ARM_FLUSH
        _write(builder, builder.and_(before, ir.Constant(_I64, ~flush)))
        return before

    return types.int64(), codegen


@intrinsic
def restore_mode(typingctx: Any, before: Any) -> Any:
    """Restore the mode that ``flush_denormals`` returned."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _write(builder, args[0])
        return context.get_dummy_value()

    return types.none(types.int64), codegen
