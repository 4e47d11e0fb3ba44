"""Tile functions for pooling one image. Legend as in ``row_tile.py``; the NumPy forms are in ``row_numpy.py``."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .emit import I32, Emit, TileType
from .row_emit import RowEmit, column_of
from .row_tile import LONG, literals


@intrinsic
def tile_plus(typingctx: Any, t: Any, s: Any, v: Any) -> Any:
    """t[i, 0] += s · v[i]."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        tile, number, column = args
        emit = Emit(context, builder, t)
        factor = emit.splat(number)
        for i in range(t.m):
            tile = emit.put(tile, emit.fma(factor, builder.extract_value(column, i), emit.at(tile, i, 0)), i, 0)
        return tile

    return t(t, t.dtype, v), codegen


@intrinsic(prefer_literal=True)
def tile_repeat(typingctx: Any, n: Any, times: Any, b: Any, bi: Any, bstep: Any, rows: Any, high: Any) -> Any:
    """v[j][k] = b[bi + min(j, rows − 1)·bstep + k // times] for j < n and k < high, undefined elsewhere."""
    if not literals(n, times):
        return None
    v, count = column_of(b.dtype, n.literal_value), times.literal_value
    lanes = [k // count for k in range(v.w)]

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _, _, array, first, b_step, row_count, end = args
        emit = RowEmit(context, builder, v)
        starts = [emit.clamped_row(first, j, b_step, row_count) for j in range(v.m)]
        reach = builder.sdiv(builder.add(end, emit.const(count - 1)), emit.const(count))
        shorter = [emit.load_between(b, array, start, emit.const(0), reach) for start in starts]
        return emit.tile(emit.shuffled_lanes(short, short, lanes) for short in shorter)

    return v(n, times, b, LONG, LONG, LONG, LONG), codegen


@intrinsic(prefer_literal=True)
def tile_lowest(typingctx: Any, like: Any, m: Any) -> Any:
    """The initial tile of m rows: t[i, 0] = −∞, the running maximum, and t[i, 1] = −1, the tap it came from."""
    if not literals(m):
        return None
    w = column_of(like.dtype, 1).w
    t = TileType(like.dtype, m.literal_value, 2, w)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pair = [ir.Constant(t.vector, [start] * w) for start in (float("-inf"), -1.0)]
        return RowEmit(context, builder, t).tile(pair * t.m)

    return t(like, m), codegen


@intrinsic(prefer_literal=True)
def tile_beat(
    typingctx: Any, t: Any, v: Any, number: Any, y: Any, ystep: Any, height: Any, x: Any, step: Any, width: Any, high: Any
) -> Any:
    """t[i, 0], t[i, 1] = v[i], number where v[i] is larger, NaN or the first, at the pixels that ``tile_window`` reads."""
    if not literals(step):
        return None

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        tile, column, tap, top, y_step, h, left, _, w, end = args
        emit = RowEmit(context, builder, t)
        numbers = emit.splat(builder.sitofp(tap, t.vector.element))
        low, stop = emit.on_row(left, step.literal_value, w, end)
        for i in range(t.m):
            value, best, at = builder.extract_value(column, i), emit.at(tile, i, 0), emit.at(tile, i, 1)
            larger = builder.fcmp_ordered(">", value, best)
            first = builder.fcmp_ordered("<", at, emit.zero)
            wins = builder.or_(builder.or_(larger, first), builder.fcmp_unordered("uno", value, value))
            wins = builder.and_(wins, emit.between(low, emit.on_map(emit.row(top, i, y_step), h, low, stop)))
            tile = emit.put(emit.put(tile, builder.select(wins, value, best), i, 0), builder.select(wins, numbers, at), i, 1)
        return tile

    return t(t, v, LONG, LONG, LONG, LONG, LONG, step, LONG, LONG), codegen


@intrinsic
def tile_store_taps(typingctx: Any, t: Any, c: Any, ci: Any, istep: Any, rows: Any, high: Any) -> Any:
    """c[ci + i·istep + k] = t[i, 1][k] as an integer, for i < rows and k < high."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        tile, array, first, step, count, end = args
        emit = RowEmit(context, builder, t)
        for i in range(t.m):
            with builder.if_then(emit.rows_below(count, i)):
                taps = builder.fptosi(emit.at(tile, i, 1), ir.VectorType(I32, t.w))
                emit.store_between(taps, c, array, emit.row(first, i, step), emit.const(0), end)
        return context.get_dummy_value()

    return types.none(t, c, LONG, LONG, LONG, LONG), codegen


@intrinsic(prefer_literal=True)
def tile_keep(typingctx: Any, v: Any, times: Any, b: Any, bi: Any, bstep: Any, rows: Any, number: Any, high: Any) -> Any:
    """v[j][k] where b[bi + min(j, rows − 1)·bstep + k // times] = number + k mod times, zero elsewhere, for k < high."""
    if not literals(times):
        return None
    count = times.literal_value

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        column, _, array, first, b_step, row_count, tap, end = args
        emit = RowEmit(context, builder, v)
        kind = ir.VectorType(I32, v.w)
        numbers = builder.add(emit.splat(builder.trunc(tap, I32)), ir.Constant(kind, [k % count for k in range(v.w)]))
        reach = builder.sdiv(builder.add(end, emit.const(count - 1)), emit.const(count))
        kept = []
        for j in range(v.m):
            start = emit.clamped_row(first, j, b_step, row_count)
            taps = emit.load_between(b, array, start, emit.const(0), reach)
            taps = emit.shuffled_lanes(taps, taps, [k // count for k in range(v.w)])
            wins = builder.icmp_signed("==", taps, numbers)
            kept.append(builder.select(wins, builder.extract_value(column, j), emit.zero))
        return emit.tile(kept)

    return v(v, times, b, LONG, LONG, LONG, LONG, LONG), codegen
