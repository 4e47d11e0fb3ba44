"""Masked loads and stores of vectors that lie along the row of a map, which may end before the vector does.

Legend: k < w is a place in a vector; ``low`` and ``high`` bound the places that are read or written.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from llvmlite import ir
from numba.core import cgutils

from .emit import I32, SCALAR_BYTES, Emit, TileType
from .host import HOST
from .mode import CHECK


NAMES = {"float": "f32", "double": "f64", "i32": "i32"}
"""Numbers in the names of LLVM's functions."""


def column_of(dtype: Any, n: int) -> TileType:
    """The type of n vectors below each other."""
    return TileType(dtype, n, 1, HOST.width(SCALAR_BYTES[dtype]))


class RowEmit(Emit):
    """The instructions that tiles over rows of pixels are made of, for one call site."""

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

    def within(self, first: Any, i: int, end: Any) -> Any:
        """Whether first ≤ i < end."""
        return self.b.and_(self.b.icmp_signed("<=", first, self.const(i)), self.rows_below(end, i))

    def between(self, low: Any, high: Any) -> Any:
        """The mask of the places k with low ≤ k < high."""
        kind = ir.VectorType(I32, self.t.w)
        count = self.b.sub(high, low)
        count = self.b.select(self.b.icmp_signed("<", count, self.const(0)), self.const(0), count)
        places = ir.Constant(kind, list(range(self.t.w)))
        return self.b.icmp_unsigned("<", self.b.sub(places, self.same(kind, low)), self.same(kind, count))

    def load_between(self, array_type: Any, array: Any, index: Any, low: Any, high: Any) -> Any:
        """array[index + k] for low ≤ k < high, zero elsewhere."""
        kind = self._vector_of(array_type)
        zero = ir.Constant(kind, [kind.element(0)] * self.t.w)
        pointer = self._pointer(array_type, array, index, low, high)
        return self._masked("load", kind, kind, [pointer, self._alignment(array_type), self.between(low, high), zero])

    def store_between(self, value: Any, array_type: Any, array: Any, index: Any, low: Any, high: Any) -> None:
        """array[index + k] = value[k] for low ≤ k < high."""
        pointer = self._pointer(array_type, array, index, low, high)
        arguments = [value, pointer, self._alignment(array_type), self.between(low, high)]
        self._masked("store", self._vector_of(array_type), ir.VoidType(), arguments)

    def load_spaced(self, array_type: Any, array: Any, index: Any, step: int, low: Any, high: Any) -> Any:
        """array[index + k·step] for low ≤ k < high: the whole vectors that they lie in, and the numbers picked out of them."""
        w = self.t.w
        first = self.b.mul(low, self.const(step))
        end = self.b.add(self.b.mul(self.b.sub(high, self.const(1)), self.const(step)), self.const(1))
        picked = self.zero
        for part in range(step):
            offset = self.const(part * w)
            start = self.b.add(index, offset)
            v = self.load_between(array_type, array, start, self.b.sub(first, offset), self.b.sub(end, offset))
            lanes = [w + k * step - part * w if 0 <= k * step - part * w < w else k for k in range(w)]
            picked = self.shuffled(picked, v, lanes)
        return picked

    def add_spaced(self, value: Any, array_type: Any, array: Any, index: Any, step: Any, low: Any, high: Any) -> None:
        """array[index + k·step] += value[k] for low ≤ k < high."""
        for k in range(self.t.w):
            with self.b.if_then(self.b.and_(self.b.icmp_signed("<=", low, self.const(k)), self.rows_below(high, k))):
                pointer = self.address(array_type, array, self.row(index, k, step), 1)
                element = self.b.extract_element(value, ir.Constant(I32, k))
                self.b.store(self.b.fadd(self.b.load(pointer), element), pointer)

    def sums(self, vectors: list[Any]) -> Any:
        """A vector that begins with the sums over the places of each of up to w vectors."""
        share = self.t.w  # places that hold the partial sums of one vector
        while share > 1:
            share //= 2
            pairs = [(*vectors[i : i + 2], self.zero)[:2] for i in range(0, len(vectors), 2)]
            vectors = [self._halved(a, b, share) for a, b in pairs]
        return vectors[0]

    def _halved(self, a: Any, b: Any, share: int) -> Any:
        """The partial sums of a and then those of b, each over half as many places as before, ``share``."""
        first = [p for p in range(2 * self.t.w) if p // share % 2 == 0]
        return self.b.fadd(self.shuffled(a, b, first), self.shuffled(a, b, [p + share for p in first]))

    def shuffled(self, a: Any, b: Any, lanes: list[int]) -> Any:
        """The vector of these places of a and, from w on, b."""
        return self.b.shuffle_vector(a, b, ir.Constant(ir.VectorType(I32, len(lanes)), lanes))

    def same(self, kind: ir.VectorType, number: Any) -> Any:
        """A whole number of 64 bits in every place of a vector of 32-bit ones."""
        undefined = ir.Constant(kind, ir.Undefined)
        v = self.b.insert_element(undefined, self.b.trunc(number, I32), ir.Constant(I32, 0))
        return self.shuffled(v, undefined, [0] * self.t.w)

    def _pointer(self, array_type: Any, array: Any, index: Any, low: Any, high: Any) -> Any:
        """Pointer to the vector at array[index]; in check mode the places low ≤ k < high must lie inside the array."""
        struct = self.context.make_array(array_type)(self.context, self.b, array)
        if CHECK:
            zero, width = self.const(0), self.const(self.t.w)
            start = self.b.select(self.b.icmp_signed("<", low, zero), zero, low)
            end = self.b.select(self.b.icmp_signed(">", high, width), width, high)
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
