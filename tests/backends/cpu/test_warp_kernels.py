"""Distortions: the draws, the inverse map, and the reading at displaced places, against their plain meaning."""

import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import examples

from minicnn.backends.cpu.kernels.warp import affine_inverse, draw_uniform, pack_quads, spline_along, warp
from minicnn.backends.numpy import distortion as plain
from minicnn.data import Elastic

DTYPES = [np.float32, np.float64]
few = examples(15)


@pytest.mark.parametrize("dtype", DTYPES)
@few
@given(
    seed=st.integers(0, 2**64 - 1),
    stream=st.integers(0, 2**64 - 1),
    step=st.integers(0, 2**64 - 1),
    images=st.lists(st.integers(0, 2**32 - 1), min_size=16, max_size=16),
)
def test_draw_uniform(dtype, seed, stream, step, images):
    rng = np.array([99, step, 99, 99], np.uint64)  # of these only the step counts
    reach, u = np.array([1, 0, 0.25], dtype), np.full((3, 16), np.nan, dtype)
    draw_uniform(np.array([seed, stream], np.uint64), rng, np.array(images), reach, u)
    expected = [[r * naive.uniform(seed, stream, step, image, e) for image in images] for e, r in enumerate(reach.tolist())]
    assert np.array_equal(u, np.array(expected, dtype))


def test_draws_are_uniform_and_do_not_go_together():
    """Mean, variance and all correlations between 40 images × 20 elements over 500 steps, at five standard deviations."""
    u = np.empty((500, 20, 40))
    for step, draws in enumerate(u):
        draw_uniform(np.zeros(2, np.uint64), np.array([0, step, 0, 0], np.uint64), np.arange(40), np.ones(20), draws)
    assert abs(u.mean()) < 5 / np.sqrt(3 * u.size)
    assert abs((u**2).mean() - 1 / 3) < 5 * np.sqrt(4 / 45 / u.size)
    correlation = np.corrcoef(u.reshape(500, -1).T) - np.eye(800)
    assert np.abs(correlation).max() < 6 / np.sqrt(500)  # six, because there are 319,600 of them


@pytest.mark.parametrize("dtype", DTYPES)
@few
@given(seed=st.integers(0, 999), still=st.sampled_from([None, 0, 1, 2, 3, 4, 5]))
def test_affine_inverse(dtype, seed, still):
    u = np.random.default_rng(seed).uniform(-1, 1, (6, 16)).astype(dtype)
    if still is not None:
        u[np.arange(6) != still] = 0
    maps = np.full((6, 16), np.nan, dtype)
    affine_inverse(u, maps)
    for lane in range(16):
        matrix, shift = naive.affine(*u[:, lane].astype(np.float64))
        inverse = np.linalg.inv(matrix)
        expected = [*(-inverse @ shift), *inverse.ravel()]
        np.testing.assert_allclose(maps[:, lane], expected, rtol=0, atol=50 * np.finfo(dtype).eps)


def test_no_distortion_is_exactly_the_identity():
    maps = np.empty((6, 16), np.float32)
    affine_inverse(np.zeros((6, 16), np.float32), maps)
    assert np.array_equal(maps, np.array([[0, 0, 1, 0, 0, 1]]).T.repeat(16, axis=1))


def bend(sigma, H, W, rng, size, dtype):
    """Knots for 16 lanes and what else ``warp`` needs for them."""
    at, taps = Elastic(1, sigma).spline(max(H, W))
    side = int(at[-1]) + 4
    return (size * rng.standard_normal((2, side, side, 16))).astype(dtype), at, taps.astype(dtype)


@few
@given(
    seed=st.integers(0, 999), shape=st.tuples(st.integers(1, 5), st.integers(1, 40)), pad=st.tuples(*2 * [st.integers(0, 3)])
)
def test_pack_quads(seed, shape, pad):
    rng = np.random.default_rng(seed)
    images, index = rng.integers(0, 256, (40, *shape)).astype(np.uint8), rng.integers(0, 40, 16)
    quads = np.full((16, shape[0] + 2 * pad[0] + 1, shape[1] + 2 * pad[1] + 1), 7, np.uint32)
    pack_quads(images, index, quads)
    framed = np.pad(images[index], ((0, 0), *((p + 1, p + 1) for p in pad)))
    corners = [framed[:, :-1, :-1], framed[:, :-1, 1:], framed[:, 1:, :-1], framed[:, 1:, 1:]]
    assert np.array_equal(quads.view(np.uint8).reshape(*quads.shape, 4), np.stack(corners, axis=-1))


def read(images, normal, maps, knots, at, taps):
    """``warp`` for 16 images on a plane of their size."""
    (_, H, W), dtype = images.shape, maps.dtype
    quads, y = np.empty((16, H + 1, W + 1), np.uint32), np.full((1, H, W, 16), np.nan, dtype)
    pack_quads(images, np.arange(16), quads)
    bent, where = (np.full(shape, np.nan, dtype) for shape in ((2, knots.shape[1], W, 16), (2, W, 16)))
    spline_along(knots, at, taps, bent)
    warp(quads, np.array(normal, dtype), maps, bent, at, taps, where, np.empty((W, 16), np.uint32), y)
    return y[0]


@pytest.mark.parametrize("dtype", DTYPES)
@few
@given(
    seed=st.integers(0, 999),
    shape=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    sigma=st.sampled_from([None, 1, 2.5, 20]),
    far=st.sampled_from([0.3, 3, 300]),
)
def test_warp(dtype, seed, shape, sigma, far):
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (16, *shape)).astype(np.uint8)
    u = rng.uniform(-1, 1, (6, 16))
    u[:2] *= far
    maps = np.empty((6, 16), dtype)
    affine_inverse(u.astype(dtype), maps)
    at, taps = Elastic(1, sigma or 1).spline(max(shape))
    side = int(at[-1]) + 4 if sigma else 0
    knots = rng.uniform(-far, far, (2, side, side, 16)).astype(dtype)
    y = read(images, (1 / 255, -2), maps, knots, at, taps.astype(dtype))
    for lane in range(16):
        where = naive.places(*naive.affine(*u[:, lane]), *shape)
        if sigma:
            where += naive.field(knots[..., lane].astype(np.float64), sigma * np.sqrt(3), *shape)
        expected = naive.warped(images[lane], where, background=0) / 255 - 2
        # a place is a sum of up to e² (far + 9) and of four roundings; from pixel to pixel the image changes by up to 1
        tolerance = 4 * np.e**2 * (far + 9) * np.finfo(dtype).eps
        np.testing.assert_allclose(y[..., lane], expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_shift_by_whole_pixels_moves_them_exactly(dtype):
    images = np.random.default_rng(0).integers(0, 256, (16, 7, 8)).astype(np.uint8)
    maps = np.zeros((6, 16), dtype)
    maps[[2, 5]] = 1
    maps[0], maps[1] = -2, 3  # the source lies two rows above and three columns to the right
    y = read(images, (0.5, 9), maps, np.empty((2, 0, 0, 16), dtype), np.zeros(8, np.int64), np.zeros((8, 4), dtype))
    assert np.array_equal(y[2:, :5], 9 + 0.5 * np.moveaxis(images[:, :-2, 3:], 0, -1))
    assert (y[:2] == 9).all()
    assert (y[:, 5:] == 9).all()


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_places_that_are_no_numbers_are_read_at_the_border(wrong):
    images = np.random.default_rng(0).integers(1, 256, (16, 7, 8)).astype(np.uint8)
    quads, field = np.zeros((16, 8, 9), np.uint32), (np.empty((2, 0, 8, 16), np.float32), np.zeros(8, np.int64))
    pack_quads(images, np.arange(16), quads)
    maps = np.full((6, 16), wrong, np.float32)
    made = [np.full((1, 7, 8, 16), 3, np.float32) for _ in range(2)]
    scratch = np.empty((2, 8, 16), np.float32), np.empty((8, 16), np.uint32)
    for kernel, y in zip((warp, plain.warp), made, strict=True):
        with np.errstate(invalid="ignore"):
            kernel(quads, np.array([1, 0], np.float32), maps, *field, np.zeros((8, 4), np.float32), *scratch, y)
    assert np.array_equal(*made), "expected no place outside"
    assert np.isfinite(made[0]).all()
