"""Networks of several inputs and outputs, against PyTorch: pairs that share their layers, heads, losses with weights."""

import copy
import pickle
import re

import numpy as np
import pytest

import minicnn as m
from minicnn import Network
from minicnn.data import Affine, Distorted, Normalise, Pixels
from minicnn.errors import ContractError, DataError, MinicnnError, OptionError, ShapeError

SHAPES = {"left": (2, 6, 6), "right": (2, 6, 6), "size": (3,)}
LOSSES = {"class": m.CrossEntropy(), "map": (m.MSE(), 0.25), "deep": m.Huber()}
OUTPUTS = ("class", "map", "deep")
ITEMS = [
    ("conv", m.Conv2d(3, 3, padding=1), "left"),
    ("map", m.Tanh()),
    ("again", "conv", "right"),
    ("act", m.ReLU()),
    ("sum", m.Add(), ("map", "act")),
    ("pool", m.MaxPool2d(2)),
    ("flat", m.Flatten()),
    ("wide", m.Dense(4), "size"),
    ("all", m.Concat(), ("flat", "wide")),
    ("class", m.Dense(3)),
    ("slope", m.Sigmoid()),
    ("deep", m.Dense(2)),
]


def network(items=ITEMS, outputs=OUTPUTS, shapes=SHAPES, **options):
    return Network(items, shapes, options.pop("dtype", "float64"), outputs=outputs, **{"threads": 1} | options)


def batch(images, seed=0):
    rng = np.random.default_rng(seed)
    x = {name: rng.standard_normal((images, *shape)) for name, shape in SHAPES.items()}
    targets = {"map": rng.standard_normal((images, 3, 6, 6)), "deep": rng.standard_normal((images, 2))}
    return x, {"class": rng.integers(0, 3, images)} | targets


def theirs(net, x, target):
    """PyTorch's outputs, losses without their weights, and gradients by the parameters and the inputs."""
    torch = pytest.importorskip("torch")
    f = torch.nn.functional
    p = {name: torch.tensor(value, requires_grad=True) for name, value in net.params.items()}
    given = {name: torch.tensor(value, requires_grad=True) for name, value in x.items()}
    maps = torch.tanh(f.conv2d(given["left"], p["conv.W"], p["conv.b"], padding=1))
    right = torch.relu(f.conv2d(given["right"], p["conv.W"], p["conv.b"], padding=1))
    pooled = f.max_pool2d(maps + right, 2).flatten(1)
    both = torch.cat([pooled, f.linear(given["size"], p["wide.W"], p["wide.b"])], 1)
    logits = f.linear(both, p["class.W"], p["class.b"])
    y = {"class": logits, "map": maps, "deep": f.linear(torch.sigmoid(logits), p["deep.W"], p["deep.b"])}
    aims = {name: torch.tensor(value) for name, value in target.items()}
    of = {"class": f.cross_entropy(logits, aims["class"]), "map": f.mse_loss(maps, aims["map"])}
    of["deep"] = f.huber_loss(y["deep"], aims["deep"])
    (of["class"] + 0.25 * of["map"] + of["deep"]).backward()
    gradients = {name: value.grad.numpy() for name, value in (p | given).items()}
    return {name: value.detach().numpy() for name, value in y.items()}, {n: v.item() for n, v in of.items()}, gradients


def close(ours, expected):
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-12 * max(1, np.abs(expected).max()))


@pytest.mark.parametrize("images", [1, 5, 37])
@pytest.mark.parametrize("backend", ["cpu", "numpy"])
def test_outputs_losses_and_gradients_are_pytorchs(images, backend):
    net, (x, target) = network(backend=backend), batch(images)
    y, losses, gradients = theirs(net, x, target)
    score = net.score_and_grads(LOSSES, x, target)
    close(score.loss, losses["class"] + 0.25 * losses["map"] + losses["deep"])
    for name in OUTPUTS:
        close(score.outputs[name].loss, losses[name])
        close(net.predict_outputs(x)[name], y[name])
    assert score.correct == score.outputs["class"].correct == (y["class"].argmax(1) == target["class"]).sum()
    assert score.outputs["map"].correct == score.outputs["deep"].correct == 0
    for name, gradient in net.grads.items():
        close(gradient, gradients[name])
    assert net.evaluate(LOSSES, x, target) == score


def test_forward_and_backward_by_hand_give_every_gradient():
    net, (x, _) = network(), batch(19)
    dy = {name: np.random.default_rng(1).standard_normal((19, *shape)) for name, shape in net.out_shapes.items()}
    np.testing.assert_array_equal(net.forward(x), net.activation("class"))
    first = net.backward(dy)
    ours = {name: value.copy() for name, value in ({**net.grads, **net.input_grads}).items()}
    np.testing.assert_array_equal(first, ours["left"])
    eps, rng = 1e-6, np.random.default_rng(2)
    for name, value in x.items():
        direction = rng.standard_normal(value.shape)
        ends = []
        for sign in (1, -1):
            net.forward(x | {name: value + sign * eps * direction})
            ends.append(sum(float(np.vdot(dy[out], net.activation(out))) for out in OUTPUTS))
        assert (ends[0] - ends[1]) / (2 * eps) == pytest.approx(float(np.vdot(ours[name], direction)), rel=1e-6)
    net.forward(x)
    assert net.backward(dy, input_grad=False) is None
    assert net.input_grads == {}
    for name in net.params:
        np.testing.assert_array_equal(net.grads[name], ours[name])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_steps_have_the_same_bits_at_any_number_of_threads(dtype):
    x, target = batch(150)

    def trained(threads):
        net = network(threads=threads, dtype=dtype)
        sgd = m.SGD(0.1, momentum=0.9)
        for step in range(3):
            net.loss_and_grads(LOSSES, x, target, np.arange(step, 150 - step))
            sgd.step(net)
        return net.params.flat.copy()

    one = trained(1)
    for threads in (2, 3, 8):
        np.testing.assert_array_equal(trained(threads), one)


def test_an_output_that_others_read_is_kept_in_inference():
    """Conv2d, batch norm behind it and a layer that may write over what it reads: what is an output stays what it is."""
    items = [("c", m.Conv2d(3, 3)), ("n", m.BatchNorm2d()), ("a", m.ReLU()), ("d", m.Dense(2))]
    net = Network(items, (2, 6, 6), "float64", outputs=("c", "n", "a", "d"), threads=1)
    x = np.random.default_rng(0).standard_normal((21, 2, 6, 6))
    net.forward(x, train=True)
    net.forward(x)
    for images in (x, x[:1]):
        net.forward(images)
        for name, y in net.predict_outputs(images).items():
            close(y, net.activation(name))


def test_sources_of_every_kind_may_stand_side_by_side():
    pixels = Pixels(np.random.default_rng(0).integers(0, 255, (20, 8, 8)).astype(np.uint8), Normalise(scale=1.0, shift=0.0))
    source, other = (Distorted(pixels, Affine(shift=2), seed=seed) for seed in (0, 1))
    items = [("a", m.ReLU(), "left"), ("b", m.ReLU(), "right")]
    net = Network(items, {"left": (1, 8, 8), "right": (1, 8, 8)}, outputs=("a", "b"), threads=1)
    y = net.predict_outputs({"left": source, "right": other})
    alone = Network([m.ReLU()], (1, 8, 8), threads=1)
    np.testing.assert_array_equal(y["a"], alone.predict(source))
    np.testing.assert_array_equal(y["b"], alone.predict(other))
    assert not np.array_equal(y["b"], y["a"])
    one = net.predict_outputs({"left": source, "right": y["b"]}, [3])
    np.testing.assert_array_equal(one["a"], y["a"][3:4])
    np.testing.assert_array_equal(one["b"], y["b"][3:4])


def test_curvature_is_that_of_all_outputs():
    """The estimate goes through every layer linearly, so that of two losses is the sum of theirs."""
    items = [("c", m.Conv2d(2, 3), "left"), ("a", m.Tanh()), ("d", m.Dense(3)), ("e", m.Dense(2), "a")]
    net = network(items, ("d", "e"), {"left": (2, 5, 5)})
    x = {"left": np.random.default_rng(0).standard_normal((21, 2, 5, 5))}
    target = {"d": np.zeros((21, 3)), "e": np.zeros((21, 2))}
    found = net.curvature({"d": m.MSE(), "e": (m.MSE(), 0.5)}, x, target)
    expected = {name: np.zeros_like(value) for name, value in net.params.items()}
    for name, other, weight in (("d", "e", 1), ("e", "d", 0.5)):
        alone = network([item for item in items if item[0] != other], None, {"left": (2, 5, 5)})
        alone.load_params({own: net.params[own] for own in alone.params})
        for own, value in alone.curvature(m.MSE(), x["left"], target[name]).items():
            expected[own] += weight * value
    for name, value in expected.items():
        close(found[name], value)
        assert value.all()


def test_copies_and_pickles_keep_inputs_and_outputs():
    net, (x, _) = network(), batch(5)
    for other in (copy.copy(net), copy.deepcopy(net), pickle.loads(pickle.dumps(net)), net.share()):
        assert (other.outputs, other.in_shapes, other.out_shapes) == (net.outputs, net.in_shapes, net.out_shapes)
        for name, y in net.predict_outputs(x).items():
            np.testing.assert_array_equal(other.predict_outputs(x)[name], y)
    assert list(net.out_shapes.values()) == [(3,), (3, 6, 6), (2,)]
    assert (net.in_shape, net.out_shape) == ((2, 6, 6), (3,))


def test_summary_says_which_layers_are_outputs():
    lines = network().summary().splitlines()
    rows = {line.split()[0]: " ".join(line.split()[1:]) for line in lines}
    assert [rows[name] for name in ("left", "right", "size")] == ["2×6×6", "2×6×6", "3"]
    assert rows["map"] == "Tanh → output 3×6×6 0 0"
    assert rows["again"].startswith("Conv2d as conv (right) 3×6×6 0 ")
    assert rows["class"].startswith("Dense → output 3 ")


def test_one_output_before_the_last_layer_and_a_dict_of_one():
    net = Network([("a", m.Dense(3)), ("b", m.Dense(2), "a")], {"x": (4,)}, "float64", outputs=["a", "b"], threads=1)
    one = Network([("a", m.Dense(3))], {"x": (4,)}, "float64", threads=1)
    x = np.ones((3, 4))
    np.testing.assert_array_equal(one.predict(x), one.predict({"x": x}))
    np.testing.assert_array_equal(one.predict(x), net.predict_outputs(x)["a"])
    loss = one.loss_and_grads(m.CrossEntropy(), x, [0, 1, 2])
    assert one.loss_and_grads({"a": (m.CrossEntropy(), 2)}, {"x": x}, {"a": [0, 1, 2]}) == 2 * loss


PAIR = [("sum", m.Add(), ("a", "b"))]
TWO = {"a": (4,), "b": (4,)}


@pytest.mark.parametrize(
    ("items", "shapes", "outputs", "message"),
    [
        ([m.Dense(2)], {}, None, "expected in_shape as a shape, or a dict of shapes by names without dots, got {}; write"),
        (
            [m.Dense(2)],
            {"a.b": (3,)},
            None,
            "expected in_shape as a shape, or a dict of shapes by names without dots, got {'a.b'",
        ),
        ([m.Dense(2)], {"a": (0,)}, None, "expected in_shape as positive whole numbers, got (0,)"),
        (
            [m.Dense(2)],
            TWO,
            None,
            "expected 0 to name what it reads, as there are several inputs, got no name; write ('0', layer",
        ),
        (
            [("d", m.Dense(2), "a")],
            TWO,
            None,
            "expected every value to be read, or to be the last, got 'b', which nobody reads",
        ),
        (PAIR, TWO, (), "expected outputs as names of layers, got (); give some of: sum"),
        (PAIR, TWO, "sum", "expected outputs as names of layers, got 'sum'; give some of: sum"),
        (PAIR, TWO, ("a",), "expected outputs as names of layers, got ('a',); give some of: sum"),
        (PAIR, TWO, ("sum", "sum"), "expected outputs of which no two are the same numbers, got sum and sum; leave one"),
        (
            [*PAIR, ("flat", m.Flatten())],
            TWO,
            ("sum", "flat"),
            "expected outputs of which no two are the same numbers, got sum and flat; leave one of them out",
        ),
        (
            [*PAIR, ("d", m.Dense(2))],
            TWO,
            ("sum",),
            "expected every value to be read, or to be an output, got 'd', which nobody reads; let a later",
        ),
    ],
)
def test_a_network_that_cannot_be_is_refused(items, shapes, outputs, message):
    with pytest.raises(OptionError, match=re.escape(f"Network: {message}")):
        Network(items, shapes, outputs=outputs)


X, Y = batch(4)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda net: net.predict(X), ContractError, "predict: expected a network of one output, got class, map, deep; call"),
        (
            lambda net: net.forward(X["left"]),
            DataError,
            "x: expected a dict with left, right, size, got ndarray; give {'left': …, ",
        ),
        (
            lambda net: net.forward(X | {"more": 1}),
            ShapeError,
            "x: expected the names left, right, size, got left, right, size, more",
        ),
        (lambda net: net.forward({}), ShapeError, "x: expected the names left, right, size, got none; give something for each"),
        (
            lambda net: net.forward(X | {"size": X["left"]}),
            ShapeError,
            "x['size']: expected an array (N, 3), got (4, 2, 6, 6); reshape it",
        ),
        (
            lambda net: net.forward(X | {"size": X["size"][:3]}),
            ShapeError,
            "x: expected as many images for every input, got 4 of left, 4 of right, 3 of size; give one of each for",
        ),
        (lambda net: net.evaluate(m.MSE(), X, Y), DataError, "loss: expected a dict with class, map, deep, got MSE; give {"),
        (
            lambda net: net.evaluate(LOSSES, X, Y["map"]),
            DataError,
            "target: expected a dict with class, map, deep, got ndarray",
        ),
        (
            lambda net: net.evaluate(LOSSES | {"map": 3}, X, Y),
            DataError,
            "loss: expected a loss, or a pair of it and its weight, for map, got 3; give for example (MSE(), 0.5)",
        ),
        (
            lambda net: net.evaluate(LOSSES | {"map": (m.MSE(), 0)}, X, Y),
            OptionError,
            "loss: expected the weight of map in (0, inf), got 0",
        ),
        (
            lambda net: net.evaluate(LOSSES, X, Y | {"deep": Y["deep"][:3]}),
            ShapeError,
            "target: expected 4 targets, one for each",
        ),
        (
            lambda net: (net.forward(X), net.backward(Y["map"])),
            DataError,
            "dy: expected a dict with class, map, deep, got ndarray",
        ),
        (
            lambda net: net.curvature(LOSSES | {"deep": m.L1()}, X, Y),
            ContractError,
            "L1: expected a method curvature, got none; give it one",
        ),
    ],
)
def test_calls_that_do_not_fit_are_refused(call, error, message):
    net = network()
    with pytest.raises(MinicnnError) as refused:
        call(net)
    assert type(refused.value) is error
    assert message in str(refused.value)
