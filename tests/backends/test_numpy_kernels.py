"""Every kernel of the compiled backend against its formula in NumPy, on the same arguments."""

import numpy as np
import pytest
from failing import failures

from minicnn.backends import cpu, kernels, numpy
from minicnn.testing import check_backend
from minicnn.testing.cases import Draw, drawings

DTYPES = ("float32", "float64")
CHECKS = check_backend("cpu")


@pytest.mark.parametrize("check", CHECKS, ids=str)
def test_kernel_computes_its_formula(check):
    check()


@pytest.mark.parametrize("check", check_backend("cpu", lanes=(4, 8)), ids=str)
def test_kernel_computes_its_formula_for_few_lanes(check):
    check()


def test_every_kernel_has_a_check():
    assert [str(check) for check in CHECKS] == [f"{name}, {dtype}" for name in sorted(kernels.NAMES) for dtype in DTYPES]


def wrong_add(x, y):
    y += 1.001 * x


def spoils_x(x, y):
    y += x
    x += 1


def nothing(x, y):
    pass


@pytest.mark.parametrize("kernel", [wrong_add, spoils_x, nothing])
def test_a_wrong_kernel_is_found_and_no_other(kernel, monkeypatch):
    monkeypatch.setitem(cpu.BACKEND.kernels, "add", kernel)
    failed = list(failures(check for check in check_backend("cpu") if str(check).startswith(("add,", "copy,"))))
    assert [name for name, _ in failed] == ["add, float32", "add, float64"]
    for _, message in failed:
        assert f"argument {0 if kernel is spoils_x else 1} of add" in message


def test_cases_reach_what_they_write():
    """A case that leaves its outputs as they were compares nothing."""
    for name, draw in drawings(kernels.NAMES).items():
        changed = set()
        for seed in range(8):
            arguments, written = draw(Draw(seed, "float64", 16))
            after = [a.copy() for a in arguments]
            getattr(numpy, name)(*after)
            changed |= {n for n in written if not np.array_equal(after[n], arguments[n], equal_nan=True)}
        assert changed == set(written), name


def test_an_output_with_a_nan_is_no_hit():
    y = np.zeros((3, 4))
    y[1], y[1, 0], y[2, 1] = 1, np.nan, np.nan
    for kernel, sign in ((numpy.count_hits, 1), (numpy.count_least, -1)):
        hits = np.array([0])
        kernel(sign * y, np.array([1, 1, 1, 0]), np.array([4]), hits)
        assert hits[0] == 1


def test_a_place_is_a_hit_where_the_first_largest_class_is_the_label():
    y, labels = np.zeros((3, 1, 6)), np.array([[0, 1, 1, 0, 2, 0]])
    y[1, 0, 1:5], y[2, 0, 2:5], y[0, 0, 4] = 1, [1, 2, np.nan], np.nan
    for ignored, lanes, expected in ((-1, 6, 4), (1, 6, 2), (-1, 5, 3)):
        hits = np.array([3])
        numpy.count_map_hits(y, labels, np.array([ignored]), np.array([lanes]), hits)
        assert hits[0] == 3 + expected


def test_a_map_does_not_see_channels_that_it_does_not_read():
    x, dy, W, g = np.full((2, 3, 3, 16), np.inf), np.full((2, 2, 2, 16), np.inf), np.ones((1, 2, 2)), np.zeros((2, 2, 2, 16))
    x[0], dy[0], links = 1, 1, np.array([[0, 0, 0], [1, 1, 0]])
    numpy.sparse_conv2d(x, W, np.zeros(2), links, g)
    assert (g[0] == 4).all()
    dx = np.zeros_like(x)
    numpy.sparse_conv2d_dx(dy, W, links, dx)
    assert np.isfinite(dx[0]).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_slope_where_scaled_tanh_is_flat_is_zero(dtype):
    y, dx = np.empty((1, 16), dtype), np.full((1, 16), np.nan, dtype)
    numpy.scaled_tanh(np.array([[99, -99] * 8], dtype), y)
    numpy.scaled_tanh_dx(y, np.ones_like(y), dx)
    assert not dx.any()
