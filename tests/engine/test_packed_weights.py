"""Weights that lowering packs, and maps that it pads, are never stale: one image alone meets the weights as they lie."""

import copy
import pickle

import numpy as np
import pytest

import minicnn as m

SHAPE = (2, 6, 7)
RNG = np.random.default_rng(0)
X, TARGET = RNG.standard_normal((150, *SHAPE)), RNG.standard_normal((150, 4))


def network(**options):
    layers = [("C1", m.Conv2d(4, 3, padding=1)), m.Tanh(), ("C2", m.Conv2d(4, 3, padding=1, groups=2)), m.Flatten(), m.Dense(4)]
    return m.Network(layers, SHAPE, dtype="float64", threads=1, seed=0, **options)


def check_fresh(net, n=20):
    """A batch gives what its images give one by one: outputs, and the mean of the gradients."""
    alone, total = [], np.zeros_like(net.grads.flat)
    for i in range(n):
        alone.append(net.predict(X[i : i + 1]))
        net.loss_and_grads(m.MSE(), X[i : i + 1], TARGET[i : i + 1])
        total += net.grads.flat / n
    np.testing.assert_allclose(net.predict(X[:n]), np.concatenate(alone), rtol=0, atol=1e-12)
    net.loss_and_grads(m.MSE(), X[:n], TARGET[:n])
    np.testing.assert_allclose(net.grads.flat, total, rtol=0, atol=1e-12)
    y, dy = net.forward(X[:n]), RNG.standard_normal((n, 4))
    np.testing.assert_allclose(y, np.concatenate(alone), rtol=0, atol=1e-12)
    dx = net.backward(dy)
    for i in (0, n - 1):
        net.forward(X[i : i + 1])
        np.testing.assert_allclose(net.backward(dy[i : i + 1]), dx[i : i + 1], rtol=0, atol=1e-12)


def stepped(net):
    """The network after a step that moves every weight."""
    before = net.params.flat.copy()
    net.loss_and_grads(m.MSE(), X[:20], TARGET[:20])
    m.SGD(1.0).step(net)
    assert np.abs(net.params.flat - before).max() > 1e-3
    return net


def test_after_every_step():
    net = network()
    for _ in range(3):
        check_fresh(stepped(net))


def test_after_loading_and_after_writing_into_a_parameter():
    net = network()
    check_fresh(net)
    net.load_params({name: value + 0.1 for name, value in net.params.items()})
    check_fresh(net)
    net.params["C2.W"][1] = 3.0
    check_fresh(net)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_a_copy_packs_its_own(copied):
    net = network()
    check_fresh(net)
    other = copied(net)
    check_fresh(stepped(other))
    check_fresh(net)


def test_handles_of_the_same_parameters_see_each_others_steps():
    net = network()
    handle = net.share()
    check_fresh(handle)
    stepped(net)
    check_fresh(handle)
    stepped(handle)
    check_fresh(net)


def test_a_batch_that_grows():
    net = network()
    for n in (3, 20, 40, 150):
        check_fresh(stepped(net), n)


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
def test_maps_that_lie_in_each_others_memory_are_padded_each(backend):
    """Without a backward pass activations take turns in two places, and four layers alike meet the same array twice."""
    layers = [m.Conv2d(2, 3, padding=1) for _ in range(4)]
    net = m.Network(layers, SHAPE, dtype="float64", backend=backend, threads=1, seed=0)
    for n in (1, 20):
        np.testing.assert_allclose(net.predict(X[:n]), net.forward(X[:n]), rtol=0, atol=1e-12)


def test_a_map_is_padded_once_for_both_passes():
    net = network()
    group = net._runner.group(0, True, net.lanes)
    names = [call.name for call in group.forward.calls]
    assert names.count("pad") == 2
    for slot in net._slots.take(2):
        back = [call.name for call in group.backward(slot, input_grad=True).calls]
        assert "conv2d_dW_add" in back
        assert "pad" not in back


def test_what_a_layer_pads_on_the_way_back_is_padded_for_every_slot():
    net = m.Network([Back()], SHAPE, dtype="float64", threads=1)
    group = net._runner.group(0, True, 16)
    for slot in net._slots.take(2):
        calls = group.backward(slot, input_grad=False).calls
        assert [call.name for call in calls].count("pad") == 1


class Back(m.Layer):
    """y = x, with a weight gradient of what it makes of dy."""

    def plan(self, in_shape):
        params = {"W": m.Param((2, 2, 3, 3), m.Constant(0.0), 1, 1)}
        return m.Plan(in_shape, params, {"window": np.array([3, 3, 1, 1, 1, 1, 1, 1])}, work={"own": m.Buffer(in_shape)})

    def forward(self, k, x, y, W):
        k.copy(x, y)

    def backward(self, k, dy, window, own, dW):
        k.copy(dy, own)
        k.conv2d_dW_add(own, dy, window, dW)


def test_padding_far_beyond_the_map_takes_no_memory_for_it():
    """Only the middle tap of each window lies on the map."""
    net = m.Network([("C", m.Conv2d(3, 3, padding="same", dilation=2**30))], (1, 4, 4), dtype="float64", threads=1)
    x = RNG.standard_normal((20, 1, 4, 4))
    middle = net.params["C.W"][:, 0, 1, 1]
    for n in (1, 20):
        expected = x[:n] * middle[:, None, None] + net.params["C.b"][:, None, None]
        np.testing.assert_allclose(net.predict(x[:n]), expected, rtol=0, atol=1e-12)
    net.loss_and_grads(m.MSE(), x, np.zeros((20, 3, 4, 4)))
    assert np.count_nonzero(net.grads["C.W"]) == 3
