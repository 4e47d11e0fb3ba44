"""Averages of the parameters over steps."""

import numpy as np
import pytest

from minicnn import SGD, Adam, ContractError, Dense, Network, OptionError
from minicnn.optim.averaging import ParameterAverage
from minicnn.train import checkpoint


def network():
    return Network([("F1", Dense(3))], in_shape=(4,), threads=1, seed=2)


def walk(net, optimizer, steps, first=0):
    """Parameters after each step, with gradients drawn for it."""
    path = []
    for step in range(first, first + steps):
        net.grads.flat[...] = np.random.default_rng(step).standard_normal(net.grads.flat.size)
        optimizer.step(net)
        path.append(net.params.flat.astype(np.float64))
    return path


@pytest.mark.parametrize("make", [lambda: SGD(0.1), lambda: SGD(0.1, momentum=0.9), lambda: Adam(0.1)])
def test_the_steps_are_those_of_the_optimiser(make):
    net, other = network(), network()
    averaged, alone = ParameterAverage(make(), 0.9), make()
    averaged.lr = alone.lr = 0.03  # as a schedule does
    assert np.array_equal(walk(net, averaged, 5), walk(other, alone, 5))


def test_the_average_is_the_mean_at_first_and_then_exponential():
    net, averaged = network(), ParameterAverage(SGD(0.1), 0.9)
    path = walk(net, averaged, 10)
    np.testing.assert_allclose(averaged.moments["average"], np.mean(path, axis=0), rtol=0, atol=1e-6)
    expected = averaged.moments["average"].astype(np.float64)
    for params in walk(net, averaged, 10, first=10):
        expected = 0.9 * expected + 0.1 * params
    np.testing.assert_allclose(averaged.moments["average"], expected, rtol=0, atol=1e-6)
    averaged.copy_to(net)
    assert np.array_equal(net.params.flat, averaged.moments["average"])


def test_a_checkpoint_holds_the_average(tmp_path):
    net, averaged = network(), ParameterAverage(Adam(0.1), 0.99)
    walk(net, averaged, 3)
    checkpoint.save_training(tmp_path / "last", net, averaged, {})
    again, resumed = network(), ParameterAverage(Adam(0.1), 0.99)
    walk(again, resumed, 2)  # what it learned is forgotten
    checkpoint.load_training(tmp_path / "last", again, resumed)
    walk(net, averaged, 3, first=3)
    walk(again, resumed, 3, first=3)
    assert np.array_equal(net.params.flat, again.params.flat)
    assert np.array_equal(averaged.moments["average"], resumed.moments["average"])


def test_options():
    assert ParameterAverage(SGD(0.1, momentum=0.9), 0.5).options() == SGD(0.1, momentum=0.9).options() | {"average": 0.5}
    with pytest.raises(OptionError, match=r"ParameterAverage: expected decay in \[0, 1\), got 1; choose decay in that range"):
        ParameterAverage(SGD(), 1)
    with pytest.raises(
        ContractError, match="ParameterAverage: expected at least one step before, got none; train the network first"
    ):
        ParameterAverage(SGD(), 0.9).copy_to(network())
