"""Layers with weights wider than the cache: all groups of a batch meet them at once; only the order of some sums differs."""

from unittest import mock

import numpy as np
import pytest

import minicnn as m
from minicnn import Network
from minicnn.backends.cpu import CHECK, INTERPRET, lowering
from minicnn.backends.meeting import WideCall
from minicnn.engine import phases

torch = pytest.importorskip("torch")
F = torch.nn.functional

pytestmark = [pytest.mark.torch, pytest.mark.skipif(INTERPRET, reason="weights of this size take minutes as plain Python")]
INPUTS, UNITS = 389, 371
"""Of which neither rows of tiles nor vectors are a part; in float32 they are 577 kB."""

BATCHES = (17, 32, 40, 150)


def network(threads=1, *between, dtype="float64", **options):
    items = [("one", m.Dense(UNITS)), *between, m.Tanh(), ("two", m.Dense(UNITS)), m.Tanh(), ("last", m.Dense(5))]
    return Network(items, (INPUTS,), dtype=dtype, threads=threads, seed=3, **options)


def batch(n, dtype="float64"):
    rng = np.random.default_rng(n)
    return rng.standard_normal((n, INPUTS)).astype(dtype), rng.standard_normal((n, 5)).astype(dtype)


def alone():
    """No product is made for all groups at once."""
    return mock.patch.object(lowering, "marked", lambda calls, workspace: list(calls))


def loss_and_grads(net, n, **options):
    x, target = batch(n, net.dtype)
    loss = net.loss_and_grads(m.MSE(), x, target, **options)
    return loss, {name: grad.copy() for name, grad in net.grads.items()}


def theirs(net, n):
    """PyTorch's loss, gradients and outputs of the network of dense layers."""
    x, target = map(torch.from_numpy, batch(n, net.dtype))
    params = {name: torch.tensor(value.copy(), requires_grad=True) for name, value in net.params.items()}
    for number, name in enumerate(("one", "two", "last")):
        x = F.linear(torch.tanh(x) if number else x, params[f"{name}.W"], params[f"{name}.b"])
    loss = ((x - target) ** 2).mean()
    loss.backward()
    return loss.item(), {name: value.grad.numpy() for name, value in params.items()}, x.detach().numpy()


def wide(net, train=True):
    """The products that groups make together."""
    return [f"{call.where} {call.name}" for call in net.program(train).calls if isinstance(call, WideCall)]


# --- results ---


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("n", BATCHES)
def test_loss_gradients_and_predictions_are_pytorchs(n, threads):
    net = network(threads)
    loss, grads = loss_and_grads(net, n)
    expected, their_grads, y = theirs(net, n)
    assert loss == pytest.approx(expected, rel=1e-12)
    for name, grad in their_grads.items():
        np.testing.assert_allclose(grads[name], grad, rtol=0, atol=1e-13 * n, err_msg=name)
    np.testing.assert_allclose(net.predict(batch(n)[0]), y, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "between", [(), (m.BatchNorm1d(),), (m.Dropout(0.3), m.BatchNorm1d())], ids=["dense", "norm", "dropout"]
)
@pytest.mark.parametrize("n", [40, 150])
def test_gradients_are_those_of_the_loss(n, between):
    """Along a random direction of the parameters; the targets are random, so the gradient that comes from above is too."""
    net = network(2, *between)
    start, rng = {name: value.copy() for name, value in net.params.items()}, np.random.default_rng(1)
    direction = {name: rng.standard_normal(value.shape) for name, value in start.items()}
    _, grads = loss_and_grads(net, n)
    slope = sum((grads[name] * direction[name]).sum() for name in start)

    def loss(step):
        net.load_params({name: value + step * direction[name] for name, value in start.items()})
        net.steps = 0
        return loss_and_grads(net, n)[0]

    assert slope == pytest.approx((loss(1e-6) - loss(-1e-6)) / 2e-6, rel=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("between", [(), (m.BatchNorm1d(),), (m.Dropout(0.3),)], ids=["dense", "norm", "dropout"])
def test_bits_are_the_same_at_any_number_of_threads(between, dtype):
    expected = None
    for threads in (1, 2, 3, 8):
        net = network(threads, *between, dtype=dtype)
        assert len(wide(net)) == 5
        found = {"y": net.predict(batch(90, dtype)[0])}
        for step in range(2):
            loss, grads = loss_and_grads(net, 90)
            found |= {f"{name} {step}": grad for name, grad in grads.items()} | {f"loss {step}": loss}
        expected = expected or found
        for name, value in expected.items():
            np.testing.assert_array_equal(found[name], value, err_msg=f"{name}, {threads} threads")


def test_outputs_have_the_bits_of_groups_on_their_own():
    net, x = network(2, dtype="float32"), batch(90, "float32")[0]
    assert len(wide(net)) == 5
    with alone():
        other = network(2, dtype="float32")
        expected = other.predict(x)
        assert not wide(other)
    np.testing.assert_array_equal(net.predict(x), expected)


def test_layers_that_are_frozen():
    net = network(2)
    net.freeze("two")
    assert wide(net) == ["one forward gemm_bias", "two forward gemm_bias", "two backward gemm_tn", "one backward outer_add"]
    _, grads = loss_and_grads(net, 40)
    _, expected, _ = theirs(net, 40)
    for name in ("one.W", "one.b", "last.W"):
        np.testing.assert_allclose(grads[name], expected[name], rtol=0, atol=1e-12, err_msg=name)
    net.freeze("one", "two")
    assert wide(net) == ["one forward gemm_bias", "two forward gemm_bias"]
    _, grads = loss_and_grads(net, 40)
    np.testing.assert_allclose(grads["last.W"], expected["last.W"], rtol=0, atol=1e-12)


def test_a_layer_that_is_there_twice():
    """Its gradient is added to twice, so that of each group is made on its own."""
    items = [("one", m.Dense(UNITS)), m.Tanh(), ("two", m.Dense(UNITS)), m.Tanh(), ("again", "two"), ("last", m.Dense(5))]
    found = []
    for threads in (1, 2):
        net = Network(items, (INPUTS,), dtype="float64", threads=threads, seed=3)
        assert "two backward outer_add" not in wide(net)
        assert "again forward gemm_bias" in wide(net)
        found.append(loss_and_grads(net, 40)[1]["two.W"])
    with alone():
        expected = loss_and_grads(Network(items, (INPUTS,), dtype="float64", threads=1, seed=3), 40)[1]["two.W"]
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_allclose(found[0], expected, rtol=0, atol=1e-13)


# --- how it runs ---


def test_the_listing_says_it():
    lines = [" ".join(line.split()) for line in str(network().program()).splitlines()]
    assert "one forward gemm_bias(371×389, 389×16, 371, 371×16), all groups at once" in lines
    outer = "outer_add(371×16, 371×16, 371×371) → outer_add(371×16, 371×16, 16×384, 371×371)"
    assert f"two backward {outer}, all groups at once" in lines
    assert "last forward gemm_bias(5×371, 371×16, 5, 5×16)" in lines


def test_more_groups_than_meet_at_once(monkeypatch):
    """Later ones add their gradients to those of the first ones."""
    monkeypatch.setattr(phases, "MOST", 8)
    net = network(2)
    loss, grads = loss_and_grads(net, 300)
    expected, their_grads, y = theirs(net, 300)
    assert loss == pytest.approx(expected, rel=1e-12)
    for name, grad in their_grads.items():
        np.testing.assert_allclose(grads[name], grad, rtol=0, atol=1e-11, err_msg=name)
    np.testing.assert_allclose(net.predict(batch(300)[0]), y, rtol=0, atol=1e-12)
    assert {len(groups) for groups in net._runner._phased._groups.values()} == {8}


def test_nothing_is_read_before_it_is_written():
    net = network(2)
    _, expected = loss_and_grads(net, 150)
    for slot in net._slots._all:
        slot.grads.flat[:] = np.nan
    for groups in net._runner._phased._groups.values():
        for group in groups:
            group.fill(np.nan)
    net.steps = 0
    _, grads = loss_and_grads(net, 150)
    for name, grad in expected.items():
        np.testing.assert_array_equal(grads[name], grad, err_msg=name)


@pytest.mark.parametrize("make", [m.models.lenet5, m.models.lenet5_modern, m.models.mnist_convnet])
def test_networks_without_such_layers_have_no_such_calls(make):
    net = make(threads=1)
    assert not wide(net)
    with alone():
        assert str(net.program()) == str(make(threads=1).program())


def test_weights_that_are_no_wider_than_what_a_group_keeps_are_met_group_by_group():
    """A group of images of 40 × 40 keeps more bytes than there are weights."""
    items = [m.Conv2d(64, 3), m.ReLU(), m.MaxPool2d(8), m.Flatten(), ("wide", m.Dense(600))]
    net = Network(items, (1, 40, 40), threads=1)
    assert net.params["wide.W"].nbytes > lowering.wide.LEAST
    assert not wide(net)


@pytest.mark.skipif(CHECK, reason="programs run call by call")
def test_a_batch_is_one_native_call():
    net = network(2)
    loss_and_grads(net, 40)
    ((schedule, _),) = net._runner._schedules.values()
    assert schedule.code is not None
