"""Parameter groups against PyTorch's, and what they refuse; frozen layers under every optimiser."""

import copy
import re
from contextlib import contextmanager

import numpy as np
import pytest
import torch

from minicnn import (
    MSE,
    SDLM,
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    AdamW,
    BatchNorm1d,
    CheckpointError,
    CrossEntropy,
    Dense,
    GroupNorm,
    Lion,
    NAdam,
    Network,
    OptionError,
    ParameterGroup,
    ReLU,
    RMSprop,
)
from minicnn.optim.averaging import ParameterAverage
from minicnn.train import checkpoint

ALL = {
    "SGD": lambda **o: SGD(0.1, weight_decay=0.05, **o),
    "momentum": lambda **o: SGD(0.1, 0.9, weight_decay=0.05, nesterov=True, **o),
    "Adam": lambda **o: Adam(0.01, weight_decay=0.05, **o),
    "AdamW": lambda **o: AdamW(0.01, weight_decay=0.3, **o),
    "RMSprop": lambda **o: RMSprop(weight_decay=0.05, momentum=0.9, centered=True, **o),
    "Adagrad": lambda **o: Adagrad(0.1, lr_decay=0.3, weight_decay=0.05, **o),
    "Adadelta": lambda **o: Adadelta(0.5, weight_decay=0.05, **o),
    "NAdam": lambda **o: NAdam(0.01, weight_decay=0.05, **o),
    "NAdamW": lambda **o: NAdam(0.01, weight_decay=0.3, decoupled_weight_decay=True, **o),
    "Lion": lambda **o: Lion(0.01, weight_decay=0.1, **o),
}
GROUPS = [ParameterGroup(kinds=("bias", "norm"), weight_decay=0), ParameterGroup("F1", lr_factor=0.1)]
every = pytest.mark.parametrize("name", ALL)


def network(dtype="float64", backend="cpu", threads=1):
    layers = [("F1", Dense(7)), ("N1", BatchNorm1d()), ReLU(), ("F2", Dense(3))]
    return Network(layers, (4,), dtype=dtype, backend=backend, threads=threads, seed=1)


def data(step):
    rng = np.random.default_rng(step)
    return rng.standard_normal((20, 4)), rng.integers(0, 3, 20)


def train(net, optimizer, steps, first=0):
    for step in range(first, first + steps):
        net.loss_and_grads(CrossEntropy(), *data(step))
        optimizer.step(net)


@contextmanager
def doubles():
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def torch_twin(name, net):
    """PyTorch's optimiser of that name over copies of the parameters, in groups as ``GROUPS``."""
    ours = ALL[name]()
    options = {key: value for key, value in vars(ours).items() if key in (*ours.option_names, "lr")}
    weights = {n: torch.from_numpy(view.copy()).requires_grad_() for n, view in net.params.items()}
    decay, lr = options["weight_decay"], options["lr"]
    groups = [
        {"params": [weights["F1.W"]], "lr": 0.1 * lr, "weight_decay": decay},
        {"params": [weights["F1.b"]], "lr": 0.1 * lr, "weight_decay": 0.0},
        {"params": [weights[n] for n in ("N1.W", "N1.b", "F2.b")], "lr": lr, "weight_decay": 0.0},
        {"params": [weights["F2.W"]], "lr": lr, "weight_decay": decay},
    ]
    return weights, getattr(torch.optim, type(ours).__name__)(groups, **options)


def torch_step(weights, twin, net):
    for n, weight in weights.items():
        weight.grad = None if n.partition(".")[0] in net.frozen else torch.from_numpy(net.grads[n].copy())
    with doubles():
        twin.step()


def flat(weights):
    return np.concatenate([weight.detach().numpy().reshape(-1) for weight in weights.values()])


@pytest.mark.parametrize("name", [name for name in ALL if name != "Lion"])
@pytest.mark.parametrize("backend", ["cpu", "numpy"])
def test_five_steps_of_groups_are_pytorchs(name, backend):
    net, optimizer = network(backend=backend), ALL[name](groups=GROUPS)
    weights, twin = torch_twin(name, net)
    for step in range(5):
        net.loss_and_grads(CrossEntropy(), *data(step))
        torch_step(weights, twin, net)
        optimizer.step(net)
    expected = flat(weights)
    np.testing.assert_allclose(net.params.flat, expected, rtol=0, atol=1e-12 * np.abs(expected).max())


@pytest.mark.parametrize("name", [name for name in ALL if name != "Lion"])
def test_a_layer_frozen_for_some_steps_goes_on_as_pytorchs_without_a_gradient(name):
    net, optimizer = network(backend="numpy"), ALL[name](groups=GROUPS)
    weights, twin = torch_twin(name, net)
    for step in range(9):
        if step in (0, 3):
            net.freeze("F2" if step else "F1")
        if step in (2, 6):
            net.unfreeze()
        net.loss_and_grads(CrossEntropy(), *data(step))
        torch_step(weights, twin, net)
        optimizer.step(net)
    expected = flat(weights)
    np.testing.assert_allclose(net.params.flat, expected, rtol=0, atol=1e-12 * np.abs(expected).max())
    assert optimizer.missed == {"F1": 2, "F2": 3}


def test_lion_with_groups_is_its_formula():
    net, optimizer = network(backend="numpy"), ALL["Lion"](groups=GROUPS)
    p = {name: view.copy() for name, view in net.params.items()}
    m = {name: np.zeros_like(view) for name, view in p.items()}
    for step in range(5):
        net.loss_and_grads(CrossEntropy(), *data(step))
        optimizer.step(net)
        for name, g in net.grads.items():
            lr = 0.001 if name.startswith("F1") else 0.01
            decay = 0.1 if name in ("F1.W", "F2.W") else 0.0
            p[name] -= lr * (np.sign(0.9 * m[name] + 0.1 * g) + decay * p[name])
            m[name] = 0.99 * m[name] + 0.01 * g
    for name, view in net.params.items():
        np.testing.assert_allclose(view, p[name], rtol=0, atol=1e-14)


@every
def test_groups_that_change_nothing_and_threads_leave_the_bits(name):
    nets = [network("float32") for _ in range(2)] + [network("float32", threads=2) for _ in range(2)]
    same = [ParameterGroup("F1.*", lr_factor=1), ParameterGroup("F2.W", weight_decay=ALL[name]().weight_decay)]
    for net, groups in zip(nets, [[], same, [], same], strict=True):
        train(net, ALL[name](groups=groups), 3)
    for number in (0, 1):
        np.testing.assert_array_equal(nets[number].params.flat, nets[number + 2].params.flat)
    np.testing.assert_allclose(nets[1].params.flat, nets[0].params.flat, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("threads", [1, 2, 3, 4, 7])
def test_every_part_is_cut_where_any_number_of_threads_rounds_alike(threads):
    """The last numbers of a part, fewer than fill a vector register, are rounded otherwise by Adam on some machines."""
    net = Network([("A", Dense(75_003, bias=False))], (1,), threads=threads, seed=1)
    parts = [slice(0, 5), slice(7, 40_001), slice(40_001, 75_003)]
    seen = {place: [] for place in range(len(parts))}

    def look(p, dp, numbers):
        first = (p.ctypes.data - net.params.flat.ctypes.data) // p.itemsize
        assert dp.ctypes.data - net.grads.flat.ctypes.data == first * p.itemsize
        seen[int(numbers[0])].append((first, first + len(p)))

    net.over_parameters(look, (), [(part, np.full(1, float(place))) for place, part in enumerate(parts)])()
    for place, part in enumerate(parts):
        ends = sorted(seen[place])
        assert [first for first, _ in ends] == [part.start, *(end for _, end in ends[:-1])]
        assert ends[-1][1] == part.stop
        assert all((first - part.start) % 64 == 0 for first, _ in ends)
    assert len(seen[1]) == (1 if threads == 1 else 2 if threads < 4 else 3)


@pytest.mark.parametrize("threads", [2, 3])
def test_spans_and_threads_share_a_long_vector(threads):
    """Parts of the threads and of the groups overlap in every way."""
    results = []
    for count in (1, threads):
        net = Network([("A", Dense(300)), ("B", Dense(90)), ("C", Dense(200))], (200,), threads=count, seed=1)
        net.grads.flat[...] = np.random.default_rng(0).standard_normal(net.grads.flat.size)
        start = net.params.flat.copy()
        groups = [ParameterGroup(kinds="bias", weight_decay=0), ParameterGroup("B", lr_factor=0.5)]
        SGD(0.25, weight_decay=0.5, groups=groups).step(net)
        results.append(net.params.flat.copy())
    factor = np.concatenate([np.full(view.size, 0.125 if n[0] == "B" else 0.25) for n, view in net.params.items()])
    decay = np.concatenate([np.full(view.size, 0.0 if n[2] == "b" else 0.5) for n, view in net.params.items()])
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_allclose(results[0], start - factor * (net.grads.flat + decay * start), rtol=0, atol=1e-6)


@every
@pytest.mark.parametrize("averaged", [False, True])
def test_frozen_parameters_keep_their_bits_and_moments(name, averaged):
    net, optimizer = network("float32"), ALL[name]()
    optimizer = ParameterAverage(optimizer, 0.9) if averaged else optimizer
    train(net, optimizer, 2)
    net.freeze("F1", "N1")
    kept = {n: view.copy() for n, view in net.params.items()}
    state = {n: array.copy() for n, array in net.state.items()}
    length = sum(view.size for n, view in net.params.items() if n[:2] in ("F1", "N1"))
    moments = {n: moment[:length].copy() for n, moment in optimizer.moments.items() if n != "average"}
    train(net, optimizer, 3, first=2)
    if averaged:
        optimizer.copy_to(net)
    for n, view in net.params.items():
        assert np.array_equal(view, kept[n]) == (n[:2] in ("F1", "N1")), n
    for n, array in net.state.items():
        np.testing.assert_array_equal(array, state[n])
    for n, moment in moments.items():
        np.testing.assert_array_equal(optimizer.moments[n][:length], moment)
    assert optimizer.missed == {"F1": 3, "N1": 3}


def test_a_factor_of_zero_changes_no_bit_of_a_single_parameter():
    for make in ALL.values():
        net, optimizer = network("float32"), make(groups=[ParameterGroup("F2.W", lr_factor=0)])
        before = net.params["F2.W"].copy(), net.params["F2.b"].copy()
        train(net, optimizer, 2)
        np.testing.assert_array_equal(net.params["F2.W"], before[0])
        assert not np.array_equal(net.params["F2.b"], before[1])


def test_a_network_that_is_frozen_as_a_whole_is_stepped_and_stays():
    net, optimizer = network(), Adam()
    before = net.params.flat.copy()
    net.freeze("*")
    train(net, optimizer, 2)
    np.testing.assert_array_equal(net.params.flat, before)
    assert optimizer.steps == 2
    net.unfreeze("F2")
    train(net, optimizer, 1)
    assert net.frozen == ("F1", "N1")
    assert not np.array_equal(net.params.flat, before)


def test_sdlm_takes_factors():
    net, other = (Network([("A", Dense(2)), ("B", Dense(1))], (3,), threads=1, dtype="float64", seed=1) for _ in range(2))
    x, t = np.random.default_rng(0).standard_normal((30, 3)), np.ones((30, 1))
    plain, optimizer = SDLM(0.1), SDLM(0.1, groups=[ParameterGroup("A.b", lr_factor=0.5)])
    for n, o in ((net, optimizer), (other, plain)):
        o.estimate(n, MSE(), x, t)
        n.loss_and_grads(MSE(), x, t)
    start = net.params.flat.copy()
    rates, before = optimizer.rates(net), plain.rates(other)
    assert all((rates[n] == (0.5 if n == "A.b" else 1) * before[n]).all() for n in rates)
    optimizer.step(net)
    flat_rates = np.concatenate([rate.reshape(-1) for rate in rates.values()])
    np.testing.assert_allclose(net.params.flat, start - flat_rates * net.grads.flat, rtol=0, atol=1e-14)
    net.freeze("A")
    assert (optimizer.rates(net)["A.W"] == 0).all()
    with pytest.raises(OptionError, match=r"^SDLM: expected groups without weight_decay, which it has not, got one with it; "):
        SDLM(groups=[ParameterGroup("A", weight_decay=1)])


@pytest.mark.parametrize("wrap", [lambda o: o, lambda o: ParameterAverage(o, 0.9)], ids=["alone", "averaged"])
@pytest.mark.parametrize("name", ["Adam", "NAdam"])
def test_a_resumed_run_knows_how_long_layers_were_frozen(name, wrap, tmp_path):
    net, optimizer = network(), wrap(ALL[name](groups=GROUPS))
    net.freeze("F1")
    train(net, optimizer, 2)
    net.unfreeze()
    train(net, optimizer, 2, first=2)
    checkpoint.save_training(tmp_path / "last", net, optimizer, {})
    again, resumed = network(), wrap(ALL[name](groups=GROUPS))
    checkpoint.load_training(tmp_path / "last", again, resumed)
    copied = copy.copy(optimizer)
    assert resumed.missed == copied.missed == {"F1": 2}
    for n, o in ((net, optimizer), (again, resumed)):
        train(n, o, 2, first=4)
    np.testing.assert_array_equal(net.params.flat, again.params.flat)
    other = Network([("G", Dense(7))], (4,), threads=1, dtype="float64")
    words = r"expected optimizer_missed in its metadata as numbers of at most 4 by the names of layers, got something else"
    with pytest.raises(CheckpointError, match=words):
        checkpoint.load_training(tmp_path / "last", other, wrap(ALL[name]()))


def test_options_tell_groups_only_where_there_are_some():
    assert "groups" not in SGD().options()
    found = SGD(groups=GROUPS).options()["groups"]
    assert found[0] == {"names": [], "kinds": ["bias", "norm"], "lr_factor": None, "weight_decay": 0}
    assert found[1] == {"names": ["F1"], "kinds": [], "lr_factor": 0.1, "weight_decay": None}


def test_norms_are_all_parameters_of_a_normalising_layer_and_the_last_group_counts():
    layers = [("A", Dense(4)), ("N", GroupNorm(2)), ("B", Dense(1, bias=False))]
    net = Network(layers, (4,), threads=1, dtype="float64", backend="numpy")
    net.grads.flat[...] = 1
    net.params.flat[...] = 2
    groups = [
        ParameterGroup("*", lr_factor=0.5),
        ParameterGroup(kinds="norm", weight_decay=0.25),
        ParameterGroup("N.?", lr_factor=0.25),
    ]
    SGD(1.0, weight_decay=0.5, groups=groups).step(net)
    assert {n: view.flat[0] for n, view in net.params.items()} == {
        "A.W": 1.0,
        "A.b": 1.0,
        "N.W": 2 - 0.25 * 1.5,
        "N.b": 2 - 0.25 * 1.5,
        "B.W": 1.0,
    }


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: ParameterGroup(lr_factor=1),
            'expected names or kinds, got neither; give names="C1" or kinds=("bias", "norm")',
        ),
        (lambda: ParameterGroup("C1"), "expected lr_factor or weight_decay, got neither; give one of them"),
        (
            lambda: ParameterGroup(7, lr_factor=1),
            'expected names as text or several of them, got 7; give names="C1" or leave it out',
        ),
        (
            lambda: ParameterGroup(kinds=("bias", 1), lr_factor=1),
            "expected kinds as text or several of them, got ('bias', 1); give kinds=\"bias\" or leave it out",
        ),
        (
            lambda: ParameterGroup(kinds="weight", lr_factor=1),
            'expected kinds "bias" or "norm", got \'weight\'; choose other parameters by names',
        ),
        (lambda: ParameterGroup("C1", lr_factor=-1), "expected lr_factor in [0, inf), got -1; choose lr_factor in that range"),
        (
            lambda: ParameterGroup("C1", weight_decay=float("nan")),
            "expected weight_decay in [0, inf), got nan; choose weight_decay in that range",
        ),
    ],
)
def test_a_group_that_is_refused(make, message):
    with pytest.raises(OptionError, match=f"^{re.escape('ParameterGroup: ' + message)}$"):
        make()


def test_groups_that_an_optimiser_refuses():
    hint = 'give groups=[ParameterGroup("C1", lr_factor=0.1)]'
    for wrong in ([{"lr": 1}], ParameterGroup("a", lr_factor=1), None):
        with pytest.raises(
            OptionError, match=f"^{re.escape(f'SGD: expected groups as a list of ParameterGroup, got {wrong!r}; {hint}')}$"
        ):
            SGD(groups=wrong)
    have = "expected groups of the network's parameters (F1.W, F1.b, N1.W, N1.b, F2.W, F2.b), got"
    for group, word in ((ParameterGroup("F3", lr_factor=1), "'F3'"), (ParameterGroup(("F1", "F.W"), lr_factor=1), "'F.W'")):
        with pytest.raises(
            OptionError, match=f"^{re.escape(f'Adam: {have} {word}, of which there is none; correct the group')}"
        ):
            Adam(groups=[group]).step(network(backend="numpy"))
    bare = Network([("F", Dense(2))], (3,), threads=1, backend="numpy")
    with pytest.raises(OptionError, match="got the kind 'norm', of which there is none"):
        SGD(groups=[ParameterGroup(kinds="norm", weight_decay=0)]).step(bare)
