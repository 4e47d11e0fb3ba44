"""Pooling fused with the activation functions around it, against the formulas of its parts."""

import numpy as np
import pytest

from minicnn.backends.cpu.kernels.pool_fused import max_pool_backward, subsample_activated, subsample_backward
from minicnn.backends.cpu.tiles.activation import AMPLITUDE, RELU, SCALED_TANH, SIGMOID, TANH

KINDS = (RELU, SCALED_TANH, TANH, SIGMOID)
SLOPE = 2 / 3


def activated(kind, a):
    """f(a), of the paper and the textbooks."""
    return {
        RELU: np.maximum(a, 0),
        SCALED_TANH: AMPLITUDE * np.tanh(SLOPE * a),
        TANH: np.tanh(a),
        SIGMOID: 1 / (1 + np.exp(-a)),
    }[kind]


def slope(kind, y):
    """f'(a), given y = f(a)."""
    return {RELU: y > 0, SCALED_TANH: AMPLITUDE * SLOPE * (1 - (y / AMPLITUDE) ** 2), TANH: 1 - y**2, SIGMOID: y * (1 - y)}[
        kind
    ]


def windows(x):
    """The four numbers of each window of 2 × 2, (4, C, OH, OW, L)."""
    return np.stack([x[:, i::2, j::2] for i in range(2) for j in range(2)])


def drawn(dtype):
    """Two channels of three by four windows, in two vectors of lanes and more."""
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((2, 6, 8, 32)), rng.standard_normal((2, 3, 4, 32))
    return [each.astype(dtype) for each in (x, y, rng.standard_normal(2), rng.standard_normal(2))]


def close(actual, expected, dtype):
    np.testing.assert_allclose(actual, expected, rtol=0, atol=400 * np.finfo(dtype).eps)


@pytest.mark.parametrize("above", KINDS)
def test_subsampling_and_the_activation_after_it(above):
    """For float32: lowering leaves float64 to the functions of the C library."""
    x, y, coef, b = drawn(np.float32)
    subsample_activated(above)(x, coef, b, y)
    wide = (slice(None), None, None, None)
    close(y, activated(above, coef[wide] * windows(x).sum(axis=0) + b[wide]), np.float32)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("above", "below"), [(SCALED_TANH, SCALED_TANH), (SIGMOID, RELU), (TANH, SIGMOID), (RELU, TANH)])
def test_the_gradients_of_subsampling_between_activations(above, below, dtype):
    x, dy, coef, _ = drawn(dtype)
    x, y = activated(below, x).astype(dtype), activated(above, dy[::-1]).astype(dtype)
    dx, sums = np.full_like(x, np.nan), np.ones((3, 2), dtype)
    subsample_backward(above, below)(x, y, dy, coef, dx, *sums)
    da = slope(above, y) * dy
    expected = slope(below, x) * np.repeat(np.repeat(coef[:, None, None, None] * da, 2, axis=1), 2, axis=2)
    close(dx, expected, dtype)
    axes = (1, 2, 3)
    close(sums, 1 + np.array([(da * windows(x).sum(axis=0)).sum(axis=axes), da.sum(axis=axes), expected.sum(axis=axes)]), dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("below", KINDS)
def test_the_gradient_of_max_pooling_after_an_activation(below, dtype):
    x, dy, _, _ = drawn(dtype)
    x = activated(below, x).astype(dtype)
    argmax = windows(x).argmax(axis=0).astype(np.int32)
    dx, db = np.full_like(x, np.nan), np.ones(2, dtype)
    max_pool_backward(below)(x, dy, argmax, dx, db)
    expected = np.zeros_like(x)
    for n, (i, j) in enumerate((i, j) for i in range(2) for j in range(2)):
        expected[:, i::2, j::2] = np.where(argmax == n, slope(below, x[:, i::2, j::2]) * dy, 0)
    close(dx, expected, dtype)
    close(db, 1 + expected.sum(axis=(1, 2, 3)), dtype)
