"""The pixels that won their windows, against max pooling itself, and against their adjoint."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import STRATEGIES, examples

import minicnn as m
from minicnn.backends.cpu import max_pool, max_pool_dx, max_pool_take, row_add, row_sum_add
from minicnn.testing import check_adjoint


def pooled(layer, in_shape, L, dtype="float64"):
    """A window, a map, its maxima and where they were."""
    x = np.random.default_rng(0).standard_normal((*in_shape, L)).astype(dtype)
    window, out = layer.window.array(), (*layer.plan(in_shape).out_shape, L)
    y, argmax = np.empty(out, dtype), np.empty(out, np.int32)
    max_pool(x, window, y, argmax)
    return window, x, y, argmax


@examples(20)
@given(case=STRATEGIES[m.MaxPool2d], L=st.sampled_from((16, 1)))
def test_what_is_taken_from_the_map_are_its_maxima(case, L):
    window, x, y, argmax = pooled(*case, L)
    taken = np.full_like(y, np.nan)
    max_pool_take(x, argmax, window, taken)
    np.testing.assert_array_equal(taken, y)


@examples(10)
@given(case=STRATEGIES[m.MaxPool2d], L=st.sampled_from((16, 1)))
def test_max_pool_take_is_the_adjoint_of_max_pool_dx(case, L):
    window, x, y, argmax = pooled(*case, L)

    def written(kernel, given, shape):
        out = np.full(shape, np.nan)
        kernel(given, argmax, window, out)
        return out

    take, spread = (lambda a: written(max_pool_take, a, y.shape)), (lambda a: written(max_pool_dx, a, x.shape))
    check_adjoint(take, spread, x.shape, y.shape)


def test_a_window_that_nobody_won_gives_zero():
    y = np.full((1, 1, 2, 16), np.nan)
    max_pool_take(np.ones((1, 2, 4, 16)), np.full(y.shape, -1, np.int32), m.MaxPool2d(2).window.array(), y)
    assert not y.any()


@pytest.mark.parametrize("L", [16, 1])
def test_row_add_is_the_adjoint_of_row_sum_add(L):
    def added(b):
        y = np.zeros((3, 5 * L))
        row_add(b, y)
        return y

    def summed(dy):
        db = np.zeros(3)
        row_sum_add(dy, db)
        return db

    check_adjoint(added, summed, (3,), (3, 5 * L))
