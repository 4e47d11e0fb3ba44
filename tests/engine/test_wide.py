"""Layers with weights wider than the cache: all groups of a batch meet them at once; only the order of some sums differs."""

import hashlib
from functools import cache
from unittest import mock

import numpy as np
import pytest

import minicnn as m
from minicnn import Network
from minicnn.backends.cpu import CHECK, INTERPRET, lowering
from minicnn.backends.meeting import WideCall
from minicnn.engine import phases
from minicnn.testing.ranks import run_ranks

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


BETWEEN = {"dense": (), "norm": (m.BatchNorm1d(),), "dropout": (m.Dropout(0.3),)}


def trained(n, threads=1, world=None, steps=3, between="dense", part=None, **options):
    """The bits of all that a few steps of Adam leave behind."""
    net, optimizer, seen = network(threads, *BETWEEN[between], dtype="float32", **options), m.Adam(1e-3), hashlib.sha256()
    x, target = batch(n, "float32")
    for step in range(steps):
        index = np.arange(n if step < steps - 1 else n // 2)
        score = net.score_and_grads(m.MSE(), x, target, index, part=part, world=world)
        seen.update(np.float64(score.loss).tobytes() + net.grads.flat.tobytes())
        optimizer.step(net)
    for each in (net.params.flat, *net.state.values(), *optimizer.moments.values(), net.predict(x)):
        seen.update(each.tobytes())
    return seen.hexdigest()


@cache
def by_one(n, **options):
    return trained(n, **options)


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


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("options", [{}, {"lanes": 32}, {"slots": 3}, {"slots": 1}], ids=str)
def test_results_are_those_of_numpy(dtype, options):
    """Which has no such products, and adds up group after group."""
    net, oracle = network(2, dtype=dtype, **options), network(1, dtype=dtype, backend="numpy", **options)
    assert len(wide(net)) == 5
    assert not wide(oracle)
    (loss, grads), (expected, theirs) = loss_and_grads(net, 150), loss_and_grads(oracle, 150)
    close = 1e-6 if dtype == "float32" else 1e-14
    assert loss == pytest.approx(expected, rel=10 * close)
    for name, grad in theirs.items():
        np.testing.assert_allclose(grads[name], grad, rtol=0, atol=10 * close * np.abs(grad).max(), err_msg=name)
    x = batch(150, dtype)[0]
    np.testing.assert_allclose(net.predict(x), oracle.predict(x), rtol=0, atol=20 * close)


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


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [8, 90, 128])
def test_gradients_of_a_group_a_slot_have_the_bits_of_groups_on_their_own(n, dtype):
    """So a rank with one group of a batch has the bits of a meeting."""
    loss, grads = loss_and_grads(network(2, dtype=dtype), n)
    with alone():
        expected, theirs = loss_and_grads(network(2, dtype=dtype), n)
    assert loss == expected
    for name, grad in theirs.items():
        np.testing.assert_array_equal(grads[name], grad, err_msg=name)


# --- ranks ---


@pytest.mark.parametrize(("ranks", "threads"), [(1, 1), (2, 1), (3, 2), (8, 1)])
@pytest.mark.parametrize("n", [32, 128, 200])
def test_ranks_have_the_bits_of_one_process(n, ranks, threads):
    assert set(run_ranks(ranks, lambda world: trained(n, threads, world))) == {by_one(n)}


@pytest.mark.parametrize("between", ["norm", "dropout"])
def test_ranks_that_meet_at_barriers_as_well(between):
    assert set(run_ranks(3, lambda world: trained(90, 1, world, between=between))) == {by_one(90, between=between)}


@pytest.mark.parametrize("options", [{"lanes": 32}, {"lanes": 8}, {"slots": 3}, {"slots": 16}], ids=str)
def test_ranks_with_other_lanes_and_slots(options):
    assert set(run_ranks(3, lambda world: trained(300, 2, world, **options))) == {by_one(300, **options)}


def test_ranks_share_the_parts_of_a_batch():
    assert set(run_ranks(2, lambda world: trained(150, 2, world, part=60))) == {by_one(150, part=60)}


def test_ranks_and_threads_where_not_all_groups_meet_at_once(monkeypatch):
    """A slot gets the sums of the same groups, whoever has it."""
    monkeypatch.setattr(phases, "MOST", 256)
    expected = trained(500)
    assert trained(500, threads=3) == expected
    for ranks in (2, 3):
        assert set(run_ranks(ranks, lambda world: trained(500, 1, world))) == {expected}
    monkeypatch.setattr(phases, "MOST", 1024)
    assert trained(500) != expected


def test_ranks_that_add_in_any_order():
    found = run_ranks(3, lambda world: trained(150, 1, world), exact=False)
    assert len(set(found)) == 1
    assert found[0] != by_one(150)


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


@pytest.mark.parametrize("threads", [1, 2])
def test_a_network_of_nothing_else(threads):
    """There is nothing left for the slots to add up."""
    net = Network([("one", m.Dense(UNITS, bias=False))], (INPUTS,), dtype="float64", threads=threads, seed=3)
    x = batch(40)[0]
    target = np.random.default_rng(5).standard_normal((40, UNITS))
    assert len(wide(net)) == 2
    for _ in range(2):
        net.loss_and_grads(m.MSE(), x, target)
    dy = 2 * (x @ net.params["one.W"].T - target) / target.size
    np.testing.assert_allclose(net.grads["one.W"], dy.T @ x, rtol=0, atol=1e-14)


# --- how it runs ---


def test_the_listing_says_it():
    lines = [" ".join(line.split()) for line in str(network().program()).splitlines()]
    assert "one forward gemm_bias(371×389, 389×16, 371, 371×16), all groups at once" in lines
    outer = "outer_add(371×16, 371×16, 371×371) → outer_add(371×16, 371×16, 16×384, 371×371)"
    assert f"two backward {outer}, all groups at once" in lines
    assert "last forward gemm_bias(5×371, 371×16, 5, 5×16)" in lines


def test_more_groups_than_meet_at_once(monkeypatch):
    """Later ones add their gradients to those of the first ones, in slots of their own."""
    monkeypatch.setattr(phases, "MOST", 128)
    net = network(2)
    loss, grads = loss_and_grads(net, 300)
    expected, their_grads, y = theirs(net, 300)
    assert loss == pytest.approx(expected, rel=1e-12)
    for name, grad in their_grads.items():
        np.testing.assert_allclose(grads[name], grad, rtol=0, atol=1e-11, err_msg=name)
    np.testing.assert_allclose(net.predict(batch(300)[0]), y, rtol=0, atol=1e-12)
    assert {len(groups) for _, groups in net._runner._phased._groups.values()} == {8}


def test_memory_does_not_grow_with_the_batch():
    net = network(1, dtype="float32")
    for n in (1024, 1500, 3000):
        loss_and_grads(net, n)
        net.predict(batch(n, "float32")[0])
        assert {len(groups) for _, groups in net._runner._phased._groups.values()} == {phases.MOST // 16}


def test_batches_that_grow_and_shrink():
    """Groups and scratch are made anew, and results are those of a network that saw no other batch."""
    net = network(2, dtype="float32")
    for n in (17, 150, 32, 700, 40, 16, 1):
        net.steps = 0
        _, grads = loss_and_grads(net, n)
        _, expected = loss_and_grads(network(2, dtype="float32"), n)
        for name, grad in expected.items():
            np.testing.assert_array_equal(grads[name], grad, err_msg=f"{name}, {n} images")


def test_slots_leave_alone_what_was_summed_where_groups_met():
    net = network(2)
    loss_and_grads(net, 150)
    for slot in net._slots._all[1:]:
        for name in ("one.W", "two.W"):
            slot.grads[name][...] = np.nan
    net.steps = 0
    _, grads = loss_and_grads(net, 150)
    assert all(np.isfinite(grad).all() for grad in grads.values())


def test_predictions_use_all_threads_whatever_the_slots():
    for slots in (1, 8):
        net = network(3, dtype="float32", slots=slots)
        net.predict(batch(60, "float32")[0])
        ((recorded, _),) = net._runner._schedules.values()
        assert {len(phase) for stage in recorded.whole for phase in stage.phases} == {3}


def test_nothing_is_read_before_it_is_written():
    net = network(2)
    _, expected = loss_and_grads(net, 150)
    for slot in net._slots._all:
        slot.grads.flat[:] = np.nan
    for _, groups in net._runner._phased._groups.values():
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
    ((recorded, _),) = net._runner._schedules.values()
    (schedule,) = recorded.whole
    assert schedule.code is not None
