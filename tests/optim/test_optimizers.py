"""Optimisers against PyTorch over ten steps of a network, their options, and what they refuse to load."""

import re

import numpy as np
import pytest
import torch

from minicnn import (
    MSE,
    SGD,
    Adam,
    AdamW,
    CheckpointError,
    CrossEntropy,
    Dense,
    Flatten,
    MinicnnError,
    Network,
    OptionError,
    Tanh,
)

PAIRS = [
    (SGD, torch.optim.SGD, {"lr": 0.1}),
    (SGD, torch.optim.SGD, {"lr": 0.1, "weight_decay": 0.05}),
    (SGD, torch.optim.SGD, {"lr": 0.1, "momentum": 0.9}),
    (SGD, torch.optim.SGD, {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.05}),
    (SGD, torch.optim.SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.05}),
    (Adam, torch.optim.Adam, {"lr": 0.01}),
    (Adam, torch.optim.Adam, {"lr": 0.01, "betas": (0.5, 0.7), "eps": 1e-3, "weight_decay": 0.05}),
    (AdamW, torch.optim.AdamW, {"lr": 0.01}),
    (AdamW, torch.optim.AdamW, {"lr": 0.01, "betas": (0.5, 0.7), "eps": 1e-3, "weight_decay": 0.3}),
]
NAMES = [f"{ours.__name__}-{'-'.join(options)}" for ours, _, options in PAIRS]


def network(dtype="float64", units=7, **options):
    return Network([("F1", Dense(units)), Tanh(), ("F2", Dense(3))], (4,), dtype=dtype, threads=1, seed=1, **options)


def data(dtype="float64", seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((20, 4)).astype(dtype), rng.integers(0, 3, 20)


@pytest.mark.parametrize(("ours", "theirs", "options"), PAIRS, ids=NAMES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_ten_steps_are_pytorchs(ours, theirs, options, dtype):
    net, optimizer = network(dtype), ours(**options)
    start = net.params.flat.copy()
    weights = [torch.from_numpy(view.copy()).requires_grad_() for view in net.params.values()]
    reference = theirs(weights, **options)
    for step in range(10):
        x, labels = data(dtype, step)
        net.loss_and_grads(CrossEntropy(), x, labels)
        optimizer.step(net)
        reference.zero_grad()
        hidden = torch.tanh(torch.nn.functional.linear(torch.from_numpy(x), *weights[:2]))
        loss = torch.nn.functional.cross_entropy(torch.nn.functional.linear(hidden, *weights[2:]), torch.from_numpy(labels))
        loss.backward()
        reference.step()
    expected = np.concatenate([w.detach().numpy().reshape(-1) for w in weights])
    moved = np.abs(expected - start).max()
    close = 2e-5 if dtype == "float32" else 1e-11
    np.testing.assert_allclose(net.params.flat, expected, rtol=0, atol=close * moved)
    assert optimizer.steps == 10


@pytest.mark.parametrize(("ours", "theirs"), [(Adam, torch.optim.Adam), (AdamW, torch.optim.AdamW)], ids=["Adam", "AdamW"])
def test_the_first_float32_step_of_adam_is_exact(ours, theirs):
    """At first m̂/√v̂ is ±1, whatever β₁ and β₂: 1 − β₂ in float32 would be off by 10⁻⁵."""
    net = network("float32")
    net.params.flat[...] = 0
    net.grads.flat[...] = 1
    weight = torch.zeros(1, requires_grad=True)
    weight.grad = torch.ones(1)
    ours(lr=0.5, weight_decay=0).step(net)
    theirs([weight], lr=0.5, weight_decay=0).step()
    assert weight.item() == pytest.approx(-0.5, rel=1e-6)
    np.testing.assert_allclose(net.params.flat, weight.item(), rtol=1e-6)


@pytest.mark.parametrize("make", [SGD, lambda: SGD(momentum=0.9), Adam, AdamW], ids=["SGD", "momentum", "Adam", "AdamW"])
def test_a_rate_of_zero_moves_nothing_and_gradients_stay_what_they_are(make):
    net, optimizer = network(), make()
    net.loss_and_grads(CrossEntropy(), *data())
    before, grads = net.params.flat.copy(), net.grads.flat.copy()
    optimizer.lr = 0.0
    optimizer.step(net)
    np.testing.assert_array_equal(net.params.flat, before)
    np.testing.assert_array_equal(net.grads.flat, grads)


def test_a_network_without_parameters_can_be_stepped():
    net = Network([Flatten()], (2, 3), threads=1)
    for optimizer in (SGD(momentum=0.9), Adam()):
        net.loss_and_grads(MSE(), np.ones((5, 2, 3)), np.zeros((5, 6)))
        optimizer.step(net)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SGD(-0.1), "SGD: expected lr in [0, inf), got -0.1; choose lr in that range"),
        (lambda: SGD("0.1"), "SGD: expected lr in [0, inf), got '0.1'; choose lr in that range"),
        (lambda: SGD(float("nan")), "SGD: expected lr in [0, inf), got nan; choose lr in that range"),
        (lambda: SGD(float("inf")), "SGD: expected lr in [0, inf), got inf; choose lr in that range"),
        (lambda: SGD(True), "SGD: expected lr in [0, inf), got True; choose lr in that range"),
        (lambda: SGD(momentum=1.0), "SGD: expected momentum in [0, 1), got 1.0; choose momentum in that range"),
        (lambda: SGD(weight_decay=-1), "SGD: expected weight_decay in [0, inf), got -1; choose weight_decay in that range"),
        (lambda: SGD(nesterov=True), "SGD: expected momentum above 0 with nesterov, got 0; give momentum=0.9"),
        (lambda: Adam(-1), "Adam: expected lr in [0, inf), got -1; choose lr in that range"),
        (lambda: Adam(betas=(1.0, 0.9)), "Adam: expected betas[0] in [0, 1), got 1.0; choose betas[0] in that range"),
        (lambda: Adam(betas=(0.9, -0.1)), "Adam: expected betas[1] in [0, 1), got -0.1; choose betas[1] in that range"),
        (lambda: AdamW(betas=(0.9, 1)), "AdamW: expected betas[1] in [0, 1), got 1; choose betas[1] in that range"),
        (lambda: AdamW(eps=-1e-8), "AdamW: expected eps in [0, inf), got -1e-08; choose eps in that range"),
        (
            lambda: AdamW(weight_decay=None),
            "AdamW: expected weight_decay in [0, inf), got None; choose weight_decay in that range",
        ),
    ],
)
def test_an_option_outside_its_range(make, message):
    with pytest.raises(OptionError, match=f"^{re.escape(message)}$"):
        make()


def test_options_are_given_by_name():
    assert SGD(0.1, 0.9, nesterov=True).options() == {"momentum": 0.9, "nesterov": True, "weight_decay": 0.0}
    assert Adam().options() == {"betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0.0}
    assert AdamW().options()["weight_decay"] == 0.01


@pytest.mark.parametrize(("ours", "options"), [(SGD, {"momentum": 0.9}), (Adam, {}), (AdamW, {})])
def test_an_optimiser_goes_on_from_what_was_saved(ours, options):
    net, optimizer = network(), ours(0.1, **options)
    for _ in range(3):
        net.loss_and_grads(CrossEntropy(), *data())
        optimizer.step(net)
    reference, other = network(), ours(0.1, **options)
    reference.load_params(dict(net.params))
    other.load(optimizer.steps, optimizer.moments)
    for n, o in ((net, optimizer), (reference, other)):
        n.loss_and_grads(CrossEntropy(), *data())
        o.step(n)
    np.testing.assert_array_equal(net.params.flat, reference.params.flat)
    assert other.moments is not optimizer.moments
    assert all(other.moments[name] is not optimizer.moments[name] for name in other.names)


def test_vectors_of_another_optimiser_are_refused():
    adam = Adam()
    adam.steps = 3
    message = "Adam: expected the vectors m, v, got velocity; resume with the optimiser that was saved"
    with pytest.raises(CheckpointError, match=f"^{re.escape(message)}$"):
        adam.load(7, {"velocity": np.zeros(3)})
    assert (adam.steps, adam.moments) == (3, {})
    with pytest.raises(CheckpointError, match=r"^SGD: expected the vectors velocity, got m, v; "):
        SGD().load(7, {"m": np.zeros(3), "v": np.zeros(3)})


def test_vectors_of_another_length_are_refused():
    """A kernel that trusts them would read and write past their end."""
    net, optimizer = network(), SGD(momentum=0.9)
    with pytest.raises(MinicnnError, match=r"^SGD: "):  # noqa: PT012 — in load or, at the latest, in step
        optimizer.load(1, {"velocity": np.zeros(len(net.params.flat) + 1)})
        optimizer.step(net)


def test_an_optimiser_of_another_network_is_refused():
    optimizer = SGD(momentum=0.9)
    optimizer.step(network())
    with pytest.raises(MinicnnError, match=r"^SGD: "):
        optimizer.step(network(units=2))


@pytest.mark.parametrize(("ours", "theirs"), [(Adam, torch.optim.Adam), (AdamW, torch.optim.AdamW)], ids=["Adam", "AdamW"])
@pytest.mark.parametrize("eps", [1e-8, 1e-12, 1e-20, 1e-30])
@pytest.mark.parametrize("size", [1e-20, 1e-18, 1e-10, 1.0, 1e10, 1e19, 1e20])
def test_adam_in_float32_keeps_to_pytorch_whatever_the_size_of_gradients_and_eps(ours, theirs, eps, size):
    """Second moments of 10⁻⁴³ are denormal, which programs take for zero, and those of 10³⁷ are squares that overflow."""
    net, optimizer = network("float32"), ours(lr=0.01, eps=eps, weight_decay=0)
    net.params.flat[...] = 0
    weight = torch.zeros(len(net.params.flat), requires_grad=True)
    reference = theirs([weight], lr=0.01, eps=eps, weight_decay=0)
    for step in range(4):
        signs = np.sign(np.random.default_rng(step).standard_normal(len(net.params.flat)))
        net.grads.flat[...] = signs * size
        weight.grad = torch.from_numpy(net.grads.flat.copy())
        optimizer.step(net)
        reference.step()
    expected = weight.detach().numpy()
    close = 0.02 if size < 1e-19 and eps < 1e-15 else 1e-5  # a denormal of 10⁻⁴³ has six bits
    np.testing.assert_allclose(net.params.flat, expected, rtol=0, atol=close * np.abs(expected).max())
