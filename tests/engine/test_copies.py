"""Networks, optimisers and what goes with them: pickled, copied deeply, copied, alone and together."""

import copy
import pickle
import re

import numpy as np
import pytest

import minicnn as m
from minicnn.backends import cpu
from minicnn.data import Affine, Distorted, Elastic, Normalise, Pixels
from minicnn.data.perturbations import Moved
from minicnn.optim import schedules
from minicnn.optim.averaging import ParameterAverage

X = np.random.default_rng(0).standard_normal((20, 1, 8, 8)).astype("float32")
LABELS = np.arange(20) % 5


def network(units=5, seed=1, **options):
    layers = [("C", m.Conv2d(3, 3)), m.Tanh(), m.Flatten(), m.Dropout(0.2), ("F", m.Dense(units))]
    return m.Network(layers, (1, 8, 8), **({"threads": 1, "seed": seed} | options))


def train(net, optimizer, steps=2):
    for _ in range(steps):
        net.loss_and_grads(m.CrossEntropy(), X, LABELS)
        optimizer.step(net)
    return net.params.flat.copy()


def pickled(value, protocol=pickle.HIGHEST_PROTOCOL):
    return pickle.loads(pickle.dumps(value, protocol))


WAYS = {f"pickle {p}": lambda value, p=p: pickled(value, p) for p in (2, pickle.HIGHEST_PROTOCOL)} | {"deepcopy": copy.deepcopy}
COPIES = pytest.mark.parametrize("copied", WAYS.values(), ids=WAYS.keys())


OPTIONS = {"dtype": "float64", "threads": 2, "lanes": 32, "slots": 12}


@COPIES
@pytest.mark.parametrize("options", [{}, OPTIONS], ids=["plain", "options"])
def test_a_network_and_its_copy_go_on_alike_and_apart(copied, options):
    net = network(**options)
    train(net, m.SGD(0.1))
    copied_net = copied(net)
    for name in ("in_shape", "dtype", "seed", "steps", "threads", "lanes", "slots", "out_shape"):
        assert getattr(copied_net, name) == getattr(net, name), name
    assert str(copied_net.summary()) == str(net.summary())
    assert np.array_equal(copied_net.predict(X), net.predict(X))
    assert np.array_equal(copied_net.grads.flat, net.grads.flat)
    before = net.params.flat.copy()
    after = train(copied_net, m.SGD(0.1))
    assert np.array_equal(net.params.flat, before)
    assert np.array_equal(train(net, m.SGD(0.1)), after)


def test_a_copied_network_has_the_same_parameters_as_a_list_has_the_same_items():
    net = network()
    copied_net = copy.copy(net)
    assert copied_net.params is net.params
    train(copied_net, m.SGD(0.1))
    assert np.array_equal(copied_net.predict(X), net.predict(X))


def test_a_network_goes_to_another_process(python, tmp_path):
    net = network(threads=None)
    (tmp_path / "net.pickle").write_bytes(pickle.dumps((net, X, net.predict(X))))
    code = """
import pickle
net, x, y = pickle.load(open("net.pickle", "rb"))
print((net.predict(x) == y).all())
"""
    assert python(code, MINICNN_CACHE=python.kept) == "True\n"


def test_attributes_of_ones_own_are_copied():
    net = network()
    net.classes = ["a", "b"]
    copied_net = copy.deepcopy(net)
    assert copied_net.classes == ["a", "b"]
    assert copied_net.classes is not net.classes
    assert net.share().classes is net.classes


class Kept(m.Layer):
    """Counts the passes, in a state."""

    def plan(self, in_shape):
        return m.Plan(in_shape, state={"count": m.Buffer((1,))})

    def prepare(self, k, count):
        k.add(ONE, count)

    def forward(self, k, x, y, count):
        k.copy(x, y)

    def backward(self, k, dy, dx):
        if dx is not None:
            k.copy(dy, dx)


ONE = np.ones(1, "float32")


@pytest.mark.parametrize("copied", [*WAYS.values(), copy.copy], ids=[*WAYS, "copy"])
def test_the_state_of_layers_goes_along(copied):
    net = m.Network([Kept()], (4,), threads=1)
    for _ in range(3):
        net.predict(np.ones((20, 4)))
    copied_net = copied(net)
    assert copied_net.layers[0].shared["count"] == [3]
    copied_net.predict(np.ones((20, 4)))
    assert (copied_net.layers[0].shared["count"], net.layers[0].shared["count"]) == ([4], [3])


OPTIMISERS = {
    "SGD": lambda: m.SGD(0.1, momentum=0.9),
    "Adam": lambda: m.Adam(0.01),
    "AdamW": lambda: m.AdamW(0.01),
    "SDLM": lambda: m.SDLM(0.01),
    "ParameterAverage": lambda: ParameterAverage(m.SGD(0.1, momentum=0.9), decay=0.5),
}
EACH = pytest.mark.parametrize("make", OPTIMISERS.values(), ids=OPTIMISERS.keys())


def started(make):
    """A network and an optimiser after two steps."""
    net, optimizer = network(), make()
    if isinstance(optimizer, m.SDLM):
        optimizer.estimate(net, m.CrossEntropy(), X, LABELS)
    train(net, optimizer)
    return net, optimizer


@COPIES
@EACH
@pytest.mark.parametrize("order", [1, -1])
def test_a_network_and_its_optimiser_stay_a_pair(copied, make, order):
    pair = started(make)
    copied_net, other = copied(pair[::order])[::order]
    assert np.array_equal(train(copied_net, other), train(*pair))
    assert other.steps == 4
    for wrong in ((pair[0], other), (copied_net, pair[1])):
        with pytest.raises(
            m.ContractError, match=f"^{type(other).__name__}: expected the network of its moments, got another one; "
        ):
            train(*wrong, steps=1)


@COPIES
@EACH
def test_an_optimiser_copied_alone_takes_the_next_network_with_its_names_and_shapes(copied, make):
    net, optimizer = started(make)
    alone = copied(optimizer)
    assert alone.steps == 2
    assert all(np.array_equal(alone.moments[name], optimizer.moments[name]) for name in optimizer.names)
    for other in (network(units=6), network(dtype="float64")):
        with pytest.raises(
            m.ContractError, match=f"^{type(alone).__name__}: expected {alone.names[0]} as long as the .* parameters"
        ):
            alone.step(other)
    renamed = m.Network([("D", m.Conv2d(3, 3)), m.Tanh(), m.Flatten(), ("F", m.Dense(5))], (1, 8, 8), threads=1)
    with pytest.raises(m.ContractError, match="got one with other names"):
        alone.step(renamed)
    copied_net = copy.deepcopy(net)
    assert np.array_equal(train(copied_net, alone), train(net, optimizer))
    with pytest.raises(m.ContractError, match="got another one"):
        alone.step(net)


def test_how_parameters_differ_is_said_in_words():
    one = network().identity
    assert one.difference(network(seed=9).identity) is None
    assert one.difference(network(dtype="float64").identity) == "one of float64 in place of float32"
    assert one.difference(network(units=6).identity) == "one with F.W (6, 108) in place of (5, 108)"
    other = m.Network([("G", m.Conv2d(3, 3)), m.Flatten(), ("F", m.Dense(5))], (1, 8, 8), threads=1)
    assert one.difference(other.identity) == "one with other names (C.W)"


@EACH
def test_a_copied_optimiser_is_for_the_same_network_and_has_moments_of_its_own(make):
    net, optimizer = started(make)
    start, moments = net.params.flat.copy(), optimizer.moments
    copied_optimizer = copy.copy(optimizer)
    first = train(net, copied_optimizer)
    assert all(np.array_equal(optimizer.moments[name], moments[name]) for name in moments)
    with net.update():
        net.params.flat[...] = start
    net.steps -= 2
    assert np.array_equal(train(net, optimizer), first)
    with pytest.raises(m.ContractError, match="got another one"):
        copied_optimizer.step(network())


@EACH
def test_an_optimiser_of_another_network_of_equal_size_is_refused(make):
    net, optimizer = started(make)
    other = network(seed=9)
    other.loss_and_grads(m.CrossEntropy(), X, LABELS)
    before, moments = other.params.flat.copy(), {name: moment.copy() for name, moment in optimizer.moments.items()}
    name = type(optimizer).__name__
    message = f"{name}: expected the network of its moments, got another one; use an optimiser of its own for each network"
    with pytest.raises(m.ContractError, match=f"^{re.escape(message)}$"):
        optimizer.step(other)
    assert np.array_equal(other.params.flat, before)
    assert all(np.array_equal(optimizer.moments[name], moments[name]) for name in moments)
    assert optimizer.steps == 2
    train(net, optimizer)


def test_an_optimiser_of_another_network_is_not_saved_or_adopted(tmp_path):
    from minicnn.train import checkpoint

    net, optimizer = started(OPTIMISERS["ParameterAverage"])
    other = network(seed=9)
    with pytest.raises(
        m.CheckpointError, match="expected the network of its moments, got another one; save the optimiser with"
    ):
        checkpoint.save_training(tmp_path / "x.safetensors", other, optimizer, {})
    with pytest.raises(m.ContractError, match="got another one"):
        optimizer.copy_to(other)
    checkpoint.save_training(tmp_path / "x.safetensors", net, optimizer, {})
    optimizer.copy_to(net)


def test_an_optimiser_goes_with_every_handle_of_its_parameters():
    net, optimizer = started(OPTIMISERS["Adam"])
    copied_net, other = copy.deepcopy((net, optimizer))
    for step in range(4):
        train(copied_net, other, steps=1)
        handle = net.share() if step % 2 else net
        handle.steps = 2 + step
        train(handle, optimizer, steps=1)
    assert np.array_equal(net.params.flat, copied_net.params.flat)


PIXELS = Pixels(np.arange(3 * 28 * 28).astype("uint8").reshape(3, 28, 28), Normalise.between(-0.1, 1.175), 32)
VALUES = {
    "MSE": m.MSE(on=0.9),
    "CrossEntropy": m.CrossEntropy(0.1),
    "MLE": m.MLE(),
    "MAP": m.MAP(),
    "Fixed": schedules.ConstantRate(),
    "Step": schedules.StepDecay(),
    "Table": schedules.PiecewiseConstant(schedules.LENET5_RATES),
    "Cosine": schedules.Cosine(),
    "OneCycle": schedules.OneCycle(),
    "WarmUp": schedules.LinearWarmUp(0.1, schedules.Cosine()),
}
SOURCES = {
    "Pixels": PIXELS,
    "Distorted": Distorted(PIXELS, Affine(shift=2), Elastic(34), 3),
    "Moved": Moved(PIXELS, rotation=3),
}


@pytest.mark.parametrize("copied", [*WAYS.values(), copy.copy], ids=[*WAYS, "copy"])
def test_losses_schedules_layers_and_a_kernel_are_copied(copied):
    for value in VALUES.values():
        assert copied(value) == value
    for layer in (bound.layer for bound in network().layers):
        assert copied(layer) == layer
    assert copied(cpu.relu) is cpu.relu


@pytest.mark.parametrize("copied", [*WAYS.values(), copy.copy], ids=[*WAYS, "copy"])
@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES.keys())
def test_sources_are_copied(copied, source):
    net = m.Network([m.Flatten()], (1, 32, 32), threads=1)
    assert np.array_equal(net.predict(copied(source)), net.predict(source))
