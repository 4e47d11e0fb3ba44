"""RBF units and losses over penalties against their oracles; padding lanes count for nothing."""

import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import examples

from minicnn.backends.cpu.kernels.penalty import (
    count_least,
    map_penalty,
    map_penalty_dy,
    map_penalty_hy,
    map_shares,
    penalty,
    penalty_dy,
)
from minicnn.backends.cpu.kernels.rbf import rbf_hW_add, rbf_hx
from minicnn.backends.cpu.lowering.by_lanes import rbf, rbf_dW_add, rbf_dx

DTYPES = [np.float32, np.float64]
few = examples(20)
LANES = st.sampled_from([16, 32, 1])
units = st.fixed_dictionaries(
    {"D": st.integers(1, 20), "units": st.integers(1, 11), "L": LANES, "seed": st.integers(0, 999)},
)


def close(got, expected, dtype, scale):
    np.testing.assert_allclose(got, expected, rtol=0, atol=60 * np.finfo(dtype).eps * max(1.0, scale))


@pytest.mark.parametrize("dtype", DTYPES)
@few
@given(case=units)
def test_radial_basis_functions(dtype, case):
    D, N, L = case["D"], case["units"], case["L"]
    rng = np.random.default_rng(case["seed"])
    x, W = rng.standard_normal((L, D)).astype(dtype), rng.standard_normal((N, D)).astype(dtype)
    dy, hy = (rng.standard_normal((L, N)).astype(dtype) for _ in range(2))
    xl, dyl, hyl = (naive.to_lanes(a, L) for a in (x, dy, hy))
    y, dx, hx = np.full((N, L), np.nan, dtype), np.full((D, L), np.nan, dtype), np.full((D, L), np.nan, dtype)
    dW, hW = np.full((N, D), 3, dtype), np.full((N, D), -2, dtype)
    rbf(xl, W, y)
    rbf_dx(dyl, xl, W, dx)
    rbf_dW_add(dyl, xl, W, dW)
    rbf_hx(hyl, dyl, xl, W, hx)
    rbf_hW_add(hyl, dyl, xl, W, hW)
    x, W, dy, hy = (a.astype(np.float64) for a in (x, W, dy, hy))
    close(naive.from_lanes(y, L), naive.rbf(x, W), dtype, naive.rbf(x, W).max())
    close(naive.from_lanes(dx, L), naive.rbf_dx(dy, x, W), dtype, 4 * N)
    close(dW, 3 + naive.rbf_dW(dy, x, W), dtype, 4 * L)
    close(naive.from_lanes(hx, L), naive.rbf_hx(hy, dy, x, W), dtype, 20 * N)
    close(hW, -2 + naive.rbf_hW(hy, dy, x, W), dtype, 20 * L)


def test_gradient_of_radial_basis_functions():
    rng = np.random.default_rng(1)
    x, W, dy, v, V = (rng.standard_normal(s) for s in ((7, 16), (5, 7), (5, 16), (7, 16), (5, 7)))
    above, below, dx, dW = np.zeros((5, 16)), np.zeros((5, 16)), np.zeros((7, 16)), np.zeros((5, 7))
    rbf(x + 1e-6 * v, W + 1e-6 * V, above)
    rbf(x - 1e-6 * v, W - 1e-6 * V, below)
    rbf_dx(dy, x, W, dx)
    rbf_dW_add(dy, x, W, dW)
    np.testing.assert_allclose((dx * v).sum() + (dW * V).sum(), (dy * (above - below)).sum() / 2e-6, rtol=1e-7)


class Group:
    """Penalties of N images in L lanes, padding lanes full of junk, as part of a batch of 2 N."""

    def __init__(self, dtype, N, D, L, seed, junk, j, spread):
        rng = np.random.default_rng(seed)
        self.dtype, self.N, self.D, self.L, self.j = dtype, min(N, L), D, L, j
        self.y = (spread * rng.uniform(0, 1, (self.N, D))).astype(dtype)
        self.labels = rng.integers(0, D, self.N)
        self.yl, self.labelsl = naive.to_lanes(self.y, L, junk), naive.to_lanes(self.labels, L, 0)
        self.lanes, self.scale = np.array([self.N]), np.array([0.5 / self.N], dtype)
        self.rubbish, self.value = np.array([j], dtype), np.array([7.0])

    def written(self, expected, kernel, *arguments, holds=None):
        """What a kernel writes, and that it is zero in padding lanes."""
        out = np.full((self.D, self.L), np.nan, self.dtype) if holds is None else holds
        kernel(*arguments, self.lanes, self.scale, out)
        close(naive.from_lanes(out, self.N), expected / (2 * self.N), self.dtype, 1)
        assert np.array_equal(out[:, self.N :], np.zeros_like(out[:, self.N :]))

    def shares(self):
        p = np.full((self.D, self.L), np.nan, self.dtype)
        map_shares(self.yl, self.rubbish, p)
        return p


penalties = st.fixed_dictionaries(
    {
        "N": st.integers(1, 16) | st.just(16),
        "D": st.integers(1, 11),
        "L": LANES,
        "seed": st.integers(0, 999),
        "junk": st.sampled_from([np.nan, 1e30, -np.inf]),
        "j": st.sampled_from([0.1, 1.0, 40.0]),
        "spread": st.sampled_from([1.0, 30.0, 400.0]),
    }
)


@pytest.mark.filterwarnings("ignore:invalid value", "ignore:overflow")  # plain Python warns of the junk
@pytest.mark.parametrize("dtype", DTYPES)
@few
@given(case=penalties)
def test_losses_over_penalties(dtype, case):
    a, b = Group(dtype, **case), Group(dtype, **case)
    y = a.y.astype(np.float64)
    penalty(a.yl, a.labelsl, a.lanes, a.scale, a.value)
    map_penalty(b.yl, b.labelsl, b.rubbish, b.lanes, b.scale, b.value)
    eps = np.finfo(dtype).eps * max(10.0, case["spread"])
    np.testing.assert_allclose(a.value[0], 7 + naive.penalty(y, a.labels) / (2 * a.N), rtol=0, atol=100 * eps)
    j = float(b.rubbish[0])
    np.testing.assert_allclose(b.value[0], 7 + naive.map_penalty(y, b.labels, j) / (2 * b.N), rtol=0, atol=100 * eps)
    p, right = naive.map_shares(y, j), naive.penalty_dy(y, a.labels)
    a.written(right, penalty_dy, a.labelsl)
    close(naive.from_lanes(b.shares(), b.N), p, dtype, case["spread"] / 4)
    a.scale = b.scale = np.array([0.5 / b.N / max(1, case["spread"] / 4)], dtype)
    b.written((right - p) / max(1, case["spread"] / 4), map_penalty_dy, b.labelsl, holds=b.shares())
    b.written(p * (1 - p) / max(1, case["spread"] / 4), map_penalty_hy, holds=b.shares())


def test_gradient_of_the_map_loss():
    a = Group(np.float64, N=13, D=6, L=16, seed=5, junk=0.0, j=1.5, spread=3.0)
    v, above, below, dy = np.random.default_rng(6).standard_normal(a.yl.shape), np.zeros(1), np.zeros(1), a.shares()
    map_penalty_dy(a.labelsl, a.lanes, a.scale, dy)
    map_penalty(a.yl + 1e-6 * v, a.labelsl, a.rubbish, a.lanes, a.scale, above)
    map_penalty(a.yl - 1e-6 * v, a.labelsl, a.rubbish, a.lanes, a.scale, below)
    np.testing.assert_allclose((dy * v).sum(), (above - below)[0] / 2e-6, rtol=1e-7)


@pytest.mark.parametrize("dtype", DTYPES)
@few
@given(case=penalties, levels=st.sampled_from([2, 100]))
def test_count_least(dtype, case, levels):
    a = Group(dtype, **{**case, "junk": -1e30})
    ties = np.random.default_rng(case["seed"]).integers(0, levels, a.y.shape).astype(dtype)
    hits = np.array([5])
    count_least(naive.to_lanes(ties, case["L"], -1e30), a.labelsl, a.lanes, hits)
    assert hits[0] == 5 + naive.count_hits(-ties, a.labels)


@pytest.mark.parametrize("dtype", DTYPES)
def test_an_image_with_a_nan_among_its_penalties_is_no_hit(dtype):
    y = np.array([[np.nan, 1, 2], [1, np.nan, 2], [1, 2, np.nan], [0, 1, np.inf], [np.inf, np.inf, np.inf]], dtype)
    for label, expected in ((0, 2), (1, 0), (2, 0)):
        hits = np.array([0])
        count_least(naive.to_lanes(y, 16, np.nan), np.full(16, label), np.array([5]), hits)
        assert hits[0] == expected


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_class_can_win(dtype):
    D, hits = 7, np.array([0])
    y = naive.to_lanes(1 - np.eye(D, dtype=dtype), 16, 5)
    count_least(y, naive.to_lanes(np.arange(D), 16), np.array([D]), hits)
    assert hits[0] == D


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("winner", [0, 3, 6])
def test_penalties_far_apart_do_not_overflow(dtype, winner):
    y = np.full((7, 16), 2000, dtype)
    y[winner] = 0
    value, p, labels = np.zeros(1), np.full((7, 16), np.nan, dtype), np.full(16, winner)
    map_penalty(y, labels, np.array([2000], dtype), np.array([16]), np.ones(1, dtype), value)
    map_shares(y, np.array([2000], dtype), p)
    assert value[0] == 0
    np.testing.assert_array_equal(p, (np.arange(7) == winner)[:, None] * np.ones(16))
