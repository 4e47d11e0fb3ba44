"""The elementwise kernels, softmax and dropout against their oracles, PyTorch and their own derivatives."""

import naive
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import examples

from minicnn.backends.cpu.compile.mode import INTERPRET
from minicnn.backends.cpu.kernels import draw as draw_numbers
from minicnn.backends.cpu.kernels import elementwise
from minicnn.backends.cpu.kernels.dropout import dropout, dropout_channels
from minicnn.backends.cpu.kernels.softmax import softmax, softmax_dx, softmax_hx

DTYPES = [np.float32, np.float64]
NAMES = ["sigmoid", "tanh", "scaled_tanh", "relu", "leaky_relu"]
SLOPE = 0.125  # exact in either dtype
few = examples(15)


def tolerance(dtype, of=1.0):
    return {"rtol": of * 20 * np.finfo(dtype).eps, "atol": of * 4 * np.finfo(dtype).eps}


def draw(seed, shape, dtype=np.float64, spread=2.0):
    return (spread * np.random.default_rng(seed).standard_normal(shape)).astype(dtype)


def forward(name, x, y):
    slope = [np.array([SLOPE], x.dtype)] if name == "leaky_relu" else []
    getattr(elementwise, name)(x, *slope, y)


def backward(name, x, y, dy, dx):
    """dx from y, as the kernels take it; from x for the leaky ReLU."""
    if name == "leaky_relu":
        elementwise.leaky_relu_dx(x, np.array([SLOPE], x.dtype), dy, dx)
    else:
        getattr(elementwise, name + "_dx")(y, dy, dx)


def oracle(name, x, dy):
    slope = [SLOPE] if name == "leaky_relu" else []
    x, dy = x.astype(np.float64), dy.astype(np.float64)
    return getattr(naive, name)(x, *slope), getattr(naive, name + "_dx")(x, *slope, dy)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
@few
@given(seed=st.integers(0, 99), shape=st.sampled_from([(1,), (7,), (2, 3, 4, 16), (33, 32)]))
def test_activation_and_derivative(name, dtype, seed, shape):
    x, dy = draw(seed, shape, dtype), draw(seed + 1, shape, dtype)
    y, dx = np.full_like(x, np.nan), np.full_like(x, np.nan)
    forward(name, x, y)
    backward(name, x, y, dy, dx)
    expected_y, expected_dx = oracle(name, x, dy)
    np.testing.assert_allclose(y, expected_y, **tolerance(dtype))
    np.testing.assert_allclose(dx, expected_dx, **tolerance(dtype, of=10))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_in_place_gives_the_same_bits(name, dtype):
    x, dy = draw(1, (5, 37), dtype), draw(2, (5, 37), dtype)
    y, dx = np.empty_like(x), np.empty_like(x)
    forward(name, x, y)
    backward(name, x, y, dy, dx)
    same_y, same_dx = x.copy(), dy.copy()
    forward(name, same_y, same_y)
    backward(name, x, y, same_dx, same_dx)
    assert np.array_equal(same_y, y)
    assert np.array_equal(same_dx, dx)


@pytest.mark.parametrize("name", NAMES)
def test_gradient(name):
    """⟨dx, v⟩ is the slope of ⟨y, dy⟩ along v."""
    x, dy, v = (draw(seed, 400) for seed in (3, 4, 5))
    x = x[np.abs(x) > 1e-3]  # away from the corner of the ReLUs
    dy, v = dy[: x.size], v[: x.size]
    y, dx, above, below = (np.empty_like(x) for _ in range(4))
    forward(name, x, y)
    backward(name, x, y, dy, dx)
    forward(name, x + 1e-6 * v, above)
    forward(name, x - 1e-6 * v, below)
    np.testing.assert_allclose(dx @ v, dy @ (above - below) / 2e-6, rtol=1e-7)


@pytest.mark.torch
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("relu", torch.relu),
        ("leaky_relu", lambda x: torch.nn.functional.leaky_relu(x, SLOPE)),
        ("tanh", torch.tanh),
        ("sigmoid", torch.sigmoid),
    ],
)
def test_special_values_as_in_pytorch(name, theirs, dtype):
    x = np.array([0, -0.0, 1, -1, np.inf, -np.inf, np.nan, 1e-30, -1e-30, 50, -50], dtype)
    dy = np.arange(1, x.size + 1).astype(dtype)
    t = torch.tensor(x, requires_grad=True)
    their_y = theirs(t)
    their_y.backward(torch.tensor(dy))
    y, dx = np.full_like(x, 9), np.full_like(x, 9)
    forward(name, x, y)
    backward(name, x, y, dy, dx)
    np.testing.assert_allclose(y, their_y.detach().numpy(), **tolerance(dtype))
    np.testing.assert_allclose(dx, t.grad.numpy(), **tolerance(dtype))


@pytest.mark.parametrize("dtype", [*DTYPES, np.int64])
def test_copy_and_zero(dtype):
    x = np.arange(2 * 3 * 16, dtype=dtype).reshape(2, 3, 16)
    y = np.full_like(x, 77)
    elementwise.copy(x, y)
    assert np.array_equal(x, y)
    elementwise.copy(y, y)
    assert np.array_equal(x, y)
    elementwise.zero(y)
    assert not y.any()


@pytest.mark.parametrize("dtype", DTYPES)
def test_square(dtype):
    x = draw(11, (5, 37), dtype)
    y = np.full_like(x, np.nan)
    elementwise.square(x, y)
    assert np.array_equal(y, x * x)
    elementwise.square(x, x)
    assert np.array_equal(x, y)


# -------------------------------------------------------------------------------------------------------------- softmax


@pytest.mark.parametrize("dtype", DTYPES)
@few
@given(seed=st.integers(0, 99), D=st.integers(1, 12), L=st.sampled_from([16, 32]), spread=st.sampled_from([1.0, 30.0]))
def test_softmax(dtype, seed, D, L, spread):
    x, dy = draw(seed, (L, D), spread=spread).astype(dtype), draw(seed + 1, (L, D), dtype)
    xl, dyl = naive.to_lanes(x, L), naive.to_lanes(dy, L)
    y, dx, hx = (np.full_like(xl, np.nan) for _ in range(3))
    softmax(xl, y)
    softmax_dx(y, dyl, dx)
    softmax_hx(y, dyl, hx)
    np.testing.assert_allclose(naive.from_lanes(hx, L), naive.softmax_hx(x.astype(np.float64), dy), **tolerance(dtype, of=5))
    np.testing.assert_allclose(naive.from_lanes(y, L), naive.softmax(x.astype(np.float64)), **tolerance(dtype))
    np.testing.assert_allclose(naive.from_lanes(dx, L), naive.softmax_dx(x.astype(np.float64), dy), **tolerance(dtype, of=5))


def test_softmax_gradient():
    x, dy, v = (draw(seed, (7, 16)) for seed in (6, 7, 8))
    y, dx, above, below = (np.empty_like(x) for _ in range(4))
    softmax(x, y)
    softmax_dx(y, dy, dx)
    softmax(x + 1e-6 * v, above)
    softmax(x - 1e-6 * v, below)
    np.testing.assert_allclose((dx * v).sum(), (dy * (above - below)).sum() / 2e-6, rtol=1e-7)


def test_softmax_of_huge_logits_and_nan():
    x = np.zeros((3, 16), np.float32)
    x[:, 0], x[1, 1], x[2, 2] = 1e30, 1e30, np.nan
    y = np.empty_like(x)
    softmax(x, y)
    np.testing.assert_allclose(y[:, 0], 1 / 3, rtol=1e-6)
    assert np.array_equal(y[:, 1], [0, 1, 0])
    assert np.isnan(y[:, 2]).all()
    np.testing.assert_allclose(y[:, 3:].sum(0), 1, rtol=1e-6)


# -------------------------------------------------------------------------------------------------------------- dropout


def mask(E, L, rate=0.5, seed=1, step=2, layer=3, first=0, dtype=np.float32):
    """Which elements survive: (E, L) booleans."""
    y = np.full((E, L), np.nan, dtype)
    dropout(np.ones((E, L), dtype), np.array([seed, step, layer, first], np.uint64), np.array([rate], dtype), y)
    return y != 0


BITS = [(1, 2, 3, 0), (2**63 + 5, 0, 0, 60000), (0, 2**40 + 1, 7, 31), (2**32, 1, 2**20, 2**31)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("seed", "step", "layer", "first"), BITS)
def test_dropout(dtype, seed, step, layer, first):
    x = draw(9, (16, 5), dtype)
    xl = naive.to_lanes(x, 16)
    y = np.full_like(xl, np.nan)
    rng, rate = np.array([seed, step, layer, first], np.uint64), np.array([0.25], dtype)
    dropout(xl, rng, rate, y)
    np.testing.assert_allclose(naive.from_lanes(y, 16), naive.dropout(x, seed, step, layer, first, 0.25), **tolerance(dtype))
    dropout(xl, rng, rate, xl)
    assert np.array_equal(xl, y)


def test_as_many_of_the_outcomes_are_dropped_as_the_rate_says_and_no_more():
    """The outcome that is equal to their number is the first that is kept."""
    u, v = (draw_numbers.mix(np.uint32(draw_numbers.key(start, 1, 2, 3))) for start in (draw_numbers.KEY_1, draw_numbers.KEY_2))
    outcome = int(draw_numbers.uniform(np.uint32(0), u, v))
    x, rng = np.ones((1, 1, 16)), np.array([1, 2, 3, 0], np.uint64)
    for rate, kept in ((outcome / 2**24, True), ((outcome + 1) / 2**24, False)):
        elements, channels = np.full((2, *x.shape), np.nan)
        dropout(x[0], rng, np.array([rate]), elements[0])
        dropout_channels(x, rng, np.array([rate]), channels)
        assert (elements[0, 0, 0] != 0, channels[0, 0, 0] != 0) == (kept, kept)


def test_dropout_does_not_depend_on_lanes_groups_or_dtype():
    whole = mask(9, 32)
    assert np.array_equal(whole[:, :16], mask(9, 16))
    assert np.array_equal(whole[:, 16:], mask(9, 16, first=16))
    assert np.array_equal(mask(64, 32, rate=0.1), mask(64, 32, rate=0.1, dtype=np.float64))
    assert np.array_equal(mask(9, 16, first=5), mask(9, 32)[:, 5:21])


def test_dropout_of_nothing_and_of_almost_everything():
    x = draw(10, (8, 16), np.float32)
    y = np.empty_like(x)
    dropout(x, np.zeros(4, np.uint64), np.array([0], np.float32), y)
    assert np.array_equal(x, y)
    assert not mask(8, 16, rate=1 - 2**-24).any()


@pytest.mark.skipif(INTERPRET, reason="a million hashes in plain Python")
@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
def test_dropout_rate(rate):
    kept = np.concatenate([mask(2048, 32, rate=rate, first=32 * group) for group in range(32)], axis=1)
    sigma = np.sqrt(rate * (1 - rate))
    assert abs(kept.mean() - (1 - rate)) < 4 * sigma / np.sqrt(kept.size)
    for axis in (0, 1):  # no image and no element is favoured
        z = (kept.mean(axis) - (1 - rate)) / (sigma / np.sqrt(kept.shape[axis]))
        assert np.abs(z).max() < 5.5
        assert 0.7 < z.std() < 1.3


@pytest.mark.skipif(INTERPRET, reason="a million hashes in plain Python")
def test_dropout_is_uncorrelated():
    """Between neighbouring elements and images, and between steps, layers, seeds and epochs."""
    base = mask(4096, 32)
    others = {f"element + {d}": (base[:-d], base[d:]) for d in (1, 2, 16, 1024)}
    others |= {f"image + {d}": (base[:, :-d], base[:, d:]) for d in (1, 2, 8, 16)}
    changes = [{"step": 3}, {"layer": 4}, {"seed": 2}, {"first": 32}, {"step": 3, "layer": 2}, {"step": 1 + 2**32}]
    others |= {str(change): (base, mask(4096, 32, **change)) for change in changes}
    for name, (a, b) in others.items():
        correlation = np.mean((2.0 * a - 1) * (2.0 * b - 1)) * np.sqrt(a.size)
        assert abs(correlation) < 4.5, (name, correlation)


@pytest.mark.skipif(INTERPRET, reason="a million hashes in plain Python")
def test_dropout_bytes_are_uniform():
    """Eight neighbouring keeps as one byte: every byte equally often, along both axes and along the steps."""
    steps = np.stack([mask(512, 32, step=step) for step in range(64)])
    for axis in range(3):
        octets = np.packbits(steps, axis=axis).ravel()
        counts = np.bincount(octets, minlength=256)
        expected = octets.size / 256
        chi2 = ((counts - expected) ** 2 / expected).sum()
        assert abs(chi2 - 255) < 5 * np.sqrt(2 * 255), (axis, chi2)


AMPLITUDE = {"scaled_tanh": 1.7159, "tanh": 1, "sigmoid": 1}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", AMPLITUDE)
def test_the_slope_where_a_function_is_flat_is_exactly_zero(name, dtype):
    """Rounded constants leave 10⁻⁸ of a slope, which a gradient of 10³⁰ makes 10²² of."""
    x = np.array([-np.inf, -1e30, -2000, 2000, 1e30, np.inf] * 3, dtype)  # vectors, and the rest of one
    y, dx = np.empty_like(x), np.full_like(x, np.nan)
    forward(name, x, y)
    low = 0 if name == "sigmoid" else -dtype(AMPLITUDE[name])
    np.testing.assert_array_equal(y, np.where(x > 0, dtype(AMPLITUDE[name]), low))
    backward(name, x, y, np.full_like(x, 1e30), dx)
    np.testing.assert_array_equal(dx, 0)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_scaled_tanh_that_is_almost_flat_has_a_slope(dtype):
    below = np.nextafter(dtype(1.7159), dtype(0))
    y, dx = np.array([below, -below, np.nan] * 7, dtype), np.empty(21, dtype)
    backward("scaled_tanh", y, y, np.ones_like(y), dx)
    slope = 4 / 3 * (1.7159 - float(below))
    np.testing.assert_allclose(dx[:2], slope, rtol=0.7)
    assert np.isnan(dx[2::3]).all()
