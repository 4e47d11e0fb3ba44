"""Products for all groups at once: against NumPy on whole numbers, for every tile, part of the weights and number of groups."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import examples

from minicnn.backends.cpu.kernels import gemm, wide_gemm
from minicnn.backends.cpu.lowering import wide

TILES = [(6, 2), (6, 4), (12, 2), (5, 1)]
"""Those of all registers, and one that divides nothing."""

DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])
SIZES = st.tuples(st.integers(1, 4), st.integers(1, 20), st.integers(1, 20), st.sampled_from((16, 32)))
"""Groups, units, inputs, lanes."""


def grouped(rng, dtype, *shape):
    """Whole numbers as an array over groups at a distance, and no numbers between them."""
    groups, rows, lanes = shape
    memory = np.full((groups, rows * lanes + 24), np.nan, dtype)
    array = memory[:, : rows * lanes].reshape(shape)
    assert np.may_share_memory(array, memory)
    array[...] = rng.integers(-3, 4, shape)
    return array


def inner(rng, dtype, rows, columns):
    """Whole numbers as some columns of a larger matrix."""
    return rng.integers(-3, 4, (rows, columns + 5)).astype(dtype)[:, 2 : columns + 2]


@pytest.fixture(autouse=True, scope="module")
def _small_blocks():
    """Several blocks in small matrices."""
    with pytest.MonkeyPatch.context() as patch:
        for name, size in (("DEEP", 7), ("TALL", 9), ("PACKED", 13), ("IMAGES", 40)):
            patch.setattr(wide_gemm, name, size)
        yield


@cache
def made(factory, *of):
    """A kernel of such blocks, which the package does not keep."""
    return factory.__wrapped__(*of)


@pytest.mark.interpreted
@pytest.mark.parametrize("tile", TILES)
@DTYPES
@examples(6)
@given(sizes=SIZES, seed=st.integers(0, 99))
def test_products_of_weights(dtype, tile, sizes, seed):
    (groups, units, inputs, lanes), rng = sizes, np.random.default_rng(seed)
    W, b = inner(rng, dtype, units, inputs), rng.integers(-3, 4, units).astype(dtype)
    x, y = grouped(rng, dtype, groups, inputs, lanes), grouped(rng, dtype, groups, units, lanes)
    made(wide_gemm._bias, *tile)(W, x, b, y)
    np.testing.assert_array_equal(y, W @ x + b[:, None])
    dy, dx = grouped(rng, dtype, groups, units, lanes), grouped(rng, dtype, groups, inputs, lanes)
    packed = np.full(13 * (7 * tile[0] + 32), np.nan, dtype)
    made(wide_gemm._tn, *tile, -(-tile[0] // wide_gemm.HOST.width(W.itemsize)))(W, dy, packed, dx)
    np.testing.assert_array_equal(dx, W.T @ dy)


@pytest.mark.interpreted
@pytest.mark.parametrize("add", [True, False])
@pytest.mark.parametrize("tile", TILES)
@DTYPES
@examples(6)
@given(sizes=SIZES, lots=st.integers(1, 4), some=st.integers(1, 3), seed=st.integers(0, 99))
def test_their_gradient(dtype, tile, add, sizes, lots, some, seed):
    (groups, units, inputs, lanes), rng = sizes, np.random.default_rng(seed)
    lots = min(lots, groups)
    x, dy = grouped(rng, dtype, groups, inputs, lanes), grouped(rng, dtype, groups, units, lanes)
    dW = inner(rng, dtype, units, inputs)
    expected = (dW if add else 0) + sum(one @ other.T for one, other in zip(dy, x, strict=True))
    each = -(-groups // lots) * lanes
    images = min(lots, max(1, 40 // each)) * each
    xt = np.full(some * images * tile[1] * wide_gemm.HOST.width(x.itemsize), np.nan, dtype)
    made(wide_gemm._outer, *tile, add)(dy, x, np.array([lots]), xt, dW)
    np.testing.assert_array_equal(dW, expected)


@DTYPES
def test_sums_have_the_bits_of_the_kernels_for_one_group(dtype):
    """Whatever the blocks: terms are added in the same order, each in one operation."""
    rng = np.random.default_rng(0)
    W, b = rng.standard_normal((20, 30)).astype(dtype), rng.standard_normal(20).astype(dtype)
    x, dy = (rng.standard_normal((3, n, 16)).astype(dtype) for n in (30, 20))
    y, dx, one_y, one_dx = np.empty_like(dy), np.empty_like(x), np.empty_like(dy), np.empty_like(x)
    made(wide_gemm._bias, 6, 2)(W, x, b, y)
    made(wide_gemm._tn, 6, 2, -(-6 // wide_gemm.HOST.width(W.itemsize)))(W, dy, np.empty(wide_gemm.packed(dy), dtype), dx)
    for g in range(3):
        gemm.gemm_bias(W, x[g], b, one_y[g])
        gemm.gemm_tn(W, dy[g], one_dx[g])
    np.testing.assert_array_equal(y, one_y)
    np.testing.assert_array_equal(dx, one_dx)


@DTYPES
@pytest.mark.parametrize(("groups", "lots"), [(1, 1), (3, 3), (7, 3), (8, 8), (16, 8)])
def test_gradients_have_the_bits_of_lots_on_their_own(dtype, groups, lots):
    """Those of a lot of one group are those of the kernel for a group; the sum of lots is theirs, one after another."""
    rng = np.random.default_rng(1)
    x, dy = (rng.standard_normal((groups, n, 16)).astype(dtype) for n in (30, 20))
    own = np.full((lots, 20, 30), np.nan, dtype)
    for lot in range(lots):
        part = slice(lot, None, lots)
        xt = np.empty(wide_gemm.turned(x[part], 1), dtype)
        made(wide_gemm._outer, 6, 2, False)(dy[part], x[part], np.array([1]), xt, own[lot])
        if len(x[part]) == 1:
            alone = np.full((20, 30), np.nan, dtype)
            gemm.outer(dy[lot], x[lot], np.empty((16, 32), dtype), alone)
            np.testing.assert_array_equal(own[lot], alone)
    total = own[0].copy()
    for each in own[1:]:
        total += each
    found = np.full((20, 30), np.nan, dtype)
    made(wide_gemm._outer, 6, 2, False)(dy, x, np.array([lots]), np.empty(wide_gemm.turned(x, lots), dtype), found)
    np.testing.assert_array_equal(found, total)


def test_the_tile_fits_the_registers():
    used = wide_gemm.ROWS * wide_gemm.VECTORS + wide_gemm.VECTORS + 1  # and a weight in every lane
    assert used <= wide_gemm.HOST.registers


def test_shares_are_whole_tiles_and_nobody_has_nothing():
    assert wide.cut(100, 16, 3) == [slice(0, 32), slice(32, 64), slice(64, 100)]
    assert wide.cut(5, 6, 8) == [slice(0, 5)]
    assert wide.cut(14, 6, 8) == [slice(0, 6), slice(6, 12), slice(12, 14)]


def test_an_array_over_groups_is_a_view_of_theirs():
    memory = np.zeros((3, 80), np.float32)
    parts = [one[8:72].reshape(4, 16) for one in memory]
    whole = wide.over_groups(parts)
    whole[...] = np.arange(3)[:, None, None]
    assert [set(part.reshape(-1)) for part in parts] == [{0}, {1}, {2}]
    assert memory[:, :8].sum() == memory[:, 72:].sum() == 0
    with pytest.raises(ValueError, match="too many values"):
        wide.over_groups([parts[0], parts[1], parts[1]])
