"""Every kernel of the compiled backend against its formula in NumPy, on the same arguments."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_cases import Draw, cases
from strategies import examples

from minicnn.backends import cpu, kernels, numpy

CASES = cases(kernels.NAMES)
BIT_FOR_BIT = {"copy", "draw_uniform", "choose_group", "pack_quads", "one_hot", "count_hits", "count_least", "max_pool"}
BIT_FOR_BIT |= {
    "gather",
    "scatter",
    "im2col",
    "spread",
    "zero",
    "relu",
    "relu_dx",
    "add",
}


def ran(backend, name, arguments):
    """Copies of the arguments after a kernel worked on them."""
    own = [a.copy() for a in arguments]
    getattr(backend, name)(*own)
    return own


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", CASES)
@examples(5)
@given(seed=st.integers(0, 2**32 - 1), lanes=st.sampled_from((16, 1, 32)))
def test_kernel_computes_its_formula(name, dtype, seed, lanes):
    arguments, written = CASES[name](Draw(seed, dtype, lanes))
    ours, plain = ran(cpu, name, arguments), ran(numpy, name, arguments)
    for number, (got, expected, before) in enumerate(zip(ours, plain, arguments, strict=True)):
        if number not in written:
            np.testing.assert_array_equal(expected, before, err_msg=f"argument {number} of {name} was changed")
        elif name in BIT_FOR_BIT or expected.dtype.kind in "iu":
            np.testing.assert_array_equal(got, expected)
        else:
            size = max(1.0, float(np.abs(expected).max(initial=0)))
            np.testing.assert_allclose(got, expected, rtol=0, atol=100 * np.finfo(dtype).eps * size)


def test_cases_reach_what_they_write():
    """A case that leaves its outputs as they were compares nothing."""
    for name, draw in CASES.items():
        changed = set()
        for seed in range(8):
            arguments, written = draw(Draw(seed, "float64", 16))
            after = ran(numpy, name, arguments)
            changed |= {n for n in written if not np.array_equal(after[n], arguments[n], equal_nan=True)}
        assert changed == set(written), name


def test_an_output_with_a_nan_is_no_hit():
    y = np.zeros((3, 4))
    y[1], y[1, 0], y[2, 1] = 1, np.nan, np.nan
    for kernel, sign in ((numpy.count_hits, 1), (numpy.count_least, -1)):
        hits = np.array([0])
        kernel(sign * y, np.array([1, 1, 1, 0]), np.array([4]), hits)
        assert hits[0] == 1


def test_a_map_does_not_see_channels_that_it_does_not_read():
    x, dy, W, g = np.full((2, 3, 3, 16), np.inf), np.full((2, 2, 2, 16), np.inf), np.ones((1, 2, 2)), np.zeros((2, 2, 2, 16))
    x[0], dy[0], links = 1, 1, np.array([[0, 0, 0], [1, 1, 0]])
    numpy.sparse_conv2d(x, W, np.zeros(2), links, g)
    assert (g[0] == 4).all()
    dx = np.zeros_like(x)
    numpy.sparse_conv2d_dx(dy, W, links, dx)
    assert np.isfinite(dx[0]).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_slope_where_scaled_tanh_is_flat_is_zero(dtype):
    y, dx = np.empty((1, 16), dtype), np.full((1, 16), np.nan, dtype)
    numpy.scaled_tanh(np.array([[99, -99] * 8], dtype), y)
    numpy.scaled_tanh_dx(y, np.ones_like(y), dx)
    assert not dx.any()
