"""The cost model against what can be counted by hand."""

import numpy as np
import pytest

from minicnn.backends import cuda
from minicnn.backends.cuda.kernels import conv, conv_dw
from ptx.costs import Cost, by_kernel, cost_of
from ptx.recording import recorded, training_step

FORWARD = {"C1": 6 * 28 * 28 * 25, "C3": 60 * 10 * 10 * 25, "C5": 120 * 400, "F6": 84 * 120, "output": 10 * 84}
"""Multiply-adds an image; S2 and S4 have none, and C3 has 60 links."""


@pytest.mark.parametrize("batch", [32, 512])
def test_the_multiply_adds_of_lenet_5(batch):
    costs = by_kernel(training_step("lenet5", batch).launches)
    total = sum(costs.values(), Cost())
    assert total.multiply_adds == batch * (3 * sum(FORWARD.values()) - FORWARD["C1"]), "expected no input gradient of C1"
    assert costs["conv2d"].multiply_adds == costs["conv2d_dW"].multiply_adds == batch * FORWARD["C1"]
    assert costs["sparse_conv2d"].multiply_adds == costs["sparse_conv2d_dx"].multiply_adds == batch * FORWARD["C3"]
    assert costs["gemm_bias"].multiply_adds == batch * (FORWARD["C5"] + FORWARD["F6"] + FORWARD["output"])
    assert list(costs) == sorted(costs, key=lambda name: -costs[name].seconds)


def test_a_dense_convolution_counts_as_its_formula_says():
    x, y, dx = np.zeros((3, 10, 9, 32), np.float32), np.zeros((8, 4, 7, 32), np.float32), np.zeros((3, 10, 9, 32), np.float32)
    packed, g, b = np.zeros((1, 3, 3, 3, 8), np.float32), np.array([3, 3, 2, 1, 0, 0, 1, 1]), np.zeros(8, np.float32)
    with recorded() as recorder:
        conv.conv2d(x, packed, b, g, y)
        conv.conv2d_dx(y, np.zeros((1, 8, 3, 3, 3), np.float32), g, dx)
        conv_dw.conv2d_dW_add(x, y, g, np.zeros((8, 3, 3, 3), np.float32))
    assert [cost_of(launch).multiply_adds for launch in recorder.launches] == [8 * 4 * 7 * 32 * 3 * 9] * 3 + [0]


def test_bytes_are_counted_once_for_reading_and_once_for_writing():
    n = 1000
    x, y, dy = (np.zeros(n, np.float32) for _ in range(3))
    with recorded() as recorder:
        cuda.copy(x, y)
        cuda.zero(x)
        cuda.add(x, y)
        cuda.tanh(x, x)
        cuda.tanh_dx(y, dy, x)
    assert [cost_of(launch).bytes // (4 * n) for launch in recorder.launches] == [2, 1, 3, 2, 3]


def test_of_the_pixels_only_those_gathered_count():
    for images in (100, 60_000):
        with recorded() as recorder:
            index, pad = np.arange(32), np.array([2, 2])
            pixels, affine = np.zeros((images, 28, 28), np.uint8), np.zeros(2, np.float32)
            cuda.gather_pixels(pixels, affine, index, pad, np.zeros((1, 32, 32, 32), np.float32))
        (launch,) = recorder.launches
        assert cost_of(launch).bytes == 32 * 32 * 32 * 4 + min(images * 28 * 28, 32 * 32 * 32) + index.nbytes + affine.nbytes


def test_what_takes_longer_is_the_floor():
    moving, multiplying = Cost(1, 3350, 0, 1e-9), Cost(2, 0, 66_900, 2e-9)
    total = moving + multiplying
    assert (total.launches, total.bytes, total.multiply_adds) == (3, 3350, 66_900)
    assert total.seconds == pytest.approx(3e-9)
    with recorded() as recorder:
        cuda.gemm_bias(*(np.zeros(shape, np.float32) for shape in ((64, 2048), (2048, 64), (64,), (64, 64))))
    cost = cost_of(recorder.launches[0])
    assert cost.multiply_adds == 64 * 64 * 2048
    assert cost.seconds == max(cost.bytes / 3.35e12, cost.multiply_adds / 33.45e12)
