"""The pictures that are made: the same for the same seed, balanced, and not to be told by colours or a line."""

import numpy as np
import pytest

from minicnn.data import coloured_shapes
from minicnn.data.shapes import NAMES

MADE = coloured_shapes(600, 200, seed=3)


def test_their_form_and_that_classes_are_equally_many():
    assert MADE.train_images.shape == (600, 3, 32, 32)
    assert MADE.test_images.shape == (200, 3, 32, 32)
    assert MADE.train_images.dtype == MADE.train_labels.dtype == np.uint8
    assert np.bincount(MADE.train_labels).tolist() == [60] * 10
    assert np.bincount(MADE.test_labels).tolist() == [20] * 10
    assert len(NAMES) == 10
    assert (MADE.source, MADE.complete) == ("800 pictures of coloured shapes that were made", False)


def test_a_seed_makes_the_same_pictures_and_another_one_others():
    again, other = coloured_shapes(600, 200, seed=3), coloured_shapes(600, 200, seed=4)
    for name in ("train_images", "train_labels", "test_images", "test_labels"):
        np.testing.assert_array_equal(getattr(MADE, name), getattr(again, name))
    assert (MADE.train_images != other.train_images).mean() > 0.9
    assert len(np.unique(np.concatenate([MADE.train_images, MADE.test_images]), axis=0)) == 800


@pytest.mark.parametrize("kind", ["pixels", "colours"])
def test_a_line_tells_little(kind):
    def features(images):
        values = images / 255 - 0.5
        return (
            values.reshape(len(values), -1)
            if kind == "pixels"
            else np.stack([values.mean((2, 3)), values.std((2, 3))], 1).reshape(-1, 6)
        )

    x, targets = features(MADE.train_images), np.eye(10)[MADE.train_labels]
    weights = np.linalg.solve(x.T @ x + len(x) * 0.1 * np.eye(x.shape[1]), x.T @ targets)
    right = (features(MADE.test_images) @ weights).argmax(1) == MADE.test_labels
    assert right.mean() < 0.3


def test_a_hollow_shape_shows_what_is_behind_it():
    """Inside it is as outside, which of a filled one it is not."""
    inside = {}
    for hollow in (False, True):
        chosen = (MADE.train_labels % 5 == 1) & ((MADE.train_labels >= 5) == hollow)  # squares
        pictures = MADE.train_images[chosen].astype(float)
        middle, corner = pictures[:, :, 15:18, 15:18].mean((2, 3)), pictures[:, :, :3, :3].mean((2, 3))
        inside[hollow] = np.abs(middle - corner).mean()
    assert inside[False] > 1.3 * inside[True]
