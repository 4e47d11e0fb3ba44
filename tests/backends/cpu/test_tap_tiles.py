"""The compiled tile functions of depthwise convolutions against their NumPy forms, on whole numbers, by the same code."""

from types import FunctionType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import examples

from minicnn import kernel
from minicnn.backends.cpu.compile.host import OUTSIDE
from minicnn.backends.cpu.compile.mode import INTERPRET
from minicnn.backends.cpu.tiles import tap_numpy, taps, tile_numpy, tile_store, tile_sum_add, tile_zeros
from minicnn.backends.cpu.tiles.taps import tile_filter, tile_filter_dot, tile_lines, tile_pixels, tile_weights

pytestmark = pytest.mark.skipif(INTERPRET, reason="without compilation there are only the NumPy forms")

STEP = 16
"""Numbers from pixel to pixel: no vector is wider."""


@kernel
def lines(a, p, c):
    """Rows of a map, ahead and, if they divide by a stride, back."""
    ahead, back = tile_lines(3, p[0] - 3, 1, 1, p[1], p[2]), tile_lines(3, p[0] - 2, -1, p[3], p[1], p[2])
    for i in range(3):
        c[i], c[3 + i] = ahead[i], back[i]


@kernel
def weights(a, p, c):
    """Six numbers in all lanes each."""
    tile_store(tile_weights(a, p[0], 2, 3), c, p[1], 3 * STEP, 2)


@kernel
def pixels(a, p, c):
    """Pixels side by side."""
    tile_store(tile_pixels(a, p[0], STEP, 3), c, p[1], STEP + 1, 3)


@kernel
def filtered(a, p, c):
    """Correlated, then convolved with stride 2, beside the map on both sides."""
    u, t = tile_weights(a, p[0], 3, 3), tile_pixels(a, p[1], STEP, 4)
    t = tile_filter(t, u, a, tile_lines(3, p[2] - 2, 1, 1, p[3], 20), p[4], STEP, 0, 1, -1, 1, 5)
    tile_store(tile_filter(t, u, a, tile_lines(3, p[2], -1, 2, p[3], 7), p[4], STEP, 2, -2, 1, 0, 3), c, p[5], STEP, 4)


@kernel
def products(a, p, c):
    """Sums for every tap, of two tiles."""
    u, d = tile_zeros(a, 3, 2), tile_pixels(a, p[1], STEP, 4)
    u = tile_filter_dot(u, d, a, tile_lines(3, p[2] - 2, 1, 1, p[3], 20), p[4], STEP, 0, 1, -1, 0, 4)
    u = tile_filter_dot(u, d, a, tile_lines(3, p[2] - 1, 1, 1, p[3], 9), p[0], STEP, 0, 1, -2, 1, 8)
    tile_sum_add(u, c, p[5], 2, 3, 1, 2)


WAYS = (lines, weights, pixels, filtered, products)
places = st.tuples(*[st.integers(0, 90)] * 2, st.integers(0, 5), st.integers(1, 3), *[st.integers(0, 90)] * 2)


def as_numpy(function):
    """The function of a kernel, as plain Python over the NumPy forms."""
    plain = function.__wrapped__
    forms = {name: getattr(tap_numpy, name) for name in taps.__all__}
    forms |= {name: getattr(tile_numpy, name) for name in ("tile_store", "tile_sum_add", "tile_zeros")}
    return FunctionType(plain.__code__, plain.__globals__ | forms)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@examples(40)
@given(place=places, seed=st.integers(0, 2**32 - 1))
def test_compiled_tiles_equal_their_twins(way, dtype, place, seed):
    rng = np.random.default_rng(seed)
    a, start = (rng.integers(-3, 4, 500).astype(dtype) for _ in range(2))
    got, expected = start.copy(), start.copy()
    way(a, np.array(place), got)
    as_numpy(way)(a, np.array(place), expected)
    np.testing.assert_array_equal(got, expected)


def test_rows_beside_the_map_are_outside():
    assert tap_numpy.tile_lines(4, -1, 1, 1, 2, 10).tolist() == [OUTSIDE, 0, 10, OUTSIDE]
    assert tap_numpy.tile_lines(4, 3, -1, 2, 1, 10).tolist() == [OUTSIDE, OUTSIDE, OUTSIDE, 0]


def test_every_tile_function_is_compared():
    used = {name for way in WAYS for name in way.__wrapped__.__code__.co_names}
    assert set(taps.__all__) <= used
    assert {name for name in vars(tap_numpy) if name.startswith("tile_")} - {"tile_width"} == set(taps.__all__)
