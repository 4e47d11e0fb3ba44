"""Faults that once passed unseen: what the checker must find in a layer, and options and tiles that went wrong."""

import re

import numpy as np
import pytest
from failing import first_failure

from minicnn import Buffer, Layer, LeCunNormal, OptionError, Param, Plan, SparseConv2d, kernel
from minicnn.testing import check_layer


@kernel
def mix(x, y):
    for i in range(x.shape[0]):
        for lane in range(x.shape[1]):
            y[i, lane] = x[i, lane] + x[i, 0]


@kernel
def mix_dx(dy, dx):
    for i in range(dy.shape[0]):
        for lane in range(dy.shape[1]):
            dx[i, lane] = dy[i, lane]
        dx[i, 0] += dy[i].sum()


@kernel
def square(x, y):
    for i in range(x.shape[0]):
        for lane in range(x.shape[1]):
            y[i, lane] = x[i, lane] * x[i, lane]
            x[i, lane] = 0


@kernel
def square_dx(x, dy, dx):
    for i in range(x.shape[0]):
        for lane in range(x.shape[1]):
            dx[i, lane] = 2 * x[i, lane] * dy[i, lane]


class DependsOnTheFirstImage(Layer):
    def plan(self, in_shape):
        return Plan(in_shape)

    def forward(self, k, x, y):
        k.call(mix, x, y)

    def backward(self, k, dy, dx):
        if dx is not None:
            k.call(mix_dx, dy, dx)


class SpoilsItsInput(Layer):
    def plan(self, in_shape):
        return Plan(in_shape, saved={"kept": Buffer(in_shape)})

    def forward(self, k, x, y, kept):
        k.copy(x, kept)
        k.call(square, x, y)

    def backward(self, k, kept, dy, dx):
        if dx is not None:
            k.call(square_dx, kept, dy, dx)


@kernel
def coarse(dy, dx):
    for i in range(dy.shape[0]):
        for lane in range(dy.shape[1]):
            dx[i, lane] = dy[i, lane] if dy.itemsize == 8 else -dy[i, lane]


class WrongGradientInFloat32Only(Layer):
    def plan(self, in_shape):
        return Plan(in_shape)

    def forward(self, k, x, y):
        k.copy(x, y)

    def backward(self, k, dy, dx):
        if dx is not None:
            k.call(coarse, dy, dx)


class KeepsOldWeightsInBackward(Layer):
    """dx from a copy of W taken when the network was bound: right until the first update."""

    def plan(self, in_shape):
        return Plan((6,), {"W": Param((6, 6), LeCunNormal(), fan_in=6)}, {"none": np.zeros(6)})

    def forward(self, k, x, y, W, none):
        k.gemm_bias(W, x, none, y)

    def backward(self, k, x, dy, W, dx, dW):
        k.gemm_nt_add(dy, x, dW)
        if dx is not None:
            k.gemm_tn(W.view(np.ndarray).copy(), dy, dx)  # W.copy() is refused when the network is bound


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (KeepsOldWeightsInBackward(), "gradient of x: expected"),
        (DependsOnTheFirstImage(), "batch size: expected|group: expected|gradient of x"),
        (SpoilsItsInput(), "expected x in lanes untouched"),
        (WrongGradientInFloat32Only(), "float32: expected dx"),
    ],
)
def test_check_layer_finds(layer, words):
    assert re.search(words, first_failure(check_layer(layer, (6,))))


@pytest.mark.parametrize("sizes", [(), 2, (0.5, 1.5)])
def test_group_sizes_options(sizes):
    with pytest.raises(OptionError):
        SparseConv2d(((0,), (1,)), 3, group_sizes=sizes)


@pytest.mark.parametrize("table", [((0, 1.5),), 3, ((True, 0),), (3,), "ab", [[0, 1]]])
def test_table_options(table):
    with pytest.raises(OptionError):
        SparseConv2d(table, 3)


def test_a_prime_width_is_covered_by_more_than_one_pixel_at_a_time():
    from minicnn.backends.cpu.conv.sparse import covering_pixels

    assert covering_pixels(11, 5) == 6
    assert covering_pixels(13, 5) == 7


class NaNGradient(Layer):
    def plan(self, in_shape):
        return Plan(in_shape)

    def forward(self, k, x, y):
        k.copy(x, y)

    def backward(self, k, dy, dx):
        if dx is not None:
            k.call(lambda dx: dx.fill(np.nan), dx)


def test_a_gradient_of_nan_is_not_called_zeros():
    assert "expected finite numbers, got nan" in first_failure(check_layer(NaNGradient(), (6,)))
