"""Lane-by-lane arithmetic on tiles: +, −, ×, loads, derivatives, tests for finite numbers, maxima.

A vector is a tile of 1 × 1. A fused kernel written with these functions is vectorised even if LLVM cannot prove that its arrays
do not overlap. The NumPy forms are in ``vectors_numpy.py``.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload

from ..compile.host import OUTSIDE
from .activation_vectors import slope
from .emit import I32, I64, SCALAR_BYTES, Emit, TileType, width_of


def _vector_type(like: Any) -> TileType:
    return TileType(like.dtype, 1, 1, width_of(like))


def _operation(op: Callable[..., Any], instruction: str) -> None:
    """Define ``op`` of two tiles as an LLVM instruction, vector by vector; sums of products may be contracted."""

    @intrinsic
    def combine(typingctx: Any, s: Any, t: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            result = args[0]
            for i in range(t.m * t.n):
                pair = [builder.extract_value(tile, i) for tile in args]
                result = builder.insert_value(result, getattr(builder, instruction)(*pair, flags=("contract",)), i)
            return result

        return t(s, t), codegen

    def choose(s: Any, t: Any) -> Any:
        if isinstance(s, TileType) and isinstance(t, TileType):
            return lambda s, t: combine(s, t)  # type: ignore[call-arg]  # noqa: PLW0108 - Numba wants a function
        return None

    overload(op, strict=False)(choose)


_operation(operator.add, "fadd")
_operation(operator.sub, "fsub")
_operation(operator.mul, "fmul")


@intrinsic
def vector_load(typingctx: Any, a: Any, i: Any) -> Any:
    """a[i : i + w]."""
    t = _vector_type(a)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        emit = Emit(context, builder, t)
        return emit.single(emit.load(emit.address(a, args[0], args[1], t.w)))

    return t(a, types.int64), codegen


@intrinsic
def vector_inside(typingctx: Any, a: Any, place: Any, offset: Any) -> Any:
    """a[place + offset : +w], zeros if the place is OUTSIDE."""
    t = _vector_type(a)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        emit = Emit(context, builder, t)
        on = builder.icmp_signed("!=", args[1], emit.const(OUTSIDE))
        return emit.single(emit.load_where(on, a, args[0], builder.add(args[1], args[2])))

    return t(a, types.int64, types.int64), codegen


@intrinsic
def vector_of(typingctx: Any, a: Any, i: Any) -> Any:
    """a[i] in every lane."""
    t = _vector_type(a)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        emit = Emit(context, builder, t)
        return emit.single(emit.weight(a, args[0], args[1], 0))

    return t(a, types.int64), codegen


@intrinsic
def vector_all(typingctx: Any, like: Any, value: Any) -> Any:
    """A number in every lane, in the dtype of ``like``."""
    t = _vector_type(like)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        emit = Emit(context, builder, t)
        return emit.single(emit.splat(context.cast(builder, args[1], value, like.dtype)))

    return t(like, value), codegen


@intrinsic
def vector_wide(typingctx: Any, t: Any) -> Any:
    """The numbers of a vector in float64: two vectors, or itself."""
    wide = TileType(types.float64, 1, 2, t.w // 2)
    if t.dtype is types.float64:
        return t(t), lambda context, builder, signature, args: args[0]

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        emit, vector = Emit(context, builder, wide), builder.extract_value(args[0], 0)
        tile = ir.Constant(ir.LiteralStructType([wide.vector] * 2), ir.Undefined)
        for j in range(2):
            places = ir.Constant(ir.VectorType(I32, wide.w), [j * wide.w + k for k in range(wide.w)])
            half = builder.shuffle_vector(vector, ir.Constant(vector.type, ir.Undefined), places)
            tile = emit.put(tile, builder.fpext(half, wide.vector), 0, j)
        return tile

    return wide(t), codegen


@intrinsic(prefer_literal=True)
def vector_slope(typingctx: Any, kind: Any, y: Any, dy: Any) -> Any:
    """f'(a) dy for y = f(a), where f is the activation function with this number."""
    if not isinstance(kind, types.IntegerLiteral):
        return None

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        emit = Emit(context, builder, y)
        return emit.single(slope(emit, kind.literal_value, emit.at(args[1], 0, 0), emit.at(args[2], 0, 0)))

    return y(kind, y, dy), codegen


def _finite(emit: Emit, vector: Any) -> Any:
    """Which lanes are finite, by their exponent bits: LLVM may simplify comparisons of floats."""
    bits = 8 * SCALAR_BYTES[emit.t.dtype]
    ints, fraction = ir.VectorType(ir.IntType(bits), emit.t.w), {32: 23, 64: 52}[bits]
    exponent = ir.Constant(ints, [(1 << (bits - 1)) - (1 << fraction)] * emit.t.w)
    return emit.b.icmp_unsigned("!=", emit.b.and_(emit.b.bitcast(vector, ints), exponent), exponent)


@intrinsic
def vector_finite(typingctx: Any, t: Any) -> Any:
    """Whether all lanes are finite."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        emit = Emit(context, builder, t)
        lanes = ir.IntType(t.w)
        found = builder.bitcast(_finite(emit, emit.at(args[0], 0, 0)), lanes)
        return builder.icmp_unsigned("==", found, ir.Constant(lanes, (1 << t.w) - 1))

    return types.boolean(t), codegen


@intrinsic
def vector_mended(typingctx: Any, t: Any, s: Any) -> Any:
    """t where it is finite, else s."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        emit = Emit(context, builder, t)
        old, new = (emit.at(tile, 0, 0) for tile in args)
        return emit.single(builder.select(_finite(emit, old), old, new))

    return t(t, s), codegen


@intrinsic
def vector_winner(typingctx: Any, t: Any, a: Any, b: Any, c: Any, argmax: Any, i: Any) -> Any:
    """The largest of t, a, b, c (the first of equals, NaN before all); argmax[i : i + w] = its number, from 0."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        emit = Emit(context, builder, t)
        kind = ir.VectorType(I32, t.w)
        best, at = emit.at(args[0], 0, 0), ir.Constant(kind, [0] * t.w)
        for number, tile in enumerate(args[1:4], 1):
            value = emit.at(tile, 0, 0)
            larger, nan = builder.fcmp_ordered(">", value, best), builder.fcmp_unordered("uno", value, value)
            wins = builder.or_(larger, nan)
            best, at = builder.select(wins, value, best), builder.select(wins, ir.Constant(kind, [number] * t.w), at)
        pointer = emit.address(argmax, args[4], args[5], t.w)
        builder.store(at, builder.bitcast(pointer, kind.as_pointer())).align = 4
        return emit.single(best)

    return t(t, t, t, t, argmax, types.int64), codegen


@intrinsic
def vector_lowest(typingctx: Any, like: Any, number: Any) -> Any:
    """t[0, 0] = −∞, the largest so far, and in the bits of t[0, 1] the number of the tap that it came from."""
    t = TileType(like.dtype, 1, 2, width_of(like))

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        emit, tile = Emit(context, builder, t), ir.Constant(context.get_value_type(t), ir.Undefined)
        tile = emit.put(tile, ir.Constant(t.vector, [float("-inf")] * t.w), 0, 0)
        return emit.put(tile, _number(emit, args[1]), 0, 1)

    return t(like, types.int64), codegen


@intrinsic
def vector_better(typingctx: Any, t: Any, a: Any, i: Any, number: Any) -> Any:
    """t[0, 0], t[0, 1] = a[i : i + w], number where that is larger or NaN."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        emit = Emit(context, builder, t)
        value, best = emit.load(emit.address(a, args[1], args[2], t.w)), emit.at(args[0], 0, 0)
        wins = builder.or_(builder.fcmp_ordered(">", value, best), builder.fcmp_unordered("uno", value, value))
        tile = emit.put(args[0], builder.select(wins, value, best), 0, 0)
        return emit.put(tile, builder.select(wins, _number(emit, args[3]), emit.at(tile, 0, 1)), 0, 1)

    return t(t, a, types.int64, types.int64), codegen


def _number(emit: Emit, number: Any) -> Any:
    """The bits of a whole number in every lane, as a vector of floats, in which nobody calculates with them."""
    whole = ir.IntType(8 * SCALAR_BYTES[emit.t.dtype])
    return emit.b.bitcast(emit.splat(emit.b.trunc(number, whole) if whole.width < I64.width else number), emit.t.vector)


@intrinsic
def vector_put_best(typingctx: Any, t: Any, c: Any, argmax: Any, i: Any) -> Any:
    """c[i : i + w] = t[0, 0], argmax[i : i + w] = the numbers in t[0, 1]."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        emit, kind = Emit(context, builder, t), ir.VectorType(I32, t.w)
        emit.store(emit.at(args[0], 0, 0), emit.address(c, args[1], args[3], t.w))
        whole = ir.VectorType(ir.IntType(8 * SCALAR_BYTES[t.dtype]), t.w)
        taps = builder.bitcast(emit.at(args[0], 0, 1), whole)
        taps = builder.trunc(taps, kind) if whole.element.width > I32.width else taps
        pointer = builder.bitcast(emit.address(argmax, args[2], args[3], t.w), kind.as_pointer())
        builder.store(taps, pointer).align = 4
        return context.get_dummy_value()

    return types.none(t, c, argmax, types.int64), codegen


@intrinsic
def vector_won(typingctx: Any, t: Any, argmax: Any, i: Any, number: Any) -> Any:
    """t where argmax[i : i + w] is this number, else 0."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        emit = Emit(context, builder, t)
        pointer = emit.address(argmax, args[1], args[2], t.w)
        taps = builder.load(builder.bitcast(pointer, ir.VectorType(I32, t.w).as_pointer()))
        taps.align = 4
        mine = builder.icmp_signed("==", taps, emit.splat(builder.trunc(args[3], I32)))
        return emit.single(builder.select(mine, emit.at(args[0], 0, 0), ir.Constant(t.vector, [0.0] * t.w)))

    return t(t, argmax, types.int64, types.int64), codegen
