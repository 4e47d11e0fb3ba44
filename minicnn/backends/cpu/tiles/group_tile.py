"""Tiles whose columns are vectors of several lane groups, so that a weight is loaded once for all of them.

Legend: an array over all groups is (G, n, L), groups at any distance. Its vectors are counted through all groups: number v is
part v % (L/w) of group v // (L/w). The NumPy forms are in ``tile_numpy.py``.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .emit import Emit
from .tile import _places


@intrinsic(prefer_literal=True)
def tile_group_columns(typingctx: Any, n: Any, v: Any, count: Any, parts: Any, apart: Any, width: Any) -> Any:
    """For j < n, with u = min(v + j, count − 1): u // parts · apart + u % parts · width, the offsets of n vectors."""
    if not isinstance(n, types.IntegerLiteral):
        return None

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _, first, end, each, group_step, step = args
        last = builder.sub(end, ir.Constant(first.type, 1))
        places = []
        for j in range(n.literal_value):
            number = builder.add(first, ir.Constant(first.type, j))
            number = builder.select(builder.icmp_signed("<", number, last), number, last)
            group, part = builder.udiv(number, each), builder.urem(number, each)
            places.append(builder.add(builder.mul(group, group_step), builder.mul(part, step)))
        return context.make_tuple(builder, signature.return_type, places)

    long = types.int64
    return _places(n)(n, long, long, long, long, long), codegen


@intrinsic
def tile_get(typingctx: Any, t: Any, c: Any, ci: Any, rstep: Any, rows: Any, places: Any) -> Any:
    """t[i, j] = c[ci + min(i, rows − 1)·rstep + places[j] : +w]."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        tile, cv, civ, step, count, at = args
        emit = Emit(context, builder, t)
        for i in range(t.m):
            row = emit.clamped_row(civ, i, step, count)
            for j in range(t.n):
                index = builder.add(row, builder.extract_value(at, j))
                tile = emit.put(tile, emit.load(emit.address(c, cv, index, t.w)), i, j)
        return tile

    long = types.int64
    return t(t, c, long, long, long, places), codegen


@intrinsic
def tile_multiply_rows(typingctx: Any, t: Any, a: Any, ai: Any, astep: Any, rows: Any, b: Any, places: Any, offset: Any) -> Any:
    """t[i, j] += a[ai + min(i, rows − 1)·astep] · b[places[j] + offset : +w]."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        tile, av, aiv, step, count, bv, at, off = args
        emit = Emit(context, builder, t)
        starts = [builder.add(builder.extract_value(at, j), off) for j in range(t.n)]
        xs = [emit.load(emit.address(b, bv, start, t.w)) for start in starts]
        for i in range(t.m):
            row = emit.clamped_row(aiv, i, step, count)
            weight = emit.splat(builder.load(emit.address(a, av, row, 1)))
            for j, x in enumerate(xs):
                tile = emit.put(tile, emit.fma(weight, x, emit.at(tile, i, j)), i, j)
        emit.fence()
        return tile

    long = types.int64
    return t(t, a, long, long, long, b, places, long), codegen


@intrinsic
def tile_sum(typingctx: Any, t: Any, u: Any) -> Any:
    """t + u."""
    if t != u:
        return None

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        tile, other = args
        emit = Emit(context, builder, t)
        for i in range(t.m):
            for j in range(t.n):
                tile = emit.put(tile, builder.fadd(emit.at(tile, i, j), emit.at(other, i, j)), i, j)
        return tile

    return t(t, u), codegen
