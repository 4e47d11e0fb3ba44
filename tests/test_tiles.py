"""The compiled tile functions against their NumPy twins, by the same few lines of code.

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
from minicnn.backends.cpu import tile_twin, tiles
from minicnn.backends.cpu.mode import INTERPRET
from minicnn.backends.cpu.tiles import (
    tile_add,
    tile_bias,
    tile_convolve,
    tile_correlate,
    tile_dot,
    tile_dot_rows,
    tile_grey,
    tile_lanes,
    tile_outer,
    tile_store,
    tile_sum_add,
    tile_sum_add_rows,
    tile_width,
    tile_zero,
    tile_zeros,
)

pytestmark = pytest.mark.skipif(INTERPRET, reason="without compilation there are only the twins")

NUMBERS, LANES = 600, 16
M, N = 4, 3


@kernel
def sizes(a, p, c):
    """Vector width and lanes of a tile."""
    c[0], c[1] = tile_width(a), tile_lanes(a)


@kernel
def zero(a, p, c):
    """A lane tile and a tile of vectors, stored as they start."""
    tile_store(tile_zero(a, M), c, p[0], p[1], p[2])
    tile_store(tile_zeros(a, M, N), c, p[3] + 300, p[1] + LANES * N, p[4])


@kernel
def outer(a, p, c):
    """Two outer products on top of each other."""
    t = tile_outer(tile_zero(a, M), a, p[0], p[1], p[2], a, p[3])
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
    t = tile_outer(tile_zero(a, M), a, p[0], p[1], p[2], a, p[3])
    tile_add(t, c, p[5], LANES + p[1], p[2], p[6])
    tile_add(t, c, p[5] + 200, LANES + p[1], p[4], LANES + p[6])


@kernel
def bias(a, p, c):
    """A bias in every lane, on zeros and again."""
    t = tile_bias(tile_bias(tile_zero(a, M), a, p[0], p[2]), a, p[3], p[4])
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
    return FunctionType(plain.__code__, plain.__globals__ | {n: getattr(tile_twin, n) for n in tiles.__all__})


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

WAYS = (sizes, zero, outer, correlate, convolve, add, bias, dot, dot_rows, vectors)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@examples(40)
@given(place=places, seed=st.integers(0, 2**32 - 1))
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


def test_every_tile_function_is_compared():
    used = {name for way in (*WAYS, grey) for name in way.__wrapped__.__code__.co_names}
    assert set(tiles.__all__) <= used


def test_rows_past_the_last_are_not_stored():
    c, width = np.full(NUMBERS, 7.0), np.zeros(2)
    outer(np.ones(NUMBERS), np.array([0, 1, 2, 0, 2, 0, *[0] * (M + 3)]), c)
    sizes(c, np.zeros(1, np.int64), width)
    assert (c == 2).sum() == 2 * width[1]
    assert (c[LANES + 1 + int(width[1]) :] == 7).all()


def test_a_nan_stays_a_nan():
    a, c = np.full(NUMBERS, np.nan, np.float32), np.zeros(NUMBERS, np.float32)
    outer(a, np.array([0, 1, 1, 0, 1, 0, *[0] * (M + 3)]), c)
    assert np.isnan(c[0])


def test_the_lanes_of_a_tile_divide_16():
    for dtype in ("float32", "float64"):
        c = np.zeros(2, dtype)
        sizes(c, np.zeros(1, np.int64), c)
        assert LANES % c[1] == 0
        assert c[1] % c[0] == 0
