"""The oracle of ``test_table``: every instruction that computes, in Python integers, fractions and floats.

An oracle gets Python values (int, float, bool) and returns one. Nothing here is shared with the interpreter.
"""

from __future__ import annotations

import math
from fractions import Fraction

INTS = ("s16", "u16", "s32", "u32", "s64", "u64")
BITS = ("b16", "b32", "b64")
SMALL = ("u8", "s8")
FLOATS = ("f32", "f64")
MANTISSA = {"f32": 24, "f64": 53}
LEAST = {"f32": -149, "f64": -1074}
LARGEST = {"f32": Fraction(2**24 - 1) * 2**104, "f64": Fraction(2**53 - 1) * 2**971}


def width(t):
    return int(t[1:])


def wrap(n, t):
    """An integer as a type holds it."""
    n %= 1 << width(t)
    return n - (1 << width(t)) if t[0] == "s" and n >> (width(t) - 1) else n


def bounds(t):
    w = width(t)
    return (-(1 << (w - 1)), (1 << (w - 1)) - 1) if t[0] == "s" else (0, (1 << w) - 1)


def rounded(exact, t, way="nearest", zero=0.0):
    """A fraction as a float type holds it; ``zero`` is what 0 becomes."""
    if exact == 0:
        return zero
    exponent = max(_exponent(exact) - MANTISSA[t] + 1, LEAST[t])
    unit = Fraction(2) ** exponent
    steps = exact / unit
    whole = math.floor(steps) if way == "down" else round(steps)  # Python rounds halves to even
    value = whole * unit
    if abs(value) > LARGEST[t]:
        return float(LARGEST[t]) if way == "down" and value > 0 else math.inf if value > 0 else -math.inf
    return math.copysign(float(value), 1 if exact > 0 else -1)


def _exponent(exact):
    """The n with 2ⁿ ≤ |exact| < 2ⁿ⁺¹."""
    n = abs(exact.numerator).bit_length() - exact.denominator.bit_length()
    return n if abs(exact) >= Fraction(2) ** n else n - 1


def finite(*values):
    return all(map(math.isfinite, values))


def arithmetic(operation, t):
    """A sum, difference or product in one rounding; what is not finite, and zeros, Python's floats get right."""

    def f(x, y):
        if not finite(x, y):
            return operation(x, y)
        return rounded(operation(Fraction(x), Fraction(y)), t, zero=operation(x, y) if operation(x, y) == 0 else 0.0)

    return f


def signed_zero_product(x, y):
    return math.copysign(0.0, math.copysign(1, x) * math.copysign(1, y))


def product(t):
    def f(x, y):
        if not finite(x, y):
            return x * y
        return rounded(Fraction(x) * Fraction(y), t, zero=signed_zero_product(x, y)) if x and y else signed_zero_product(x, y)

    return f


def divided(x, y, t):
    if math.isnan(x) or math.isnan(y) or (math.isinf(x) and math.isinf(y)) or (x == 0 and y == 0):
        return math.nan
    sign = math.copysign(1, x) * math.copysign(1, y)
    if math.isinf(x) or y == 0:
        return sign * math.inf
    if math.isinf(y) or x == 0:
        return sign * 0.0
    return rounded(Fraction(x) / Fraction(y), t)


def fma(t, way="nearest"):
    def f(x, y, z):
        if not finite(x, y, z):
            return product(t)(x, y) + z if not finite(x, y) else z
        exact = Fraction(x) * Fraction(y) + Fraction(z)
        if exact:
            return rounded(exact, t, way)
        p = signed_zero_product(x, y) if x == 0 or y == 0 else math.copysign(1, x) * math.copysign(1, y)
        alike = math.copysign(1, p) == math.copysign(1, z)  # −0 where both are, else +0, or −0 rounding down
        return z if alike and z == 0 else (-0.0 if way == "down" else 0.0)

    return f


def root(x, t):
    if math.isnan(x) or x < 0:
        return math.nan
    if x == 0 or math.isinf(x):
        return x
    exact = Fraction(x)
    scale = 2 * (200 + abs(_exponent(exact)))  # enough digits that what is cut off cannot be half a step
    return (
        rounded(Fraction(2 * math.isqrt(int(exact * 2 ** (2 * scale))) + 1, 2 * 2**scale), t)
        if _inexact(exact)
        else float(Fraction(math.isqrt(exact.numerator), math.isqrt(exact.denominator)))
    )


def _inexact(exact):
    return math.isqrt(exact.numerator) ** 2 != exact.numerator or math.isqrt(exact.denominator) ** 2 != exact.denominator


def extreme(smaller):
    def f(x, y):
        if math.isnan(x) or math.isnan(y):
            return y if math.isnan(x) else x
        return (
            min((x, y), key=lambda v: (v, math.copysign(1, v)))
            if smaller
            else max((x, y), key=lambda v: (v, math.copysign(1, v)))
        )

    return f


def saturated(x):
    return 0.0 if math.isnan(x) or x <= 0 else min(x, 1.0)


WAYS = {"rni": round, "rzi": math.trunc, "rmi": math.floor, "rpi": math.ceil}


def integral(way):
    """A float rounded to a whole number, which keeps its sign."""
    return lambda x: math.copysign(float(WAYS[way](x)), x) if math.isfinite(x) else x


def to_integer(way, to, of):
    def f(x):
        low, high = bounds(to)
        if math.isnan(x):
            return wrap(1 << (width(to) - 1), to) if of == "f64" or width(to) == 64 else 0
        return (high if x > 0 else low) if math.isinf(x) else min(max(WAYS[way](x), low), high)

    return f


def compare(name, x, y):
    nan = isinstance(x, float) and (math.isnan(x) or math.isnan(y))
    if name in ("num", "nan"):
        return nan == (name == "nan")
    if name.endswith("u") and len(name) == 3:
        return nan or compare(name[:-1], x, y)
    return not nan and {"eq": x == y, "ne": x != y, "lt": x < y, "le": x <= y, "gt": x > y, "ge": x >= y}[name]


ORACLES = {}
"""By instruction: target type, source types, oracle."""


def says(op, target, *sources):
    def keep(function):
        assert op not in ORACLES, op
        ORACLES[op] = target, sources, function

    return keep


for t in ("pred", *BITS, *INTS, *FLOATS):
    says(f"mov.{t}", t, t)(lambda x: x)
for t in (*BITS, *INTS, *FLOATS):
    says(f"selp.{t}", t, t, t, "pred")(lambda x, y, p: x if p else y)
for space in ("global", "shared", "local"):
    says(f"cvta.{space}.u64", "u64", "u64")(lambda x: x)
    says(f"cvta.to.{space}.u64", "u64", "u64")(lambda x: x)
for t in INTS:
    for c in ("eq", "ne", "lt", "le", "gt", "ge"):
        says(f"setp.{c}.{t}", "pred", t, t)(lambda x, y, c=c: compare(c, x, y))
    says(f"add.{t}", t, t, t)(lambda x, y, t=t: wrap(x + y, t))
    says(f"sub.{t}", t, t, t)(lambda x, y, t=t: wrap(x - y, t))
    says(f"mul.lo.{t}", t, t, t)(lambda x, y, t=t: wrap(x * y, t))
    says(f"mul.hi.{t}", t, t, t)(lambda x, y, t=t: wrap(x * y >> width(t), t))
    says(f"mad.lo.{t}", t, t, t, t)(lambda x, y, z, t=t: wrap(x * y + z, t))
    says(f"div.{t}", t, t, t)(lambda x, y, t=t: wrap(abs(x) // abs(y) * (1 if (x < 0) == (y < 0) else -1), t))
    says(f"rem.{t}", t, t, t)(lambda x, y: abs(x) % abs(y) * (-1 if x < 0 else 1))
    says(f"min.{t}", t, t, t)(min)
    says(f"max.{t}", t, t, t)(max)
    says(f"shr.{t}", t, t, "u32")(lambda x, n: x >> n if n < 64 else -int(x < 0))
    if width(t) < 64:
        twice = f"{t[0]}{2 * width(t)}"
        says(f"mul.wide.{t}", twice, t, t)(lambda x, y: x * y)
        says(f"mad.wide.{t}", twice, t, t, twice)(lambda x, y, z, twice=twice: wrap(x * y + z, twice))
    if t[0] == "s":
        says(f"neg.{t}", t, t)(lambda x, t=t: wrap(-x, t))
        says(f"abs.{t}", t, t)(lambda x, t=t: wrap(abs(x), t))
for t in BITS:
    says(f"setp.eq.{t}", "pred", t, t)(lambda x, y: x == y)
    says(f"setp.ne.{t}", "pred", t, t)(lambda x, y: x != y)
    says(f"and.{t}", t, t, t)(lambda x, y: x & y)
    says(f"or.{t}", t, t, t)(lambda x, y: x | y)
    says(f"xor.{t}", t, t, t)(lambda x, y: x ^ y)
    says(f"not.{t}", t, t)(lambda x, t=t: wrap(~x, t))
    says(f"shl.{t}", t, t, "u32")(lambda x, n, t=t: wrap(x << n, t) if n < 64 else 0)
says("and.pred", "pred", "pred", "pred")(lambda p, q: p and q)
says("or.pred", "pred", "pred", "pred")(lambda p, q: p or q)
says("xor.pred", "pred", "pred", "pred")(lambda p, q: p != q)
says("not.pred", "pred", "pred")(lambda p: not p)
for t in FLOATS:
    for c in ("eq", "ne", "lt", "le", "gt", "ge", "num", "equ", "neu", "ltu", "leu", "gtu", "geu", "nan"):
        says(f"setp.{c}.{t}", "pred", t, t)(lambda x, y, c=c: compare(c, x, y))
    for rn in ("", ".rn"):
        says(f"add{rn}.{t}", t, t, t)(arithmetic(lambda x, y: x + y, t))
        says(f"sub{rn}.{t}", t, t, t)(arithmetic(lambda x, y: x - y, t))
        says(f"mul{rn}.{t}", t, t, t)(product(t))
    says(f"fma.rn.{t}", t, t, t, t)(fma(t))
    says(f"div.rn.{t}", t, t, t)(lambda x, y, t=t: divided(x, y, t))
    says(f"rcp.rn.{t}", t, t)(lambda x, t=t: divided(1.0, x, t))
    says(f"sqrt.rn.{t}", t, t)(lambda x, t=t: root(x, t))
    says(f"min.{t}", t, t, t)(extreme(smaller=True))
    says(f"max.{t}", t, t, t)(extreme(smaller=False))
    says(f"neg.{t}", t, t)(lambda x: -x)
    says(f"abs.{t}", t, t)(abs)
    says(f"copysign.{t}", t, t, t)(lambda sign, x: math.copysign(x, sign))
    for way in WAYS:
        says(f"cvt.{way}.{t}.{t}", t, t)(integral(way))
        for to in (*SMALL, *INTS):
            says(f"cvt.{way}.{to}.{t}", to, t)(to_integer(way, to, t))
    for of in (*SMALL, *INTS):
        says(f"cvt.rn.{t}.{of}", t, of)(lambda n, t=t: rounded(Fraction(n), t))
says("fma.rm.f32", "f32", "f32", "f32", "f32")(fma("f32", "down"))
for to in (*SMALL, *INTS):
    for of in (*SMALL, *INTS):
        if to != of:
            says(f"cvt.{to}.{of}", to, of)(lambda n, to=to: wrap(n, to))
says("cvt.f64.f32", "f64", "f32")(lambda x: x)
says("cvt.rn.f32.f64", "f32", "f64")(lambda x: rounded(Fraction(x), "f32", zero=x) if finite(x) else x)
says("cvt.sat.f32.f32", "f32", "f32")(saturated)
