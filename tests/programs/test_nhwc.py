"""What libraries with images in NHWC need of a network: layouts, and the names that TensorFlow has for padding."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

from minicnn.nn.window import Window

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
nhwc = importlib.import_module("peers.nhwc")


@pytest.mark.parametrize("shape", [(5,), (3, 7), (3, 4, 5)])
def test_images_come_back_as_they_were(shape):
    x = np.random.default_rng(0).random((2, *shape))
    there = nhwc.images_of(x)
    assert there.flags.c_contiguous
    assert there.shape == ((2, 5) if len(shape) == 1 else (2, *nhwc.size_of(shape), 3))
    np.testing.assert_array_equal(nhwc.outputs_of(there, shape), x)


@pytest.mark.parametrize(
    ("window", "size", "padding"),
    [
        (Window((3, 3)), (8, 8), "VALID"),
        (Window((3, 5), padding=(1, 2)), (8, 9), "SAME"),
        (Window((3, 3), padding=(2, 2), dilation=(2, 2)), (8, 8), "SAME"),
        (Window.same((3, 3), (1, 1), (2, 2), (8, 8)), (8, 8), "SAME"),
        (Window((3, 3), (2, 2), (1, 1)), (7, 7), "SAME"),
        (Window((3, 3), (2, 2), (1, 1)), (8, 8), [[0, 0], [1, 1], [1, 1], [0, 0]]),
        (Window((3, 3), padding=(0, 2), after=(1, 0)), (8, 8), [[0, 0], [0, 1], [2, 0], [0, 0]]),
    ],
)
def test_padding_has_its_name_where_there_is_one(window, size, padding):
    assert nhwc.padding_of(window, size) == padding


@pytest.mark.parametrize(
    ("window", "size", "ceil", "padding"),
    [
        (Window((2, 2), (2, 2)), (7, 7), False, "VALID"),  # a rest that no window reads
        (Window((2, 2), (2, 2)), (7, 7), True, "SAME"),
        (Window((3, 3), (2, 2)), (8, 7), True, [[0, 0], [0, 1], [0, 0], [0, 0]]),
        (Window((3, 3), (2, 2), (1, 1)), (8, 8), False, [[0, 0], [1, 0], [1, 0], [0, 0]]),
    ],
)
def test_a_pool_is_padded_as_far_as_its_last_window_reaches(window, size, ceil, padding):
    places = window.out_size(size, ceil)
    reach = nhwc.reaching(window, size, places)
    assert nhwc.padding_of(reach, size) == padding
    assert reach.out_size(size) == places
