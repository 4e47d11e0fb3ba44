"""Winograd's F(2, 5) along a row: six multiplications instead of ten for two neighbouring outputs of five taps.

y = Aᵀ [(G w) ⊙ (Bᵀ x)] for taps w, six pixels x and two outputs y, with the points 0, 1, −1, ½, −½ and ∞. The rows of Bᵀ for ±½
are a quarter of the usual ones, those of G four times as large. The adjoints A, B and Gᵀ compute gradients. Rows of the kernel
are summed between G, Bᵀ and Aᵀ, point by point. Winograd, *Arithmetic Complexity of Computations*, 1980, chapter V.

Legend: x (C, H, W, L), y (F, OH, OW, L), W (K, KH, 5). A patch is six columns of x and two of y; P = OW / 2 patches lie side by
side. n is a point. U (6, K, KH) holds G w, V holds Bᵀ x, M holds products or A dy; the rows of a patch are contiguous.
"""

from __future__ import annotations

from numba.extending import register_jitable

from ....arrays import Array, Number
from ..compile.host import OUTSIDE
from ..tiles import tile_store, tile_width, tile_zeros, vector_all, vector_finite, vector_inside, vector_load, vector_mended

POINTS, TAPS = 6, 5


@register_jitable
def g(a: Number, b: Number, c: Number, d: Number, e: Number) -> tuple[Number, Number, Number, Number, Number, Number]:
    """G (a, b, c, d, e)ᵀ."""
    number = type(a)
    even, odd = (a + c + e) * number(1 / 6), (b + d) * number(1 / 6)
    even_half, odd_half = (16 * a + 4 * c + e) * number(1 / 12), (8 * b + 2 * d) * number(1 / 12)
    return a, even + odd, even - odd, even_half + odd_half, even_half - odd_half, e * number(0.25)


@register_jitable
def transform_weights(W: Array, U: Array) -> None:
    """U[n, k, kh] = (G w)[n] for each row w of the kernels."""
    w, u = W.reshape(-1), U.reshape(POINTS, -1)
    for i in range(u.shape[1]):
        u[0, i], u[1, i], u[2, i], u[3, i], u[4, i], u[5, i] = g(
            w[5 * i], w[5 * i + 1], w[5 * i + 2], w[5 * i + 3], w[5 * i + 4]
        )


@register_jitable
def transform_packed(packed: Array, turned: bool, U: Array) -> None:
    """The U of ``transform_weights`` for W, or for W rotated by 180°, from the packed weights of ``pack_filters``.

    Kernel k = f·C + c belongs to map f and channel c.
    """
    _, C, KH, _, size = packed.shape
    w, step = packed.reshape(-1), -size if turned else size
    for k in range(U.shape[1]):
        f, c = k // C, k % C
        for kh in range(KH):
            i = ((f // size * C + c) * KH + (KH - 1 - kh if turned else kh)) * TAPS * size + f % size
            i += (TAPS - 1) * size if turned else 0
            six = g(w[i], w[i + step], w[i + 2 * step], w[i + 3 * step], w[i + 4 * step])
            U[0, k, kh], U[1, k, kh], U[2, k, kh], U[3, k, kh], U[4, k, kh], U[5, k, kh] = six


@register_jitable
def g_transposed(
    u0: Number, u1: Number, u2: Number, u3: Number, u4: Number, u5: Number
) -> tuple[Number, Number, Number, Number, Number]:
    """Gᵀ (u0, u1, u2, u3, u4, u5)ᵀ."""
    number = type(u0)
    sixth, twelfth = number(1 / 6), number(1 / 12)
    even, odd = (u1 + u2) * sixth, (u1 - u2) * sixth
    even_half, odd_half = (u3 + u4) * twelfth, (u3 - u4) * twelfth
    first, last = u0 + even + 16 * even_half, even + even_half + u5 * number(0.25)
    return first, odd + 8 * odd_half, even + 4 * even_half, odd + 2 * odd_half, last


@register_jitable
def add_weights_back(U: Array, W: Array) -> None:
    """w += Gᵀ u for each row w of the kernels."""
    w, u = W.reshape(-1), U.reshape(POINTS, -1)
    for i in range(u.shape[1]):
        a, b, c, d, e = g_transposed(u[0, i], u[1, i], u[2, i], u[3, i], u[4, i], u[5, i])
        w[5 * i] += a
        w[5 * i + 1] += b
        w[5 * i + 2] += c
        w[5 * i + 3] += d
        w[5 * i + 4] += e


@register_jitable
def b_transposed(
    x0: Number, x1: Number, x2: Number, x3: Number, x4: Number, x5: Number, four: Number
) -> tuple[Number, Number, Number, Number, Number, Number]:
    """Bᵀ (x0, x1, x2, x3, x4, x5)ᵀ."""
    a, b = four * x4 - x2, four * x3 - x1
    c, d = (x2 - x4) + (x2 - x4), x1 - x3
    return x0 + (a - four * x2), a + b, a - b, c + d, c - d, x1 + (four * x5 - x3 - four * x3)


@register_jitable
def put_six(six: tuple[Number, Number, Number, Number, Number, Number], V: Array, at: int, step: int) -> None:
    """V[at + n·step : +w] = six[n]."""
    tile_store(six[0], V, at, 0, 1)
    tile_store(six[1], V, at + step, 0, 1)
    tile_store(six[2], V, at + 2 * step, 0, 1)
    tile_store(six[3], V, at + 3 * step, 0, 1)
    tile_store(six[4], V, at + 4 * step, 0, 1)
    tile_store(six[5], V, at + 5 * step, 0, 1)


@register_jitable
def transform_column(x: Array, c: int, left: int, V: Array, to: int, step: int) -> None:
    """V[to + n·step + h·L : +L] = (Bᵀ x[c, h, left : left + 6])[n] for all rows h."""
    _, H, width, L = x.shape
    four = vector_all(x, 4)
    for h in range(H):
        for lane in range(0, L, tile_width(x)):
            at = ((c * H + h) * width + left) * L + lane
            x0, x1, x2 = vector_load(x, at), vector_load(x, at + L), vector_load(x, at + 2 * L)
            x3, x4, x5 = vector_load(x, at + 3 * L), vector_load(x, at + 4 * L), vector_load(x, at + 5 * L)
            put_six(b_transposed(x0, x1, x2, x3, x4, x5, four), V, to + h * L + lane, step)


@register_jitable
def pixel(x: Array, row: int, column: int, lane: int) -> Number:
    """The vector at a pixel of a row; zeros if the column lies outside the map."""
    _, _, width, L = x.shape
    return vector_inside(x, (row + column) * L if 0 <= column < width else OUTSIDE, lane)


@register_jitable
def transform_border(x: Array, c: int, top: int, left: int, rows: int, V: Array, to: int, step: int) -> None:
    """``transform_column`` for rows from ``top`` on, with zeros outside the map."""
    _, H, width, L = x.shape
    zero, four = vector_all(x, 0), vector_all(x, 4)
    for h in range(rows):
        row = (c * H + top + h) * width
        for lane in range(0, L, tile_width(x)):
            if 0 <= top + h < H:
                x0, x1, x2 = pixel(x, row, left, lane), pixel(x, row, left + 1, lane), pixel(x, row, left + 2, lane)
                x3, x4, x5 = pixel(x, row, left + 3, lane), pixel(x, row, left + 4, lane), pixel(x, row, left + 5, lane)
                put_six(b_transposed(x0, x1, x2, x3, x4, x5, four), V, to + h * L + lane, step)
            else:
                put_six((zero, zero, zero, zero, zero, zero), V, to + h * L + lane, step)


@register_jitable
def two_outputs(M: Array, at: int, step: int) -> tuple[Number, Number]:
    """Aᵀ times the products at M[at + n·step : +w]."""
    half = vector_all(M, 0.5)
    m1, m2 = vector_load(M, at + step), vector_load(M, at + 2 * step)
    m3, m4 = vector_load(M, at + 3 * step), vector_load(M, at + 4 * step)
    y0 = vector_load(M, at) + (m1 + m2) + (m3 + m4)
    return y0, vector_load(M, at + 5 * step) + (m1 - m2) + half * (m3 - m4)


@register_jitable
def mend_products(M: Array, at: int, step: int, sums: tuple[Number, Number]) -> None:
    """Replace products whose outputs are not finite by these sums, stored so that each end contributes to one output."""
    y0, y1 = two_outputs(M, at, step)
    for n in range(1, POINTS - 1):
        tile_store(vector_all(M, 0), M, at + n * step, 0, 1)
    tile_store(vector_mended(y0, sums[0]), M, at, 0, 1)
    tile_store(vector_mended(y1, sums[1]), M, at + (POINTS - 1) * step, 0, 1)


@register_jitable
def transform_gradients(dy: Array, M: Array) -> None:
    """M[:, f, p, oy] = A dy[f, oy, 2p : 2p + 2]."""
    F, OH, OW, L = dy.shape
    P, half = M.shape[2], vector_all(dy, 0.5)
    step = F * P * OH * L
    for f in range(F):
        for oy in range(OH):
            for p in range(P):
                for lane in range(0, L, tile_width(dy)):
                    at = ((f * OH + oy) * OW + 2 * p) * L + lane
                    a, b = vector_load(dy, at), vector_load(dy, at + L)
                    to = ((f * P + p) * OH + oy) * L + lane
                    put_six((a, a + b, a - b, a + half * b, a - half * b, b), M, to, step)


@register_jitable
def patch_back(V: Array, at: int, step: int) -> tuple[Number, Number, Number, Number, Number, Number]:
    """B times the vectors at V[at + n·step : +w]."""
    four = vector_all(V, 4)
    v0, v5 = vector_load(V, at), vector_load(V, at + 5 * step)
    v1, v2 = vector_load(V, at + step), vector_load(V, at + 2 * step)
    v3, v4 = vector_load(V, at + 3 * step), vector_load(V, at + 4 * step)
    s, t, p, q = v1 + v2, v1 - v2, v3 + v4, v3 - v4
    p2 = p + p
    return v0, q - t + v5, (p2 - s - v0) - four * v0, four * t - q - v5 - four * v5, four * (v0 + s) - p2, four * v5


@register_jitable
def row_back(V: Array, h: int, dx: Array, c: int) -> bool:
    """dx[c, h] = Σ over the patches p of B V[:, p, h], at the six columns of each: the adjoint of ``transform_column``.

    Returns whether the row is finite. It may return False for finite numbers whose product is not finite.
    """
    _, H, width, L = dx.shape
    P, w = V.shape[1], tile_width(dx)
    step, seen = P * H * L, tile_zeros(dx, 1, 1)
    for lane in range(0, L, w):
        to = (c * H + h) * width * L + lane
        x0 = x1 = x2 = x3 = vector_all(dx, 0)  # sums of the patches so far for the next four columns
        for p in range(P):
            n0, n1, n2, n3, n4, n5 = patch_back(V, (p * H + h) * L + lane, step)
            n0, n1 = x0 + n0, x1 + n1
            seen = seen + n0 * n1
            tile_store(n0, dx, to, 0, 1)
            tile_store(n1, dx, to + L, 0, 1)
            x0, x1, x2, x3 = x2 + n2, x3 + n3, n4, n5
            to += 2 * L
        seen = seen + x0 * x1 + x2 * x3
        tile_store(x0, dx, to, 0, 1)
        tile_store(x1, dx, to + L, 0, 1)
        tile_store(x2, dx, to + 2 * L, 0, 1)
        tile_store(x3, dx, to + 3 * L, 0, 1)
    return bool(vector_finite(seen))
