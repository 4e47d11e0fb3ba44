"""The compiled tile functions against their NumPy twins, by the same few lines of code.

Every function below is compiled with the project's flags and also run as plain Python over ``tile_twin``. Whole numbers
make all sums exact, so the two must be equal.
"""

from functools import cache
from types import FunctionType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import examples

from minicnn import kernel
from minicnn.backends import cpu
from minicnn.backends.cpu import squash, tile_twin, tiles, vectors_twin
from minicnn.backends.cpu.mode import INTERPRET
from minicnn.backends.cpu.tiles import (
    tile_add,
    tile_bias,
    tile_convolve,
    tile_correlate,
    tile_dot,
    tile_dot_inside,
    tile_dot_rows,
    tile_grey,
    tile_inside,
    tile_multiply,
    tile_multiply_inside,
    tile_outer,
    tile_places,
    tile_put,
    tile_squash,
    tile_store,
    tile_sum_add,
    tile_sum_add_rows,
    tile_transposed,
    tile_width,
    tile_zeros,
    vector_load,
    vector_of,
    vector_slope,
    vector_won,
)

pytestmark = pytest.mark.skipif(INTERPRET, reason="without compilation there are only the twins")

NUMBERS, LANES = 1200, 16
M, N = 4, 3


@kernel
def sizes(a, p, c):
    """Vector width."""
    c[0] = tile_width(a)


@kernel
def zero(a, p, c):
    """Tiles of one and of several vectors a row, stored as they start."""
    tile_store(tile_zeros(a, M, 1), c, p[0], p[1], p[2])
    tile_store(tile_zeros(a, M, N), c, p[3] + 300, p[1] + LANES * N, p[4])


@kernel
def outer(a, p, c):
    """Two outer products on top of each other."""
    t = tile_outer(tile_zeros(a, M, 2), a, p[0], p[1], p[2], a, p[3])
    t = tile_outer(t, a, p[3], p[1], p[4], a, p[0])
    tile_store(t, c, p[5], LANES + p[1], p[4])


@kernel
def correlate(a, p, c):
    """Three taps on a row of pixels, then one."""
    t = tile_correlate(tile_zeros(a, M, 1), a, p[0], 3, a, p[3], p[1])
    t = tile_correlate(t, a, p[3], 1, a, p[0], p[6])
    tile_store(t, c, p[5], LANES + p[1], p[2])


@kernel
def convolve(a, p, c):
    """A row of pixels spread over three taps, then over one."""
    t = tile_convolve(tile_zeros(a, M, 1), a, p[0], 3, a, p[3], p[1])
    t = tile_convolve(t, a, p[3], 1, a, p[0], p[6])
    tile_store(t, c, p[5], LANES + p[1], p[2])


@kernel
def add(a, p, c):
    """An outer product added to what is there, as far as the columns go."""
    t = tile_outer(tile_zeros(a, M, 2), a, p[0], p[1], p[2], a, p[3])
    tile_add(t, c, p[5], LANES + p[1], p[2], p[6])
    tile_add(t, c, p[5] + 200, LANES + p[1], p[4], LANES + p[6])


@kernel
def bias(a, p, c):
    """A bias in every lane, on zeros and again."""
    t = tile_bias(tile_bias(tile_zeros(a, M, 2), a, p[0], p[2]), a, p[3], p[4])
    tile_store(t, c, p[5], LANES + p[1], M)


@kernel
def dot(a, p, c):
    """Products lane by lane, summed over the lanes of the rows and columns there are."""
    t = tile_dot(tile_zeros(a, M, N), a, p[0], p[1], p[2], a, p[3], p[6], p[4])
    t = tile_dot(t, a, p[3], p[6], p[4], a, p[0], p[1], p[2])
    tile_sum_add(t, c, p[5], p[6] + N * p[1], p[2], p[1], p[4])


@kernel
def dot_rows(a, p, c):
    """The same with rows from a list: the last entries of p."""
    t = tile_dot_rows(tile_zeros(a, M, N), a, p[0], p[1], p, 7 + p[7], p[2], a, p[3], p[6], p[4])
    tile_sum_add_rows(t, c, p[5], N + p[1], p, 8, p[2], p[4])


@kernel
def places(a, p, c):
    """Neighbours on a map, in reading order, some of them outside of another map."""
    at = tile_places(N, p[0], p[4], p[1], p[6])
    on = tile_inside(tile_places(N, p[3], p[2], 1, 0), tile_places(N, p[3], p[2], 0, 1), p[7] - 1, p[4] - 2, 3, 4, 16)
    for j in range(N):
        c[j], c[N + j] = at[j], on[j]


@kernel
def multiply(a, p, c):
    """Numbers times vectors at places of a map, where some are outside."""
    at = tile_places(N, p[0], p[4], 8, p[6])
    t = tile_multiply(tile_zeros(a, M, N), a, p[3], a, at, p[5])
    on = tile_inside(tile_places(N, p[3], p[2], 1, 0), tile_places(N, p[3], p[2], 0, 1), p[7] - 1, p[4] - 2, 3, 4, 16)
    t = tile_multiply_inside(t, a, p[0], a, on, p[6])
    tile_put(t, c, p[5], LANES * N + p[1], p[2], tile_places(N, 0, N, 0, LANES))


@kernel
def dot_inside(a, p, c):
    """Products lane by lane, of which some are outside."""
    t = tile_dot_inside(tile_zeros(a, M, N), a, p[0], p[1], p[2], a, p[3], p[6], p[4], p[7] - 2, p[5] % 3, 3)
    tile_sum_add(t, c, p[5], p[6] + N * p[1], p[2], p[1], p[4])


@kernel
def transposed(a, p, c):
    """A square of numbers, its rows and columns exchanged."""
    tile_store(tile_transposed(a, p[0], p[1], p[2]), c, p[5], LANES, LANES)


@kernel
def arithmetic(a, p, c):
    """Sums, differences and products of tiles, and of vectors from memory."""
    t = tile_outer(tile_zeros(a, M, 1), a, p[0], p[1], p[2], a, p[3])
    u = tile_outer(tile_zeros(a, M, 1), a, p[3], p[1], p[2], a, p[0])
    tile_store(t * u + t - u, c, p[5], LANES + p[1], p[4])
    v = vector_load(a, p[0]) * vector_of(a, p[3]) - vector_of(a, p[5])
    tile_store(v, c, 400, 0, 1)


@kernel
def won(a, taps, p, c):
    """The lanes whose tap is the wanted one."""
    tile_store(vector_won(vector_load(a, p[0]), taps, p[3], p[7]), c, p[5], 0, 1)


@cache
def squashed(kind):
    """Kernels that squash a tile, and its slope."""

    @kernel
    def squash_and_slope(a, c):
        tile_store(tile_squash(vector_load(a, 0), kind), c, 0, 0, 1)
        tile_store(vector_slope(kind, vector_load(a, 16), vector_load(a, 32)), c, 16, 0, 1)

    return squash_and_slope


@kernel
def grey(images, index, affine, p, c):
    """16 pixels of every image of a vector."""
    tile_store(tile_grey(images, index, 0, p[0], affine), c, 0, tile_width(c), 16)


@kernel
def vectors(a, p, c):
    """The vectors of a tile one by one, as the rows of tiles of one vector."""
    tile_store(tile_dot(tile_zeros(a, M, 1), a, p[0], p[1], p[2], a, p[3], 0, 1), c, p[5], LANES + p[6], p[4])


def twin(function):
    """The function of a kernel, as plain Python over the twins."""
    plain = function.__wrapped__
    twins = {n: getattr(tile_twin if hasattr(tile_twin, n) else vectors_twin, n) for n in tiles.__all__}
    return FunctionType(plain.__code__, plain.__globals__ | twins)


counts = st.integers(1, M)
places_drawn = st.tuples(
    st.integers(0, 90),  # 0: first number of a
    st.integers(1, 20),  # 1: a step
    counts,  # 2: rows
    st.integers(0, 90),  # 3: first number of b
    st.integers(1, N),  # 4: columns, and rows again
    st.integers(0, 90),  # 5: where results go
    st.integers(0, 20),  # 6: another step
    st.integers(0, 1),  # 7: where the list of rows begins; its entries follow, rows may repeat
    *[st.integers(0, 9)] * (M + 1),
)

WAYS = (
    sizes,
    zero,
    outer,
    correlate,
    convolve,
    add,
    bias,
    dot,
    dot_rows,
    vectors,
    places,
    multiply,
    dot_inside,
    transposed,
    arithmetic,
)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@examples(40)
@given(place=places_drawn, seed=st.integers(0, 2**32 - 1))
def test_compiled_tiles_equal_their_twins(way, dtype, place, seed):
    rng = np.random.default_rng(seed)
    a, start = (rng.integers(-3, 4, NUMBERS).astype(dtype) for _ in range(2))
    got, expected = start.copy(), start.copy()
    way(a, np.array(place), got)
    twin(way)(a, np.array(place), expected)
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@examples(20)
@given(at=st.integers(0, 21), seed=st.integers(0, 2**32 - 1))
def test_grey_levels_equal_their_twin(dtype, at, seed):
    rng = np.random.default_rng(seed)
    images, index = rng.integers(0, 256, (9, 37)).astype(np.uint8), rng.integers(0, 9, LANES)
    affine, place = np.array([0.5, -3], dtype), np.array([at])
    got, expected = np.zeros(16 * LANES, dtype), np.zeros(16 * LANES, dtype)
    grey(images, index, affine, place, got)
    twin(grey)(images, index, affine, place, expected)
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@examples(20)
@given(place=places_drawn, seed=st.integers(0, 2**32 - 1))
def test_winners_equal_their_twin(dtype, place, seed):
    rng = np.random.default_rng(seed)
    a, taps = rng.integers(-3, 4, NUMBERS).astype(dtype), rng.integers(0, 3, NUMBERS).astype(np.int32)
    got, expected = np.zeros(NUMBERS, dtype), np.zeros(NUMBERS, dtype)
    won(a, taps, np.array(place), got)
    twin(won)(a, taps, np.array(place), expected)
    np.testing.assert_array_equal(got, expected)


SPECIAL = (0.0, -0.0, 1e-40, -1e-40, 1e-7, 0.3, -0.7, 1.0, -2.5, 9.1, -9.2, 30.0, -90.0, 3e38, np.inf, -np.inf)


@pytest.mark.parametrize("kind", squash.NUMBERS.values(), ids=squash.NUMBERS)
@examples(10)
@given(seed=st.integers(0, 2**32 - 1))
def test_squashing_in_registers_gives_the_bits_of_the_pointwise_kernels(kind, seed):
    """A kernel that squashes what it stores must not differ from one that stores and a pointwise kernel after it.

    Slopes are products, which LLVM may multiply in another order: they may differ by their rounding.
    """
    rng, name = np.random.default_rng(seed), {number: n for n, number in squash.NUMBERS.items()}[kind]
    x = np.array(SPECIAL, np.float32) if seed % 2 else rng.normal(0, 4, 16).astype(np.float32)
    y, dy = (rng.standard_normal(16).astype(np.float32) for _ in range(2))
    got, expected = np.zeros(32, np.float32), np.zeros(32, np.float32)
    squashed(kind)(np.concatenate([x, y, dy, x]), got)
    getattr(cpu, name)(x, expected[:16])
    getattr(cpu, f"{name}_dx")(y, dy, expected[16:])
    np.testing.assert_array_equal(got[:16], expected[:16])
    np.testing.assert_array_max_ulp(got[16:], expected[16:], maxulp=4)


@pytest.mark.parametrize("kind", squash.NUMBERS.values(), ids=squash.NUMBERS)
def test_a_nan_passes_every_squashing_function(kind):
    got = np.zeros(32, np.float32)
    squashed(kind)(np.full(64, np.nan, np.float32), got)
    assert np.isnan(got).all()


def test_every_tile_function_is_compared():
    compared = (*WAYS, grey, won, squashed(squash.RELU))
    used = {name for way in compared for name in way.__wrapped__.__code__.co_names}
    assert set(tiles.__all__) <= used


def test_rows_past_the_last_are_not_stored():
    c, width = np.full(NUMBERS, 7.0), np.zeros(2)
    outer(np.ones(NUMBERS), np.array([0, 1, 2, 0, 2, 0, *[0] * (M + 3)]), c)
    sizes(c, np.zeros(1, np.int64), width)
    assert (c == 2).sum() == 2 * 2 * width[0]
    assert (c[LANES + 1 + 2 * int(width[0]) :] == 7).all()


def test_a_nan_stays_a_nan():
    a, c = np.full(NUMBERS, np.nan, np.float32), np.zeros(NUMBERS, np.float32)
    outer(a, np.array([0, 1, 1, 0, 1, 0, *[0] * (M + 3)]), c)
    assert np.isnan(c[0])


def test_the_width_of_a_vector_divides_16():
    for dtype in ("float32", "float64"):
        c = np.zeros(2, dtype)
        sizes(c, np.zeros(1, np.int64), c)
        assert LANES % c[0] == 0
