"""From a drawing to an image, as MNIST was made, and images that are moved or made noisy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minicnn.data import load_mnist
from minicnn.serve.demo.ink import BOX, PAD, PAD_BYTES, SIDE, Change, _first, digit


def bits(ink):
    return np.packbits(ink.astype(np.uint8)).tobytes()


def extent(image, axis):
    ends = np.flatnonzero(image.any(axis=axis))
    return ends[-1] - ends[0] + 1


def centre(image):
    levels = image.astype(float)
    return [float((levels.sum(axis=axis) @ (np.arange(SIDE) + 0.5)) / levels.sum()) for axis in (1, 0)]


@given(st.integers(0, 100), st.integers(0, 100), st.integers(1, 128), st.integers(1, 128), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_any_ink_fills_the_box_and_its_mass_is_in_the_middle(top, left, high, wide, rng):
    ink = np.zeros((PAD, PAD), bool)
    ink[top : top + high, left : left + wide] = True
    if rng.random() < 0.5:
        ink &= np.random.default_rng(rng.randrange(1000)).random(ink.shape) < 0.5
    image = digit(bits(ink))
    assert image.shape == (SIDE, SIDE)
    if not ink.any():
        assert not image.any()
        return
    assert max(extent(image, 0), extent(image, 1)) <= BOX
    if ink[top, left] and ink.sum() == min(high, PAD - top) * min(wide, PAD - left):  # a whole rectangle
        assert max(extent(image, 0), extent(image, 1)) == BOX
        assert centre(image) == pytest.approx([14.5, 14.5], abs=0.51)


def test_proportions_and_the_share_of_ink_are_kept():
    ink = np.zeros((PAD, PAD), bool)
    ink[10:110, 30:55] = True  # 100 × 25: a fifth of it is a pixel
    image = digit(bits(ink))
    assert (extent(image, 1), extent(image, 0)) == (20, 5)
    ink[10:110, 30:55] = np.arange(25) % 2 == 0
    assert set(np.unique(digit(bits(ink))[6:22, 13:15])) <= set(range(90, 170)), "expected grey where half is ink"


def test_every_digit_of_mnist_stands_where_we_would_have_put_it():
    for image in load_mnist(source="subset", log=lambda words: None).test_images:
        for axis in (1, 0):
            mass = image.sum(axis=axis, dtype=np.int64)
            first, last = np.flatnonzero(mass)[[0, -1]]
            assert _first(mass[first : last + 1]) == first


def test_the_boxes_of_mnist_are_as_large_as_ours():
    digits = load_mnist(source="subset", log=lambda words: None).test_images
    assert all(max(extent(image, 0), extent(image, 1)) == BOX for image in digits)


def test_ink_far_from_its_box_s_middle_is_not_cut_off():
    ink = np.zeros((PAD, PAD), bool)
    ink[4:20, 4:120] = True
    ink[4:120, 4:6] = True  # the mass is at the top
    image = digit(bits(ink))
    assert extent(image, 1) == extent(image, 0) == BOX


def test_changes_by_whole_pixels_are_exact():
    image = np.zeros((SIDE, SIDE), np.uint8)
    image[10, 12] = 200
    assert np.argwhere(Change(down=3, right=-4).of(image)).tolist() == [[13, 8]]
    assert (Change(down=3).of(Change(down=-3).of(image)) == image).all()
    for turn, place in ((90, [15, 10]), (180, [17, 15]), (-90, [12, 17])):
        assert np.argwhere(Change(rotation=turn).of(image)).tolist() == [place]
    assert Change() == Change(scale=1.0)
    assert Change().of(image) is image


def test_a_scaled_image_has_its_ink_scaled():
    image = np.zeros((SIDE, SIDE), np.uint8)
    image[10:18, 10:18] = 255
    assert extent(Change(scale=2).of(image) > 127, 0) == 16
    assert extent(Change(scale=0.5).of(image) > 127, 0) == 4


def test_noise_inverts_a_share_of_the_pixels_and_the_same_ones_each_time():
    image = np.full((SIDE, SIDE), 30, np.uint8)
    some, more = Change(noise=0.1).of(image), Change(noise=0.3).of(image)
    assert set(np.unique(some)) == {30, 225}
    assert (some == 225).mean() == pytest.approx(0.1, abs=0.03)
    assert (more[some == 225] == 225).all()
    assert (Change(noise=1).of(image) == 225).all()


def test_a_drawing_has_so_many_bytes():
    assert len(bits(np.zeros((PAD, PAD)))) == PAD_BYTES
