"""Clipped gradients against PyTorch's, in a loop of one's own and in the trainer."""

import re

import numpy as np
import pytest
import torch

from minicnn import MSE, SGD, Dense, Network, OptionError
from minicnn.optim import clip_grad_norm, clip_grad_value
from minicnn.train.run import Dataset, TrainingOptions
from minicnn.train.trainer import Trainer


def network(dtype="float64", units=3, threads=1, backend="numpy"):
    return Network([("F1", Dense(units))], (4,), dtype=dtype, threads=threads, seed=1, backend=backend)


def filled(net, size=1.0, seed=0):
    net.grads.flat[...] = size * np.random.default_rng(seed).standard_normal(net.grads.flat.size)
    return [torch.nn.Parameter(torch.from_numpy(view.copy())) for view in net.params.values()]


def given_to(weights, net):
    for weight, grad in zip(weights, net.grads.values(), strict=True):
        weight.grad = torch.from_numpy(grad.copy())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("most", [1e-3, 1.0, 3.8, 1e6])
@pytest.mark.parametrize("units", [3, 4001])
def test_the_norm_is_pytorchs(dtype, most, units):
    net = network(dtype, units)
    weights = filled(net)
    given_to(weights, net)
    expected = torch.nn.utils.clip_grad_norm_(weights, most)
    before = net.grads.flat.copy()
    close = {"rtol": 2e-6 if dtype == "float32" else 1e-12, "atol": 0}
    np.testing.assert_allclose(clip_grad_norm(net, most), expected.item(), **close)
    np.testing.assert_allclose(net.grads.flat, np.concatenate([w.grad.numpy().reshape(-1) for w in weights]), **close)
    if most == 1e6:
        np.testing.assert_array_equal(net.grads.flat, before)


def test_a_float32_norm_overflows_nowhere():
    net = network("float32")
    net.grads.flat[...] = 1e30
    assert clip_grad_norm(net, 1.0) == pytest.approx(1e30 * np.sqrt(net.grads.flat.size))
    assert np.linalg.norm(net.grads.flat) == pytest.approx(1, rel=1e-6)


def test_a_gradient_that_is_not_finite_is_not_hidden():
    for wrong in (np.nan, np.inf):
        net = network()
        filled(net)
        net.grads.flat[3] = wrong
        assert not np.isfinite(clip_grad_norm(net, 1.0))
        assert np.isnan(net.grads.flat[3])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_values_are_pytorchs(dtype):
    net = network(dtype)
    weights = filled(net)
    given_to(weights, net)
    torch.nn.utils.clip_grad_value_(weights, 0.4)
    clip_grad_value(net, 0.4)
    np.testing.assert_array_equal(net.grads.flat, np.concatenate([w.grad.numpy().reshape(-1) for w in weights]))


@pytest.mark.parametrize("wrong", [0, -1.0, None, float("nan"), float("inf"), True])
def test_a_bound_outside_its_range(wrong):
    for who, name, call in (("clip_grad_norm", "max_norm", clip_grad_norm), ("clip_grad_value", "clip_value", clip_grad_value)):
        message = f"{who}: expected {name} in (0, inf), got {wrong!r}; choose {name} in that range"
        with pytest.raises(OptionError, match=f"^{re.escape(message)}$"):
            call(network(), wrong)


X = np.random.default_rng(0).standard_normal((32, 4))
Y = 10 * np.random.default_rng(1).standard_normal((32, 3))


def trained(net, **options):
    run = TrainingOptions(2, batch_size=16, **options)
    Trainer(net, MSE(), SGD(0.1), run, Dataset(X, Y), Dataset(X, Y), log=lambda line: None).fit()
    return net.params.flat.copy()


def test_the_trainer_clips_before_each_step():
    plain, start = trained(network()), network().params.flat.copy()
    assert np.abs(trained(network(), clip_norm=1e-4) - start).max() <= 4 * 0.1 * 1e-4
    assert np.abs(trained(network(), clip_value=1e-4) - start).max() <= 4 * 0.1 * 1e-4 * (1 + 1e-9)
    np.testing.assert_array_equal(trained(network(), clip_norm=1e9, clip_value=1e9), plain)


@pytest.mark.parametrize("name", ["clip_norm", "clip_value"])
def test_an_option_of_training_outside_its_range(name):
    message = f"TrainingOptions: expected {name} in (0, inf), got 0; choose {name} in that range"
    with pytest.raises(OptionError, match=f"^{re.escape(message)}$"):
        TrainingOptions(1, **{name: 0})
