"""Tile functions for a kernel of a few taps whose weights, or sums, stay in registers: depthwise convolutions.

Legend: u a tile of KH × KW, one vector for every tap; t and d tiles of m × 1, neighbouring pixels of a row; ``lines`` the
places of KH rows of a map, OUTSIDE where the map has no such row. Arrays are addressed as in ``tile.py``; the NumPy forms are
in ``tap_numpy.py``. Which tap a pixel q meets at place j is a linear rule, tap = first + across·q + along·j, in numbers known
at compile time; pixels below ``low`` or from ``high`` on lie beside the map, and are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from ..compile.host import OUTSIDE
from .emit import Emit, TileType, width_of
from .row_tile import LONG, literals


def _tile_of(like: Any, m: int, n: int) -> TileType:
    return TileType(like.dtype, m, n, width_of(like))


@intrinsic(prefer_literal=True)
def tile_weights(typingctx: Any, a: Any, k: Any, m: Any, n: Any) -> Any:
    """u[i, j] = a[k + i·n + j] in every lane."""
    if not literals(m, n):
        return None
    u = _tile_of(a, m.literal_value, n.literal_value)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        emit, tile = Emit(context, builder, u), ir.Constant(context.get_value_type(u), ir.Undefined)
        for number in range(u.m * u.n):
            tile = builder.insert_value(tile, emit.weight(a, args[0], args[1], number), number)
        return tile

    return u(a, LONG, m, n), codegen


@intrinsic(prefer_literal=True)
def tile_pixels(typingctx: Any, a: Any, at: Any, step: Any, m: Any) -> Any:
    """t[j, 0] = a[at + j·step : +w] for j < m."""
    if not literals(step, m):
        return None
    t = _tile_of(a, m.literal_value, 1)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        emit, tile = Emit(context, builder, t), ir.Constant(context.get_value_type(t), ir.Undefined)
        for j in range(t.m):
            place = builder.add(args[1], emit.const(j * step.literal_value))
            tile = emit.put(tile, emit.load(emit.address(a, args[0], place, t.w)), j, 0)
        return tile

    return t(a, LONG, step, m), codegen


@intrinsic(prefer_literal=True)
def tile_lines(typingctx: Any, m: Any, first: Any, sign: Any, stride: Any, height: Any, size: Any) -> Any:
    """(first + sign·i) / stride · size for i < m, where that divides and is a row below ``height``; else OUTSIDE."""
    if not literals(m, sign):
        return None
    lines = types.UniTuple(types.int64, m.literal_value)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _, start, _, steps, rows, length = args
        places = []
        for i in range(m.literal_value):
            place = builder.add(start, ir.Constant(start.type, sign.literal_value * i))
            line, rest = builder.sdiv(place, steps), builder.srem(place, steps)
            divides = builder.icmp_signed("==", rest, ir.Constant(start.type, 0))
            on = builder.and_(divides, builder.icmp_unsigned("<", line, rows))
            places.append(builder.select(on, builder.mul(line, length), ir.Constant(start.type, OUTSIDE)))
        return context.make_tuple(builder, lines, places)

    return lines(m, LONG, sign, LONG, LONG, LONG), codegen


class _Rule(NamedTuple):
    """Which pixels of a row meet which taps: see the legend."""

    first: int
    across: int
    along: int
    low: int
    high: int

    def meetings(self, taps: int, places: int) -> Iterator[tuple[int, list[tuple[int, int]]]]:
        """Every pixel that is read, with its pairs of a tap and a place."""
        for q in range(self.low, self.high):
            each = [(self.first + self.across * q + self.along * j, j) for j in range(places)]
            if pairs := [(tap, j) for tap, j in each if 0 <= tap < taps]:
                yield q, pairs


def _rule(*numbers: Any) -> _Rule:
    return _Rule(*(number.literal_value for number in numbers))


def _where(emit: Emit, on: Any, tile: Any, changed: Callable[[], Any]) -> Any:
    """The changed tile if ``on``, else the tile."""
    builder, places = emit.b, range(len(tile.type.elements))
    old, before = [builder.extract_value(tile, k) for k in places], builder.block
    with builder.if_then(on):
        value = changed()
        new, inside = [builder.extract_value(value, k) for k in places], builder.block
    chosen = [builder.phi(one.type) for one in old]
    for k, phi in enumerate(chosen):
        phi.add_incoming(old[k], before)
        phi.add_incoming(new[k], inside)
        tile = builder.insert_value(tile, phi, k)
    return tile


def _pixel(emit: Emit, x: Any, xv: Any, line: Any, place: int) -> Any:
    return emit.load(emit.address(x, xv, emit.b.add(line, emit.const(place)), emit.t.w))


@intrinsic(prefer_literal=True)
def tile_filter(
    typingctx: Any, t: Any, u: Any, x: Any, lines: Any, at: Any, step: Any,
    first: Any, across: Any, along: Any, low: Any, high: Any,
) -> Any:  # fmt: skip
    """t[j, 0] += Σ_i Σ_q u[i, tap] · x[lines[i] + at + q·step : +w] over the rows and pixels on the map that meet a tap."""
    if not literals(step, first, across, along, low, high):
        return None
    rule, size = _rule(first, across, along, low, high), step.literal_value

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        tile, weights, xv, rows, start = args[:5]
        emit = Emit(context, builder, t)

        def products(i: int, tile: Any) -> Any:
            line = builder.add(builder.extract_value(rows, i), start)
            for q, pairs in rule.meetings(u.n, t.m):
                pixel = _pixel(emit, x, xv, line, q * size)
                for tap, j in pairs:
                    weight = builder.extract_value(weights, i * u.n + tap)
                    tile = emit.put(tile, emit.fma(weight, pixel, emit.at(tile, j, 0)), j, 0)
            return tile

        for i in range(u.m):
            on = builder.icmp_signed("!=", builder.extract_value(rows, i), emit.const(OUTSIDE))
            tile = _where(emit, on, tile, lambda i=i, tile=tile: products(i, tile))  # type: ignore[misc]
        return tile

    return t(t, u, x, lines, LONG, step, first, across, along, low, high), codegen


@intrinsic(prefer_literal=True)
def tile_filter_dot(
    typingctx: Any, u: Any, d: Any, x: Any, lines: Any, at: Any, step: Any,
    first: Any, across: Any, along: Any, low: Any, high: Any,
) -> Any:  # fmt: skip
    """u[i, tap] += Σ_j Σ_q d[j, 0] · x[lines[i] + at + q·step : +w], lane by lane: the adjoint of tile_filter in u."""
    if not literals(step, first, across, along, low, high):
        return None
    rule, size = _rule(first, across, along, low, high), step.literal_value

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        sums, pixels, xv, rows, start = args[:5]
        emit = Emit(context, builder, u)

        def products(i: int, sums: Any) -> Any:
            line = builder.add(builder.extract_value(rows, i), start)
            for q, pairs in rule.meetings(u.n, d.m):
                pixel = _pixel(emit, x, xv, line, q * size)
                for tap, j in pairs:
                    sums = emit.put(sums, emit.fma(builder.extract_value(pixels, j), pixel, emit.at(sums, i, tap)), i, tap)
            return sums

        for i in range(u.m):
            on = builder.icmp_signed("!=", builder.extract_value(rows, i), emit.const(OUTSIDE))
            sums = _where(emit, on, sums, lambda i=i, sums=sums: products(i, sums))  # type: ignore[misc]
        return sums

    return u(u, d, x, lines, LONG, step, first, across, along, low, high), codegen
