"""Linear maps of rows and columns against products with whole matrices, and against their adjoint."""

import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import examples

from minicnn.backends.cpu import resample, resample_dx
from minicnn.testing import check_adjoint


@st.composite
def cases(draw):
    """(taps, weights, map, places, lanes): up to three taps for a place, equal ones too, or none."""
    size, places = draw(st.tuples(st.integers(1, 5), st.integers(1, 5))), draw(st.tuples(st.integers(1, 6), st.integers(1, 6)))
    rng, reads = np.random.default_rng(draw(st.integers(0, 999))), draw(st.integers(1, 3))
    taps = np.concatenate([rng.integers(0, n, (o, reads)) for n, o in zip(size, places, strict=True)])
    taps[np.arange(reads) >= rng.integers(0, reads + 1, (len(taps), 1))] = -1
    return taps, rng.standard_normal(taps.shape), size, places, draw(st.sampled_from((16, 1)))


def matrices(taps, weights, size, places):
    """A (OH, H) and B (OW, W) with every number in its place."""
    found = []
    for n, first, last in zip(size, (0, places[0]), (places[0], sum(places)), strict=True):
        matrix = np.zeros((last - first, n))
        for row, own, shares in zip(matrix, taps[first:last], weights[first:last], strict=True):
            for tap, share in zip(own, shares, strict=True):
                row[tap] += share if tap >= 0 else 0
        found.append(matrix)
    return found


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@examples(25)
@given(case=cases())
def test_resample(dtype, case):
    taps, weights, size, places, L = case
    A, B = matrices(taps, weights, size, places)
    rng = np.random.default_rng(0)
    x, dy = rng.standard_normal((L, 2, *size)).astype(dtype), rng.standard_normal((L, 2, *places)).astype(dtype)
    y, dx = np.full((2, *places, L), np.nan, dtype), np.full((2, *size, L), np.nan, dtype)
    resample(naive.to_lanes(x, L), taps, weights.astype(dtype), y)
    resample_dx(naive.to_lanes(dy, L), taps, weights.astype(dtype), dx)
    close = {"rtol": 0, "atol": 2000 * np.finfo(dtype).eps}
    np.testing.assert_allclose(naive.from_lanes(y, L), A @ x @ B.T, **close)
    np.testing.assert_allclose(naive.from_lanes(dx, L), A.T @ dy @ B, **close)


@examples(10)
@given(case=cases())
def test_resample_dx_is_the_adjoint(case):
    taps, weights, size, places, L = case

    def written(kernel, given, shape):
        out = np.full(shape, np.nan)
        kernel(given, taps, weights, out)
        return out

    x_shape, y_shape = (2, *size, L), (2, *places, L)
    check_adjoint(lambda x: written(resample, x, y_shape), lambda dy: written(resample_dx, dy, x_shape), x_shape, y_shape)


def test_a_place_does_not_see_pixels_that_it_does_not_read():
    x, y = np.full((1, 2, 2, 16), np.nan), np.zeros((1, 1, 2, 16))
    x[0, 1, 0] = 3
    resample(x, np.array([[1, -1], [0, -1], [-1, 1]]), np.ones((3, 2)), y)
    assert (y[0, 0, 0] == 3).all()
    assert (y[0, 0, 1] == 0).all()
