"""The Numba type of a register tile, and the LLVM instructions that the tile functions consist of.

A tile is m × n vectors of w floats held as one SSA value, so that LLVM keeps it in registers. In check mode
(``MINICNN_CHECK=1``) every address is checked against the bounds of its array.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import models, register_model

from ..compile.host import HOST, OUTSIDE
from ..compile.mode import CHECK
from ..compile.narrow import vector_bytes_of

I32, I64 = ir.IntType(32), ir.IntType(64)
SCALAR = {types.float32: ir.FloatType(), types.float64: ir.DoubleType()}
SCALAR_BYTES = {types.float32: 4, types.float64: 8}


def width_of(like: Any) -> int:
    """How many numbers the vectors of a kernel have, for an array of this type."""
    return vector_bytes_of(like) // SCALAR_BYTES[like.dtype]


class TileType(types.Type):
    """m × n vectors of w floats."""

    def __init__(self, dtype: types.Type, m: int, n: int, w: int) -> None:
        self.dtype, self.m, self.n, self.w = dtype, m, n, w
        super().__init__(name=f"Tile({dtype},{m},{n},{w})")

    @property
    def vector(self) -> ir.VectorType:
        """The LLVM type of one vector of the tile."""
        return ir.VectorType(SCALAR[self.dtype], self.w)


@register_model(TileType)
class TileModel(models.PrimitiveModel):
    """A tile is a literal struct of vectors: an SSA value, never memory."""

    def __init__(self, dmm: Any, fe_type: TileType) -> None:
        super().__init__(dmm, fe_type, ir.LiteralStructType([fe_type.vector] * (fe_type.m * fe_type.n)))


class Emit:
    """The LLVM instructions of the tile functions, for one call site."""

    def __init__(self, context: Any, builder: Any, t: TileType) -> None:
        self.context, self.b, self.t = context, builder, t

    def const(self, value: int) -> ir.Constant:
        """A 64-bit constant."""
        return ir.Constant(I64, value)

    def address(self, array_type: Any, array: Any, index: Any, count: int) -> Any:
        """Pointer to array[index]; in check mode index … index + count − 1 must lie inside the array."""
        struct = self.context.make_array(array_type)(self.context, self.b, array)
        if CHECK:
            self._check(array_type, struct, index, count)
        return self.b.gep(struct.data, [index])

    def _check(self, array_type: Any, struct: Any, index: Any, count: int) -> None:
        reach = struct.nitems
        if array_type.layout != "C":  # strided rows: the last element is (rows − 1) · row stride + columns − 1 after the first
            shape = cgutils.unpack_tuple(self.b, struct.shape)
            strides = cgutils.unpack_tuple(self.b, struct.strides)
            reach = self.const(1)
            for extent, stride in zip(shape, strides, strict=True):
                steps = self.b.sdiv(stride, struct.itemsize)
                reach = self.b.add(reach, self.b.mul(self.b.sub(extent, self.const(1)), steps))
        last = self.b.add(index, self.const(count))
        outside = self.b.or_(self.b.icmp_signed("<", index, self.const(0)), self.b.icmp_signed(">", last, reach))
        with self.b.if_then(outside, likely=False):
            self.context.call_conv.return_user_exc(self.b, IndexError, ("a tile load or store lies outside its array",))

    def load(self, pointer: Any) -> Any:
        """The vector at an address of any alignment."""
        v = self.b.load(self.b.bitcast(pointer, self.t.vector.as_pointer()))
        v.align = SCALAR_BYTES[self.t.dtype]
        return v

    def store(self, value: Any, pointer: Any) -> None:
        """Store a vector at an address of any alignment."""
        s = self.b.store(value, self.b.bitcast(pointer, self.t.vector.as_pointer()))
        s.align = SCALAR_BYTES[self.t.dtype]

    def put_masked(self, array_type: Any, array: Any, start: Any, count: Any, value: Any, add: bool) -> None:
        """array[start : start + w] = value, or += value, for the first ``count`` lanes only."""

        def put(pointer: Any, new: Any, load: Any, store: Any) -> None:
            store(self.b.fadd(load(pointer), new) if add else new, pointer)

        whole = self.b.icmp_signed(">=", count, self.const(self.t.w))
        with self.b.if_else(whole, likely=True) as (then, otherwise):
            with then:
                put(self.address(array_type, array, start, self.t.w), value, self.load, self.store)
            with otherwise:
                for lane in range(self.t.w):
                    with self.b.if_then(self.rows_below(count, lane)):
                        pointer = self.address(array_type, array, self.b.add(start, self.const(lane)), 1)
                        put(pointer, self.b.extract_element(value, ir.Constant(I32, lane)), self.b.load, self.b.store)

    def single(self, vector: Any) -> Any:
        """A tile of one vector."""
        return self.b.insert_value(ir.Constant(ir.LiteralStructType([vector.type]), ir.Undefined), vector, 0)

    def splat(self, scalar: Any) -> Any:
        """A number in every lane."""
        undefined = ir.Constant(ir.VectorType(scalar.type, self.t.w), ir.Undefined)
        v = self.b.insert_element(undefined, scalar, ir.Constant(I32, 0))
        return self.b.shuffle_vector(v, undefined, ir.Constant(ir.VectorType(I32, self.t.w), [0] * self.t.w))

    def fma(self, x: Any, y: Any, z: Any) -> Any:
        """x·y + z: one instruction if the host has it, else a product and a sum that LLVM may still contract."""
        if not HOST.fma:
            return self.b.fadd(self.b.fmul(x, y, flags=("contract",)), z, flags=("contract",))
        v = self.t.vector
        name = f"llvm.fma.v{self.t.w}f{8 * SCALAR_BYTES[self.t.dtype]}"
        return self.b.call(cgutils.get_or_insert_function(self.b.module, ir.FunctionType(v, [v] * 3), name), [x, y, z])

    def fence(self) -> None:
        """Keep LLVM from mixing the loads of neighbouring steps of an unrolled loop, which would need the tile's registers.

        Empty inline assembly, which no load crosses. On AArch64, where llvmlite registers no assembler, it would abort the
        process. There it is a single-thread fence and an empty ``convergent`` call, which prevents unrolling a loop of unknown
        length: with only the fence it is unrolled and runs at half the speed. Neither emits an instruction, but on x86 a
        training step takes 5 % longer with them than with the assembly.
        """
        if HOST.name != "NEON":
            self.b.asm(ir.FunctionType(ir.VoidType(), []), "", "~{memory}", [], side_effect=True)
            return
        self.b.fence("seq_cst", "singlethread")
        nothing = cgutils.get_or_insert_function(self.b.module, ir.FunctionType(ir.VoidType(), []), "llvm.sideeffect")
        self.b.call(nothing, [], attrs=("convergent",))

    def load_inside(self, array_type: Any, array: Any, places: Any, j: int, offset: Any) -> Any:
        """The vector at array[places[j] + offset]; zeros if the place is OUTSIDE."""
        place = self.b.extract_value(places, j)
        on = self.b.icmp_signed("!=", place, self.const(OUTSIDE))
        return self.load_where(on, array_type, array, self.b.add(place, offset))

    def load_where(self, on: Any, array_type: Any, array: Any, index: Any) -> Any:
        """The vector at array[index] if ``on``, else zeros."""
        safe = self.b.select(on, index, self.const(0)) if CHECK else index
        pointer = self.b.bitcast(self.address(array_type, array, safe, self.t.w), self.t.vector.as_pointer())
        v = self.b.load(self.b.select(on, pointer, self._zeros()))
        v.align = SCALAR_BYTES[self.t.dtype]
        return v

    def _zeros(self) -> Any:
        """The address of a zero vector."""
        name = f".zeros.{self.t.w}.{self.t.dtype}"
        known = self.b.module.globals.get(name)
        if known is None:
            known = cgutils.add_global_variable(self.b.module, self.t.vector, name)
            known.initializer = ir.Constant(self.t.vector, [0.0] * self.t.w)
            known.linkage, known.global_constant = "internal", True
        return known

    def totals(self, vectors: list[Any]) -> list[Any]:
        """The sum over the lanes of each vector, as scalars.

        Each round merges two vectors into one of neighbouring sums; after log₂ w rounds w vectors are one vector of totals.
        """
        scalars: list[Any] = []
        for start in range(0, len(vectors), self.t.w):
            some = vectors[start : start + self.t.w]
            count = len(some)
            while len(some) > 1:
                some += [some[-1]] * (len(some) % 2)
                some = [self._neighbours(x, y) for x, y in zip(some[0::2], some[1::2], strict=True)]
            v = some[0]
            each = self.t.w >> (count - 1).bit_length()  # partial sums left in each vector
            while each > 1:
                v, each = self._neighbours(v, None), each // 2
            scalars += [self.b.extract_element(v, ir.Constant(I32, i)) for i in range(count)]
        return scalars

    def _neighbours(self, x: Any, y: Any) -> Any:
        """Sums of neighbours: those of x, then those of y if given."""
        size = x.type.count * (1 if y is None else 2)
        even, odd = (ir.Constant(ir.VectorType(I32, size // 2), list(range(first, size, 2))) for first in (0, 1))
        y = x if y is None else y
        return self.b.fadd(self.b.shuffle_vector(x, y, even), self.b.shuffle_vector(x, y, odd))

    def shuffled(self, vectors: list[Any], rounds: int) -> list[Any]:
        """The vectors, seen as one sequence of elements, after this many perfect shuffles."""
        half, size = len(vectors) // 2, vectors[0].type.count
        low, high = (
            ir.Constant(ir.VectorType(I32, size), [first + i // 2 + size * (i % 2) for i in range(size)])
            for first in (0, size // 2)
        )
        for _ in range(rounds):
            pairs = [(vectors[i], vectors[i + half]) for i in range(half)]
            vectors = [self.b.shuffle_vector(x, y, mask) for x, y in pairs for mask in (low, high)]
        return vectors

    def row(self, first: Any, i: int, step: Any) -> Any:
        """first + i·step."""
        return self.b.add(first, self.b.mul(step, self.const(i)))

    def weight(self, array_type: Any, array: Any, first: Any, k: int) -> Any:
        """array[first + k] in every lane."""
        return self.splat(self.b.load(self.address(array_type, array, self.b.add(first, self.const(k)), 1)))

    def clamped(self, i: int, rows: Any) -> Any:
        """min(i, rows − 1)."""
        return self.b.select(self.rows_below(rows, i), self.const(i), self.b.sub(rows, self.const(1)))

    def clamped_row(self, first: Any, i: int, step: Any, rows: Any) -> Any:
        """first + min(i, rows − 1)·step."""
        return self.b.add(first, self.b.mul(step, self.clamped(i, rows)))

    def listed_row(self, first: Any, i: int, step: Any, rows: Any, list_type: Any, rows_list: Any, k: Any) -> Any:
        """first + rows_list[k + min(i, rows − 1)]·step."""
        entry = self.b.load(self.address(list_type, rows_list, self.b.add(k, self.clamped(i, rows)), 1))
        return self.b.add(first, self.b.mul(step, entry))

    def rows_below(self, count: Any, i: int) -> Any:
        """Whether i < count."""
        return self.b.icmp_signed("<", self.const(i), count)

    def at(self, tile: Any, i: int, j: int) -> Any:
        """t[i, j]."""
        return self.b.extract_value(tile, i * self.t.n + j)

    def put(self, tile: Any, value: Any, i: int, j: int) -> Any:
        """The tile with t[i, j] replaced by another vector."""
        return self.b.insert_value(tile, value, i * self.t.n + j)
