"""The vectorisable float32 functions against float64, over the whole range of float32."""

import math

import numpy as np
import pytest

from minicnn.backends.cpu.compile.jit import kernel
from minicnn.backends.cpu.compile.mode import INTERPRET
from minicnn.backends.cpu.tiles import activation, functions

TINY = np.finfo(np.float32).smallest_subnormal
STRIDE = 10_000_019 if INTERPRET else 1009


@kernel(flat=True)
def exps(x, y):
    for i in range(x.size):
        y[i] = functions.exp(x[i])


@kernel(flat=True)
def tanhs(x, y):
    for i in range(x.size):
        y[i] = functions.tanh(x[i])


@kernel(flat=True)
def erfs(x, y):
    for i in range(x.size):
        y[i] = functions.erf(x[i])


@kernel(flat=True)
def expm1s(x, y):
    for i in range(x.size):
        y[i] = functions.expm1(-abs(x[i]))


@kernel(flat=True)
def scaled_tanhs(x, y):
    for i in range(x.size):
        y[i] = activation.scaled_tanh(x[i])


@kernel(flat=True)
def thirds(x, y):
    for i in range(x.size):
        y[i] = x[i] * functions.like(x[i], 1 / 3)


def scaled_tanh(x):
    return 1.7159 * np.tanh(2 / 3 * x)


def expm1(x):
    """As far as kernels need it: not above 0."""
    return np.expm1(-abs(x))


erf = np.vectorize(math.erf)

FUNCTIONS = [
    (erfs, erf, functions.erf, 5),
    (expm1s, expm1, lambda x: functions.expm1(-abs(x)), 2),
    (exps, np.exp, functions.exp, 1.5),
    (tanhs, np.tanh, functions.tanh, 5),
    (scaled_tanhs, scaled_tanh, activation.scaled_tanh, 5),
]


def every_float():
    """Floats of every exponent and both signs, evenly spread over the bit patterns."""
    positive = np.arange(0, 0x7F800000, STRIDE, dtype=np.uint32).view(np.float32)
    return np.concatenate([positive, -positive])


def apply(function, x):
    y = np.full_like(x, np.nan)
    with np.errstate(over="ignore"):
        function(x, y)
    return y


@pytest.mark.parametrize(("compiled", "truth", "plain", "ulps"), FUNCTIONS)
def test_float32_is_right_to_a_few_ulps(compiled, truth, plain, ulps):
    x = every_float()
    with np.errstate(over="ignore"):
        expected = truth(x.astype(np.float64))
        rounded = expected.astype(np.float32)
    y = apply(compiled, x)
    finite = np.isfinite(rounded)
    assert np.array_equal(y[~finite], rounded[~finite])
    error = np.abs(y[finite] - expected[finite]) / np.maximum(np.spacing(np.abs(rounded[finite])), TINY)
    assert error.max() <= ulps, (x[finite][error.argmax()], error.max())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_special_values(dtype):
    x = np.array([0, -0.0, np.inf, -np.inf, np.nan, 1e30, -1e30, 1e4, -1e4], dtype)
    assert np.array_equal(apply(exps, x), np.array([1, 1, np.inf, 0, np.nan, np.inf, 0, np.inf, 0], dtype), equal_nan=True)
    assert np.array_equal(apply(tanhs, x), np.array([0, -0.0, 1, -1, np.nan, 1, -1, 1, -1], dtype), equal_nan=True)
    assert np.signbit(apply(tanhs, x)[1])
    assert np.array_equal(apply(erfs, x), np.array([0, -0.0, 1, -1, np.nan, 1, -1, 1, -1], dtype), equal_nan=True)
    assert np.signbit(apply(erfs, x)[1])
    assert np.array_equal(apply(expm1s, x), np.array([0, 0, -1, -1, np.nan, -1, -1, -1, -1], dtype), equal_nan=True)
    a = dtype(1.7159)
    assert np.array_equal(apply(scaled_tanhs, x), np.array([0, -0.0, a, -a, np.nan, a, -a, a, -a], dtype), equal_nan=True)
    assert np.signbit(apply(scaled_tanhs, x)[1])


def test_exp_near_its_limits():
    """The largest finite power, the subnormal ones, and the first that is zero."""
    x = np.array([88.72283, 88.72284, -87.33655, -103.27893, -103.97, -103.98], np.float32)
    with np.errstate(over="ignore", under="ignore"):
        expected = np.exp(x.astype(np.float64)).astype(np.float32)
    y = apply(exps, x)
    assert np.isfinite(y[0])
    assert np.isinf(y[1])
    assert y[-2] == TINY
    assert y[-1] == 0
    assert np.all(np.abs(y[2:] - expected[2:]) <= np.maximum(np.spacing(expected[2:]), TINY))


def test_tanh_of_a_tiny_number_is_that_number():
    x = np.array([TINY, -TINY, 1e-40, 1e-38, 1e-20, -1e-5], np.float32)
    assert np.array_equal(apply(tanhs, x), x)


@pytest.mark.parametrize(("compiled", "bound"), [(tanhs, 1), (erfs, 1), (scaled_tanhs, np.float32(1.7159))])
def test_a_function_is_odd_and_bounded(compiled, bound):
    x = every_float()
    y = apply(compiled, x)
    assert np.array_equal(y, -apply(compiled, -x))
    assert np.abs(y).max() == bound


@pytest.mark.parametrize(("compiled", "truth", "plain", "ulps"), FUNCTIONS)
def test_float64(compiled, truth, plain, ulps):
    x = np.linspace(-30, 30, 401)
    np.testing.assert_allclose(apply(compiled, x), truth(x), rtol=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("compiled", "truth", "plain", "ulps"), FUNCTIONS)
def test_plain_python_means_the_same(compiled, truth, plain, ulps, dtype):
    x = np.linspace(-12, 12, 97).astype(dtype)
    plainly = np.array([plain(v) for v in x])
    assert plainly.dtype == dtype
    np.testing.assert_allclose(apply(compiled, x), plainly, rtol=8 * np.finfo(dtype).eps)


@pytest.mark.parametrize(
    ("form", "truth"),
    [
        (functions.exp32, np.exp),
        (functions.tanh32, np.tanh),
        (activation.scaled_tanh32, scaled_tanh),
        (functions.erf32, erf),
        (lambda x: functions.expm1_32(-abs(x)), expm1),
    ],
)
def test_the_float32_forms_run_as_plain_python(form, truth):
    x = np.linspace(-12, 12, 97).astype(np.float32)
    np.testing.assert_allclose([form(v) for v in x], truth(x.astype(np.float64)), rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_like_keeps_the_dtype(dtype):
    x = np.array([1, 3], dtype)
    assert np.array_equal(apply(thirds, x), x * dtype(1 / 3))
    assert type(functions.like(x[0], 1 / 3)) is dtype
