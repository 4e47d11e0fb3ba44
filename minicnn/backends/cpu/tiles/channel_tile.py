"""Tiles whose vectors hold neighbouring channels of one pixel: m vectors of channels × n pixels of one image.

Legend as in ``tile.py``. Pixels lie anywhere, at ``places``; the numbers of one pixel lie side by side. ``channel_numpy.py``
has the NumPy forms.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from ..compile.host import HOST
from .emit import I64, SCALAR_BYTES, Emit, TileType


@intrinsic(prefer_literal=True)
def tile_channels(typingctx: Any, a: Any, k: Any, m: Any, n: Any) -> Any:
    """t[i, j] = a[k + i·w : +w] for i < m, j < n: the same channels for every pixel."""
    if not isinstance(m, types.IntegerLiteral) or not isinstance(n, types.IntegerLiteral):
        return None
    t = TileType(a.dtype, m.literal_value, n.literal_value, HOST.width(SCALAR_BYTES[a.dtype]))

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        emit = Emit(context, builder, t)
        tile = ir.Constant(ir.LiteralStructType([t.vector] * (t.m * t.n)), ir.Undefined)
        for i, vector in enumerate(_vectors(emit, a, args[0], args[1])):
            for j in range(t.n):
                tile = emit.put(tile, vector, i, j)
        return tile

    return t(a, types.int64, m, n), codegen


def _vectors(emit: Emit, array_type: Any, array: Any, first: Any, s: int = 0) -> list[Any]:
    """The vectors array[first + (s·m + i)·w : +w] for i < m."""
    places = [emit.b.add(first, emit.const((s * emit.t.m + i) * emit.t.w)) for i in range(emit.t.m)]
    return [emit.load(emit.address(array_type, array, place, emit.t.w)) for place in places]


@intrinsic(prefer_literal=True)
def tile_spread(typingctx: Any, t: Any, a: Any, k: Any, b: Any, places: Any, offset: Any, steps: Any) -> Any:
    """t[i, j] += Σ_{s < steps} a[k + (s·m + i)·w : +w] · b[places[j] + offset + s]: filters in the lanes, pixels spread."""
    if not isinstance(steps, types.IntegerLiteral):
        return None

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        tile, av, kv, bv, at, off, _ = args
        emit = Emit(context, builder, t)
        starts = [builder.add(builder.extract_value(at, j), off) for j in range(t.n)]
        for s in range(steps.literal_value):
            weights = _vectors(emit, a, av, kv, s)
            for j, start in enumerate(starts):
                pixel = emit.weight(b, bv, start, s)
                for i, weight in enumerate(weights):
                    tile = emit.put(tile, emit.fma(weight, pixel, emit.at(tile, i, j)), i, j)
            emit.fence()
        return tile

    return t(t, a, types.int64, b, places, types.int64, steps), codegen


@intrinsic(prefer_literal=True)
def tile_row_beside(
    typingctx: Any, t: Any, a: Any, k: Any, b: Any, at: Any, depth: Any, taps: Any, stride: Any, dilation: Any
) -> Any:
    """t[0, j] += Σ_{i < taps} a[k + i·depth : +w] · b[at + (j·stride + i·dilation)·depth : +w], channel by channel.

    A pixel is loaded once for all the taps that meet it.
    """
    literals = [each.literal_value for each in (taps, stride, dilation) if isinstance(each, types.IntegerLiteral)]
    if len(literals) < 3 or t.m != 1:
        return None

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        tile, av, kv, bv, place, step = args[:6]
        (count, across, apart), emit = literals, Emit(context, builder, t)
        weights = [emit.load(emit.address(a, av, emit.row(kv, i, step), t.w)) for i in range(count)]
        for p in sorted({j * across + i * apart for j in range(t.n) for i in range(count)}):
            pixel = emit.load(emit.address(b, bv, emit.row(place, p, step), t.w))
            for i, weight in enumerate(weights):
                j, beside = divmod(p - i * apart, across)
                if not beside and 0 <= j < t.n:
                    tile = emit.put(tile, emit.fma(weight, pixel, emit.at(tile, 0, j)), 0, j)
            emit.fence()
        return tile

    long = types.int64
    return t(t, a, long, b, long, long, taps, stride, dilation), codegen


@intrinsic(prefer_literal=True)
def tile_walk(typingctx: Any, n: Any, down: Any, across: Any, width: Any, row: Any, step: Any) -> Any:
    """(down + (across + j) // width) · row + (across + j) % width · step for j < n, where across < width.

    ``tile_places`` without its division, which takes as long as forty multiply-adds.
    """
    if not isinstance(n, types.IntegerLiteral):
        return None
    long, count = types.int64, n.literal_value

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _, above, beside, columns, row_step, column_step = args
        line, places = builder.mul(above, row_step), []
        at = builder.add(line, builder.mul(beside, column_step))
        for _ in range(count):
            places.append(at)
            beside = builder.add(beside, ir.Constant(I64, 1))
            ends, after = builder.icmp_signed("==", beside, columns), builder.add(line, row_step)
            at = builder.select(ends, after, builder.add(at, column_step))
            line = builder.select(ends, after, line)
            beside = builder.select(ends, ir.Constant(I64, 0), beside)
        return context.make_tuple(builder, signature.return_type, places)

    of_places: Any = types.UniTuple
    return of_places(long, count)(n, long, long, long, long, long), codegen


@intrinsic(prefer_literal=True)
def tile_listed(typingctx: Any, n: Any, a: Any, i: Any) -> Any:
    """a[i + j] for j < n: offsets that were listed."""
    if not isinstance(n, types.IntegerLiteral):
        return None
    long, count = types.int64, n.literal_value

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        emit = Emit(context, builder, TileType(types.float32, 1, 1, 1))
        pointers = [emit.address(a, args[1], builder.add(args[2], emit.const(j)), 1) for j in range(count)]
        return context.make_tuple(builder, signature.return_type, [builder.load(pointer) for pointer in pointers])

    of_places: Any = types.UniTuple
    return of_places(long, count)(n, a, long), codegen


@intrinsic
def tile_larger(typingctx: Any, t: Any, s: Any) -> Any:
    """max(t[i, j], s[i, j]), where NaN is larger than all."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        tile, emit = args[0], Emit(context, builder, t)
        for i in range(t.m):
            for j in range(t.n):
                best, value = (emit.at(each, i, j) for each in args)
                larger, nan = builder.fcmp_ordered(">", value, best), builder.fcmp_unordered("uno", value, value)
                tile = emit.put(tile, builder.select(builder.or_(larger, nan), value, best), i, j)
        return tile

    return t(t, t), codegen
