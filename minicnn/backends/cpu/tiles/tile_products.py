"""Products added to a tile: one function for each memory layout of the operands. Legend: see ``tile.py``."""

from __future__ import annotations

from typing import Any

from numba import types
from numba.extending import intrinsic

from .emit import Emit


@intrinsic
def tile_outer(typingctx: Any, t: Any, a: Any, ai: Any, astep: Any, rows: Any, b: Any, bi: Any) -> Any:
    """t[i, j] += a[ai + min(i, rows − 1)·astep] · b[bi + j·w : +w]: rows past the last repeat it, and are not stored."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        tile, av, aiv, step, count, bv, biv = args
        emit = Emit(context, builder, t)
        xs = [emit.load(emit.address(b, bv, builder.add(biv, emit.const(j * t.w)), t.w)) for j in range(t.n)]
        for i in range(t.m):
            scalar = emit.splat(builder.load(emit.address(a, av, emit.clamped_row(aiv, i, step, count), 1)))
            for j in range(t.n):
                tile = emit.put(tile, emit.fma(scalar, xs[j], emit.at(tile, i, j)), i, j)
        return tile

    return t(t, a, types.int64, types.int64, types.int64, b, types.int64), codegen


def _multiply(emit: Emit, tile: Any, a: Any, av: Any, aiv: Any, xs: list[Any]) -> Any:
    """t[i, j] += a[ai + i] · xs[j]."""
    for i in range(emit.t.m):
        weight = emit.weight(a, av, aiv, i)
        for j, x in enumerate(xs):
            tile = emit.put(tile, emit.fma(weight, x, emit.at(tile, i, j)), i, j)
    emit.fence()
    return tile


@intrinsic
def tile_multiply(typingctx: Any, t: Any, a: Any, ai: Any, b: Any, places: Any, offset: Any) -> Any:
    """t[i, j] += a[ai + i] · b[places[j] + offset : +w]."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        tile, av, aiv, bv, at, off = args
        emit = Emit(context, builder, t)
        starts = [builder.add(builder.extract_value(at, j), off) for j in range(t.n)]
        return _multiply(emit, tile, a, av, aiv, [emit.load(emit.address(b, bv, start, t.w)) for start in starts])

    return t(t, a, types.int64, b, places, types.int64), codegen


@intrinsic
def tile_multiply_inside(typingctx: Any, t: Any, a: Any, ai: Any, b: Any, places: Any, offset: Any) -> Any:
    """``tile_multiply`` where a place that is OUTSIDE holds zeros."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        tile, av, aiv, bv, at, off = args
        emit = Emit(context, builder, t)
        return _multiply(emit, tile, a, av, aiv, [emit.load_inside(b, bv, at, j, off) for j in range(t.n)])

    return t(t, a, types.int64, b, places, types.int64), codegen


def _row_products(emit: Emit, tile: Any, weights: list[Any], pixels: list[Any], sign: int) -> Any:
    """t[i] += Σ_k weights[k] · pixels[i + sign·k]: every pixel is loaded once for all weights."""
    for at, pixel in enumerate(pixels):
        for k, weight in enumerate(weights):
            i = at - sign * k
            if 0 <= i < emit.t.m:
                tile = emit.put(tile, emit.fma(weight, pixel, emit.at(tile, i, 0)), i, 0)
    return tile


def _row_tile(t: Any, a: Any, taps: Any, b: Any, pixels: int, sign: int) -> Any:
    """Signature and code of a tile function over a row of this many pixels."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        tile, av, aiv, _, bv, biv, step = args
        emit = Emit(context, builder, t)
        weights = [emit.weight(a, av, aiv, k) for k in range(taps.literal_value)]
        row = [emit.load(emit.address(b, bv, emit.row(biv, i, step), t.w)) for i in range(pixels)]
        return _row_products(emit, tile, weights, row, sign)

    return t(t, a, types.int64, taps, b, types.int64, types.int64), codegen


@intrinsic(prefer_literal=True)
def tile_correlate(typingctx: Any, t: Any, a: Any, ai: Any, taps: Any, b: Any, bi: Any, step: Any) -> Any:
    """t[i, 0] += Σ_{k < taps} a[ai + k] · b[bi + (i + k)·step : +w]: a row of taps over a row of m + taps − 1 pixels."""
    if not isinstance(taps, types.IntegerLiteral):
        return None
    return _row_tile(t, a, taps, b, t.m + taps.literal_value - 1, 1)


@intrinsic(prefer_literal=True)
def tile_convolve(typingctx: Any, t: Any, a: Any, ai: Any, taps: Any, b: Any, bi: Any, step: Any) -> Any:
    """t[i + k, 0] += a[ai + k] · b[bi + i·step : +w] for k < taps, i < m − taps + 1: the adjoint of tile_correlate."""
    if not isinstance(taps, types.IntegerLiteral):
        return None
    return _row_tile(t, a, taps, b, t.m - taps.literal_value + 1, -1)


def _dot(emit: Emit, tile: Any, left: list[Any], right: list[Any]) -> Any:
    """t[i, j] += left[i] · right[j], lane by lane."""
    for i, x in enumerate(left):
        for j, y in enumerate(right):
            tile = emit.put(tile, emit.fma(x, y, emit.at(tile, i, j)), i, j)
    emit.fence()
    return tile


@intrinsic
def tile_dot(typingctx: Any, t: Any, a: Any, ai: Any, astep: Any, rows: Any, b: Any, bi: Any, bstep: Any, cols: Any) -> Any:
    """t[i, j] += a[ai + min(i, rows − 1)·astep : +w] · b[bi + min(j, cols − 1)·bstep : +w], lane by lane."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        tile, av, aiv, a_step, row_count, bv, biv, b_step, col_count = args
        emit = Emit(context, builder, t)
        left = [emit.load(emit.address(a, av, emit.clamped_row(aiv, i, a_step, row_count), t.w)) for i in range(t.m)]
        right = [emit.load(emit.address(b, bv, emit.clamped_row(biv, j, b_step, col_count), t.w)) for j in range(t.n)]
        return _dot(emit, tile, left, right)

    long = types.int64
    return t(t, a, long, long, long, b, long, long, long), codegen


@intrinsic
def tile_dot_inside(
    typingctx: Any,
    t: Any,
    a: Any,
    ai: Any,
    astep: Any,
    rows: Any,
    b: Any,
    bi: Any,
    bstep: Any,
    cols: Any,
    x: Any,
    xstep: Any,
    width: Any,
) -> Any:
    """``tile_dot`` where a vector of b counts only if 0 ≤ x + min(j, cols − 1)·xstep < width, and is zeros elsewhere."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        tile, av, aiv, a_step, row_count, bv, biv, b_step, col_count, first, step, size = args
        emit = Emit(context, builder, t)
        left = [emit.load(emit.address(a, av, emit.clamped_row(aiv, i, a_step, row_count), t.w)) for i in range(t.m)]
        on = [builder.icmp_unsigned("<", emit.clamped_row(first, j, step, col_count), size) for j in range(t.n)]
        at = [emit.clamped_row(biv, j, b_step, col_count) for j in range(t.n)]
        return _dot(emit, tile, left, [emit.load_where(there, b, bv, index) for there, index in zip(on, at, strict=True)])

    long = types.int64
    return t(t, a, long, long, long, b, long, long, long, long, long, long), codegen


@intrinsic
def tile_dot_rows(
    typingctx: Any, t: Any, a: Any, ai: Any, astep: Any, at: Any, k: Any, rows: Any, b: Any, bi: Any, bstep: Any, cols: Any
) -> Any:
    """t[i, j] += a[ai + at[k + min(i, rows − 1)]·astep : +w] · b[bi + min(j, cols − 1)·bstep : +w]: rows from a list."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        tile, av, aiv, a_step, atv, kv, row_count, bv, biv, b_step, col_count = args
        emit = Emit(context, builder, t)
        rows_at = [emit.listed_row(aiv, i, a_step, row_count, at, atv, kv) for i in range(t.m)]
        left = [emit.load(emit.address(a, av, row, t.w)) for row in rows_at]
        right = [emit.load(emit.address(b, bv, emit.clamped_row(biv, j, b_step, col_count), t.w)) for j in range(t.n)]
        return _dot(emit, tile, left, right)

    long = types.int64
    return t(t, a, long, long, at, long, long, b, long, long, long), codegen
