"""The kernels of activations over one array, at their ends, and dropout of channels."""

import numpy as np
import pytest

from minicnn.backends.cpu.kernels import rectifier, smooth
from minicnn.backends.cpu.kernels.dropout import dropout, dropout_channels
from minicnn.backends.cpu.kernels.softmax import log_softmax, log_softmax_dx

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
CONSTANTS = {"clamp": [0.5, -1, 2, 0.25], "elu": [1.1, 0.7], "swish": [1.6, 0.07]}
KERNELS = [
    rectifier.clamp,
    rectifier.clamp_dx,
    rectifier.hardswish,
    rectifier.hardswish_dx,
    rectifier.prelu,
    rectifier.prelu_dx,
]
KERNELS += [smooth.elu, smooth.elu_dx, smooth.gelu, smooth.gelu_dx, smooth.swish, smooth.swish_dx, smooth.mish, smooth.mish_dx]


def draw(seed, shape, dtype):
    return (2 * np.random.default_rng(seed).standard_normal(shape)).astype(dtype)


@DTYPES
@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.__name__)
def test_in_place_gives_the_same_bits(kernel, dtype):
    x, dy, apart = draw(1, (5, 37), dtype), draw(2, (5, 37), dtype), np.full((5, 37), np.nan, dtype)
    name, backward = kernel.__name__.removesuffix("_dx"), kernel.__name__.endswith("_dx")
    constants = [draw(3, 5, dtype)] if name == "prelu" else [np.array(CONSTANTS[name], dtype)] if name in CONSTANTS else []
    same = (dy if backward else x).copy()
    if backward:
        kernel(x, *constants, dy, apart)
        kernel(x, *constants, same, same)
    else:
        kernel(x, *constants, apart)
        kernel(same, *constants, same)
    assert np.array_equal(apart, same)


@DTYPES
def test_the_slope_of_elu_where_it_is_flat_is_exactly_zero(dtype):
    x, slopes = np.array([-np.inf, -1e30, -2000] * 5, dtype), np.array([1, 0.7], dtype)
    y, dx = np.empty_like(x), np.full_like(x, np.nan)
    smooth.elu(x, slopes, y)
    np.testing.assert_array_equal(y, -slopes[1])
    smooth.elu_dx(y, slopes, np.full_like(x, 1e30), dx)
    np.testing.assert_array_equal(dx, 0)


@DTYPES
@pytest.mark.parametrize("lanes", [1, 16])
def test_log_softmax_of_huge_logits_of_one_class_and_of_nan(dtype, lanes):
    x = np.zeros((3, lanes), dtype)
    x[:, 0] = 1e30
    y, dx = np.empty_like(x), np.full_like(x, np.nan)
    log_softmax(x, y)
    np.testing.assert_allclose(y, np.full_like(x, -np.log(3)), rtol=1e-6)
    log_softmax_dx(y, np.ones_like(x), dx)
    np.testing.assert_allclose(dx, 0, atol=1e-6)
    x[1] = np.nan
    log_softmax(x, y)
    assert np.isnan(y).all()
    log_softmax(x[:2], y[:2])
    log_softmax(x[:1], y[:1])
    np.testing.assert_array_equal(y[0], 0)


@DTYPES
@pytest.mark.parametrize("lanes", [1, 16])
def test_dropout_of_channels_has_the_mask_of_dropout(dtype, lanes):
    x, rng, rate = draw(4, (9, 5, lanes), dtype), np.array([2**63 + 5, 2, 3, 31], np.uint64), np.array([0.25], dtype)
    mask, y = np.ones((9, lanes), dtype), np.full_like(x, np.nan)
    dropout(mask, rng, rate, mask)
    dropout_channels(x, rng, rate, y)
    assert np.array_equal(y, x * mask[:, None])
