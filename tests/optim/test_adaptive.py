"""Optimisers of adaptive steps against PyTorch over twenty steps, and of the sign of a step against its paper."""

import re
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import torch

from minicnn import Adadelta, Adagrad, BackendError, CrossEntropy, Dense, Lion, NAdam, Network, OptionError, RMSprop, Tanh
from minicnn.optim.averaging import ParameterAverage
from minicnn.train import checkpoint

PAIRS = [
    (RMSprop, {}),
    (RMSprop, {"weight_decay": 0.05, "momentum": 0.9}),
    (RMSprop, {"lr": 0.05, "alpha": 0.8, "eps": 1e-3, "centered": True}),
    (Adagrad, {}),
    (Adagrad, {"lr": 0.1, "lr_decay": 0.3, "weight_decay": 0.05, "initial_accumulator_value": 0.2, "eps": 1e-3}),
    (Adadelta, {"lr": 0.5}),
    (Adadelta, {"lr": 0.3, "rho": 0.7, "eps": 1e-3, "weight_decay": 0.05}),
    (NAdam, {}),
    (NAdam, {"lr": 0.01, "betas": (0.5, 0.7), "eps": 1e-3, "weight_decay": 0.05, "momentum_decay": 0.5}),
    (NAdam, {"lr": 0.01, "weight_decay": 0.3, "decoupled_weight_decay": True}),
    (RMSprop, {"alpha": 0.3, "eps": 0.1, "weight_decay": 0.05, "momentum": 0.5, "centered": True}),
]
NAMES = [f"{ours.__name__}-{'-'.join(options)}" for ours, options in PAIRS]
pairs = pytest.mark.parametrize(("ours", "options"), PAIRS, ids=NAMES)
LION = {"lr": 0.003, "betas": (0.6, 0.8), "weight_decay": 0.1}
every = pytest.mark.parametrize(("ours", "options"), [*PAIRS, (Lion, LION)], ids=[*NAMES, "Lion"])


def network(dtype="float64", backend="cpu", threads=1):
    layers = [("F1", Dense(7)), Tanh(), ("F2", Dense(3))]
    return Network(layers, (4,), dtype=dtype, backend=backend, threads=threads, seed=1)


def gradients_of(net, step):
    rng = np.random.default_rng(step)
    net.loss_and_grads(CrossEntropy(), rng.standard_normal((20, 4)), rng.integers(0, 3, 20))


@contextmanager
def doubles():
    """PyTorch keeps the product of NAdam's momenta in its default dtype."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@pairs
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_twenty_steps_are_pytorchs(ours, options, dtype):
    net, optimizer = network(dtype), ours(**options)
    start = net.params.flat.copy()
    weight = torch.from_numpy(start.copy()).requires_grad_()
    reference = getattr(torch.optim, ours.__name__)([weight], **options)
    for step in range(20):
        gradients_of(net, step)  # at our parameters, for both
        weight.grad = torch.from_numpy(net.grads.flat.copy())
        optimizer.step(net)
        with doubles():
            reference.step()
    expected = weight.detach().numpy()
    moved = np.abs(expected - start).max()
    assert moved > 1e-3
    close = 2e-5 if dtype == "float32" else 1e-11
    np.testing.assert_allclose(net.params.flat, expected, rtol=0, atol=close * moved)


@every
def test_the_backend_of_formulas_and_two_threads_make_the_same_steps(ours, options):
    nets = [network(), network(threads=2), network(backend="numpy")]
    for net in nets:
        optimizer = ours(**options)
        for step in range(3):
            net.grads.flat[...] = np.random.default_rng(step).standard_normal(net.grads.flat.size)
            optimizer.step(net)
    np.testing.assert_array_equal(nets[0].params.flat, nets[1].params.flat)
    np.testing.assert_allclose(nets[0].params.flat, nets[2].params.flat, rtol=0, atol=1e-12)


@every
@pytest.mark.parametrize("wrap", [lambda optimizer: optimizer, lambda o: ParameterAverage(o, 0.9)], ids=["alone", "averaged"])
def test_a_resumed_run_has_the_same_bits(ours, options, wrap, tmp_path):
    net, optimizer = network(), wrap(ours(**options))
    for step in range(3):
        gradients_of(net, step)
        optimizer.step(net)
    checkpoint.save_training(tmp_path / "last", net, optimizer, {})
    again, resumed = network(), wrap(ours(**options))
    checkpoint.load_training(tmp_path / "last", again, resumed)
    for n, o in ((net, optimizer), (again, resumed)):
        for step in range(3, 6):
            gradients_of(n, step)
            o.step(n)
    np.testing.assert_array_equal(net.params.flat, again.params.flat)
    assert all(np.array_equal(optimizer.moments[name], resumed.moments[name]) for name in optimizer.names)


@every
def test_options_are_given_by_name(ours, options):
    given = ours(**options).options()
    assert {name: given[name] for name in options if name != "lr"} == {
        name: list(value) if isinstance(value, tuple) else value for name, value in options.items() if name != "lr"
    }
    assert "lr" not in given


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_lion_is_its_papers(dtype):
    """Algorithm 2 of Chen et al. 2023, in NumPy."""
    net, optimizer = network(dtype), Lion(**LION)
    p, m = net.params.flat.astype(float), np.zeros(net.params.flat.size)
    for step in range(20):
        gradients_of(net, step)
        if step == 7:
            net.grads.flat[...] = 0  # the momentum alone decides
        g = net.grads.flat.astype(float)
        optimizer.step(net)
        c = 0.6 * m + 0.4 * g
        p -= 0.003 * (np.sign(c) + 0.1 * p)
        m = 0.8 * m + 0.2 * g
    np.testing.assert_allclose(net.params.flat, p, rtol=0, atol=1e-6 if dtype == "float32" else 1e-13)


def test_lion_stays_where_there_is_no_gradient():
    net = network()
    before = net.params.flat.copy()
    net.grads.flat[...] = 0
    Lion(0.1).step(net)
    np.testing.assert_array_equal(net.params.flat, before)


def test_adagrad_starts_from_its_value_also_within_an_average():
    for wrap in (lambda o: o, lambda o: ParameterAverage(o, 0.9)):
        net, optimizer = network(), wrap(Adagrad(0.0, initial_accumulator_value=0.25))
        net.grads.flat[...] = 1
        optimizer.step(net)
        assert (optimizer.moments["sum"] == 1.25).all()


def test_a_backend_that_lacks_the_kernel_is_named():
    net = network()
    net.backend = replace(net.backend, kernels={"sgd": net.backend.kernels["sgd"]})
    message = 'Lion: expected a backend with the kernel lion, got cpu; give backend="cpu", or another optimiser'
    with pytest.raises(BackendError, match=f"^{re.escape(message)}$"):
        Lion().step(net)


def test_rmsprop_has_only_the_vectors_that_it_needs():
    names = [RMSprop(centered=c, momentum=m).names for c in (False, True) for m in (0.0, 0.9)]
    assert [len(found) for found in names] == [1, 2, 2, 3]
    assert names[3] == ("square_avg", "grad_avg", "momentum_buffer")


def test_a_centred_step_of_equal_gradients_is_finite():
    """v − m² is then 0 in exact numbers, and below by rounding."""
    net, optimizer = network("float32"), RMSprop(1e-9, alpha=0.5, centered=True)
    for _ in range(60):
        net.grads.flat[...] = np.linspace(0.1, 3, net.grads.flat.size)
        optimizer.step(net)
        assert np.isfinite(net.params.flat).all()


def ranged(kind, name, value, interval):
    return kind, {name: value}, f"{kind.__name__}: expected {name} in {interval}, got {value!r}; choose {name} in that range"


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ranged(RMSprop, "lr", -1, "[0, inf)"),
        ranged(RMSprop, "alpha", 1.0, "[0, 1)"),
        ranged(RMSprop, "eps", -1e-9, "[0, inf)"),
        ranged(RMSprop, "weight_decay", None, "[0, inf)"),
        ranged(RMSprop, "momentum", 1, "[0, 1)"),
        ranged(Adagrad, "lr_decay", -0.1, "[0, inf)"),
        ranged(Adagrad, "weight_decay", -1, "[0, inf)"),
        ranged(Adagrad, "initial_accumulator_value", -1, "[0, inf)"),
        ranged(Adagrad, "eps", "0", "[0, inf)"),
        ranged(Adadelta, "rho", 1, "[0, 1)"),
        ranged(Adadelta, "eps", -1, "[0, inf)"),
        ranged(Adadelta, "weight_decay", -1, "[0, inf)"),
        ranged(NAdam, "momentum_decay", -1, "[0, inf)"),
        ranged(NAdam, "eps", -1, "[0, inf)"),
        ranged(Lion, "weight_decay", -1, "[0, inf)"),
        (Lion, {"betas": (1.0, 0.9)}, "Lion: expected betas[0] in [0, 1), got 1.0; choose betas[0] in that range"),
        (Lion, {"betas": (0.9, 1)}, "Lion: expected betas[1] in [0, 1), got 1; choose betas[1] in that range"),
        (NAdam, {"betas": (0.9, 1)}, "NAdam: expected betas[1] in [0, 1), got 1; choose betas[1] in that range"),
        (
            NAdam,
            {"decoupled_weight_decay": None},
            "NAdam: expected decoupled_weight_decay as True or False, got None; "
            "give decoupled_weight_decay=True or decoupled_weight_decay=False",
        ),
        (RMSprop, {"centered": 1}, "RMSprop: expected centered as True or False, got 1; give centered=True or centered=False"),
    ],
)
def test_an_option_outside_its_range(kind, options, message):
    with pytest.raises(OptionError, match=f"^{re.escape(message)}$"):
        kind(**options)
