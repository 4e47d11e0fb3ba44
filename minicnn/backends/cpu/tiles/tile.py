"""Register tiles: m × n vectors of w numbers as one Numba value, which LLVM keeps in registers.

Legend: ``t`` a tile; ``t[i, j]`` its vector in row i, column j; ``a[k]`` and ``b[k : k+w]`` address an array as if it were
flat (arrays are C-contiguous, or strided in the rows only and addressed by the caller). ``tile_numpy.py`` has the NumPy forms:
the documentation, the oracle, and the code that runs under ``NUMBA_DISABLE_JIT=1``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from ..compile.host import OUTSIDE, PIXELS
from .activation_vectors import activated
from .emit import I32, I64, Emit, TileType, width_of


def _constant(value: int) -> Any:
    return lambda context, builder, signature, args: ir.Constant(I64, value)


@intrinsic
def tile_width(typingctx: Any, like: Any) -> Any:
    """The number w of elements in a vector, for the dtype of ``like``."""
    return types.int64(like), _constant(width_of(like))


def _zero(t: TileType) -> Any:
    zero = ir.Constant(t.vector, [0.0] * t.w)
    tile = ir.Constant(ir.LiteralStructType([t.vector] * (t.m * t.n)), [zero] * (t.m * t.n))
    return lambda context, builder, signature, args: tile


@intrinsic(prefer_literal=True)
def tile_zeros(typingctx: Any, like: Any, m: Any, n: Any) -> Any:
    """A tile of m × n vectors, all zeros, in the dtype of ``like``."""
    if not isinstance(m, types.IntegerLiteral) or not isinstance(n, types.IntegerLiteral):
        return None
    t = TileType(like.dtype, m.literal_value, n.literal_value, width_of(like))
    return t(like, m, n), _zero(t)


def _places(n: Any) -> types.UniTuple:
    return types.UniTuple(types.int64, n.literal_value)


@intrinsic(prefer_literal=True)
def tile_places(typingctx: Any, n: Any, p: Any, width: Any, row: Any, step: Any) -> Any:
    """(p + j) // width · row + (p + j) % width · step for j < n: the offsets of n pixels in row-major order."""
    if not isinstance(n, types.IntegerLiteral):
        return None

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _, first, columns, row_step, column_step = args
        above, beside = builder.udiv(first, columns), builder.urem(first, columns)
        places = []
        for _ in range(n.literal_value):
            places.append(builder.add(builder.mul(above, row_step), builder.mul(beside, column_step)))
            beside = builder.add(beside, ir.Constant(I64, 1))
            ends = builder.icmp_unsigned("==", beside, columns)
            beside = builder.select(ends, ir.Constant(I64, 0), beside)
            above = builder.add(above, builder.zext(ends, I64))
        return context.make_tuple(builder, signature.return_type, places)

    long = types.int64
    return _places(n)(n, long, long, long, long), codegen


@intrinsic
def tile_inside(typingctx: Any, ys: Any, xs: Any, top: Any, left: Any, height: Any, width: Any, step: Any) -> Any:
    """((ys[j] + top)·width + xs[j] + left)·step if that is a pixel of a map of height × width, else OUTSIDE."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        down, across, dy, dx, rows, columns, size = args
        places = []
        for j in range(ys.count):
            y = builder.add(builder.extract_value(down, j), dy)
            x = builder.add(builder.extract_value(across, j), dx)
            on = builder.and_(builder.icmp_unsigned("<", y, rows), builder.icmp_unsigned("<", x, columns))
            pixel = builder.mul(builder.add(builder.mul(y, columns), x), size)
            places.append(builder.select(on, pixel, ir.Constant(I64, OUTSIDE)))
        return context.make_tuple(builder, signature.return_type, places)

    long = types.int64
    return ys(ys, xs, long, long, long, long, long), codegen


@intrinsic
def tile_put(typingctx: Any, t: Any, c: Any, ci: Any, rstep: Any, rows: Any, places: Any) -> Any:
    """c[ci + i·rstep + places[j] : +w] = t[i, j] for i < rows."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        tile, cv, civ, step, count, at = args
        emit = Emit(context, builder, t)
        for i in range(t.m):
            with builder.if_then(emit.rows_below(count, i), likely=True):
                for j in range(t.n):
                    index = builder.add(emit.row(civ, i, step), builder.extract_value(at, j))
                    emit.store(emit.at(tile, i, j), emit.address(c, cv, index, t.w))
        return context.get_dummy_value()

    return types.none(t, c, types.int64, types.int64, types.int64, places), codegen


@intrinsic
def tile_transposed(typingctx: Any, a: Any, ai: Any, astep: Any, rows: Any) -> Any:
    """t[i, 0][k] = a[ai + min(k, rows − 1)·astep + i] for i, k < w: w vectors, transposed by log₂ w perfect shuffles."""
    w = width_of(a)
    t = TileType(a.dtype, w, 1, w)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        av, first, step, count = args
        emit = Emit(context, builder, t)
        vectors = [emit.load(emit.address(a, av, emit.clamped_row(first, k, step, count), w)) for k in range(w)]
        tile = ir.Constant(ir.LiteralStructType([t.vector] * w), ir.Undefined)
        for i, vector in enumerate(emit.shuffled(vectors, w.bit_length() - 1)):
            tile = emit.put(tile, vector, i, 0)
        return tile

    return t(a, types.int64, types.int64, types.int64), codegen


@intrinsic
def tile_bias(typingctx: Any, t: Any, b: Any, bi: Any, rows: Any) -> Any:
    """t[i, j] += b[bi + min(i, rows − 1)] in every lane."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        tile, bv, biv, count = args
        emit = Emit(context, builder, t)
        for i in range(t.m):
            scalar = emit.splat(builder.load(emit.address(b, bv, emit.clamped_row(biv, i, emit.const(1), count), 1)))
            for j in range(t.n):
                tile = emit.put(tile, builder.fadd(emit.at(tile, i, j), scalar), i, j)
        return tile

    return t(t, b, types.int64, types.int64), codegen


@intrinsic(prefer_literal=True)
def tile_activation(typingctx: Any, t: Any, kind: Any) -> Any:
    """t[i, j] = f(t[i, j]), where f is the activation function with this number."""
    if not isinstance(kind, types.IntegerLiteral) or t.dtype is not types.float32:
        return None

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        tile, emit = args[0], Emit(context, builder, t)
        for i in range(t.m):
            for j in range(t.n):
                tile = emit.put(tile, activated(emit, kind.literal_value, emit.at(tile, i, j)), i, j)
        return tile

    return t(t, kind), codegen


@intrinsic
def tile_store(typingctx: Any, t: Any, c: Any, ci: Any, cstep: Any, rows: Any) -> Any:
    """c[ci + i·cstep + j·w : +w] = t[i, j] for i < rows."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        tile, cv, civ, step, count = args
        emit = Emit(context, builder, t)
        for i in range(t.m):
            with builder.if_then(emit.rows_below(count, i), likely=True):
                for j in range(t.n):
                    index = builder.add(emit.row(civ, i, step), emit.const(j * t.w))
                    emit.store(emit.at(tile, i, j), emit.address(c, cv, index, t.w))
        return context.get_dummy_value()

    return types.none(t, c, types.int64, types.int64, types.int64), codegen


def _sum_add(emit: Emit, tile: Any, array_type: Any, array: Any, starts: list[Any], step: Any, rows: Any, cols: Any) -> None:
    """array[starts[i] + j·step] += Σ over the lanes of t[i, j], for i < rows, j < cols."""
    totals = emit.totals([emit.at(tile, i, j) for i in range(emit.t.m) for j in range(emit.t.n)])
    for i, start in enumerate(starts):
        for j in range(emit.t.n):
            inside = emit.b.and_(emit.rows_below(rows, i), emit.rows_below(cols, j))
            with emit.b.if_then(inside, likely=True):
                pointer = emit.address(array_type, array, emit.row(start, j, step), 1)
                emit.b.store(emit.b.fadd(emit.b.load(pointer), totals[i * emit.t.n + j]), pointer)


@intrinsic
def tile_sum_add(typingctx: Any, t: Any, c: Any, ci: Any, rstep: Any, rows: Any, cstep: Any, cols: Any) -> Any:
    """c[ci + i·rstep + j·cstep] += Σ over the lanes of t[i, j], for i < rows, j < cols."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        tile, cv, civ, row_step, row_count, col_step, col_count = args
        emit = Emit(context, builder, t)
        starts = [emit.row(civ, i, row_step) for i in range(t.m)]
        _sum_add(emit, tile, c, cv, starts, col_step, row_count, col_count)
        return context.get_dummy_value()

    long = types.int64
    return types.none(t, c, long, long, long, long, long), codegen


@intrinsic
def tile_sum_add_rows(typingctx: Any, t: Any, c: Any, ci: Any, rstep: Any, at: Any, k: Any, rows: Any, cols: Any) -> Any:
    """c[ci + at[k + i]·rstep + j] += Σ over the lanes of t[i, j], for i < rows, j < cols: rows from a list."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        tile, cv, civ, row_step, atv, kv, row_count, col_count = args
        emit = Emit(context, builder, t)
        starts = [emit.listed_row(civ, i, row_step, row_count, at, atv, kv) for i in range(t.m)]
        _sum_add(emit, tile, c, cv, starts, emit.const(1), row_count, col_count)
        return context.get_dummy_value()

    long = types.int64
    return types.none(t, c, long, long, at, long, long, long), codegen


def _put_columns(add: bool) -> Callable[..., Any]:
    """The code of ``tile_set`` and ``tile_add``."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        tile, cv, civ, step, row_count, col_count = args
        t, c = signature.args[:2]
        emit = Emit(context, builder, t)
        for i in range(t.m):
            with builder.if_then(emit.rows_below(row_count, i), likely=True):
                for j in range(t.n):
                    start = builder.add(emit.row(civ, i, step), emit.const(j * t.w))
                    left = builder.sub(col_count, emit.const(j * t.w))
                    emit.put_masked(c, cv, start, left, emit.at(tile, i, j), add)
        return context.get_dummy_value()

    return codegen


@intrinsic
def tile_set(typingctx: Any, t: Any, c: Any, ci: Any, cstep: Any, rows: Any, cols: Any) -> Any:
    """c[ci + i·cstep + j·w : +w] = t[i, j] for i < rows, for columns below ``cols`` only."""
    long = types.int64
    return types.none(t, c, long, long, long, long), _put_columns(add=False)


@intrinsic
def tile_add(typingctx: Any, t: Any, c: Any, ci: Any, cstep: Any, rows: Any, cols: Any) -> Any:
    """c[ci + i·cstep + j·w : +w] += t[i, j] for i < rows, for columns below ``cols`` only."""
    long = types.int64
    return types.none(t, c, long, long, long, long), _put_columns(add=True)


@intrinsic
def tile_grey(typingctx: Any, images: Any, index: Any, lane: Any, at: Any, affine: Any) -> Any:
    """t[p, 0] = affine[0] · images[index[lane : +w], at + p] + affine[1] for 16 pixels p, images (N, pixels) of bytes.

    w rows of 16 bytes are transposed by log₂ w perfect shuffles.
    """
    t = TileType(affine.dtype, PIXELS, 1, width_of(affine))

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        image_array, index_array, first, start, affine_array = args
        emit = Emit(context, builder, t)
        struct = context.make_array(images)(context, builder, image_array)
        size = builder.sdiv(builder.extract_value(struct.strides, 0), struct.itemsize)
        bytes_type = ir.VectorType(ir.IntType(8), PIXELS)
        rows = []
        for k in range(t.w):
            number = builder.load(emit.address(index, index_array, builder.add(first, emit.const(k)), 1))
            pointer = emit.address(images, image_array, builder.add(builder.mul(number, size), start), PIXELS)
            row = builder.load(builder.bitcast(pointer, bytes_type.as_pointer()))
            row.align = 1
            rows.append(row)
        rows = emit.shuffled(rows, t.w.bit_length() - 1)
        scale, shift = (emit.weight(affine, affine_array, emit.const(0), k) for k in range(2))
        tile = ir.Constant(ir.LiteralStructType([t.vector] * PIXELS), ir.Undefined)
        each = PIXELS // t.w  # pixels in one vector of bytes
        for p in range(PIXELS):
            lanes = [t.w * (p % each) + k for k in range(t.w)]
            row = rows[p // each]
            levels = builder.shuffle_vector(row, row, ir.Constant(ir.VectorType(I32, t.w), lanes))
            tile = emit.put(tile, emit.fma(builder.uitofp(levels, t.vector), scale, shift), p, 0)
        return tile

    return t(images, index, types.int64, types.int64, affine), codegen
