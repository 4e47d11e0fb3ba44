"""Exact sums and products of floats, and how they are rounded once.

Sources: two-sum (Knuth), Dekker's product, and rounding to odd: Boldo and Melquiond, *Emulation of a FMA and correctly rounded
sums: proved algorithms using rounding to odd*, IEEE Trans. Computers 57(4), 2008.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from .lanes import Array


def two_sum(a: Array, b: Array) -> tuple[Array, Array]:
    """a + b as a float and the rest."""
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t)


def two_product(a: Array, b: Array) -> tuple[Array, Array]:
    """a · b as a float64 and the rest, exact where nothing over- or underflows."""

    def split(x: Array) -> tuple[Array, Array]:
        c = 134217729.0 * x
        high = c - (c - x)
        return high, x - high

    p = a * b
    (ah, al), (bh, bl) = split(a), split(b)
    return p, al * bl - (((p - ah * bh) - al * bh) - ah * bl)


def to_odd(s: Array, rest: Array) -> Array:
    """s + rest, inexact ones rounded to the neighbour whose last bit is one: rounding again, to fewer bits, is then right."""
    even = (s.view(np.uint64) & np.uint64(1)) == 0
    return np.where(even & (rest != 0) & np.isfinite(s), np.nextafter(s, np.copysign(np.inf, rest)), s)


HALF_WAY, LOW_BITS = np.uint64(0x10000000), np.uint64(0x1FFFFFFF)
TINY = np.float64(np.finfo(np.float32).tiny)
count = np.count_nonzero


def fma_rn_f32(a: Array, b: Array, c: Array, out: Array) -> None:
    """a · b + c in one rounding: in float64 the product is exact, and so is rounding twice, but half way between float32s."""
    p = np.multiply(a, b, dtype=np.float64)
    s = p + c
    if count((s.view(np.uint64) & LOW_BITS) == HALF_WAY) or (count(np.abs(s) < TINY) and count((np.abs(s) < TINY) & (s != 0))):
        _, rest = two_sum(p, c.astype(np.float64))
        s = to_odd(s, rest)
    out[...] = s


def fma_rm_f32(a: Array, b: Array, c: Array, out: Array) -> None:
    """a · b + c rounded down; a zero is −0 unless both a · b and c are +0."""
    p, c = np.multiply(a, b, dtype=np.float64), c.astype(np.float64)
    s, rest = two_sum(p, c)
    y = s.astype(np.float32)
    above = (y > s) | ((y == s) & (rest < 0))
    y = np.where(above, np.nextafter(y, np.float32(-np.inf)), y)
    np.copyto(out, np.where((s == 0) & (np.signbit(p) | np.signbit(c)), np.float32(-0.0), y))


SAFE_LOW, SAFE_HIGH = 2.0**-400, 2.0**400


def _safe(x: Array) -> bool:
    size = np.abs(x)
    return bool(((size < SAFE_HIGH) & ((size > SAFE_LOW) | (x == 0))).all())


def fma_rn_f64(a: Array, b: Array, c: Array, out: Array) -> None:
    """a · b + c in one rounding; numbers near the ends of the range are taken one by one, as fractions."""
    if not (_safe(a) and _safe(b) and _safe(c)):
        many = np.broadcast(a, b, c)
        out[...] = np.array([_fma_exact(float(x), float(y), float(z)) for x, y, z in many], np.float64).reshape(many.shape)
        return
    ph, pl = two_product(a, b)
    uh, ul = two_sum(c, pl)
    th, tl = two_sum(ph, uh)
    s, rest = two_sum(tl, ul)
    out[...] = th + to_odd(s, rest)


def _fma_exact(a: float, b: float, c: float) -> float:
    if np.isinf(c) and np.isfinite([a, b]).all():
        return c
    if not np.isfinite([a, b, c]).all() or a == 0 or b == 0:
        return a * b + c
    exact = Fraction(a) * Fraction(b) + Fraction(c)
    if exact == 0:  # the sum of numbers of opposite signs is +0, of two zeros of one sign that zero
        return a * b + c if c == 0 else 0.0
    try:
        return float(exact)
    except OverflowError:
        return float("inf") if exact > 0 else float("-inf")
