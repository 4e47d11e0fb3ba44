"""Loading into lanes and copying back, against plain indexing and PyTorch's interpolation."""

import naive
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import examples

from minicnn.backends.cpu import choose_group, gather, gather_pixels, gather_resized, scatter

DTYPES = [np.float32, np.float64]
few = examples(20)

groups = st.fixed_dictionaries(
    {
        "n": st.integers(0, 16) | st.just(16),
        "L": st.sampled_from([16, 32, 1]),
        "seed": st.integers(0, 999),
    }
)


def pick(n, L, seed, N=40):
    """An index of L lanes with n real ones; padding lanes point far outside."""
    index = np.full(L, 10**15)
    index[:n] = np.random.default_rng(seed).permutation(N)[:n]
    return index, np.array([n])


@pytest.mark.parametrize(("source", "dtype"), [(np.float32, np.float32), (np.float64, np.float64), (np.float64, np.float32)])
@few
@given(case=groups, D=st.sampled_from([1, 5, 16, 31, 48]))
def test_gather(source, dtype, case, D):
    n, L, seed = min(case["n"], case["L"]), case["L"], case["seed"]
    x = np.random.default_rng(seed).standard_normal((40, D)).astype(source)
    index, lanes = pick(n, L, seed)
    xl = np.full((D, L), np.nan, dtype)
    gather(x, index, lanes, xl)
    assert np.array_equal(xl, naive.to_lanes(x[index[:n]].astype(dtype), L))


@pytest.mark.parametrize("dtype", DTYPES)
@few
@given(case=groups, D=st.sampled_from([1, 5, 16, 31, 48]), junk=st.sampled_from([np.nan, 1e30]))
def test_scatter(dtype, case, D, junk):
    n, L, seed = min(case["n"], case["L"]), case["L"], case["seed"]
    images = np.random.default_rng(seed).standard_normal((n, D)).astype(dtype)
    index, lanes = pick(n, L, seed)
    y = np.full((40, D), -3, dtype)
    expected = y.copy()
    expected[index[:n]] = images
    scatter(naive.to_lanes(images, L, junk), index, lanes, y)
    assert np.array_equal(y, expected)


@few
@given(count=st.integers(1, 70), seed=st.integers(0, 99), L=st.sampled_from([16, 32, 1]))
def test_choose_group(count, seed, L):
    rng = np.random.default_rng(seed)
    batch, batch_labels = rng.integers(0, 1000, 80), rng.integers(0, 10, 80)
    number = rng.integers(0, -(-count // L))
    place, index, labels, lanes = (np.full(n, -1) for n in (L, L, L, 1))
    draws = np.full((3, 4), 7, np.uint64)
    step = np.array([5], np.uint64)
    choose_group(batch, batch_labels, np.array([count]), step, np.array([number]), place, index, labels, lanes, draws)
    first = number * L
    real = min(L, count - first)
    expected = np.concatenate([np.arange(first, first + real), np.full(L - real, first)])
    assert lanes[0] == real
    assert np.array_equal(place, expected)
    assert np.array_equal(index, batch[expected])
    assert np.array_equal(labels, batch_labels[expected])
    assert np.array_equal(draws, np.array([[7, 5, 7, first]] * 3))


@pytest.mark.parametrize("dtype", DTYPES)
@few
@given(
    L=st.sampled_from([16, 32, 1]),
    seed=st.integers(0, 99),
    shape=st.tuples(st.integers(1, 5), st.integers(1, 40)),
    pad=st.tuples(st.integers(0, 3), st.integers(0, 3)),
)
def test_gather_pixels(dtype, L, seed, shape, pad):
    rng = np.random.default_rng(seed)
    images, index = rng.integers(0, 256, (40, *shape)).astype(np.uint8), rng.integers(0, 40, L)
    affine = np.array([0.5, -3], dtype)
    xl = np.full((1, shape[0] + 2 * pad[0], shape[1] + 2 * pad[1], L), np.nan, dtype)
    gather_pixels(images, affine, index, np.array(pad), xl)
    table = (np.arange(256) * 0.5 - 3).astype(dtype)
    assert np.array_equal(xl, naive.to_lanes(naive.pixels(images[index], table, *pad), L))


@pytest.mark.parametrize("dtype", DTYPES)
@few
@given(
    case=groups,
    shape=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    size=st.tuples(st.integers(1, 12), st.integers(1, 12)),
)
def test_gather_resized(dtype, case, shape, size):
    n, L, seed = min(case["n"], case["L"]), case["L"], case["seed"]
    images = np.random.default_rng(seed).integers(0, 256, (40, *shape)).astype(np.uint8)
    index, lanes = pick(n, L, seed)
    xl = np.full((1, *size, L), np.nan, dtype)
    gather_resized(images, np.array([0.5, -3], dtype), index, lanes, xl)
    expected = 0.5 * naive.resized(images[index[:n]].astype(np.float64), *size) - 3
    np.testing.assert_allclose(xl, naive.to_lanes(expected, L, -3), rtol=0, atol=2000 * np.finfo(dtype).eps)


@pytest.mark.torch
@pytest.mark.parametrize("size", [(28, 28), (32, 32), (32, 40), (14, 9), (1, 57)])
def test_gather_resized_as_in_pytorch(size):
    images = np.random.default_rng(0).integers(0, 256, (32, 28, 28)).astype(np.uint8)
    xl = np.full((1, *size, 32), np.nan)
    gather_resized(images, np.array([1.0, 0.0]), np.arange(32), np.array([32]), xl)
    theirs = torch.nn.functional.interpolate(torch.tensor(images[:, None], dtype=torch.float64), size, mode="bilinear")
    np.testing.assert_allclose(naive.from_lanes(xl, 32), theirs.numpy(), rtol=1e-12, atol=1e-10)


@pytest.mark.parametrize("dtype", DTYPES)
def test_there_and_back(dtype):
    """⟨gather x, y⟩ = ⟨x, scatter y⟩ where every image is in one lane."""
    rng = np.random.default_rng(3)
    x, yl, index, lanes = (
        rng.standard_normal((16, 21)).astype(dtype),
        rng.standard_normal((21, 16)).astype(dtype),
        *pick(16, 16, 1, 16),
    )
    xl, y = np.full((21, 16), np.nan, dtype), np.full((16, 21), np.nan, dtype)
    gather(x, index, lanes, xl)
    scatter(yl, index, lanes, y)
    np.testing.assert_allclose(np.vdot(xl, yl), np.vdot(x, y), rtol=1e-5)
