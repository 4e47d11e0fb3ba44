"""Pictures in arrays: the layouts that are told apart, those that are asked about, and the normalisation measured on them."""

import numpy as np
import pytest

from minicnn.data import Normalise, from_arrays
from minicnn.data.preprocessing import Preprocessing, measured
from minicnn.errors import DataError, OptionError, ShapeError

RNG = np.random.default_rng(0)


def pictures(*shape, dtype=np.uint8):
    return RNG.integers(0, 256, shape).astype(dtype)


@pytest.mark.parametrize(
    ("shape", "options", "axes"),
    [
        ((5, 28, 20), {}, (0, None, 1, 2)),
        ((5, 28, 3), {"channels": 1}, (0, None, 1, 2)),
        ((5, 28, 3), {"layout": "NHW"}, (0, None, 1, 2)),
        ((5, 28, 20, 1), {}, (0, 3, 1, 2)),
        ((5, 28, 20, 3), {}, (0, 3, 1, 2)),
        ((5, 28, 20, 4), {}, (0, 3, 1, 2)),
        ((5, 3, 28, 20), {}, (0, 1, 2, 3)),
        ((5, 1, 28, 20), {}, (0, 1, 2, 3)),
        ((5, 28, 20, 7), {"channels": 7}, (0, 3, 1, 2)),
        ((5, 3, 4, 1), {"channels": 3}, (0, 1, 2, 3)),
        ((5, 3, 20, 3), {"layout": "NHWC"}, (0, 3, 1, 2)),
        ((5, 3, 20, 3), {"layout": "NCHW"}, (0, 1, 2, 3)),
    ],
)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_layouts_are_told_apart(shape, options, axes, dtype):
    given = pictures(*shape, dtype=dtype)
    expected = given[:, None] if axes[1] is None else given.transpose(axes)
    made = from_arrays(given, **options)
    np.testing.assert_array_equal(made, expected)
    assert made.dtype == dtype
    assert np.shares_memory(made, given)


def test_a_list_of_pictures_is_an_array():
    assert from_arrays([pictures(4, 5)] * 3).shape == (3, 1, 4, 5)


SIZE = "give the layout that they have"


@pytest.mark.parametrize(
    ("images", "options", "message"),
    [
        (
            pictures(5, 3, 20, 3),
            {},
            "expected to see where the channels are, got shape (5, 3, 20, 3), where both the second and the last axis can be "
            'channels; give layout="NHWC" or layout="NCHW"',
        ),
        (
            pictures(5, 28, 20, 7),
            {},
            "expected to see where the channels are, got shape (5, 28, 20, 7), where neither the second nor the "
            "last axis can be "
            'channels; give layout="NHWC" or layout="NCHW"',
        ),
        (
            pictures(48, 48, 3),
            {},
            "expected images (N, H, W), (N, H, W, C) or (N, C, H, W), got shape (48, 48, 3), which may be one colour image; "
            'write images[None] for one image, or layout="NHW" for grey ones',
        ),
        (
            pictures(48, 48),
            {},
            "expected images (N, H, W), (N, H, W, C) or (N, C, H, W), got shape (48, 48); write images[None] for one image",
        ),
        (
            pictures(2, 1, 1, 1, 1),
            {},
            "expected images (N, H, W), (N, H, W, C) or (N, C, H, W), got shape (2, 1, 1, 1, 1); reshape them",
        ),
        (
            pictures(5, 28, 20),
            {"channels": 3},
            "expected images of 3 channels, got shape (5, 28, 20), which is grey; give them as (N, H, W, C), or "
            "build the network for "
            "one channel",
        ),
        (
            pictures(5, 28, 20, 3),
            {"channels": 1},
            "expected images of 1 channel, got 3 channels in shape (5, 28, 20, 3); convert them, or build the "
            "network for their "
            "channels",
        ),
        (
            pictures(5, 28, 20),
            {"layout": "NCHW"},
            f"expected images of 4 axes, as layout NCHW has, got shape (5, 28, 20); {SIZE}",
        ),
        (
            [pictures(4, 5), pictures(5, 4)],
            {},
            "expected images of one size in an array, got others; resize them to one size, then give np.stack(images)",
        ),
        (
            pictures(5, 4, 4, dtype=np.int64),
            {},
            "expected images of uint8, from 0 to 255, or of floats, got int64; write images.astype(np.uint8), or "
            "convert them to "
            "float32",
        ),
        (
            pictures(0, 4, 5),
            {},
            "expected at least one image of at least one pixel, got shape (0, 4, 5); give images that hold something",
        ),
    ],
)
def test_images_whose_layout_is_not_clear_are_asked_about(images, options, message):
    with pytest.raises(DataError) as caught:
        from_arrays(images, **options)
    assert str(caught.value) == f"from_arrays: {message}"


def test_a_layout_that_is_none_is_refused():
    with pytest.raises(OptionError) as caught:
        from_arrays(pictures(5, 4, 4), "HWC")
    assert str(caught.value) == "from_arrays: expected layout as one of NHW, NHWC, NCHW, got 'HWC'; give layout=\"NHWC\""


# --- normalisation ---


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_measured_images_have_mean_0_and_deviation_1(dtype):
    images = pictures(7, 2, 5, 3, dtype=dtype)
    affine = measured(images)
    y = images.astype(np.float64) * affine.scale + affine.shift
    np.testing.assert_allclose((y.mean(), y.std()), (0, 1), atol=1e-6)


@pytest.mark.parametrize("value", [0, 7])
@pytest.mark.parametrize("dtype", [np.uint8, np.float64])
def test_images_of_one_value_become_0(dtype, value):
    affine = measured(np.full((3, 2, 2), value, dtype))
    np.testing.assert_allclose(value * affine.scale + affine.shift, 0, atol=1e-12)


def test_images_that_are_not_finite_are_refused():
    with pytest.raises(DataError) as caught:
        measured(np.array([[1.0, np.nan]]))
    assert str(caught.value) == "images: expected finite numbers, got others; clean the images"


def preprocessing(uint8, fit="pad"):
    return Preprocessing(uint8=uint8, normalise=Normalise(scale=0.5, shift=-1.0), fit=fit)


def test_floats_are_normalised_in_the_wider_dtype():
    given = pictures(3, 4, 4, dtype=np.float16)
    made = preprocessing(False).source("x", given, (1, 4, 4), np.dtype(np.float32))
    assert made.dtype == np.float32
    np.testing.assert_array_equal(made[:, 0], given.astype(np.float32) * 0.5 - 1)


@pytest.mark.parametrize(("fit", "shape"), [("pad", (3, 28, 28)), ("resize", (3, 20, 33))])
def test_grey_images_of_another_size_are_padded_or_resized(fit, shape):
    source = preprocessing(True, fit).source("x", pictures(*shape), (1, 32, 32), np.dtype(np.float32))
    assert (source.shape, source.fit) == ((3, 1, 32, 32), fit)


@pytest.mark.parametrize(
    ("images", "in_shape", "uint8", "message"),
    [
        (pictures(3, 4, 4, dtype=float), (1, 4, 4), True, "x: expected images of uint8, as in training, got floats; "),
        (pictures(3, 4, 4), (1, 4, 4), False, "x: expected images of floats, as in training, got uint8; "),
        (pictures(3, 9, 9, 3), (3, 8, 8), True, "x: expected images of 8 × 8 pixels, as the network takes, got 9 × 9; "),
        (
            pictures(3, 9, 9, dtype=float),
            (1, 8, 8),
            False,
            "x: expected images of 8 × 8 pixels, as the network takes, got 9 × 9; ",
        ),
        (
            pictures(3, 4),
            (4,),
            False,
            "images: expected floats (N, 4), as the network takes no pictures (C, H, W), got uint8 of (3, 4); "
            "build the network for",
        ),
    ],
)
def test_images_that_differ_from_those_of_training_are_refused(images, in_shape, uint8, message):
    with pytest.raises((DataError, ShapeError)) as caught:
        preprocessing(uint8).source("x", images, in_shape, np.dtype(np.float32))
    assert str(caught.value).startswith(message)
