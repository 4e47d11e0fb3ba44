"""The compiled tile functions over channels against their NumPy forms, on whole numbers, by the same code."""

from types import FunctionType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import examples

from minicnn import kernel
from minicnn.backends.cpu.compile.mode import INTERPRET
from minicnn.backends.cpu.tiles import channel_numpy, channels, tile_numpy, tile_places, tile_put, tile_width
from minicnn.backends.cpu.tiles.channels import tile_channels, tile_larger, tile_listed, tile_row_beside, tile_spread, tile_walk

pytestmark = pytest.mark.skipif(INTERPRET, reason="without compilation there are only the NumPy forms")

SIZE = 2500
"""Numbers of an array: tiles of 2 × 3 vectors of up to 16 numbers fit at every place below 90."""


@kernel
def repeated(a, p, c):
    """The same channels for three pixels."""
    tile_put(tile_channels(a, p[0], 2, 3), c, p[1], tile_width(a), 2, tile_places(3, 0, 3, 0, 2 * tile_width(a)))


@kernel
def spread(a, p, c):
    """Products with numbers of three pixels in two rows, one and four at a time."""
    t = tile_spread(tile_channels(a, p[0], 2, 3), a, p[1], a, tile_places(3, p[2], 2, 31, 7), p[3], 4)
    t = tile_spread(t, a, p[3], a, tile_places(3, p[2], 2, 31, 7), p[1], 1)
    tile_put(t, c, p[4], tile_width(a), 2, tile_places(3, 0, 3, 0, 2 * tile_width(a)))


@kernel
def beside(a, p, c):
    """Products channel by channel, of three pixels with three taps."""
    t = tile_row_beside(tile_channels(a, p[0], 1, 3), a, p[1], a, p[3], 31, 3, 1, 1)
    tile_put(t, c, p[4], 0, 1, tile_places(3, 0, 3, 0, tile_width(a)))


@kernel
def beside_apart(a, p, c):
    """The same with pixels and taps that are not neighbours."""
    t = tile_row_beside(tile_channels(a, p[0], 1, 3), a, p[1], a, p[3], 17, 2, 3, 2)
    tile_put(t, c, p[4], 0, 1, tile_places(3, 0, 3, 0, tile_width(a)))


@kernel
def walked(a, p, c):
    """Places in rows of five pixels, from the middle of one."""
    tile_put(tile_channels(a, p[0], 2, 7), c, p[1], 40, 2, tile_walk(7, p[2], p[3] % 5, 5, 37, 5))


@kernel
def listed(a, p, c):
    """Products with numbers of three pixels whose places are listed."""
    t = tile_spread(tile_channels(a, p[0], 2, 3), a, p[1], a, tile_listed(3, p, 1), p[3], 2)
    tile_put(t, c, p[4], tile_width(a), 2, tile_places(3, 0, 3, 0, 2 * tile_width(a)))


@kernel
def larger(a, p, c):
    """Maxima of two tiles."""
    t = tile_larger(tile_channels(a, p[0], 2, 3), tile_channels(a, p[1], 2, 3))
    tile_put(t, c, p[2], tile_width(a), 2, tile_places(3, 0, 3, 0, 2 * tile_width(a)))


WAYS = (repeated, spread, beside, beside_apart, walked, listed, larger)
places = st.tuples(*[st.integers(0, 90)] * 2, st.integers(0, 30), *[st.integers(0, 90)] * 2)


def as_numpy(function):
    """The function of a kernel, as plain Python over the NumPy forms."""
    plain = function.__wrapped__
    forms = {name: getattr(channel_numpy, name) for name in channels.__all__}
    forms |= {name: getattr(tile_numpy, name) for name in ("tile_places", "tile_put", "tile_width")}
    return FunctionType(plain.__code__, plain.__globals__ | forms)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@examples(40)
@given(place=places, seed=st.integers(0, 2**32 - 1))
def test_compiled_tiles_equal_their_twins(way, dtype, place, seed):
    rng = np.random.default_rng(seed)
    a, start = (rng.integers(-3, 4, SIZE).astype(dtype) for _ in range(2))
    a[rng.integers(0, SIZE, 9)] = np.nan
    got, expected = start.copy(), start.copy()
    way(a, np.array(place), got)
    as_numpy(way)(a, np.array(place), expected)
    np.testing.assert_array_equal(got, expected)
    assert not np.array_equal(got, start)


def test_every_tile_function_is_compared():
    used = {name for way in WAYS for name in way.__wrapped__.__code__.co_names}
    assert set(channels.__all__) <= used
    assert {name for name in vars(channel_numpy) if name.startswith("tile_")} - {"tile_width"} == set(channels.__all__)
