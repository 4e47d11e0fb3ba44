"""Augmentations in lanes, each against its plain meaning."""

import math

import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import examples

from minicnn.backends.cpu.kernels.augment import (
    blend,
    cut_box,
    draw_mix,
    erase,
    jitter,
    mix_targets,
    move_inverse,
    paste,
    sample,
)
from minicnn.backends.numpy import augmentation as plain
from minicnn.data import Elastic

DTYPES = [np.float32, np.float64]
few = examples(10)
seeds = st.integers(0, 999)


def torchvisions(angle, scale, along, across):
    """The matrix of its affine transform, as its source states it: points are (x, y), y downwards."""
    a, sx, sy = angle, along, across
    return scale * np.array(
        [
            [math.cos(a - sy) / math.cos(sy), -math.cos(a - sy) * math.tan(sx) / math.cos(sy) - math.sin(a)],
            [math.sin(a - sy) / math.cos(sy), -math.sin(a - sy) * math.tan(sx) / math.cos(sy) + math.cos(a)],
        ]
    )


@pytest.mark.parametrize("dtype", DTYPES)
@few
@given(seed=seeds)
def test_moves_are_those_of_torchvision_after_flips(dtype, seed):
    u = np.random.default_rng(seed).uniform(-1, 1, (8, 16)).astype(dtype)
    u[2:4] *= 5
    u[5] += 2
    maps = np.full((6, 16), np.nan, dtype)
    move_inverse(u, np.array([0.3, 0.6], dtype), maps)
    for lane, (up, left, down, right, *amounts) in enumerate(u.T.astype(np.float64)):
        flips = np.diag([-1 if left < 0.2 else 1, -1 if up < -0.4 else 1])
        inverse = np.linalg.inv(torchvisions(*amounts) @ flips)[::-1, ::-1]  # points are (row, column)
        shift = np.array([math.floor(down + 0.5), math.floor(right + 0.5)])
        expected = [*(-inverse @ shift), *inverse.ravel()]
        np.testing.assert_allclose(maps[:, lane], expected, rtol=0, atol=300 * np.finfo(dtype).eps)


def test_no_move_is_exactly_the_identity():
    maps, u = np.empty((6, 16), np.float32), np.zeros((8, 16), np.float32)
    u[5] = 1
    move_inverse(u, np.zeros(2, np.float32), maps)
    assert np.array_equal(maps, np.array([[0, 0, 1, 0, 0, 1]]).T.repeat(16, axis=1))


@pytest.mark.parametrize("dtype", DTYPES)
@few
@given(seed=seeds, shape=st.tuples(*3 * [st.integers(1, 6)]), sigma=st.sampled_from([None, 1, 2.5]))
def test_sample(dtype, seed, shape, sigma):
    rng, (C, H, W) = np.random.default_rng(seed), shape
    x, y = (255 * rng.random((C, H, W, 16))).astype(dtype), np.full((C, H, W, 16), np.nan, dtype)
    maps = np.array([0, 0, 1, 0, 0, 1])[:, None] + rng.standard_normal((6, 16))
    at, taps = Elastic(1, sigma or 1).spline(max(H, W))
    side = int(at[-1]) + 4 if sigma else 0
    knots = rng.standard_normal((2, side, side, 16))
    bent = sum(taps[:W, t, None] * knots[:, :, at[:W] + t] for t in range(4)) if sigma else np.empty((2, 0, W, 16))
    sample(x, maps.astype(dtype), bent.astype(dtype), at, taps.astype(dtype), np.array([30], dtype), y)
    centre = np.array([(H - 1) / 2, (W - 1) / 2])[:, None, None]
    points = np.indices((H, W)) - centre
    for lane in range(16):
        o, A = maps[:2, lane, None, None], maps[2:, lane].reshape(2, 2)
        where = o + np.tensordot(A, points, 1) + centre
        if sigma:
            where += naive.field(knots[..., lane], sigma * np.sqrt(3), H, W)
        for c in range(C):
            expected = naive.warped(x[c, ..., lane].astype(np.float64), where, 30)
            np.testing.assert_allclose(y[c, ..., lane], expected, rtol=0, atol=3e4 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", DTYPES)
@few
@given(seed=seeds, channels=st.integers(1, 3))
def test_jitter(dtype, seed, channels):
    rng = np.random.default_rng(seed)
    x, u, greys = 255 * rng.random((channels, 7, 16)), rng.uniform(0, 2, (3, 16)), rng.dirichlet(np.ones(channels))
    y = x.astype(dtype)
    jitter(u.astype(dtype), greys.astype(dtype), y)
    for lane, (b, c, s) in enumerate(u.T):
        image = np.clip(b * x[..., lane], 0, 255)
        image = np.clip(c * image + (1 - c) * (greys @ image).mean(), 0, 255)
        image = np.clip(s * image + (1 - s) * (greys @ image), 0, 255)
        np.testing.assert_allclose(y[..., lane], image, rtol=0, atol=1e4 * np.finfo(dtype).eps)


@few
@given(seed=seeds, shape=st.tuples(st.integers(2, 9), st.integers(2, 9)))
def test_erase(seed, shape):
    """By torchvision's algorithm, which takes the first of ten rectangles that is smaller than the image."""
    (H, W), u = shape, np.random.default_rng(seed).uniform(-1, 1, (23, 16))
    x, t = np.ones((2, H, W, 16)), (u + 1) / 2
    erase(u, np.array([0.8, 0.1, 0.9, math.log(0.3), math.log(3)]), np.array([5.0, 7.0]), x)
    for lane in range(16):
        expected = np.ones((2, H, W))
        for n in range(10 if t[0, lane] < 0.8 else 0):
            area, ratio = (0.1 + 0.8 * t[1 + 2 * n, lane]) * H * W, 0.3 * 10 ** t[2 + 2 * n, lane]
            rows, columns = math.floor(math.sqrt(area * ratio) + 0.5), math.floor(math.sqrt(area / ratio) + 0.5)
            if 0 < rows < H and 0 < columns < W:
                top, left = int(t[21, lane] * (H - rows + 1)), int(t[22, lane] * (W - columns + 1))
                expected[:, top : top + rows, left : left + columns] = np.array([5, 7])[:, None, None]
                break
        assert np.array_equal(x[..., lane], expected)


def test_draw_mix():
    t = np.random.default_rng(0).random((2, 16))
    pool, quantiles = np.arange(100, 107), np.array([0, 0.5, 0.6, 1])
    partner, share = np.zeros(16, np.int64), np.zeros(16)
    draw_mix(2 * t - 1, pool, quantiles, partner, share)
    assert np.array_equal(partner, 100 + (7 * t[0]).astype(int))
    np.testing.assert_allclose(share, np.interp(t[1], [0, 1 / 3, 2 / 3, 1], quantiles), rtol=0, atol=1e-14)


def test_blend_is_a_weighted_mean():
    x, other, share = np.full((2, 3), 10.0), np.full((2, 3), 20.0), np.array([0, 0.25, 1])
    blend(other, share, x)
    assert np.array_equal(x, [[20, 17.5, 10]] * 2)


@few
@given(seed=seeds, size=st.tuples(st.integers(1, 9), st.integers(1, 9)))
def test_a_box_is_torchvisions_and_pasted_where_it_lies(seed, size):
    rng, (H, W) = np.random.default_rng(seed), size
    t, given_share = rng.random((2, 16)), rng.random(16)
    share, box = given_share.copy(), np.zeros((4, 16), np.int64)
    cut_box(2 * t - 1, np.array(size), share, box)
    x = np.zeros((2, H, W, 16))
    paste(np.ones_like(x), box, x)
    for lane in range(16):
        half = 0.5 * math.sqrt(1 - given_share[lane])
        r, c, tall, wide = int(t[0, lane] * H), int(t[1, lane] * W), int(half * H), int(half * W)
        expected = np.zeros((H, W))
        expected[max(r - tall, 0) : min(r + tall, H), max(c - wide, 0) : min(c + wide, W)] = 1
        assert np.array_equal(x[:, ..., lane], [expected] * 2)
        assert abs(share[lane] - (1 - expected.mean())) < 1e-12


def test_mixed_targets_add_up_to_one():
    target = np.full((3, 4), np.nan)
    labels, share = np.array([0, 1, 2, 1]), np.array([1, 0.75, 0.5, 0.25])
    mix_targets(labels, np.arange(4), np.array([1, 2, 2, 0]), share, target)
    assert np.array_equal(target.T, [[1, 0, 0], [0, 0.75, 0.25], [0, 0, 1], [0.75, 0.25, 0]])


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_places_that_are_no_numbers_are_outside(wrong):
    x, maps = np.ones((2, 5, 6, 16), np.float32), np.full((6, 16), wrong, np.float32)
    field = np.empty((2, 0, 6, 16), np.float32), np.zeros(6, np.int64), np.zeros((6, 4), np.float32)
    for kernel in (sample, plain.sample):
        y = np.zeros_like(x)
        with np.errstate(invalid="ignore"):
            kernel(x, maps, *field, np.array([7], np.float32), y)
        assert (y == 7).all()
