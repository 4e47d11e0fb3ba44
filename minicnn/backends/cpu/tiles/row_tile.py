"""Tiles for one image: vectors along the rows of a map, masked where the row ends.

With one image there are no lanes to fill a vector, so a vector holds neighbouring pixels. Loads make columns of vectors,
products combine them with a tile, stores write the tile. Positions outside the bounds are neither read nor written.

Legend: t a tile of m × n vectors, u and v columns of vectors, k < w a position in a vector. Arrays are addressed as in
``tile.py``; the NumPy forms are in ``row_numpy.py``.
"""

from __future__ import annotations

from typing import Any

from numba import types
from numba.extending import intrinsic

from .emit import Emit
from .row_emit import RowEmit, column_of

LONG = types.int64


def literals(*kinds: Any) -> bool:
    """Whether these are numbers known at compile time."""
    return all(isinstance(kind, types.IntegerLiteral) for kind in kinds)


# --- loads ---


@intrinsic(prefer_literal=True)
def tile_rows(typingctx: Any, n: Any, b: Any, bi: Any, bstep: Any, rows: Any, step: Any, high: Any) -> Any:
    """v[j][k] = b[bi + min(j, rows − 1)·bstep + k·step] for j < n and k < high, else 0: rows past the last repeat it."""
    if not literals(n, step):
        return None
    v, apart = column_of(b.dtype, n.literal_value), step.literal_value

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _, array, first, b_step, count, _, end = args
        emit = RowEmit(context, builder, v)
        starts = [emit.clamped_row(first, j, b_step, count) for j in range(v.m)]
        return emit.tile(emit.load_spaced(b, array, start, apart, emit.const(0), end) for start in starts)

    return v(n, b, LONG, LONG, LONG, step, LONG), codegen


@intrinsic(prefer_literal=True)
def tile_listed(typingctx: Any, n: Any, b: Any, bi: Any, bstep: Any, at: Any, ai: Any, rows: Any, high: Any) -> Any:
    """v[j][k] = b[bi + at[ai + min(j, rows − 1)]·bstep + k] for j < n and k < high, zero elsewhere: rows from a list."""
    if not literals(n):
        return None
    v = column_of(b.dtype, n.literal_value)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _, array, first, b_step, list_array, entry, count, end = args
        emit = RowEmit(context, builder, v)
        starts = [emit.listed_row(first, j, b_step, count, at, list_array, entry) for j in range(v.m)]
        return emit.tile(emit.load_between(b, array, start, emit.const(0), end) for start in starts)

    return v(n, b, LONG, LONG, at, LONG, LONG, LONG), codegen


@intrinsic(prefer_literal=True)
def tile_window(
    typingctx: Any, n: Any, b: Any, bi: Any, y: Any, ystep: Any, height: Any, x: Any, step: Any, width: Any, high: Any
) -> Any:
    """v[j][k] = the pixel (y + j·ystep, x + k·step) of the map of height × width at b[bi], for k < high; zero off the map."""
    if not literals(n, step):
        return None
    v, apart = column_of(b.dtype, n.literal_value), step.literal_value

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _, array, first, top, y_step, h, left, _, w, end = args
        emit = RowEmit(context, builder, v)
        low, stop = emit.on_row(left, apart, w, end)
        vectors = []
        for j in range(v.m):
            row = emit.row(top, j, y_step)
            start = builder.add(builder.add(first, builder.mul(row, w)), left)
            vectors.append(emit.load_spaced(b, array, start, apart, low, emit.on_map(row, h, low, stop)))
        return emit.tile(vectors)

    return v(n, b, LONG, LONG, LONG, LONG, LONG, step, LONG, LONG), codegen


@intrinsic(prefer_literal=True)
def tile_columns(
    typingctx: Any, n: Any, b: Any, bi: Any, bstep: Any, rows: Any, x: Any, xstep: Any, step: Any, width: Any, high: Any
) -> Any:
    """``tile_rows``, zero also where row j's column x + min(j, rows − 1)·xstep + k·step is off a row of ``width`` pixels."""
    if not literals(n, step):
        return None
    v, apart = column_of(b.dtype, n.literal_value), step.literal_value

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _, array, first, b_step, count, left, x_step, _, w, end = args
        emit = RowEmit(context, builder, v)
        vectors = []
        for j in range(v.m):
            low, stop = emit.on_row(emit.clamped_row(left, j, x_step, count), apart, w, end)
            vectors.append(emit.load_spaced(b, array, emit.clamped_row(first, j, b_step, count), apart, low, stop))
        return emit.tile(vectors)

    return v(n, b, LONG, LONG, LONG, LONG, LONG, step, LONG, LONG), codegen


# --- products ---


@intrinsic
def tile_scale(typingctx: Any, t: Any, a: Any, ai: Any, astep: Any, rows: Any, v: Any) -> Any:
    """t[i, j] += a[ai + min(i, rows − 1)·astep] · v[j]: rows past the last repeat it, and are not stored."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        tile, array, first, step, count, column = args
        emit = Emit(context, builder, t)
        for i in range(t.m):
            scalar = emit.splat(builder.load(emit.address(a, array, emit.clamped_row(first, i, step, count), 1)))
            for j in range(t.n):
                tile = emit.put(tile, emit.fma(scalar, builder.extract_value(column, j), emit.at(tile, i, j)), i, j)
        return tile

    return t(t, a, LONG, LONG, LONG, v), codegen


def _taps(t: Any, a: Any, taps: Any, v: Any, sign: int) -> Any:
    """Signature and code of t[i] += Σ_k a[ai + k·astep] · v[i + sign·k]: every vector is loaded once for all taps."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        tile, array, first, step, _, column = args
        emit = Emit(context, builder, t)
        places = [emit.row(first, tap, step) for tap in range(taps.literal_value)]
        weights = [emit.splat(builder.load(emit.address(a, array, place, 1))) for place in places]
        for j in range(v.m):
            for tap, weight in enumerate(weights):
                i = j - sign * tap
                if 0 <= i < t.m:
                    tile = emit.put(tile, emit.fma(weight, builder.extract_value(column, j), emit.at(tile, i, 0)), i, 0)
        return tile

    return t(t, a, LONG, LONG, taps, v), codegen


@intrinsic(prefer_literal=True)
def tile_taps(typingctx: Any, t: Any, a: Any, ai: Any, astep: Any, taps: Any, v: Any) -> Any:
    """t[i, 0] += Σ_{k < taps} a[ai + k·astep] · v[i + k]: taps below each other over m + taps − 1 rows."""
    return _taps(t, a, taps, v, 1) if literals(taps) else None


@intrinsic(prefer_literal=True)
def tile_spread_taps(typingctx: Any, t: Any, a: Any, ai: Any, astep: Any, taps: Any, v: Any) -> Any:
    """t[i + k, 0] += a[ai + k·astep] · v[i] for k < taps: the adjoint of tile_taps."""
    return _taps(t, a, taps, v, -1) if literals(taps) else None


@intrinsic
def tile_products(typingctx: Any, t: Any, u: Any, v: Any) -> Any:
    """t[i, j] += u[i] · v[j], elementwise."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        tile, left, right = args
        emit = Emit(context, builder, t)
        for i in range(t.m):
            for j in range(t.n):
                product = emit.fma(builder.extract_value(left, i), builder.extract_value(right, j), emit.at(tile, i, j))
                tile = emit.put(tile, product, i, j)
        return tile

    return t(t, u, v), codegen


# --- stores ---


@intrinsic
def tile_store_rows(typingctx: Any, t: Any, c: Any, ci: Any, istep: Any, rows: Any, jstep: Any, columns: Any, high: Any) -> Any:
    """c[ci + i·istep + j·jstep + k] = t[i, j][k] for i < rows, j < columns, k < high."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        tile, array, first, i_step, row_count, j_step, column_count, end = args
        emit = RowEmit(context, builder, t)
        for i in range(t.m):
            for j in range(t.n):
                with builder.if_then(builder.and_(emit.rows_below(row_count, i), emit.rows_below(column_count, j))):
                    start = emit.row(emit.row(first, i, i_step), j, j_step)
                    emit.store_between(emit.at(tile, i, j), c, array, start, emit.const(0), end)
        return context.get_dummy_value()

    return types.none(t, c, LONG, LONG, LONG, LONG, LONG, LONG), codegen


@intrinsic(prefer_literal=True)
def tile_add_window(
    typingctx: Any, t: Any, c: Any, ci: Any, y: Any, ystep: Any, height: Any, x: Any, step: Any, width: Any, high: Any
) -> Any:
    """The pixel (y + i·ystep, x + k·step) of the map of height × width at c[ci] += t[i, 0][k], for k < high, if it is on it."""
    if not literals(step):
        return None

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        tile, array, first, top, y_step, h, left, _, w, end = args
        emit = RowEmit(context, builder, t)
        low, stop = emit.on_row(left, step.literal_value, w, end)
        rows = [emit.row(top, i, y_step) for i in range(t.m)]
        starts = [builder.add(builder.add(first, builder.mul(row, w)), left) for row in rows]
        where = [(start, low, emit.on_map(row, h, low, stop)) for start, row in zip(starts, rows, strict=True)]
        if step.literal_value == 1:  # all loads first: they would wait for the store to the row before, which is nearby
            before = [emit.load_between(c, array, *place) for place in where]
            for i, place in enumerate(where):
                emit.store_between(builder.fadd(before[i], emit.at(tile, i, 0)), c, array, *place)
        else:
            for i, (start, *bounds) in enumerate(where):
                emit.add_spaced(emit.at(tile, i, 0), c, array, start, step.literal_value, *bounds)
        return context.get_dummy_value()

    return types.none(t, c, LONG, LONG, LONG, LONG, LONG, step, LONG, LONG), codegen


def _fold_add(emit: RowEmit, tile: Any, array_type: Any, array: Any, starts: list[Any], rows: Any, columns: Any) -> None:
    """array[starts[i] + j] += Σ_k t[i, j][k] for i < rows, j < columns, up to w columns at a time."""
    zero, width = emit.const(0), emit.t.w
    for i, start in enumerate(starts):
        with emit.b.if_then(emit.rows_below(rows, i), likely=True):
            for j in range(0, emit.t.n, width):
                sums = emit.sums([emit.at(tile, i, column) for column in range(j, min(j + width, emit.t.n))])
                place, rest = (emit.b.add(start, emit.const(j)), emit.b.sub(columns, emit.const(j))) if j else (start, columns)
                before = emit.load_between(array_type, array, place, zero, rest)
                emit.store_between(emit.b.fadd(before, sums), array_type, array, place, zero, rest)


@intrinsic
def tile_fold_add(typingctx: Any, t: Any, c: Any, ci: Any, istep: Any, rows: Any, columns: Any) -> Any:
    """c[ci + i·istep + j] += Σ_k t[i, j][k] for i < rows, j < columns."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        tile, array, first, step, row_count, column_count = args
        emit = RowEmit(context, builder, t)
        _fold_add(emit, tile, c, array, [emit.row(first, i, step) for i in range(t.m)], row_count, column_count)
        return context.get_dummy_value()

    return types.none(t, c, LONG, LONG, LONG, LONG), codegen


@intrinsic
def tile_fold_add_listed(typingctx: Any, t: Any, c: Any, ci: Any, istep: Any, at: Any, ai: Any, rows: Any, columns: Any) -> Any:
    """c[ci + at[ai + i]·istep + j] += Σ_k t[i, j][k] for i < rows, j < columns: rows from a list."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        tile, array, first, step, list_array, entry, row_count, column_count = args
        emit = RowEmit(context, builder, t)
        starts = [emit.listed_row(first, i, step, row_count, at, list_array, entry) for i in range(t.m)]
        _fold_add(emit, tile, c, array, starts, row_count, column_count)
        return context.get_dummy_value()

    return types.none(t, c, LONG, LONG, at, LONG, LONG, LONG), codegen
