"""The compiled tile functions for one image against their NumPy forms, by the same few lines of code.

As in ``test_tiles.py``: every function below is compiled, and also run as plain Python over ``row_twin``. Whole numbers make
all sums exact, so the two must be equal.
"""

from types import FunctionType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import examples

from minicnn import kernel
from minicnn.backends.cpu import tiles
from minicnn.backends.cpu.compile.mode import INTERPRET
from minicnn.backends.cpu.tiles import row_numpy, tile_numpy, tile_store, tile_zeros
from minicnn.backends.cpu.tiles import rows as row_tiles
from minicnn.backends.cpu.tiles.rows import (
    tile_add_window,
    tile_beat,
    tile_columns,
    tile_fold_add,
    tile_fold_add_listed,
    tile_keep,
    tile_listed,
    tile_lowest,
    tile_plus,
    tile_products,
    tile_repeat,
    tile_rows,
    tile_scale,
    tile_spread_taps,
    tile_store_rows,
    tile_store_taps,
    tile_taps,
    tile_window,
)

pytestmark = pytest.mark.skipif(INTERPRET, reason="without compilation there are only the NumPy forms")

NUMBERS, LANES = 900, 16
M, N = 4, 3
WIDE = 9  # more than a vector of float64 has places
TALL, SHORT = M + 2, M - 2  # rows that three taps make M of, or that make M with them


@kernel
def rows(a, p, taps, c):
    """Rows of neighbours, and of numbers two and three apart."""
    tile_store(tile_rows(M, a, p[0], p[1], p[2], 1, p[8]), c, 0, LANES, M)
    tile_store(tile_rows(M, a, p[0], p[1], p[2], 2, p[8]), c, 100, LANES, M)
    tile_store(tile_rows(M, a, p[9], p[1], p[10], 3, p[8]), c, 200, LANES, M)


@kernel
def listed(a, p, taps, c):
    """Rows from a list: the last entries of p."""
    tile_store(tile_listed(M, a, p[0], p[1], p, 12 + p[11], p[2], p[8]), c, 0, LANES, M)


@kernel
def window(a, p, taps, c):
    """A window of a map that reaches over its border, one, two and three columns apart."""
    tile_store(tile_window(M, a, p[0], p[3], p[4], p[5], p[6], 1, p[7], p[8]), c, 0, LANES, M)
    tile_store(tile_window(M, a, p[0], p[3], p[4], p[5], p[6], 2, p[7], p[8]), c, 100, LANES, M)
    tile_store(tile_window(M, a, p[9], p[3], p[4], p[5], p[6], 3, p[7], p[8]), c, 200, LANES, M)


@kernel
def columns(a, p, taps, c):
    """Rows that begin at other columns each, cut off at the two ends of a row of the map."""
    at = 60 + p[6]
    tile_store(tile_columns(M, a, at, p[4], p[2], p[6], p[4], 1, p[7], p[8]), c, 0, LANES, M)
    tile_store(tile_columns(M, a, at, p[4], p[2], p[6], p[4], 2, p[7], p[8]), c, 100, LANES, M)


@kernel
def scale(a, p, taps, c):
    """Every number of a column times every row."""
    t = tile_scale(tile_zeros(a, M, N), a, p[0], p[1], p[2], tile_rows(N, a, p[9], p[1], p[10], 1, p[8]))
    tile_store_rows(t, c, p[9], LANES * N + p[4], p[2], LANES, p[10], p[8])


@kernel
def correlate(a, p, taps, c):
    """Three taps below each other, then one."""
    t = tile_taps(tile_zeros(a, M, 1), a, p[0], p[1], 3, tile_rows(TALL, a, p[9], p[1], TALL, 1, p[8]))
    t = tile_taps(t, a, p[9], p[1], 1, tile_rows(M, a, p[0], p[1], M, 1, p[8]))
    tile_store(t, c, 0, LANES, M)


@kernel
def spread(a, p, taps, c):
    """The adjoint of the same."""
    t = tile_spread_taps(tile_zeros(a, M, 1), a, p[0], p[1], 3, tile_rows(SHORT, a, p[9], p[1], SHORT, 1, p[8]))
    t = tile_spread_taps(t, a, p[9], p[1], 1, tile_rows(M, a, p[0], p[1], M, 1, p[8]))
    tile_store(t, c, 0, LANES, M)


@kernel
def products(a, p, taps, c):
    """Products place by place, summed over the places into rows one after the other, and into rows from a list."""
    u, v = tile_rows(M, a, p[0], p[1], p[2], 1, p[8]), tile_rows(N, a, p[9], p[1], p[10], 1, p[8])
    t = tile_products(tile_products(tile_zeros(a, M, N), u, v), u, v)
    tile_fold_add(t, c, p[0], N + p[1], p[2], p[10])
    tile_fold_add_listed(t, c, 300, N + p[1], p, 12 + p[11], p[2], p[10])


@kernel
def wide_products(a, p, taps, c):
    """The same in more columns than a vector has places."""
    u, v = tile_rows(M, a, p[0], p[1], p[2], 1, p[8]), tile_rows(WIDE, a, p[9], p[1], WIDE - p[10], 1, p[8])
    t = tile_products(tile_zeros(a, M, WIDE), u, v)
    tile_fold_add(t, c, p[0], WIDE + p[1], p[2], WIDE - p[10])


@kernel
def plus(a, p, taps, c):
    """A column of vectors times a number."""
    t = tile_plus(tile_zeros(a, M, 1), a[p[0]], tile_rows(M, a, p[9], p[1], M, 1, LANES))
    tile_store(tile_plus(t, a[p[1]], tile_rows(M, a, p[0], p[1], M, 1, LANES)), c, 0, LANES, M)


@kernel
def add_window(a, p, taps, c):
    """A tile added to a window that reaches over the border, one and two columns apart."""
    v = tile_rows(M, a, p[0], p[1], M, 1, LANES)
    tile_add_window(v, c, p[0], p[3], p[4], p[5], p[6], 1, p[7], p[8])
    tile_add_window(v, c, 400, p[3], p[4], p[5], p[6], 2, p[7], p[8])


@kernel
def repeat(a, p, taps, c):
    """Every number twice, and three times; and those of them that a tap names."""
    tile_store_rows(tile_repeat(M, 2, a, p[0], p[1], p[2], p[8]), c, 0, LANES, M, 0, 1, p[8])
    v = tile_repeat(M, 3, a, p[0], p[1], p[2], p[8])
    tile_store_rows(v, c, 100, LANES, M, 0, 1, p[8])
    tile_store_rows(tile_keep(v, 3, taps, p[0], p[1], p[2], p[10], p[8]), c, 200, LANES, M, 0, 1, p[8])


@kernel
def beat(a, p, taps, c):
    """The larger of the pixels of two windows over the border, and the taps they came from."""
    v = tile_window(M, a, p[0], p[3], p[4], p[5], p[6], 2, p[7], p[8])
    t = tile_beat(tile_lowest(a, M), v, p[10], p[3], p[4], p[5], p[6], 2, p[7], p[8])
    v = tile_window(M, a, p[0], p[3], p[4], p[5], p[6] + 1, 2, p[7], p[8])
    t = tile_beat(t, v, p[10] + 1, p[3], p[4], p[5], p[6] + 1, 2, p[7], p[8])
    tile_store_rows(t, c, 0, LANES, p[2], 0, 1, p[8])
    tile_store_taps(t, taps, 0, LANES, p[2], p[8])


WAYS = (rows, listed, window, columns, scale, correlate, spread, products, wide_products, plus, add_window, repeat, beat)


def as_numpy(function):
    """The function of a kernel, as plain Python over the NumPy forms."""
    plain = function.__wrapped__
    numpy_forms = {name: getattr(row_numpy, name) for name in row_tiles.__all__}
    numpy_forms |= {name: getattr(tile_numpy, name) for name in tiles.__all__ if hasattr(tile_numpy, name)}
    return FunctionType(plain.__code__, plain.__globals__ | numpy_forms)


places_drawn = st.tuples(
    st.integers(0, 90),  # 0: first number, or where a map begins
    st.integers(1, 20),  # 1: a step from row to row
    st.integers(1, M),  # 2: rows
    st.integers(-5, 8),  # 3: first row of a window
    st.integers(1, 3),  # 4: rows from one to the next
    st.integers(1, 6),  # 5: height of the map
    st.integers(-20, 25),  # 6: first column of a window
    st.integers(1, 20),  # 7: width of the map
    st.integers(1, 18),  # 8: places that are read or written, or more than there are
    st.integers(200, 290),  # 9: another first number
    st.integers(1, N),  # 10: columns, and a tap
    st.integers(0, 1),  # 11: where the list of rows begins; its entries follow, rows may repeat
    *[st.integers(0, 9)] * (M + 1),
)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@examples(60)
@given(place=places_drawn, seed=st.integers(0, 2**32 - 1))
def test_compiled_tiles_equal_their_twins(way, dtype, place, seed):
    rng = np.random.default_rng(seed)
    a, start = (rng.integers(-3, 4, NUMBERS).astype(dtype) for _ in range(2))
    taps = rng.integers(0, 4, NUMBERS).astype(np.int32)
    got, expected = (start.copy(), taps.copy()), (start.copy(), taps.copy())
    way(a, np.array(place), got[1], got[0])
    as_numpy(way)(a, np.array(place), expected[1], expected[0])
    np.testing.assert_array_equal(got[0], expected[0])
    np.testing.assert_array_equal(got[1], expected[1])


def test_every_tile_function_is_compared():
    used = {name for way in WAYS for name in way.__wrapped__.__code__.co_names}
    assert set(row_tiles.__all__) <= used


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_nan_wins_and_stays(dtype):
    a, taps, c = np.zeros(NUMBERS, dtype), np.full(NUMBERS, 9, np.int32), np.zeros(NUMBERS, dtype)
    a[0], a[3] = np.nan, np.nan  # the first pixel of the first window, the second of the second
    beat(a, np.array([0, 1, 1, 0, 1, 1, 0, 6, 3, 200, 0, 0, *[0] * (M + 1)]), taps, c)
    assert np.isnan(c[:2]).all()
    assert c[2] == 0
    assert taps[:4].tolist() == [0, 1, 0, 9]
