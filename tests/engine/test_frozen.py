"""Frozen layers: what the recorded passes leave out, and gradients against PyTorch."""

import copy
import pickle
import re

import numpy as np
import pytest
import torch

from minicnn import (
    MSE,
    SGD,
    Add,
    BatchNorm2d,
    Conv2d,
    CrossEntropy,
    DataError,
    Dense,
    Dropout,
    Flatten,
    GroupNorm,
    Layer,
    Network,
    OptionError,
    Param,
    Plan,
    PReLU,
    ReLU,
    Tanh,
)
from minicnn.nn.init import Constant


def network(backend="numpy", dtype="float64", **options):
    layers = [("C1", Conv2d(3, 3)), ("N1", BatchNorm2d()), ReLU(), ("C2", Conv2d(2, 3)), ("N2", BatchNorm2d()), Tanh()]
    return Network([*layers, Flatten(), ("F", Dense(3))], (1, 6, 6), threads=1, backend=backend, dtype=dtype, **options)


def calls(net):
    return [call for line in net.program().calls for call in line.recorded]


def back(net):
    """The layers whose backward pass is recorded, and the kernels."""
    return [(call.where.split()[0], call.name) for call in calls(net) if call.where.endswith("backward")]


def data(count=21):
    rng = np.random.default_rng(3)
    return rng.standard_normal((count, 1, 6, 6)), rng.integers(0, 3, count)


@pytest.mark.parametrize("backend", ["numpy", "cpu"])
def test_nothing_is_computed_below_the_lowest_trained_layer(backend):
    net = network(backend)
    whole = back(net)
    net.freeze("C1", "N1")
    above = [(where, name) for where, name in whole if where in ("F", "5", "N2", "C2") and "conv2d_dx" not in name]
    assert back(net) == above
    assert [name for where, name in above if where == "C2"] == ["row_sum_add", "conv2d_dW_add"]
    net.freeze("*2")
    assert back(net) == [("F", "outer_add"), ("F", "row_sum_add")]
    net.freeze("F")
    assert back(net) == []
    net.unfreeze()
    assert back(net) == whole
    assert net.frozen == ()


def test_the_gradients_of_a_layer_are_0_from_when_it_is_frozen():
    net, (x, t) = network("numpy"), data()
    net.loss_and_grads(CrossEntropy(), x, t)
    assert net.grads["F.W"].any()
    net.freeze("F")
    assert not net.grads["F.W"].any()
    net.loss_and_grads(CrossEntropy(), x, t)
    assert not net.grads["F.W"].any()
    assert net.grads["C2.W"].any()


def test_a_frozen_layer_between_trained_ones_passes_its_gradient_on_and_computes_none_of_its_own():
    net = network()
    net.freeze("C2", "N2")
    assert [entry for entry in back(net) if entry[0] in ("C2", "N2")] == [("N2", "normalize_dx"), ("C2", "conv2d_dx")]
    layers = [("G", GroupNorm(1)), ("P", PReLU()), ("C", Conv2d(2, 1)), Flatten(), ("F", Dense(2))]
    net = Network([("C0", Conv2d(2, 1)), *layers], (1, 3, 3), threads=1, backend="numpy")
    net.freeze("G", "P", "C")
    own = [name for where, name in back(net) if where in ("G", "P", "C")]
    assert own == ["conv2d_dx", "prelu_dx", "group_norm_dx"]


def torch_twin(net):
    conv = [torch.nn.Conv2d(1, 3, 3), torch.nn.Conv2d(3, 2, 3)]
    norm = [torch.nn.BatchNorm2d(3), torch.nn.BatchNorm2d(2)]
    parts = [conv[0], norm[0], torch.nn.ReLU(), conv[1], norm[1], torch.nn.Tanh(), torch.nn.Flatten(), torch.nn.Linear(8, 3)]
    twin = torch.nn.Sequential(*parts).double()
    for parameter, value in zip(twin.parameters(), net.params.values(), strict=True):
        parameter.data[...] = torch.from_numpy(value.copy().reshape(parameter.shape))
    named = dict(zip(("C1", "N1", "C2", "N2", "F"), (conv[0], norm[0], conv[1], norm[1], parts[-1]), strict=True))
    return twin, named


@pytest.mark.parametrize("backend", ["numpy", "cpu"])
@pytest.mark.parametrize("frozen", [("C1", "N1"), ("C2", "N2"), ("N1",), ("F", "C1"), ("C1", "N1", "C2", "N2", "F")])
def test_steps_are_pytorchs_with_layers_without_gradient_and_norms_in_evaluation(frozen, backend):
    net = network(backend)
    twin, named = torch_twin(net)
    net.freeze(*frozen)
    assert net.frozen == tuple(name for name in named if name in frozen)
    for name in frozen:
        named[name].eval().requires_grad_(False)
    trained = [p for p in twin.parameters() if p.requires_grad]
    ours, theirs = SGD(0.1, 0.9, weight_decay=0.01), trained and torch.optim.SGD(trained, 0.1, 0.9, weight_decay=0.01)
    x, labels = data()
    for _ in range(3):
        loss = net.loss_and_grads(CrossEntropy(), x, labels)
        ours.step(net)
        expected = torch.nn.functional.cross_entropy(twin(torch.from_numpy(x)), torch.from_numpy(labels))
        assert loss == pytest.approx(expected.item(), rel=1e-12)
        if trained:
            theirs.zero_grad()
            expected.backward()
            theirs.step()
    for (name, ours_), theirs_ in zip(net.params.items(), twin.parameters(), strict=True):
        np.testing.assert_allclose(ours_, theirs_.detach().numpy().reshape(ours_.shape), rtol=0, atol=1e-12, err_msg=name)
        if name.partition(".")[0] in frozen:
            assert not net.grads[name].any()
    for name in ("N1", "N2"):
        np.testing.assert_allclose(net.state[f"{name}.running_var"], named[name].running_var.numpy(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("count", [1, 21])
def test_looking_passes_have_the_gradients_of_a_step(count):
    net = network()
    net.freeze("C2", "N2")
    x, _ = data(count)
    target = np.ones((count, 3))
    net.grads.flat[...] = 7
    net.loss_and_grads(MSE(), x, target)
    grads = net.grads.flat.copy()
    y = net.forward(x, train=True)
    net.backward(2 * (y - target) / y.size)
    np.testing.assert_allclose(net.grads.flat, grads, rtol=0, atol=1e-12)
    assert not net.grads["C2.W"].any()
    assert net.grads["C1.W"].any()


def test_a_frozen_norm_needs_no_second_image_and_waits_for_nobody():
    net = Network([("N", BatchNorm2d()), Flatten(), ("F", Dense(2))], (3, 1, 1), threads=1, backend="numpy")
    x = np.ones((1, 3, 1, 1))
    with pytest.raises(DataError, match="expected a training batch of at least 2 images, got 1"):
        net.loss_and_grads(MSE(), x, np.ones((1, 2)))
    net.freeze("N")
    assert not any(call.name == "barrier" for call in calls(net))
    net.loss_and_grads(MSE(), x, np.ones((1, 2)))
    net.forward(x, train=True)


def test_a_layer_that_is_there_twice_is_frozen_in_both_places_and_dropout_goes_on():
    layers = [("A", Dense(4)), ("B", "A"), ("S", Add(), ("A", "B")), Dropout(0.5), ("F", Dense(2))]
    net = Network(layers, (4,), threads=1, backend="numpy", seed=1)
    assert [where for where, _ in back(net)].count("B") > 0
    net.freeze("B")
    assert net.frozen == ("A",)
    assert {where for where, _ in back(net)} == {"F"}
    y = [net.forward(np.ones((1, 4)), train=train) for train in (True, False)]
    assert not np.allclose(*y)


def test_the_curvature_leaves_frozen_layers_out():
    layers = [("A", Dense(3)), Tanh(), ("B", Dense(3)), Tanh(), ("F", Dense(2))]
    net, other = (Network(layers, (4,), threads=1, backend="numpy", dtype="float64", seed=1) for _ in range(2))
    x, t = np.random.default_rng(0).standard_normal((9, 4)), np.ones((9, 2))
    net.freeze("B")
    ours, whole = net.curvature(MSE(), x, t), other.curvature(MSE(), x, t)
    for name in net.params:
        np.testing.assert_array_equal(ours[name], 0 if name[0] == "B" else whole[name])


class Own(Layer):
    """y = W · x, whose one function of Python writes dx and dW, in this order."""

    def plan(self, in_shape):
        return Plan(in_shape, params={"W": Param(in_shape, Constant(2.0))})

    def forward(self, k, x, W, y):
        k.call(times, x, W, y)

    def backward(self, k, x, dy, W, dx, dW):
        k.call(both, x, dy, W, *([] if dx is None else [dx]), dW)


def times(x, W, y):
    y[...] = W[:, None] * x


def both(x, dy, W, *outputs):
    outputs[-1][...] += (x * dy).sum(axis=1)
    if len(outputs) == 2:
        outputs[0][...] = W[:, None] * dy


def test_a_function_that_writes_both_gradients_stays_and_adds_nothing():
    net = Network([("A", Dense(3)), ("O", Own()), ("F", Dense(2))], (4,), threads=1, backend="numpy", dtype="float64")
    x, t = np.random.default_rng(0).standard_normal((9, 4)), np.ones((9, 2))
    net.loss_and_grads(MSE(), x, t)
    grads = {name: view.copy() for name, view in net.grads.items()}
    net.freeze("O")
    net.loss_and_grads(MSE(), x, t)
    assert grads["O.W"].any()
    for name in net.grads:
        np.testing.assert_array_equal(net.grads[name], 0 if name == "O.W" else grads[name])


def test_handles_and_copies_take_it_along():
    net = network()
    net.freeze("C1", "N1")
    for other in (net.share(), copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert other.frozen == ("C1", "N1")
        assert {where for where, _ in back(other)} == {where for where, _ in back(net)}
        other.unfreeze("N1")
        assert (net.frozen, other.frozen) == (("C1", "N1"), ("C1",))


def test_names_that_are_refused():
    net = network()
    have = "expected names of layers with parameters (C1, N1, C2, N2, F), got"
    for name in ("C3", "2", "C1.W", 1):
        words = f"{have} {name!r}; give a layer's name as it stands in print(net.summary())"
        with pytest.raises(OptionError, match=f"^freeze: {re.escape(words)}$"):
            net.freeze("C1", name)
    with pytest.raises(OptionError, match=r"^unfreeze: expected names of layers with parameters"):
        net.unfreeze("G")
    assert net.frozen == ()
