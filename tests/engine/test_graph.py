"""Networks that are graphs: values that several layers read, joins, and layers that are used once more, against PyTorch."""

import copy
import pickle
import re
import threading
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import examples

import minicnn as m
from minicnn import Network
from minicnn.engine.values import Gradients
from minicnn.errors import ContractError, OptionError, ShapeError
from minicnn.testing import check_gradient

SHAPE = (3, 8, 8)
FIRE = [
    ("squeeze", m.Conv2d(4, 1)),
    ("act", m.ReLU()),
    ("e1", m.Conv2d(5, 1), "act"),
    ("e3", m.Conv2d(6, 3, padding=1), "act"),
    ("both", m.Concat(), ("e1", "e3")),
    ("out", m.Dense(4)),
]
BLOCK = [
    ("c1", m.Conv2d(3, 3, padding=1)),
    ("act", m.ReLU()),
    ("c2", m.Conv2d(3, 3, padding=1)),
    ("sum", m.Add(), ("c2", "input")),
    ("act2", m.ReLU()),
    ("again", "c1", "act2"),
    ("sum2", m.Add(), ("again", "act2", "act")),
    ("out", m.Dense(4)),
]


@st.composite
def graphs(draw):
    """Items over maps of one size: each reads any one or several of the values before it; the last join all that is left."""
    items, channels, convs = [], {"input": 3}, []
    for number in range(draw(st.integers(2, 7))):
        name, kind = f"v{number}", draw(st.sampled_from(("conv", "relu", "tanh", "norm", "add", "concat", "again")))
        read = draw(st.sampled_from(sorted(channels)))
        several = tuple(draw(st.lists(st.sampled_from(sorted(channels)), min_size=2, max_size=3)))
        if kind == "again" and convs:
            owner = draw(st.sampled_from(convs))
            fitting = [value for value in sorted(channels) if channels[value] == owner[1]]
            items.append((name, owner[0], draw(st.sampled_from(fitting))))
            channels[name] = owner[2]
        elif kind == "add" and len({channels[value] for value in several}) == 1:
            items.append((name, m.Add(), several))
            channels[name] = channels[several[0]]
        elif kind in ("add", "concat"):
            items.append((name, m.Concat(), several))
            channels[name] = sum(channels[value] for value in several)
        elif kind in ("relu", "tanh", "norm"):
            items.append((name, {"relu": m.ReLU(), "tanh": m.Tanh(), "norm": m.BatchNorm2d()}[kind], read))
            channels[name] = channels[read]
        else:
            filters = draw(st.integers(1, 4))
            items.append((name, m.Conv2d(filters, 3, padding=1), read))
            channels[name] = filters
            convs.append((name, channels[read], filters))
    read = {value for item in items for value in ((item[2],) if isinstance(item[2], str) else item[2])}
    left = tuple(item[0] for item in items if item[0] not in read)
    return [*items, *([("all", m.Concat(), left)] if len(left) > 1 else []), ("out", m.Dense(4))]


def check_with_torch(items, images, backend="cpu", seed=0):
    torch = pytest.importorskip("torch")
    from torch_graph import evaluated

    rng = np.random.default_rng(seed)
    net = Network(items, SHAPE, dtype="float64", threads=2, backend=backend, seed=seed)
    x, labels = rng.standard_normal((images, *SHAPE)), rng.integers(0, 4, images)
    given_x = torch.tensor(x, requires_grad=True)
    y, params = evaluated(net, given_x)
    loss = torch.nn.functional.cross_entropy(y, torch.tensor(labels))
    loss.backward()
    assert net.loss_and_grads(m.CrossEntropy(), x, labels) == pytest.approx(loss.item(), abs=1e-12)
    for name, grad in net.grads.items():
        np.testing.assert_allclose(grad, params[name].grad.numpy(), rtol=0, atol=1e-11, err_msg=name)
    np.testing.assert_allclose(net.forward(x, train=True), y.detach().numpy(), rtol=0, atol=1e-11)
    dy = rng.standard_normal(y.shape)
    for tensor in (given_x, *params.values()):
        tensor.grad = None
    evaluated_y, params = evaluated(net, given_x)
    evaluated_y.backward(torch.tensor(dy))
    np.testing.assert_allclose(net.backward(dy), given_x.grad.numpy(), rtol=0, atol=1e-11)
    for name, grad in net.grads.items():
        np.testing.assert_allclose(grad, params[name].grad.numpy(), rtol=0, atol=1e-11, err_msg=name)


@pytest.mark.torch
@examples(40)
@given(items=graphs(), images=st.sampled_from((2, 16, 37)), seed=st.integers(0, 2**32 - 1))
def test_any_graph_has_the_gradients_that_pytorch_finds(items, images, seed):
    check_with_torch(items, images, seed=seed)


@st.composite
def sums(draw):
    """Items over maps of one shape, most of them sums of any values before them, one value perhaps more than once."""
    names, items = ["input"], []
    for number in range(draw(st.integers(2, 9))):
        kind = draw(st.sampled_from(("conv", "relu", "add", "add", "add")))
        if kind == "add":
            what, read = m.Add(), tuple(draw(st.lists(st.sampled_from(names), min_size=2, max_size=3)))
        else:
            what, read = m.Conv2d(3, 1) if kind == "conv" else m.ReLU(), draw(st.sampled_from(names))
        items.append((f"v{number}", what, read))
        names.append(f"v{number}")
    read = {value for item in items for value in ((item[2],) if isinstance(item[2], str) else item[2])}
    left = tuple(name for name in names if name not in read)
    return [*items, *([("all", m.Concat(), left)] if len(left) > 1 else []), ("out", m.Dense(4))]


def gradients(items):
    """Those of the parameters, from a loss and from dy, and those of the images."""
    rng = np.random.default_rng(0)
    net = Network(items, SHAPE, dtype="float64", threads=1, seed=0)
    x, dy = rng.standard_normal((17, *SHAPE)), rng.standard_normal((17, 4))
    net.loss_and_grads(m.CrossEntropy(), x, np.arange(17) % 4)
    found = [net.grads.flat.copy()]
    net.forward(x)
    return [*found, net.backward(dy), net.grads.flat.copy()]


@examples(60)
@given(items=sums())
def test_gradients_that_sums_hand_on_have_the_bits_of_copies(items):
    found = gradients(items)
    with mock.patch.object(Gradients, "_handed_on", return_value=False):
        for got, expected in zip(found, gradients(items), strict=True):
            np.testing.assert_array_equal(got, expected)


def test_both_ways_of_a_residual_block_read_one_gradient():
    block = [("c1", m.Conv2d(3, 1)), ("sum", m.Add(), ("c1", "a0")), ("a1", m.ReLU()), ("out", m.Dense(4))]

    def copies():
        net = Network([("c0", m.Conv2d(3, 1)), ("a0", m.ReLU()), *block], SHAPE, threads=1)
        return [call.name for call in net.program().calls if call.where == "sum backward"]

    assert copies() == []
    with mock.patch.object(Gradients, "_handed_on", return_value=False):
        assert copies() == ["copy"]


def test_a_sum_with_a_backward_pass_of_its_own_hands_nothing_on():
    class Halves(m.Add):
        def backward(self, k, dy, dxs):
            for dx in dxs[::-1]:
                k.copy(dy, dx)
                k.add(dy, dx)

    assert m.Add.hands_on
    assert not Halves.hands_on


@pytest.mark.torch
@pytest.mark.parametrize("backend", ["cpu", "numpy"])
@pytest.mark.parametrize("images", [1, 2, 16, 37])
@pytest.mark.parametrize("items", [FIRE, BLOCK], ids=["fire", "block"])
def test_a_graph_has_the_gradients_that_pytorch_finds(items, images, backend):
    check_with_torch(items, images, backend)


@pytest.mark.parametrize("items", [FIRE, BLOCK], ids=["fire", "block"])
def test_bits_do_not_depend_on_threads(items):
    x, labels = np.random.default_rng(0).standard_normal((100, *SHAPE)).astype("float32"), np.arange(100) % 4
    found = []
    for threads in (1, 2, 3, 8):
        net, sgd = Network(items, SHAPE, threads=threads), m.SGD(0.1, momentum=0.9)
        for _ in range(3):
            loss = net.loss_and_grads(m.CrossEntropy(), x, labels)
            sgd.step(net)
        found.append((loss, net.params.flat.tobytes(), net.predict(x).tobytes()))
    assert found == [found[0]] * 4


def test_activations_of_branches_take_turns_where_nobody_needs_both():
    net = Network(FIRE, SHAPE, threads=1)
    arrays = net._runner.group(0, False, 16).arena.arrays
    assert not np.may_share_memory(arrays["e1.y"], arrays["e3.y"])
    assert not np.may_share_memory(arrays["squeeze.y"], arrays["e1.y"])
    assert np.may_share_memory(arrays["squeeze.y"], arrays["both.y"])


@pytest.mark.parametrize(
    "layer",
    [m.BatchNorm2d(), m.Dropout(0.5), m.ReLU(), m.PReLU(), m.LeakyReLU(), m.ReLU6(), m.ELU(), m.GELU(), m.Tanh()],
    ids=repr,
)
def test_a_layer_that_needs_what_it_reads_no_more_writes_over_it(layer):
    net = Network([("C", m.Conv2d(2, 3)), ("L", layer)], SHAPE, threads=1)
    arrays = net._runner.group(0, False, 16).arena.arrays
    assert "C.y" in arrays
    assert "L.y" not in arrays


def test_a_copy_reads_the_same_values():
    net = Network(BLOCK, SHAPE, threads=1)
    x = np.random.default_rng(0).standard_normal((3, *SHAPE)).astype("float32")
    for other in (pickle.loads(pickle.dumps(net)), copy.deepcopy(net), net.share()):
        np.testing.assert_array_equal(other.predict(x), net.predict(x))


def test_a_layer_that_is_used_once_more_has_one_set_of_parameters():
    net = Network(BLOCK, SHAPE, threads=1)
    assert list(net.params) == ["c1.W", "c1.b", "c2.W", "c2.b", "out.W", "out.b"]


def test_curvature_goes_through_joins():
    net = Network([("c", m.Conv2d(3, 1)), ("sum", m.Add(), ("c", "input")), ("out", m.Dense(4))], SHAPE, threads=1)
    found = net.curvature(m.MSE(), np.ones((2, *SHAPE)), np.array([0, 1]))
    chain = Network([("c", m.Conv2d(3, 1)), ("out", m.Dense(4))], SHAPE, threads=1)
    for name, value in chain.params.items():
        value[...] = net.params[name]
    np.testing.assert_array_equal(found["c.W"], chain.curvature(m.MSE(), np.ones((2, *SHAPE)), np.array([0, 1]))["c.W"])


@pytest.mark.parametrize(
    ("items", "error", "message"),
    [
        ([("a", m.ReLU(), "b")], OptionError, "Network: expected inputs of a from before it, got 'b'; give one of: input"),
        ([("a", "b")], OptionError, "Network: expected the name of a layer before a, got 'b'; put that layer first"),
        (
            [("a", m.ReLU()), ("input", m.ReLU())],
            OptionError,
            "Network: expected every name once, got 'input' again; rename one of the layers",
        ),
        (
            [("a", m.ReLU()), ("b", m.ReLU(), "input")],
            OptionError,
            "Network: expected every value to be read, or to be the last, got 'a', which nobody reads; "
            "let a later layer read it, name it in outputs, or leave it out",
        ),
        (
            [("a", m.Conv2d(2, 3)), ("b", m.Add(), ("a", "input"))],
            ShapeError,
            "expected inputs of one shape, got (2, 6, 6) and (3, 8, 8); "
            "change the size or number of channels of one of them before the sum",
        ),
        (
            [("a", m.MaxPool2d(2)), ("b", m.Concat(), ("a", "input"))],
            ShapeError,
            "expected inputs that differ in their channels alone, got (3, 4, 4) and (3, 8, 8); "
            "change the size of one of them before",
        ),
        ([("a", m.Add())], ShapeError, 'expected two inputs or more, got 1; write ("sum", Add(), ("a", "b"))'),
        (
            [("a", m.ReLU()), ("b", m.ReLU(), ("a", "input"))],
            ShapeError,
            "expected one input, got 2; join them with Add or Concat first",
        ),
        (
            [("a", m.Conv2d(2, 3)), ("b", "a", "a")],
            ShapeError,
            "expected parameters of {'W': (2, 3, 3, 3), 'b': (2,)} as in a, "
            "got an input for which they are {'W': (2, 2, 3, 3), 'b': (2,)}; "
            "give it an input of the same shape",
        ),
        (
            [("a", m.ReLU(), 3)],
            OptionError,
            "expected a Layer, a pair (name without dots, Layer) or (name, Layer, names of its inputs), got",
        ),
        (
            [("a", m.ReLU(), ())],
            OptionError,
            "expected a Layer, a pair (name without dots, Layer) or (name, Layer, names of its inputs), got",
        ),
    ],
)
def test_a_graph_that_cannot_be_is_refused(items, error, message):
    with pytest.raises(error) as refused:
        Network(items, SHAPE)
    assert message in f"{refused.value.who}: {refused.value.what}; {refused.value.hint}"


def test_a_value_that_two_read_is_not_overwritten():
    net = Network([("c", m.Conv2d(3, 1)), ("a", m.ReLU()), ("sum", m.Add(), ("a", "c")), ("out", m.Dense(4))], SHAPE, threads=1)
    arrays = net._runner.group(0, True, 16).arena.arrays
    assert "a.y" in arrays
    assert not np.may_share_memory(arrays["a.y"], arrays["c.y"])


def test_a_join_that_asks_for_what_there_is_not_is_refused():
    class Odd(m.Add):
        def forward(self, k, xs, y, other):
            k.copy(xs[0], y)

    net = Network([("c", m.Conv2d(3, 1)), ("odd", Odd(), ("c", "input"))], SHAPE)
    with pytest.raises(ContractError, match="expected arguments that the network has, got other in forward"):
        net.predict(np.ones((2, *SHAPE)))


# --- state that all handles share ---


def test_handles_on_the_same_parameters_share_running_statistics():
    net = Network([("norm", m.BatchNorm2d())], SHAPE, threads=1)
    handle, copied = net.share(), copy.deepcopy(net)
    x = np.random.default_rng(0).standard_normal((20, *SHAPE)).astype(np.float32)
    before = net.predict(x)
    net.forward(x, train=True)
    assert not np.array_equal(net.predict(x), before)
    np.testing.assert_array_equal(handle.predict(x), net.predict(x))
    np.testing.assert_array_equal(copied.predict(x), before)


def test_training_that_moves_running_statistics_waits_for_the_calls_of_other_handles():
    net = Network([("norm", m.BatchNorm2d()), ("out", m.Dense(2))], SHAPE, threads=1)
    handle, began, seen = net.share(), threading.Event(), []
    x, labels = np.zeros((20, *SHAPE), np.float32), np.zeros(20, np.int64)

    def train():
        began.set()
        net.loss_and_grads(m.CrossEntropy(), x, labels)
        seen.append("trained")

    worker = threading.Thread(target=train)
    with handle.atomic():
        worker.start()
        began.wait()
        worker.join(0.2)
        seen.append("held")
    worker.join()
    assert seen == ["held", "trained"]


# --- residual blocks ---


def test_a_residual_block_is_its_items():
    block = m.Residual([("conv", m.Conv2d(3, 3, padding=1)), m.ReLU(), m.Residual([m.Tanh()])], [m.Conv2d(3, 1)])
    net = Network([m.ReLU(), ("block", block), ("out", m.Dense(2))], SHAPE, threads=1)
    items = [
        m.ReLU(),
        ("block-conv", m.Conv2d(3, 3, padding=1)),
        ("block-1", m.ReLU()),
        ("block-2-0", m.Tanh()),
        ("block-2", m.Add(), ("block-2-0", "block-1")),
        ("block-shortcut-0", m.Conv2d(3, 1), "0"),
        ("block", m.Add(), ("block-2", "block-shortcut-0")),
        ("out", m.Dense(2)),
    ]
    plain = Network(items, SHAPE, threads=1)
    assert [(p.name, p.layer, p.inputs) for p in net.layers] == [(p.name, p.layer, p.inputs) for p in plain.layers]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (([],), "Residual: expected at least one layer, got none; give the layers of the block"),
        (
            ([m.ReLU(), 3],),
            "Residual: expected layers as a list of layers or pairs (name, layer), got [ReLU(), 3]; "
            'write for example [("conv", Conv2d(16, 3, padding=1)), BatchNorm2d()]',
        ),
        (
            ([m.ReLU()], "x"),
            "Residual: expected shortcut as a list of layers or pairs (name, layer), got 'x'; "
            'write for example [("conv", Conv2d(16, 3, padding=1)), BatchNorm2d()]',
        ),
    ],
)
def test_a_block_that_cannot_be_is_refused(options, message):
    with pytest.raises(OptionError, match=f"^{re.escape(message)}$"):
        m.Residual(*options)


def test_a_gate_of_another_shape_is_refused():
    items = [("gate", m.Dense(4)), ("out", m.Multiply(), ("input", "gate"))]
    message = "expected a gate of shape (3, 8, 8) or (3,), got (4,)"
    with pytest.raises(ShapeError, match=re.escape(message)):
        Network(items, SHAPE)
    with pytest.raises(ShapeError, match=re.escape("expected two inputs, a value and its gate, got 1")):
        Network([("out", m.Multiply(), ("input",))], SHAPE)


UNPOOL = [
    ("conv", m.Conv2d(4, 3, padding=1)),
    ("act", m.ReLU()),
    ("pool", m.MaxPool2d(2, ceil_mode=True)),
    ("deep", m.Conv2d(4, 3, padding=1)),
    ("up", m.MaxUnpool2d(2, ceil_mode=True), ("deep", "act")),
    ("out", m.Dense(3)),
]


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
def test_values_go_back_to_where_a_pool_found_its_maxima(backend):
    """Each at its place, and nothing elsewhere; all passes, one image and the gradient of what the pool read."""
    net = Network(UNPOOL, (2, 5, 6), dtype="float64", backend=backend, threads=1)
    x = np.random.default_rng(0).standard_normal((17, 2, 5, 6))
    check_gradient(net, x)
    y = net.forward(x)
    act, pooled, deep, up = (net.activation(name) for name in ("act", "pool", "deep", "up"))
    assert up.shape == act.shape == (17, 4, 5, 6)
    for at in np.ndindex(17, 4, 3, 3):
        window = (*at[:2], slice(2 * at[2], 2 * at[2] + 2), slice(2 * at[3], 2 * at[3] + 2))
        place = np.unravel_index(np.argmax(act[window]), act[window].shape)
        expected = np.zeros_like(act[window])
        expected[place] = deep[at]
        assert act[window][place] == pooled[at]
        np.testing.assert_array_equal(up[window], expected)
    np.testing.assert_allclose(net.predict(x[:1]), y[:1], rtol=1e-12)


def test_values_that_are_not_one_for_every_window_are_refused():
    items = [("pool", m.MaxPool2d(2)), ("up", m.MaxUnpool2d(3), ("pool", "input"))]
    message = (
        "expected values (3, 2, 2), one for every window on (3, 8, 8), got (3, 4, 4)\n"
        "  chain: (3, 8, 8) → pool MaxPool2d → (3, 4, 4) → up MaxUnpool2d ✗\n"
        "  hint: give the values first, then what the pool read, and the pool's options"
    )
    with pytest.raises(ShapeError, match=re.escape(message)):
        Network(items, SHAPE)
