"""Smooth activations whose slope is written in terms of x, and ELU; with their derivatives.

Legend: y = f(x), dx = f'(x) dy; the output may be the same array as x, or as dy.
"""

from __future__ import annotations

import math

from numba.extending import register_jitable

from ....arrays import Array, Number
from ..compile.jit import kernel
from ..tiles.functions import FLAGS, erf, exp, expm1, like
from .elementwise import map_given, map_one, map_two, map_two_given

SQRT_HALF, DENSITY = math.sqrt(0.5), 1 / math.sqrt(2 * math.pi)

FAR = 800
"""From this |x| on a sigmoid is 0 or 1 in either dtype."""

MISH_END = 22
"""From here on Mish is x in either dtype; the fourth power of e^22 is finite in float32."""


@register_jitable(**FLAGS)
def _elu(c: Number, x: Number) -> Number:
    rise, fall = c
    return rise * x if x > 0 else fall * expm1(like(x, 0) if x > 0 else x)


@register_jitable(**FLAGS)
def _elu_dx(c: Number, y: Number, dy: Number) -> Number:
    rise, fall = c
    return dy * (rise if y > 0 else y + fall)


@kernel(flat=True)
def elu(x: Array, slopes: Array, y: Array) -> None:
    """y = rise · x where x > 0, else fall · (e^x − 1); slopes = rise, fall."""
    map_given(_elu, (slopes[0], slopes[1]), x, y)


@kernel(flat=True)
def elu_dx(y: Array, slopes: Array, dy: Array, dx: Array) -> None:
    """dx = dy · rise where y > 0, else dy · (y + fall)."""
    map_two_given(_elu_dx, (slopes[0], slopes[1]), y, dy, dx)


@register_jitable(**FLAGS)
def _normal_share(x: Number) -> Number:
    """Φ(x), the share of a normal distribution below x."""
    return like(x, 0.5) * (like(x, 1) + erf(x * like(x, SQRT_HALF)))


@register_jitable(**FLAGS)
def _gelu(x: Number) -> Number:
    return x * _normal_share(x)


@register_jitable(**FLAGS)
def _gelu_dx(x: Number, dy: Number) -> Number:
    return dy * (_normal_share(x) + x * (like(x, DENSITY) * exp(like(x, -0.5) * (x * x))))


@kernel(flat=True)
def gelu(x: Array, y: Array) -> None:
    """y = x · Φ(x)."""
    map_one(_gelu, x, y)


@kernel(flat=True)
def gelu_dx(x: Array, dy: Array, dx: Array) -> None:
    """dx = dy · (Φ(x) + x · e^(−x²/2)/√2π)."""
    map_two(_gelu_dx, x, dy, dx)


@register_jitable(**FLAGS)
def _near(x: Number) -> Number:
    """x between ±FAR."""
    low, high = like(x, -FAR), like(x, FAR)
    x = low if x < low else x
    return high if x > high else x


@register_jitable(**FLAGS)
def _swish(c: Number, x: Number) -> Number:
    a, b = c
    t = _near(x)
    u = t * (a + b * (t * t))
    small, one = exp(-abs(u)), like(x, 1)
    return x * ((one if u >= 0 else small) / (one + small))


@register_jitable(**FLAGS)
def _swish_dx(c: Number, x: Number, dy: Number) -> Number:
    """σ + x·u'·σ·(1 − σ), with σ·(1 − σ) = e^−|u|/(1 + e^−|u|)²."""
    a, b = c
    t = _near(x)
    square = t * t
    u = t * (a + b * square)
    small, one = exp(-abs(u)), like(x, 1)
    share = one / (one + small)
    slope = (t * (a + like(x, 3) * b * square)) * (small * share * share)
    return dy * ((share if u >= 0 else small * share) + slope)


@kernel(flat=True)
def swish(x: Array, cubic: Array, y: Array) -> None:
    """y = x · σ(u), u = cubic[0] · x + cubic[1] · x³."""
    map_given(_swish, (cubic[0], cubic[1]), x, y)


@kernel(flat=True)
def swish_dx(x: Array, cubic: Array, dy: Array, dx: Array) -> None:
    """dx = dy · (σ(u) + x · u' · σ(u) · (1 − σ(u)))."""
    map_two_given(_swish_dx, (cubic[0], cubic[1]), x, dy, dx)


@register_jitable(**FLAGS)
def _mish(x: Number) -> Number:
    """x · n/(n + 2), n = e^x · (e^x + 2): tanh(log(1 + e)) as a quotient."""
    end, two = like(x, MISH_END), like(x, 2)
    e = exp(end if x > end else x)
    n = e * (e + two)
    return x * (n / (n + two))


@register_jitable(**FLAGS)
def _mish_dx(x: Number, dy: Number) -> Number:
    end, one, two = like(x, MISH_END), like(x, 1), like(x, 2)
    t = end if x > end else x
    e = exp(t)
    n = e * (e + two)
    below = n + two
    return dy * (n / below + t * (two * two * e * (e + one) / (below * below)))


@kernel(flat=True)
def mish(x: Array, y: Array) -> None:
    """y = x · tanh(log(1 + e^x))."""
    map_one(_mish, x, y)


@kernel(flat=True)
def mish_dx(x: Array, dy: Array, dx: Array) -> None:
    """dx = dy · (n/(n + 2) + x · 4e^x·(e^x + 1)/(n + 2)²), n = e^x · (e^x + 2)."""
    map_two(_mish_dx, x, dy, dx)
