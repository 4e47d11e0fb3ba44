"""Pooling and subsampling against their oracles, PyTorch, and their adjoints."""

import naive
import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import examples

from minicnn.backends.cpu import (
    avg_pool,
    avg_pool_dx,
    max_pool,
    max_pool_dx,
    subsample,
    subsample_dcoef_add,
    subsample_dx,
)

DTYPES = [np.float32, np.float64]
few = examples(25)


@st.composite
def axes(draw, dilation):
    """(size, outputs, kernel, stride, padding, dilation) of one axis, the padding at most half a window, as in PyTorch."""
    k, s, d = draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(st.integers(1, dilation))
    reach = (k - 1) * d + 1
    p = draw(st.integers(0, k // 2))
    size = draw(st.integers(max(1, reach - 2 * p), 8))
    return size, (size + 2 * p - reach) // s + 1, k, s, p, d


@st.composite
def pools(draw, dilation=2):
    """(g, C, H, W, OH, OW, L, seed); one in three is the common 2 × 2 window with stride 2."""
    common = st.integers(2, 7).map(lambda size: (size, size // 2, 2, 2, 0, 1))
    axis = axes(dilation)
    (H, OH, *h), (W, OW, *w) = draw(st.one_of(st.tuples(common, common), st.tuples(axis, axis), st.tuples(axis, axis)))
    g = np.array([v for pair in zip(h, w, strict=True) for v in pair])
    return g, draw(st.integers(1, 2)), H, W, OH, OW, draw(st.sampled_from([16, 32, 1, 1])), draw(st.integers(0, 999))


def random(seed, shape, dtype, levels=None):
    """Standard normal, or, for ties, one of so many levels."""
    rng = np.random.default_rng(seed)
    return (rng.standard_normal(shape) if levels is None else rng.integers(0, levels, shape) - 1.0).astype(dtype)


def spoiled(xl, *shape, dtype=None):
    """An output array filled with what a forgotten store would leave behind."""
    return np.full((*shape, xl.shape[-1]), np.nan if dtype is None else -7, dtype or xl.dtype)


def close(actual, expected, dtype):
    np.testing.assert_allclose(actual, expected, rtol=50 * np.finfo(dtype).eps, atol=50 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", DTYPES)
@few
@given(case=pools())
def test_avg_pool(dtype, case):
    g, C, H, W, OH, OW, L, seed = case
    x, dy = random(seed, (L, C, H, W), dtype), random(seed + 1, (L, C, OH, OW), dtype)
    xl, dyl = naive.to_lanes(x, L), naive.to_lanes(dy, L)
    y, dx = spoiled(xl, C, OH, OW), spoiled(xl, C, H, W)
    avg_pool(xl, g, y)
    avg_pool_dx(dyl, g, dx)
    close(naive.from_lanes(y, L), naive.avg_pool(x, g, OH, OW), dtype)
    close(naive.from_lanes(dx, L), naive.avg_pool_dx(dy, g, H, W), dtype)
    close(
        np.vdot(y.astype(np.float64), dyl) / y.size, np.vdot(xl.astype(np.float64), dx) / y.size, dtype
    )  # ⟨A x, y⟩ = ⟨x, Aᵀ y⟩


@pytest.mark.parametrize("dtype", DTYPES)
@few
@given(case=pools(), levels=st.sampled_from([2, 4, None]), nans=st.booleans())
def test_max_pool(dtype, case, levels, nans):
    g, C, H, W, OH, OW, L, seed = case
    x, dy = random(seed, (L, C, H, W), dtype, levels), random(seed + 1, (L, C, OH, OW), dtype)
    if nans:
        x[random(seed + 2, x.shape, dtype) > 1] = np.nan
        x[random(seed + 3, x.shape, dtype) > 1] = -np.inf
    xl, dyl = naive.to_lanes(x, L), naive.to_lanes(dy, L)
    y, dx, tap = spoiled(xl, C, OH, OW), spoiled(xl, C, H, W), spoiled(xl, C, OH, OW, dtype=np.int32)
    max_pool(xl, g, y, tap)
    max_pool_dx(dyl, tap, g, dx)
    expected_y, expected_tap = naive.max_pool(x, g, OH, OW)
    assert np.array_equal(naive.from_lanes(y, L), expected_y, equal_nan=True)
    assert np.array_equal(naive.from_lanes(tap, L), expected_tap)
    close(naive.from_lanes(dx, L), naive.max_pool_dx(dy, expected_tap, g, H, W), dtype)


@pytest.mark.torch
@pytest.mark.parametrize("dtype", DTYPES)
@few
@given(case=pools(dilation=1))
def test_avg_pool_as_in_pytorch(dtype, case):
    g, C, H, W, OH, OW, L, seed = case
    x, dy = random(seed, (L, C, H, W), dtype), random(seed + 1, (L, C, OH, OW), dtype)
    t = torch.tensor(x, requires_grad=True)
    theirs = torch.nn.functional.avg_pool2d(t, tuple(g[:2]), tuple(g[2:4]), tuple(g[4:6]))
    theirs.backward(torch.tensor(dy))
    xl = naive.to_lanes(x, L)
    y, dx = spoiled(xl, C, OH, OW), spoiled(xl, C, H, W)
    avg_pool(xl, g, y)
    avg_pool_dx(naive.to_lanes(dy, L), g, dx)
    close(naive.from_lanes(y, L), theirs.detach().numpy(), dtype)
    close(naive.from_lanes(dx, L), t.grad.numpy(), dtype)


@pytest.mark.torch
@pytest.mark.parametrize("dtype", DTYPES)
@few
@given(case=pools(), levels=st.sampled_from([2, None]), nans=st.booleans())
def test_max_pool_as_in_pytorch(dtype, case, levels, nans):
    g, C, H, W, OH, OW, L, seed = case
    x, dy = random(seed, (L, C, H, W), dtype, levels), random(seed + 1, (L, C, OH, OW), dtype)
    if nans:
        x[random(seed + 2, x.shape, dtype) > 1] = np.nan
    kh, kw, sh, sw, ph, pw, dh, dw = (int(v) for v in g)
    reached = {pixel for pixel, _, _ in naive.windows(g, H, W, OH, OW)}
    assume(len(reached) == OH * OW)  # where a window has no tap inside, PyTorch names a pixel outside
    t = torch.tensor(x, requires_grad=True)
    theirs, where = torch.nn.functional.max_pool2d(t, (kh, kw), (sh, sw), (ph, pw), (dh, dw), return_indices=True)
    theirs.backward(torch.tensor(dy))
    xl = naive.to_lanes(x, L)
    y, dx, tap = spoiled(xl, C, OH, OW), spoiled(xl, C, H, W), spoiled(xl, C, OH, OW, dtype=np.int32)
    max_pool(xl, g, y, tap)
    max_pool_dx(naive.to_lanes(dy, L), tap, g, dx)
    i, j = np.divmod(naive.from_lanes(tap, L), kw)
    oh, ow = np.indices((OH, OW))
    assert np.array_equal(naive.from_lanes(y, L), theirs.detach().numpy(), equal_nan=True)
    assert np.array_equal((oh * sh - ph + i * dh) * W + ow * sw - pw + j * dw, where.numpy())
    close(naive.from_lanes(dx, L), t.grad.numpy(), dtype)


def test_max_pool_where_a_window_lies_in_the_border():
    """Kernel 2 with dilation 2 over one padded pixel: taps −1 and 1 miss it."""
    g = np.array([1, 2, 1, 1, 0, 1, 1, 2])
    x, dx = np.ones((1, 1, 1, 16)), np.full((1, 1, 1, 16), np.nan)
    y, tap = np.zeros((1, 1, 1, 16)), np.zeros((1, 1, 1, 16), np.int32)
    max_pool(x, g, y, tap)
    max_pool_dx(np.ones_like(y), tap, g, dx)
    assert np.all(y == -np.inf)
    assert np.all(tap == -1)
    assert np.all(dx == 0)


def test_max_pool_gradient():
    rng = np.random.default_rng(0)
    g = np.array([3, 2, 2, 1, 1, 0, 1, 2])
    x = rng.permutation(2 * 6 * 7 * 16).reshape(2, 6, 7, 16) / 100.0  # no ties
    dy, v = rng.standard_normal((2, 3, 5, 16)), rng.standard_normal(x.shape)
    y, above, below, tap, dx = *(np.empty_like(dy) for _ in range(3)), np.empty(dy.shape, np.int32), np.empty_like(x)
    max_pool(x, g, y, tap)
    max_pool_dx(dy, tap, g, dx)
    max_pool(x + 1e-6 * v, g, above, tap)
    max_pool(x - 1e-6 * v, g, below, tap)
    np.testing.assert_allclose((dx * v).sum(), (dy * (above - below)).sum() / 2e-6, rtol=1e-7)


@pytest.mark.parametrize("dtype", DTYPES)
@few
@given(
    k=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    outs=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    C=st.integers(1, 3),
    L=st.sampled_from([16, 32, 1]),
    seed=st.integers(0, 999),
)
def test_subsample(dtype, k, outs, C, L, seed):
    g, (OH, OW) = np.array([*k, *k, 0, 0, 1, 1]), outs
    H, W = OH * k[0], OW * k[1]
    x, dy = random(seed, (L, C, H, W), dtype), random(seed + 1, (L, C, OH, OW), dtype)
    coef, b = random(seed + 2, C, dtype), random(seed + 3, C, dtype)
    xl, dyl = naive.to_lanes(x, L), naive.to_lanes(dy, L)
    y, dx, dcoef = spoiled(xl, C, OH, OW), spoiled(xl, C, H, W), np.arange(C).astype(dtype)
    subsample(xl, coef, b, g, y)
    subsample_dx(dyl, coef, g, dx)
    subsample_dcoef_add(xl, dyl, g, dcoef)
    close(naive.from_lanes(y, L), naive.subsample(x.astype(np.float64), coef, b, g, OH, OW), dtype)
    close(naive.from_lanes(dx, L), naive.subsample_dx(dy.astype(np.float64), coef, g, H, W), dtype)
    expected = np.arange(C) + naive.subsample_dcoef(x.astype(np.float64), dy, g)
    np.testing.assert_allclose(dcoef, expected, rtol=1e3 * np.finfo(dtype).eps, atol=y.size * np.finfo(dtype).eps)
