"""Initialisers: bounds and moments, fans for each element, and nothing but the generator they are given."""

import numpy as np
import pytest

from minicnn import (
    Constant,
    Conv2d,
    Dense,
    FanInUniform,
    GlorotUniform,
    HeNormal,
    LeCunNormal,
    Network,
    SparseConv2d,
    Subsample,
    TorchDefault,
)

SHAPE, FAN_IN, FAN_OUT = (200, 500), 48, 16
UNIFORM = [
    (FanInUniform(), 2.4 / FAN_IN),
    (FanInUniform(1.0), 1.0 / FAN_IN),
    (GlorotUniform(), np.sqrt(6 / (FAN_IN + FAN_OUT))),
    (TorchDefault(), 1 / np.sqrt(FAN_IN)),
]
NORMAL = [(LeCunNormal(), np.sqrt(1 / FAN_IN)), (HeNormal(), np.sqrt(2 / FAN_IN))]
ALL = [init for init, _ in UNIFORM + NORMAL] + [Constant(0.5)]


def draw(init, fan_in=FAN_IN, seed=0, shape=SHAPE):
    return init(np.random.default_rng(seed), shape, fan_in, FAN_OUT)


@pytest.mark.parametrize(("init", "bound"), UNIFORM, ids=repr)
def test_uniform_initialisers_fill_their_range_evenly(init, bound):
    values = draw(init) / bound
    assert np.abs(values).max() <= 1
    assert np.abs(values).max() > 0.9999
    shares = np.histogram(values, 10, (-1, 1))[0] / values.size
    np.testing.assert_allclose(shares, 0.1, atol=0.005)  # five standard deviations of a share


@pytest.mark.parametrize(("init", "deviation"), NORMAL, ids=repr)
def test_normal_initialisers_have_the_moments_of_a_normal(init, deviation):
    values = draw(init) / deviation
    for power, moment in ((1, 0), (2, 1), (3, 0), (4, 3)):
        assert np.mean(values**power) == pytest.approx(moment, abs=0.2 if power == 4 else 0.05)


@pytest.mark.parametrize("value", [0.0, -1.5])
def test_constant(value):
    assert (draw(Constant(value)) == value).all()


@pytest.mark.parametrize("init", ALL, ids=repr)
def test_a_generator_fixes_the_values(init):
    values = draw(init)
    assert values.shape == SHAPE
    assert values.dtype == np.float64
    np.testing.assert_array_equal(values, draw(init))
    assert isinstance(init, Constant) or not np.array_equal(values, draw(init, seed=1))


@pytest.mark.parametrize("init", ALL[:-1], ids=repr)
def test_fans_may_differ_from_element_to_element(init):
    fans = np.array([1, 25, 400])[:, None]
    values = draw(init, fans, shape=(3, 1000))
    for row, fan in zip(values, fans[:, 0], strict=True):
        alone = draw(init, int(fan), shape=(1, 1000))
        assert row.std() == pytest.approx(alone.std(), rel=0.1)


def test_maps_of_a_sparse_convolution_start_by_their_own_fan_in():
    """2.4/fan_in, the fan-in of a map being its channels times the taps (LeCun et al. 1998, appendix A)."""
    table = ((0,), (0, 1), (0, 1, 2, 3))
    net = Network([("C", SparseConv2d(table, 25, init=FanInUniform(), bias_init=FanInUniform()))], (4, 25, 25), threads=1)
    largest = np.abs(net.params["C.W"]).max(axis=(1, 2)) * 25 * 25 / 2.4
    expected = [1, 1 / 2, 1 / 2, 1 / 4, 1 / 4, 1 / 4, 1 / 4]
    np.testing.assert_allclose(largest, expected, rtol=0.02)
    assert (np.abs(net.params["C.b"]) <= 2.4 / (625 * np.array([1, 2, 4]))).all()


def test_layers_give_their_fans():
    """±√(6/(fan_in + fan_out)) reaches its bound, so a wrong fan shows in the largest value."""
    dense = Network([("F", Dense(300, init=GlorotUniform()))], (500,), threads=1)
    conv = Network([("C", Conv2d(64, 5, groups=2, init=GlorotUniform()))], (32, 5, 5), threads=1)
    assert np.abs(dense.params["F.W"]).max() == pytest.approx(np.sqrt(6 / 800), rel=1e-3)
    assert np.abs(conv.params["C.W"]).max() == pytest.approx(np.sqrt(6 / (16 * 25 + 32 * 25)), rel=1e-3)


def test_a_window_of_a_subsample_has_its_pixels_as_fan_in_and_each_pixel_goes_to_one_place():
    def fans(rng, shape, fan_in, fan_out):
        return np.full(shape, fan_in * 10 + fan_out)

    net = Network([("S", Subsample((2, 3), init=fans, bias_init=fans))], (4, 4, 6), threads=1)
    assert (net.params.flat == 61).all()


def test_an_initialiser_of_ones_own():
    net = Network(
        [("F", Dense(2, init=lambda rng, shape, fan_in, fan_out: np.full(shape, fan_in * 10 + fan_out)))], (3,), threads=1
    )
    assert (net.params["F.W"] == 32).all()
