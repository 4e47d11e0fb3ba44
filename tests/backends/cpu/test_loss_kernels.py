"""Losses and their derivatives against their oracles, PyTorch and finite differences; padding lanes count for nothing."""

import naive
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import examples

from minicnn.backends.cpu.kernels.loss import (
    count_hits,
    cross_entropy,
    cross_entropy_dy,
    cross_entropy_hy,
    mse,
    mse_dy,
    mse_hy,
    one_hot,
)

DTYPES = [np.float32, np.float64]
JUNK = [np.nan, 1e30, -np.inf]
few = examples(25)

groups = st.fixed_dictionaries(
    {
        "N": st.integers(1, 16) | st.just(16),
        "D": st.integers(1, 11),
        "L": st.sampled_from([16, 32]),
        "seed": st.integers(0, 999),
        "junk": st.sampled_from(JUNK),
        "smoothing": st.sampled_from([0.0, 0.1, 1.0]),
    }
)


class Group:
    """N images in L lanes, padding lanes full of junk, as part of a batch of 2 N."""

    def __init__(self, dtype, N, D, L, seed, junk, smoothing):
        rng = np.random.default_rng(seed)
        self.dtype, self.N, self.D = dtype, N, D
        self.y, self.target = (3 * rng.standard_normal((N, D))).astype(dtype), rng.standard_normal((N, D)).astype(dtype)
        self.labels = rng.integers(0, D, N)
        self.yl, self.targetl = naive.to_lanes(self.y, L, junk), naive.to_lanes(self.target, L, junk)
        self.labelsl = naive.to_lanes(self.labels, L, 0)
        self.lanes, self.scale = np.array([N]), np.array([0.5 / N], dtype)
        self.smoothing = np.array([smoothing], dtype)
        self.value, self.dy = np.array([7.0]), np.full((D, L), np.nan, dtype)

    def check(self, value, dy):
        """The loss was added to 7; dy was written, and zero in padding lanes."""
        eps = np.finfo(self.dtype).eps
        np.testing.assert_allclose(self.value[0], 7 + value / (2 * self.N), rtol=100 * eps)
        np.testing.assert_allclose(naive.from_lanes(self.dy, self.N), dy / (2 * self.N), rtol=100 * eps, atol=10 * eps)
        assert np.array_equal(self.dy[:, self.N :], np.zeros_like(self.dy[:, self.N :]))


@pytest.mark.parametrize("dtype", DTYPES)
@few
@given(case=groups)
def test_mse(dtype, case):
    a = Group(dtype, **case)
    mse(a.yl, a.targetl, a.lanes, a.scale, a.value)
    mse_dy(a.yl, a.targetl, a.lanes, a.scale, a.dy)
    y, target = a.y.astype(np.float64), a.target.astype(np.float64)
    a.check(naive.mse(y, target), naive.mse_dy(y, target))


@pytest.mark.filterwarnings("ignore:invalid value")  # plain Python warns of the junk
@pytest.mark.parametrize("dtype", DTYPES)
@few
@given(case=groups)
def test_cross_entropy(dtype, case):
    a = Group(dtype, **case)
    cross_entropy(a.yl, a.labelsl, a.smoothing, a.lanes, a.scale, a.value)
    cross_entropy_dy(a.yl, a.labelsl, a.smoothing, a.lanes, a.scale, a.dy)
    y, s = a.y.astype(np.float64), case["smoothing"]
    a.check(naive.cross_entropy(y, a.labels, s), naive.cross_entropy_dy(y, a.labels, s))


@pytest.mark.filterwarnings("ignore:invalid value")  # plain Python warns of the junk
@pytest.mark.parametrize("dtype", DTYPES)
@few
@given(case=groups)
def test_second_derivatives(dtype, case):
    a, b = Group(dtype, **case), Group(dtype, **case)
    mse_hy(a.lanes, a.scale, a.dy)
    cross_entropy_hy(b.yl, b.lanes, b.scale, b.dy)
    a.check(0, naive.mse_hy(a.y))
    b.check(0, naive.cross_entropy_hy(b.y.astype(np.float64)))


@pytest.mark.torch
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
def test_losses_of_a_batch_in_two_groups_as_in_pytorch(dtype, smoothing):
    rng = np.random.default_rng(1)
    y, target = (4 * rng.standard_normal((21, 10))).astype(dtype), rng.standard_normal((21, 10)).astype(dtype)
    labels, scale, s = rng.integers(0, 10, 21), np.array([1 / 21], dtype), np.array([smoothing], dtype)
    values, dys = np.zeros((2, 1)), np.full((2, 2, 10, 16), np.nan, dtype)
    for group, real in enumerate([slice(0, 16), slice(16, 21)]):
        yl, tl, ll = (
            naive.to_lanes(y[real], 16, np.nan),
            naive.to_lanes(target[real], 16, np.nan),
            naive.to_lanes(labels[real], 16),
        )
        lanes = np.array([real.stop - real.start])
        mse(yl, tl, lanes, scale, values[0])
        mse_dy(yl, tl, lanes, scale, dys[0, group])
        cross_entropy(yl, ll, s, lanes, scale, values[1])
        cross_entropy_dy(yl, ll, s, lanes, scale, dys[1, group])
    for i, theirs in enumerate(
        [
            lambda t: torch.nn.functional.mse_loss(t, torch.tensor(target)),
            lambda t: torch.nn.functional.cross_entropy(t, torch.tensor(labels), label_smoothing=smoothing),
        ]
    ):
        t = torch.tensor(y, requires_grad=True)
        theirs(t).backward()
        dy = np.concatenate([naive.from_lanes(dys[i, 0], 16), naive.from_lanes(dys[i, 1], 5)])
        eps = np.finfo(dtype).eps
        np.testing.assert_allclose(values[i, 0], theirs(t).item(), rtol=20 * eps)
        np.testing.assert_allclose(dy, t.grad.numpy(), rtol=50 * eps, atol=2 * eps)


def test_sums_over_more_lanes_than_the_cpu_takes_at_once():
    """On a GPU these are two blocks, whose sums are added."""
    a = Group(np.float64, N=140, D=3, L=160, seed=2, junk=np.nan, smoothing=0.1)
    mse(a.yl, a.targetl, a.lanes, a.scale, a.value)
    mse_dy(a.yl, a.targetl, a.lanes, a.scale, a.dy)
    a.check(naive.mse(a.y, a.target), naive.mse_dy(a.y, a.target))
    a.value[0] = 7
    cross_entropy(a.yl, a.labelsl, a.smoothing, a.lanes, a.scale, a.value)
    cross_entropy_dy(a.yl, a.labelsl, a.smoothing, a.lanes, a.scale, a.dy)
    a.check(naive.cross_entropy(a.y, a.labels, 0.1), naive.cross_entropy_dy(a.y, a.labels, 0.1))
    hits = np.array([5])
    count_hits(a.yl, a.labelsl, a.lanes, hits)
    assert hits[0] == 5 + naive.count_hits(a.y, a.labels)


@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
def test_gradient(loss):
    a = Group(np.float64, N=13, D=6, L=16, seed=5, junk=0.0, smoothing=0.2)
    rest = (a.targetl,) if loss == "mse" else (a.labelsl, a.smoothing)
    value, derivative = (mse, mse_dy) if loss == "mse" else (cross_entropy, cross_entropy_dy)
    v = np.random.default_rng(6).standard_normal(a.yl.shape)
    above, below = np.zeros(1), np.zeros(1)
    derivative(a.yl, *rest, a.lanes, a.scale, a.dy)
    value(a.yl + 1e-6 * v, *rest, a.lanes, a.scale, above)
    value(a.yl - 1e-6 * v, *rest, a.lanes, a.scale, below)
    np.testing.assert_allclose((a.dy * v).sum(), (above - below)[0] / 2e-6, rtol=1e-7)


def test_cross_entropy_of_huge_and_infinite_logits():
    """As stable as log-sum-exp, and an impossible class costs nothing where it is not the label."""
    y = np.zeros((3, 16), np.float32)
    y[0, :2], y[1, 2] = 1e30, -np.inf
    labels = np.array([0, 1] + 14 * [0])
    none, one = np.zeros(1, np.float32), np.ones(1, np.float32)
    values = []
    for lane in range(3):
        value, only = np.zeros(1), np.roll(y, -lane, axis=1)
        cross_entropy(only, np.roll(labels, -lane), none, np.array([1]), one, value)
        values.append(value[0])
    assert values[0] == 0
    assert values[1] == np.float64(np.float32(1e30))
    np.testing.assert_allclose(values[2], np.log(2), rtol=1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
@few
@given(case=groups, levels=st.sampled_from([2, 100]))
def test_count_hits(dtype, case, levels):
    a = Group(dtype, **{**case, "junk": 1e30})
    ties = np.random.default_rng(case["seed"]).integers(0, levels, a.y.shape).astype(dtype)
    hits = np.array([5])
    count_hits(naive.to_lanes(ties, case["L"], 1e30), a.labelsl, a.lanes, hits)
    assert hits[0] == 5 + naive.count_hits(ties, a.labels)


@pytest.mark.parametrize("dtype", DTYPES)
def test_an_image_with_a_nan_among_its_outputs_is_no_hit(dtype):
    y = np.array([[np.nan, 1, 2], [1, np.nan, 2], [1, 2, np.nan], [np.inf, 1, np.inf], [-np.inf, -np.inf, -np.inf]], dtype)
    for label, expected in ((0, 2), (1, 0), (2, 0)):
        hits = np.array([0])
        count_hits(naive.to_lanes(y, 16, np.nan), np.full(16, label), np.array([5]), hits)
        assert hits[0] == expected


@pytest.mark.parametrize("dtype", DTYPES)
@few
@given(case=groups)
def test_one_hot(dtype, case):
    a = Group(dtype, **case)
    target = np.full_like(a.yl, np.nan)
    one_hot(a.labelsl, a.lanes, np.array([1, -0.5], dtype), target)
    assert np.array_equal(naive.from_lanes(target, a.N), naive.one_hot(a.labels, a.D, 1, -0.5))
    assert np.all(target[:, a.N :] == -0.5)
