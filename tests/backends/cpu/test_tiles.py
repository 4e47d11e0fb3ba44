"""The compiled tile functions against their NumPy forms, by the same few lines of code.

Every function below is compiled with the project's flags and also run as plain Python over ``tile_twin``. Whole numbers
make all sums exact, so the two must be equal.
"""

from types import FunctionType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import examples

from minicnn import kernel
from minicnn.backends import cpu
from minicnn.backends.cpu import tiles
from minicnn.backends.cpu.compile.host import OUTSIDE
from minicnn.backends.cpu.compile.mode import INTERPRET
from minicnn.backends.cpu.tiles import (
    tile_activation,
    tile_add,
    tile_bias,
    tile_convolve,
    tile_correlate,
    tile_dot,
    tile_dot_inside,
    tile_dot_rows,
    tile_get,
    tile_grey,
    tile_group_columns,
    tile_inside,
    tile_multiply,
    tile_multiply_inside,
    tile_multiply_rows,
    tile_numpy,
    tile_outer,
    tile_places,
    tile_put,
    tile_set,
    tile_store,
    tile_sum,
    tile_sum_add,
    tile_sum_add_rows,
    tile_transposed,
    tile_width,
    tile_zeros,
    vector_all,
    vector_better,
    vector_finite,
    vector_inside,
    vector_load,
    vector_lowest,
    vector_mended,
    vector_of,
    vector_put_best,
    vector_slope,
    vector_wide,
    vector_winner,
    vector_won,
    vectors_numpy,
)
from minicnn.backends.cpu.tiles.activation import NONE
from minicnn.backends.cpu.tiles.activation import NUMBERS as NUMBERS_OF_FUNCTIONS

pytestmark = pytest.mark.skipif(INTERPRET, reason="without compilation there are only the NumPy forms")

NUMBERS, LANES = 600, 16
M, N = 4, 3
ROW = N * LANES
"""Numbers from row to row of a stored tile: no vector is wider than 16."""


@kernel
def sizes(a, p, c):
    """Vector width."""
    c[0] = tile_width(a)


@kernel
def zero(a, p, c):
    """A tile as it starts, stored in some rows."""
    tile_store(tile_zeros(a, M, N), c, p[3] + 300, p[1], p[4])


@kernel
def outer(a, p, c):
    """Two outer products on top of each other."""
    t = tile_outer(tile_zeros(a, M, N), a, p[0], p[1], p[2], a, p[3])
    t = tile_outer(t, a, p[3], p[1], p[4], a, p[0])
    tile_store(t, c, p[5], ROW + p[1], p[4])


@kernel
def pixels(a, p, c):
    """Where neighbours on a map lie, and where they lie on a map that is moved, in part outside."""
    ys, xs = tile_places(N, p[0], p[1], p[6], 0), tile_places(N, p[0], p[1], 0, 1)
    at, on = tile_places(N, p[0], p[1], p[6], p[2]), tile_inside(ys, xs, p[2] - 3, p[4] - 2, p[3], p[1], p[5])
    for j in range(N):
        c[j], c[N + j], c[2 * N + j], c[3 * N + j] = ys[j], xs[j], at[j], on[j]


@kernel
def multiply(a, p, c):
    """Weights side by side times pixels at their places, twice, stored at places."""
    at = tile_places(N, p[4], p[1], p[6], p[2])
    t = tile_multiply(tile_zeros(a, M, N), a, p[3], a, at, p[5])
    t = tile_multiply(t, a, p[5], a, at, p[3])
    tile_put(t, c, p[5], p[1], p[4], tile_places(N, p[7], p[2], ROW, LANES + p[6]))


@kernel
def multiply_inside(a, p, c):
    """The same where some places lie outside the map."""
    ys, xs = tile_places(N, p[6], p[1], 1, 0), tile_places(N, p[6], p[1], 0, 1)
    on = tile_inside(ys, xs, p[2] - 3, p[4] - 2, p[4] + 1, p[1], 3)
    t = tile_multiply_inside(tile_zeros(a, M, N), a, p[3], a, on, p[5])
    tile_store(tile_multiply(t, a, p[0], a, tile_places(N, 0, 1, 1, 0), p[5]), c, p[0], ROW + p[6], p[2])


@kernel
def columns(a, p, c):
    """Where vectors lie that are counted through groups, the last of them once more where there are no more."""
    at = tile_group_columns(N, p[0], p[0] + p[4], p[2], p[6], p[1])
    for j in range(N):
        c[j] = at[j]


@kernel
def multiply_rows(a, p, c):
    """Weights at a step times pixels of several groups, on what is there; rows past the last repeat it."""
    at = tile_group_columns(N, p[7], p[7] + p[4], p[4], 100, p[6])
    t = tile_get(tile_zeros(a, M, N), a, p[5], p[1], p[2], at)
    t = tile_multiply_rows(t, a, p[3], p[1], p[2], a, at, p[0])
    tile_put(t, c, p[5], p[1] + ROW, p[2], tile_group_columns(N, 0, p[4], 1, LANES, 0))


@kernel
def plus(a, p, c):
    """The sum of two tiles."""
    at = tile_places(N, 0, 1, LANES, 0)
    t, u = (tile_get(tile_zeros(a, M, N), a, p[5], p[1], p[2], at), tile_get(tile_zeros(a, M, N), a, p[0], p[1], p[2], at))
    tile_put(tile_sum(t, u), c, p[5], p[1] + ROW, p[2], at)


@kernel
def transposed(a, p, c):
    """A square of numbers, transposed; rows past the last repeat it."""
    tile_store(tile_transposed(a, p[0], p[1], p[2] * (p[4] + 1)), c, p[5], LANES + p[7], p[3])


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
    t = tile_outer(tile_zeros(a, M, N), a, p[0], p[1], p[2], a, p[3])
    tile_add(t, c, p[5], ROW + p[1], p[2], p[6])
    tile_add(t, c, p[5] + 200, ROW + p[1], p[4], ROW - p[6])


@kernel
def put_columns(a, p, c):
    """An outer product in the place of what is there, as far as the columns go."""
    t = tile_outer(tile_zeros(a, M, N), a, p[0], p[1], p[2], a, p[3])
    tile_set(t, c, p[5], ROW + p[1], p[2], p[6])
    tile_set(t, c, p[5] + 200, ROW + p[1], p[4], ROW - p[6])


@kernel
def bias(a, p, c):
    """A bias in every lane, on zeros and again."""
    t = tile_bias(tile_bias(tile_zeros(a, M, N), a, p[0], p[2]), a, p[3], p[4])
    tile_store(t, c, p[5], ROW + p[1], M)


@kernel
def dot(a, p, c):
    """Products lane by lane, summed over the lanes of the rows and columns there are."""
    t = tile_dot(tile_zeros(a, M, N), a, p[0], p[1], p[2], a, p[3], p[6], p[4])
    t = tile_dot(t, a, p[3], p[6], p[4], a, p[0], p[1], p[2])
    tile_sum_add(t, c, p[5], p[6] + N * p[1], p[2], p[1], p[4])


@kernel
def dot_inside(a, p, c):
    """The same with columns that count only inside a row."""
    t = tile_dot_inside(tile_zeros(a, M, N), a, p[0], p[1], p[2], a, p[3], p[6], p[4], p[5] - 45, p[1], p[3] + 1)
    tile_sum_add(t, c, p[5], p[6] + N * p[1], p[2], p[1], p[4])


@kernel
def dot_rows(a, p, c):
    """The same with rows from a list: the last entries of p."""
    t = tile_dot_rows(tile_zeros(a, M, N), a, p[0], p[1], p, 7 + p[7], p[2], a, p[3], p[6], p[4])
    tile_sum_add_rows(t, c, p[5], N + p[1], p, 8, p[2], p[4])


@kernel
def grey(images, index, affine, p, c):
    """16 pixels of every image of a vector."""
    tile_store(tile_grey(images, index, 0, p[0], affine), c, 0, tile_width(c), 16)


@kernel
def vectors(a, p, c):
    """The vectors of a tile one by one, as the rows of tiles of one vector."""
    tile_store(tile_dot(tile_zeros(a, M, 1), a, p[0], p[1], p[2], a, p[3], 0, 1), c, p[5], LANES + p[6], p[4])


@kernel
def arithmetic(a, p, c):
    """Sums, differences and products of vectors and of tiles."""
    u, v = vector_load(a, p[0]), vector_of(a, p[3])
    tile_store(u * v - vector_load(a, p[5]) + v * vector_all(a, 0.75) + vector_all(a, 3), c, p[5], 0, 1)
    tile_store(vector_inside(a, p[0], p[3]) - vector_inside(a, OUTSIDE, p[3]), c, p[5] + 300, 0, 1)
    s = tile_bias(tile_zeros(a, M, N), a, p[0], p[2])
    t = tile_outer(tile_zeros(a, M, N), a, p[3], p[1], p[2], a, p[5])
    tile_store(s - t * s + t, c, p[5] + 100, ROW, p[4])


@kernel
def won(a, tap, p, c):
    """A vector where its lanes are a window's winner, for two of four taps."""
    tile_store(vector_won(vector_load(a, p[0]), tap, p[0], 0), c, 0, 0, 1)
    tile_store(vector_won(vector_load(a, p[1]), tap, p[1], 3), c, LANES, 0, 1)


@kernel
def winner(a, tap, p, c):
    """The largest of four vectors, of which some are equal, and which it was."""
    u, v = vector_load(a, p[0]), vector_load(a, p[3])
    tile_store(vector_winner(u, v, u, vector_load(a, p[5]), tap, p[0]), c, 0, 0, 1)
    tile_store(vector_winner(v, v, v, u, tap, p[0] + LANES), c, LANES, 0, 1)


@kernel
def better(a, tap, p, c):
    """The best of vectors that compete one after another, and the numbers of the winners."""
    t = vector_lowest(a, -1)
    for number in range(4):
        vector_put_best(t, c, tap, number * tile_width(a))
        t = vector_better(t, a, p[number], number * 12345678)
    vector_put_best(t, c, tap, p[5])


@kernel
def mended(a, b, p, c):
    """A vector whose lanes that are not finite come from another, and whether there are none."""
    for i in range(0, a.size, tile_width(a)):
        t = vector_load(a, i)
        tile_store(vector_mended(t, vector_load(b, i)), c, i, 0, 1)
        p[i] = vector_finite(t)


@kernel
def beyond(a, p, c):
    """Pixels and columns before the first of all."""
    on = tile_inside(tile_places(N, 0, N, 1, 0), tile_places(N, 0, N, 0, 1), p[0], 0, 1, N, LANES)
    tile_store(tile_multiply_inside(tile_zeros(a, M, N), a, 0, a, on, p[1]), c, 0, ROW, M)
    t = tile_dot_inside(tile_zeros(a, M, N), a, 0, 0, M, a, p[1], p[1], N, p[0], p[0], N)
    tile_sum_add(t, c, 0, N, M, 1, N)


@kernel
def wide(a, c):
    """Sums of numbers and of their squares, in float64."""
    total = squares = vector_wide(tile_zeros(a, 1, 1))
    for i in range(0, a.size, tile_width(a)):
        t = vector_wide(vector_load(a, i))
        total, squares = total + t, squares + t * t
    tile_sum_add(total, c, 0, 0, 1, 0, 2)
    tile_sum_add(squares, c, 1, 0, 1, 0, 2)


def activation_and_slope(kind):
    """Kernels that apply an activation function to a tile, and multiply a vector by the derivative."""

    @kernel
    def activation(a, p, c):
        for i in range(p[0], p[1], tile_width(a)):
            tile_store(tile_activation(vector_load(a, i), kind), c, i, 0, 1)

    @kernel
    def slope(y, dy, p, c):
        for i in range(p[0], p[1], tile_width(y)):
            tile_store(vector_slope(kind, vector_load(y, i), vector_load(dy, i)), c, i, 0, 1)

    return activation, slope


def as_numpy(function):
    """The function of a kernel, as plain Python over the NumPy forms."""
    plain = function.__wrapped__
    numpy_forms = {n: getattr(vectors_numpy if n.startswith("vector") else tile_numpy, n) for n in tiles.__all__}
    return FunctionType(plain.__code__, plain.__globals__ | numpy_forms, closure=plain.__closure__)


counts = st.integers(1, M)
places = st.tuples(
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
    pixels,
    multiply,
    multiply_inside,
    columns,
    multiply_rows,
    plus,
    transposed,
    correlate,
    convolve,
    add,
    put_columns,
    bias,
    dot,
    dot_inside,
    dot_rows,
    vectors,
    arithmetic,
)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@examples(40)
@given(place=places, seed=st.integers(0, 2**32 - 1))
def test_compiled_tiles_equal_their_twins(way, dtype, place, seed):
    rng = np.random.default_rng(seed)
    a, start = (rng.integers(-3, 4, NUMBERS).astype(dtype) for _ in range(2))
    got, expected = start.copy(), start.copy()
    way(a, np.array(place), got)
    as_numpy(way)(a, np.array(place), expected)
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
    as_numpy(grey)(images, index, affine, place, expected)
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@examples(20)
@given(first=st.integers(0, 90), second=st.integers(0, 90), seed=st.integers(0, 2**32 - 1))
def test_winners_equal_their_twin(dtype, first, second, seed):
    rng = np.random.default_rng(seed)
    a, tap = rng.integers(-3, 4, 128).astype(dtype), rng.integers(0, 4, 128).astype(np.int32)
    got, expected = np.full(2 * LANES, 7, dtype), np.full(2 * LANES, 7, dtype)
    won(a, tap, np.array([first, second]), got)
    as_numpy(won)(a, tap, np.array([first, second]), expected)
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@examples(40)
@given(place=st.lists(st.integers(0, 90), min_size=6, max_size=6), seed=st.integers(0, 2**32 - 1))
def test_the_largest_of_four_equals_its_twin(dtype, place, seed):
    rng = np.random.default_rng(seed)
    a = rng.choice(np.array([-2, -1, 0, 1, 2, np.nan, -np.inf], dtype), 128)
    got, expected = np.full(2 * LANES, 7, dtype), np.full(2 * LANES, 7, dtype)
    taps, expected_taps = np.full(128, -5, np.int32), np.full(128, -5, np.int32)
    winner(a, taps, np.array(place), got)
    as_numpy(winner)(a, expected_taps, np.array(place), expected)
    np.testing.assert_array_equal(got, expected)
    np.testing.assert_array_equal(taps, expected_taps)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@examples(40)
@given(place=st.lists(st.integers(0, 90), min_size=6, max_size=6), seed=st.integers(0, 2**32 - 1))
def test_what_beats_the_best_so_far_equals_its_twin(dtype, place, seed):
    rng = np.random.default_rng(seed)
    a, start = (rng.choice(np.array([-2, -1, 0, 1, 2, np.nan, -np.inf], dtype), 128) for _ in range(2))
    got, expected = start.copy(), start.copy()
    taps, expected_taps = np.full(128, -5, np.int32), np.full(128, -5, np.int32)
    better(a, taps, np.array(place), got)
    as_numpy(better)(a, expected_taps, np.array(place), expected)
    np.testing.assert_array_equal(got, expected)
    np.testing.assert_array_equal(taps, expected_taps)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_lanes_that_are_not_finite_are_mended(dtype):
    most = np.finfo(dtype).max
    a = np.array(
        [*np.linspace(-2, 2, 16), most, -most, np.inf, 0, *[1] * 12, -np.inf, *[np.nan] * 15, 0.5, 1e-40, *[2] * 14], dtype
    )
    b, got, expected = np.arange(64).astype(dtype), np.zeros(64, dtype), np.zeros(64, dtype)
    whole, expected_whole = np.full(64, -1), np.full(64, -1)
    mended(a, b, whole, got)
    as_numpy(mended)(a, b, expected_whole, expected)
    np.testing.assert_array_equal(got, expected)
    np.testing.assert_array_equal(whole, expected_whole)
    assert set(whole) == {-1, 0, 1}
    assert np.isfinite(got).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sums_are_those_of_double_precision(dtype):
    """Of numbers whose sums, and those of their squares, have more bits than float32 holds, and no more than float64 does."""
    a = np.random.default_rng(0).integers(-(2**20), 2**20, 128).astype(dtype)
    got, expected = np.full(2, 0.5), np.full(2, 0.5)
    wide(a, got)
    as_numpy(wide)(a, expected)
    exact = [sum(map(int, a)), sum(int(one) ** 2 for one in a)]
    np.testing.assert_array_equal(got, [each + 0.5 for each in exact])
    np.testing.assert_array_equal(got, expected)


ACTIVATIONS = pytest.mark.parametrize("name", NUMBERS_OF_FUNCTIONS)
SPECIAL = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-40, -1e-40, 1e-7, 9.1, -9.2, 88.3, 88.7, -88.7, 103.9, -103.9, 3e38]


@ACTIVATIONS
def test_squashing_in_registers_gives_the_bits_of_the_pointwise_kernels(name):
    """A kernel that activates what it stores must not differ from one that stores and an elementwise kernel after it."""
    values = np.linspace(-12, 12, 2000, dtype=np.float32)
    a = np.array([*SPECIAL, *values, *np.geomspace(1e-38, 110, 1000), *-np.geomspace(1e-38, 110, 1000)], np.float32)
    got, expected = np.zeros_like(a), np.zeros_like(a)
    activation, _ = activation_and_slope(NUMBERS_OF_FUNCTIONS[name])
    activation(a, np.array([0, len(a)]), got)
    getattr(cpu, name)(a, expected)
    np.testing.assert_array_equal(got, expected)
    assert np.isnan(got[0])


@ACTIVATIONS
def test_squashed_tiles_are_their_twins_to_rounding(name):
    """Formulas of their own against the C library's: 8 ulp cover the 5 of tanh and the products around it."""
    a = np.array([*SPECIAL, *np.linspace(-12, 12, 496, dtype=np.float32)], np.float32)
    got, expected = np.zeros_like(a), np.zeros_like(a)
    activation, _ = activation_and_slope(NUMBERS_OF_FUNCTIONS[name])
    activation(a, np.array([0, len(a)]), got)
    with np.errstate(over="ignore"):
        as_numpy(activation)(a, np.array([0, len(a)]), expected)
    np.testing.assert_array_equal(np.isnan(got), np.isnan(a))
    np.testing.assert_array_max_ulp(got[1:], expected[1:], 8)


@ACTIVATIONS
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_slopes_are_their_twins_to_rounding(name, dtype):
    """Every slope is a product of dy and a sum of numbers of up to 3: some roundings more or less."""
    rng = np.random.default_rng(0)
    y, dy, span = rng.uniform(-1.7, 1.7, 128).astype(dtype), rng.standard_normal(128).astype(dtype), np.array([0, 128])
    y[:4], dy[2:4] = (0, np.nan, 1, 0.5), np.nan
    got, expected = np.zeros_like(y), np.zeros_like(y)
    _, slope = activation_and_slope(NUMBERS_OF_FUNCTIONS[name])
    slope(y, dy, span, got)
    as_numpy(slope)(y, dy, span, expected)
    np.testing.assert_allclose(got, expected, rtol=0, atol=4 * np.finfo(dtype).eps * np.nanmax(abs(dy)) * 3)
    assert np.isnan(got[2:4]).all()


def test_squashing_by_nothing_changes_nothing():
    a, got, span = np.array(SPECIAL, np.float32), np.zeros(16, np.float32), np.array([0, 16])
    activation, slope = activation_and_slope(NONE)
    activation(a, span, got)
    np.testing.assert_array_equal(got, a)
    slope(a[::-1].copy(), a, span, got)
    np.testing.assert_array_equal(got, a)


def test_every_tile_function_is_compared():
    ways = (*WAYS, grey, won, winner, better, mended, wide, *activation_and_slope(NONE))
    used = {name for way in ways for name in way.__wrapped__.__code__.co_names}
    assert set(tiles.__all__) <= used
    for forms in (tile_numpy, vectors_numpy):
        stated = {name for name in vars(forms) if name.startswith(("tile_", "vector_"))}
        assert stated <= set(tiles.__all__) | {"tile_width", "vector_bytes_here"}


def test_rows_past_the_last_are_not_stored():
    c, width = np.full(NUMBERS, 7.0), np.zeros(1)
    outer(np.ones(NUMBERS), np.array([0, 1, 2, 0, 2, 0, *[0] * (M + 3)]), c)
    sizes(c, np.zeros(1, np.int64), width)
    assert (c == 2).sum() == 2 * N * width[0]
    assert (c[ROW + 1 + N * int(width[0]) :] == 7).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_lies_outside_counts_as_zero_and_is_not_read(dtype):
    """The numbers around the map are NaN, and times zero they would still be."""
    memory = np.full(3 * NUMBERS, np.nan, dtype)
    a, c = memory[NUMBERS : 2 * NUMBERS], np.zeros(NUMBERS, dtype)
    a[...] = 1
    beyond(a, np.array([-1, -LANES]), c)
    np.testing.assert_array_equal(c, 0)


def test_a_nan_stays_a_nan():
    a, c = np.full(NUMBERS, np.nan, np.float32), np.zeros(NUMBERS, np.float32)
    outer(a, np.array([0, 1, 1, 0, 1, 0, *[0] * (M + 3)]), c)
    assert np.isnan(c[0])


def test_the_lanes_of_a_group_are_whole_vectors():
    for dtype in ("float32", "float64"):
        c = np.zeros(1, dtype)
        sizes(c, np.zeros(1, np.int64), c)
        assert LANES % c[0] == 0
