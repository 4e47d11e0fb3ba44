"""SDLM: its steps against the formula, its vector in checkpoints, its rates on the LeNet-5 of 1998, and what it refuses."""

import re

import numpy as np
import pytest

from minicnn import MSE, SDLM, SGD, CheckpointError, ContractError, Dense, Network, OptionError, ScaledTanh, models
from minicnn.optim.averaging import ParameterAverage
from minicnn.optim.schedules import LENET5_RATES, PiecewiseConstant
from minicnn.train.checkpoint import load_training, save_training


def network(units=5, **options):
    layers = [("F1", Dense(units)), ScaledTanh(), ("F2", Dense(3))]
    return Network(layers, (4,), threads=1, **{"dtype": "float64", "seed": 1} | options)


def data(images=20, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((images, 4)), rng.integers(0, 3, images)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_steps_are_those_of_the_formula(dtype):
    """The paper's way: batches of one image, rates that are held over a pass, and another η for the next one."""
    net, optimizer, (x, labels) = network(dtype=dtype), SDLM(0.05, mu=0.1), data()
    expected = net.params.flat.astype(np.float64)
    for rate in (0.05, 0.02):
        optimizer.lr = rate
        optimizer.estimate(net, MSE(1, -1), x, labels, index=np.arange(10))
        curvature = net.curvature(MSE(1, -1), x, labels, index=np.arange(10)).flat.astype(np.float64)
        for image in range(5):
            net.loss_and_grads(MSE(1, -1), x, labels, index=[image])
            expected -= rate / (0.1 + curvature) * net.grads.flat
            optimizer.step(net)
    close = {"rtol": 1e-12} if dtype == "float64" else {"rtol": 1e-5, "atol": 1e-6}
    np.testing.assert_allclose(net.params.flat, expected, **close)
    assert optimizer.steps == 10


def test_rates_go_by_the_names_of_the_parameters():
    net, optimizer, (x, labels) = network(), SDLM(5e-4), data()
    optimizer.estimate(net, MSE(), x, labels)
    rates, curvature = optimizer.rates(net), net.curvature(MSE(), x, labels)
    assert list(rates) == list(net.params)
    for name, rate in rates.items():
        np.testing.assert_allclose(rate, 5e-4 / (0.02 + curvature[name]))


def test_the_lenet_of_1998_has_rates_within_the_bound():
    net, optimizer, rng = models.lenet5(threads=1), SDLM(5e-4, mu=0.02), np.random.default_rng(0)
    optimizer.estimate(net, MSE(1, -1), rng.uniform(-0.1, 1.175, (40, 1, 32, 32)), rng.integers(0, 10, 40))
    rates = np.concatenate([rate.reshape(-1) for rate in optimizer.rates(net).values()])
    assert rates.size == 60_850
    assert 0 < rates.min() < rates.max() <= 5e-4 / 0.02 * (1 + 1e-6)


def test_it_learns_and_resumes_from_a_checkpoint_exactly(tmp_path):
    net, optimizer, (x, labels) = network(dtype="float32"), SDLM(0.02), data()
    optimizer.estimate(net, MSE(1, -1), x, labels)
    before = net.evaluate(MSE(1, -1), x, labels).loss

    def steps(net, optimizer, images):
        for image in images:
            net.loss_and_grads(MSE(1, -1), x, labels, index=[image])
            optimizer.step(net)

    save_training(tmp_path / "first", net, optimizer, {})
    load_training(tmp_path / "first", network(dtype="float32"), SDLM(0.02))
    steps(net, optimizer, range(10))
    save_training(tmp_path / "last", net, optimizer, {})
    resumed, other = network(dtype="float32", seed=2), SDLM(0.02)
    load_training(tmp_path / "last", resumed, other)
    steps(net, optimizer, range(10, 20))
    steps(resumed, other, range(10, 20))
    assert np.array_equal(net.params.flat, resumed.params.flat)
    assert net.evaluate(MSE(1, -1), x, labels).loss < before
    other.estimate(resumed, MSE(1, -1), x, labels)  # and goes on with another estimate
    steps(resumed, other, [0])
    with pytest.raises(CheckpointError, match=r"expected the vectors of SGD, got those of 'SDLM'"):
        load_training(tmp_path / "last", resumed, SGD())


def test_a_step_without_an_estimate():
    message = (
        "SDLM: expected an estimate of the curvature before the first step, got none; "
        "call estimate(net, loss, x, target) before each pass"
    )
    for use in (SDLM.step, SDLM.rates):
        with pytest.raises(ContractError, match=f"^{re.escape(message)}$"):
            use(SDLM(), network())


def test_another_network():
    optimizer = SDLM()
    optimizer.estimate(network(), MSE(), *data())
    with pytest.raises(ContractError, match=r"^SDLM: expected inverse as long as the 27 parameters, got 43 of float64; "):
        optimizer.estimate(network(units=3), MSE(), *data())


def test_curvatures_that_are_no_curvatures():
    net, (x, labels) = network(), data()
    x[0, 0] = np.nan
    message = r"^SDLM: expected finite curvatures of at least 0, got nan to nan; lower the learning rate, or look at "
    with pytest.raises(ContractError, match=message):
        SDLM().estimate(net, MSE(), x, labels)


def test_an_optimiser_around_it():
    optimizer = SDLM()
    optimizer.estimate(network(), MSE(), *data())
    message = "SDLM: expected to make the steps itself, got another optimiser around it; use it alone"
    with pytest.raises(ContractError, match=f"^{re.escape(message)}$"):
        ParameterAverage(optimizer, 0.9).step(network())


@pytest.mark.parametrize("mu", [0, -1, float("nan"), float("inf"), "1", True])
def test_a_mu_outside_its_range(mu):
    message = f"SDLM: expected mu in (0, inf), got {mu!r}; choose mu in that range"
    with pytest.raises(OptionError, match=f"^{re.escape(message)}$"):
        SDLM(mu=mu)


def test_options_are_given_by_name():
    assert SDLM().options() == {"mu": 0.02}
    assert SDLM().lr == LENET5_RATES[0] == 5e-4


def test_the_published_rates_by_passes():
    """Twenty passes of seven steps."""
    schedule = PiecewiseConstant(LENET5_RATES)
    rates = [5e-4 * schedule(step, 20 * 7) for step in range(20 * 7)]
    published = [5e-4] * 2 + [2e-4] * 3 + [1e-4] * 3 + [5e-5] * 4 + [1e-5] * 8
    np.testing.assert_allclose(rates, np.repeat(published, 7))


@pytest.mark.parametrize(
    ("rates", "message"),
    [
        ((), "PiecewiseConstant: expected rates as a tuple of numbers, got (); give rates=(0.1, 0.01)"),
        ([0.1], "PiecewiseConstant: expected rates as a tuple of numbers, got [0.1]; give rates=(0.1, 0.01)"),
        ((0.0, 1.0), "PiecewiseConstant: expected rates[0] in (0, inf), got 0.0; choose rates[0] in that range"),
        ((1.0, -1.0), "PiecewiseConstant: expected rates[1] in [0, inf), got -1.0; choose rates[1] in that range"),
    ],
)
def test_a_table_that_is_none(rates, message):
    with pytest.raises(OptionError, match=f"^{re.escape(message)}$"):
        PiecewiseConstant(rates)
