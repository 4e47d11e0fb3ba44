"""Batch normalisation against PyTorch: batches of any size, running statistics, training steps, threads; and its refusals."""

import re

import numpy as np
import pytest

import minicnn as m
from minicnn import Network
from minicnn.errors import ContractError, DataError, OptionError

torch = pytest.importorskip("torch")

pytestmark = pytest.mark.torch
SHAPE = (2, 6, 6)
BATCHES = (2, 16, 17, 37, 200)


def network(threads=1, norm=None, backend="cpu", dtype="float64", **options):
    norm = norm or m.BatchNorm2d(**options)
    items = [
        ("conv", m.Conv2d(4, 3, padding=1, bias=False)),
        ("norm", norm),
        m.ReLU(),
        ("block", m.Residual([("conv", m.Conv2d(4, 3, padding=1)), ("norm", m.BatchNorm2d(momentum=0.3))])),
        m.ReLU(),
        ("dense", m.Dense(5)),
        ("last", m.BatchNorm1d()),
    ]
    return Network(items, SHAPE, dtype=dtype, threads=threads, backend=backend, seed=3)


class Theirs(torch.nn.Module):
    """The same network."""

    def __init__(self, net, **options):
        super().__init__()
        self.conv = torch.nn.Conv2d(2, 4, 3, padding=1, bias=False)
        self.norm = torch.nn.BatchNorm2d(4, **options)
        self.inner = torch.nn.Conv2d(4, 4, 3, padding=1)
        self.inner_norm = torch.nn.BatchNorm2d(4, momentum=0.3)
        self.dense = torch.nn.Linear(144, 5)
        self.last = torch.nn.BatchNorm1d(5)
        self.double()
        mine = {
            "conv": "conv",
            "norm": "norm",
            "inner": "block-conv",
            "inner_norm": "block-norm",
            "dense": "dense",
            "last": "last",
        }
        for theirs, ours in mine.items():
            for name, short in (("weight", "W"), ("bias", "b")):
                if f"{ours}.{short}" in net.params:
                    getattr(getattr(self, theirs), name).data[...] = torch.from_numpy(net.params[f"{ours}.{short}"].copy())
        self.mine = mine

    def forward(self, x):
        x = torch.relu(self.norm(self.conv(x)))
        x = torch.relu(x + self.inner_norm(self.inner(x)))
        return self.last(self.dense(x.flatten(1)))

    def states(self):
        return {f"{self.mine[k.split('.')[0]]}.{k.split('.')[1]}": v.numpy() for k, v in self.named_buffers()}


def close(ours, theirs):
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12 * max(1, np.abs(theirs).max()))


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
@pytest.mark.parametrize("options", [{}, {"momentum": None, "eps": 0.01}, {"affine": False}, {"momentum": 1.0}], ids=str)
def test_five_steps_of_sgd_with_momentum_are_pytorchs(options, backend):
    net = network(threads=2 if backend == "cpu" else 1, backend=backend, **options)
    theirs, sgd = Theirs(net, **options), m.SGD(0.05, momentum=0.9)
    step = torch.optim.SGD(theirs.parameters(), 0.05, momentum=0.9)
    rng = np.random.default_rng(0)
    for images in BATCHES:
        x, labels = rng.standard_normal((images, *SHAPE)), rng.integers(0, 5, images)
        loss = torch.nn.functional.cross_entropy(theirs(torch.from_numpy(x)), torch.from_numpy(labels))
        step.zero_grad()
        loss.backward()
        step.step()
        assert net.loss_and_grads(m.CrossEntropy(), x, labels) == pytest.approx(loss.item(), abs=1e-12)
        sgd.step(net)
    for name, value in theirs.states().items():
        close(net.state[name], value)
    close(net.params["conv.W"], theirs.conv.weight.detach().numpy())
    close(net.params["dense.W"], theirs.dense.weight.detach().numpy())
    theirs.eval()
    for images in (37, 1):
        close(net.predict(x[:images]), theirs(torch.from_numpy(x[:images])).detach().numpy())


@pytest.mark.parametrize("images", [1, *BATCHES])
def test_forward_and_backward_of_a_batch_are_pytorchs(images):
    net = Network([("norm", m.BatchNorm2d())], SHAPE, dtype="float64", threads=1)
    theirs = torch.nn.BatchNorm2d(2).double()
    rng = np.random.default_rng(images)
    x, dy = rng.standard_normal((images, *SHAPE)), rng.standard_normal((images, *SHAPE))
    leaf = torch.tensor(x, requires_grad=True)
    y = theirs(leaf)
    y.backward(torch.from_numpy(dy))
    close(net.forward(x, train=True), y.detach().numpy())
    close(net.backward(dy), leaf.grad.numpy())
    close(net.grads["norm.W"], theirs.weight.grad.numpy())
    close(net.grads["norm.b"], theirs.bias.grad.numpy())
    close(net.state["norm.running_var"], theirs.running_var.numpy())


def test_frozen_statistics_have_pytorchs_gradients():
    """Forward and backward for looking, as in inference."""
    net, theirs = network(), None
    rng = np.random.default_rng(0)
    x, dy = rng.standard_normal((20, *SHAPE)), rng.standard_normal((20, 5))
    theirs = Theirs(net)
    net.forward(x, train=True)
    theirs(torch.from_numpy(x))
    theirs.eval()
    leaf = torch.tensor(x, requires_grad=True)
    y = theirs(leaf)
    y.backward(torch.from_numpy(dy))
    close(net.forward(x), y.detach().numpy())
    close(net.backward(dy), leaf.grad.numpy())
    close(net.grads["norm.W"], theirs.norm.weight.grad.numpy())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_bits_do_not_depend_on_threads(dtype):
    rng, found = np.random.default_rng(0), set()
    x, labels = rng.standard_normal((200, *SHAPE)), rng.integers(0, 5, 200)
    for threads in (1, 2, 3, 8):
        net, sgd = network(threads, dtype=dtype), m.SGD(0.1)
        for images in (200, 37):
            net.loss_and_grads(m.CrossEntropy(), x, labels, np.arange(images))
            sgd.step(net)
        found.add((net.params.flat.tobytes(), *(array.tobytes() for array in net.state.values()), net.predict(x).tobytes()))
    assert len(found) == 1


def test_a_mean_far_from_zero_costs_no_digits():
    net = Network([m.BatchNorm2d()], SHAPE, dtype="float64", threads=1)
    x = np.random.default_rng(0).standard_normal((40, *SHAPE))
    np.testing.assert_allclose(net.forward(x + 1e6, train=True), net.forward(x, train=True), rtol=0, atol=1e-8)


def test_a_training_batch_of_one_vector_is_refused_in_words():
    net = Network([("norm", m.BatchNorm1d())], (3,), threads=1)
    what = 'layer 0 "norm" BatchNorm1d(): expected a training batch of at least 2 images, got 1; '
    what += "leave out a last batch that is so small, or give larger ones"
    for call in (
        lambda: net.forward(np.ones((1, 3)), train=True),
        lambda: net.loss_and_grads(m.CrossEntropy(), np.ones((1, 3)), np.zeros(1, np.int64)),
    ):
        with pytest.raises(DataError, match=f"^{re.escape(what)}$"):
            call()
    assert net.predict(np.ones((1, 3))).shape == (1, 3)


def test_curvature_is_refused_in_words():
    net = Network([("norm", m.BatchNorm1d())], (3,), threads=1)
    with pytest.raises(ContractError, match="expected a method curvature"):
        net.curvature(m.MSE(), np.ones((4, 3)), np.zeros((4, 3)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"eps": -1}, "BatchNorm2d: expected eps in [0, inf), got -1; choose eps in that range"),
        ({"momentum": 1.5}, "BatchNorm2d: expected momentum in [0, 1], got 1.5; choose momentum in that range"),
        ({"affine": 1}, "BatchNorm2d: expected affine as True or False, got 1; give affine=True or affine=False"),
    ],
)
def test_an_option_outside_what_it_may_be_is_refused(options, message):
    with pytest.raises(OptionError, match=f"^{re.escape(message)}$"):
        m.BatchNorm2d(**options)
