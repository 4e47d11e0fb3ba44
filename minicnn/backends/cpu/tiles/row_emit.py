"""Masked loads and stores of vectors along the row of a map; the row may end before the vector does.

Legend: k < w is a position in a vector; ``low`` and ``high`` bound the positions that are read or written.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from llvmlite import ir
from numba.core import cgutils

from ..compile.host import HOST
from ..compile.mode import CHECK
from .emit import I32, SCALAR_BYTES, Emit, TileType

NAMES = {"float": "f32", "double": "f64", "i32": "i32"}
"""Number words in the names of LLVM's functions."""

SHORT = 32
"""Vectors of at most so many bytes belong to processors without masks of their own."""

FAR = 16
"""Numbers further apart than this are loaded one by one: the code for whole vectors would grow with the distance."""


def column_of(dtype: Any, n: int) -> TileType:
    """The type of n vectors, one below the other."""
    return TileType(dtype, n, 1, HOST.width(SCALAR_BYTES[dtype]))


class RowEmit(Emit):
    """The LLVM instructions of tiles over rows of pixels, for one call site."""

    @property
    def zero(self) -> Any:
        """A vector of zeros."""
        return ir.Constant(self.t.vector, [0.0] * self.t.w)

    def tile(self, vectors: Iterable[Any]) -> Any:
        """A tile of these vectors."""
        tile = ir.Constant(ir.LiteralStructType([self.t.vector] * (self.t.m * self.t.n)), ir.Undefined)
        for i, v in enumerate(vectors):
            tile = self.b.insert_value(tile, v, i)
        return tile

    def less(self, a: Any, b: Any) -> Any:
        """The smaller of two numbers."""
        return self.b.select(self.b.icmp_signed("<", a, b), a, b)

    def on_row(self, x: Any, step: int, width: Any, high: Any) -> tuple[Any, Any]:
        """The bounds of the positions k < high where x + k·step lies on a row of ``width`` pixels."""
        return self._ceil(self.b.neg(x), step), self.less(self._ceil(self.b.sub(width, x), step), high)

    def _ceil(self, a: Any, step: int) -> Any:
        """a / step rounded up; any number below 1 if the result is below 1."""
        return a if step == 1 else self.b.sdiv(self.b.add(a, self.const(step - 1)), self.const(step))

    def on_map(self, y: Any, height: Any, low: Any, high: Any) -> Any:
        """``high`` if row y is on a map of this height, else ``low``, which leaves no position."""
        inside = self.b.and_(self.b.icmp_signed("<=", self.const(0), y), self.b.icmp_signed("<", y, height))
        return self.b.select(inside, high, low)

    def between(self, low: Any, high: Any) -> Any:
        """The mask of the positions k with low ≤ k < high."""
        count = self.b.sub(high, low)
        count = self.b.select(self.b.icmp_signed("<", count, self.const(0)), self.const(0), count)
        places = ir.Constant(ir.VectorType(I32, self.t.w), list(range(self.t.w)))
        first, count = (self.splat(self.b.trunc(number, I32)) for number in (low, count))
        return self.b.icmp_unsigned("<", self.b.sub(places, first), count)

    def load_between(self, array_type: Any, array: Any, index: Any, low: Any, high: Any) -> Any:
        """array[index + k] for low ≤ k < high, zero elsewhere."""
        kind = self._vector_of(array_type)
        zero = ir.Constant(kind, [kind.element(0)] * self.t.w)
        pointer = self._pointer(array_type, array, index, low, high)
        return self._masked("load", kind, kind, [pointer, self._alignment(array_type), self.between(low, high), zero])

    def store_between(self, value: Any, array_type: Any, array: Any, index: Any, low: Any, high: Any) -> None:
        """array[index + k] = value[k] for low ≤ k < high.

        A masked store takes a dozen cycles on AMD processors without AVX-512: there whole vectors are stored without a mask.
        """
        pointer = self._pointer(array_type, array, index, low, high)
        arguments = [value, pointer, self._alignment(array_type), self.between(low, high)]
        if HOST.bytes > SHORT:
            self._masked("store", self._vector_of(array_type), ir.VoidType(), arguments)
            return
        first, last = self.b.icmp_signed("<=", low, self.const(0)), self.b.icmp_signed(">=", high, self.const(self.t.w))
        with self.b.if_else(self.b.and_(first, last), likely=True) as (whole, part):
            with whole:
                self.b.store(value, pointer).align = array_type.dtype.bitwidth // 8
            with part:
                self._masked("store", self._vector_of(array_type), ir.VoidType(), arguments)

    def load_spaced(self, array_type: Any, array: Any, index: Any, step: int, low: Any, high: Any) -> Any:
        """array[index + k·step] for low ≤ k < high: loads whole vectors and selects the numbers from them."""
        w = self.t.w
        if step > FAR:
            return self.load_apart(array_type, array, index, step, low, high)
        first = self.b.mul(low, self.const(step))
        end = self.b.add(self.b.mul(self.b.sub(high, self.const(1)), self.const(step)), self.const(1))
        picked = self.zero
        for part in range(step):
            offset = self.const(part * w)
            start = self.b.add(index, offset)
            v = self.load_between(array_type, array, start, self.b.sub(first, offset), self.b.sub(end, offset))
            picked = self.shuffled_lanes(
                picked, v, [w + k * step - part * w if 0 <= k * step - part * w < w else k for k in range(w)]
            )
        return picked

    def load_apart(self, array_type: Any, array: Any, index: Any, step: int, low: Any, high: Any) -> Any:
        """The same as ``load_spaced``, number by number: if they are far apart, most whole vectors would contain none."""
        picked = self.zero
        for k in range(self.t.w):
            on = self.b.and_(self.b.icmp_signed("<=", low, self.const(k)), self.rows_below(high, k))
            safe = self.b.select(on, self.b.add(index, self.const(k * step)), self.const(0))
            number = self.b.load(self.address(array_type, array, safe, 1))
            number = self.b.select(on, number, ir.Constant(number.type, 0.0))
            picked = self.b.insert_element(picked, number, ir.Constant(I32, k))
        return picked

    def add_spaced(self, value: Any, array_type: Any, array: Any, index: Any, step: int, low: Any, high: Any) -> None:
        """array[index + k·step] += value[k] for low ≤ k < high."""
        for k in range(self.t.w):
            with self.b.if_then(self.b.and_(self.b.icmp_signed("<=", low, self.const(k)), self.rows_below(high, k))):
                pointer = self.address(array_type, array, self.b.add(index, self.const(k * step)), 1)
                element = self.b.extract_element(value, ir.Constant(I32, k))
                self.b.store(self.b.fadd(self.b.load(pointer), element), pointer)

    def sums(self, vectors: list[Any]) -> Any:
        """A vector that begins with the sum over the positions of each of up to w vectors."""
        each = self.t.w >> (len(vectors) - 1).bit_length()  # partial sums left in each vector when all are merged into one
        while len(vectors) > 1:
            vectors = vectors + [vectors[-1]] * (len(vectors) % 2)
            vectors = [self._neighbours(x, y) for x, y in zip(vectors[0::2], vectors[1::2], strict=True)]
        v = vectors[0]
        while each > 1:
            v, each = self._neighbours(v, None), each // 2
        return self.shuffled_lanes(v, v, [k % v.type.count for k in range(self.t.w)])

    def shuffled_lanes(self, a: Any, b: Any, lanes: list[int]) -> Any:
        """The vector of these lanes of a, followed by those of b, numbered on."""
        return self.b.shuffle_vector(a, b, ir.Constant(ir.VectorType(I32, len(lanes)), lanes))

    def _pointer(self, array_type: Any, array: Any, index: Any, low: Any, high: Any) -> Any:
        """Pointer to the vector at array[index]; in check mode the positions low ≤ k < high must lie inside the array."""
        struct = self.context.make_array(array_type)(self.context, self.b, array)
        if CHECK:
            zero, width = self.const(0), self.const(self.t.w)
            start = self.b.select(self.b.icmp_signed("<", low, zero), zero, low)
            end = self.less(high, width)
            with self.b.if_then(self.b.icmp_signed("<", start, end)):
                for k in (start, self.b.sub(end, self.const(1))):
                    self.address(array_type, array, self.b.add(index, k), 1)
        return self.b.bitcast(self.b.gep(struct.data, [index]), self._vector_of(array_type).as_pointer())

    def _vector_of(self, array_type: Any) -> ir.VectorType:
        return ir.VectorType(self.context.get_value_type(array_type.dtype), self.t.w)

    def _alignment(self, array_type: Any) -> Any:
        return ir.Constant(I32, array_type.dtype.bitwidth // 8)

    def _masked(self, what: str, vector: ir.VectorType, result: Any, arguments: list[Any]) -> Any:
        name = f"llvm.masked.{what}.v{vector.count}{NAMES[str(vector.element)]}.p0"
        kind = ir.FunctionType(result, [a.type for a in arguments])
        return self.b.call(cgutils.get_or_insert_function(self.b.module, kind, name), arguments)
