"""A layer records; one that computes while it is bound is refused in words, however it goes about it."""

import re

import numpy as np
import pytest

import minicnn as m
from minicnn.backends.placeholder import Placeholder
from minicnn.engine.record import record
from minicnn.nn.losses import Loss

X = np.random.default_rng(0).standard_normal((5, 4)).astype("float32")


def layer(forward, backward=None):
    """A layer with these passes."""
    usable_threads = {"plan": lambda self, in_shape: m.Plan(in_shape), "forward": forward}
    usable_threads["backward"] = backward or (lambda self, k, dy, dx: dx is None or k.copy(dy, dx))
    forward.__name__ = "forward"
    return type("Mine", (m.Layer,), usable_threads)()


def message(method, what):
    expected = f"layer 0 Mine(): expected {method} to record calls on k, got one that computes with NumPy while it is bound"
    hint = "record a kernel such as k.relu(x, y), or k.call(function, x, y) for code of your own"
    return f"^{re.escape(f'{expected} ({what}); {hint}')}$"


COMPUTING = {
    "maximum": lambda k, x, y: np.maximum(x, 0, out=y),
    "multiply": lambda k, x, y: k.copy(x * 2, y),
    "assignment": lambda k, x, y: y.__setitem__(..., 1.0),
    "indexing": lambda k, x, y: k.copy(x[[1, 0, 2, 3]], y),
    "copy": lambda k, x, y: k.copy(x.copy(), y),
    "astype": lambda k, x, y: x.astype("float64"),
    "fill": lambda k, x, y: y.fill(0),
    "copyto": lambda k, x, y: np.copyto(y, x),
    "concatenate": lambda k, x, y: np.concatenate([x, x]),
    "where": lambda k, x, y: np.where(x, x, 0),
    "add": lambda k, x, y: x.sum(),
    "less": lambda k, x, y: x < 0,
    "matmul": lambda k, x, y: x.T @ x,
    "bool": lambda k, x, y: k.copy(x, y) if x[:1, :1] else None,
    "float": lambda k, x, y: float(x[:1, :1]),
    "reshape with a copy": lambda k, x, y: k.copy(x.T.reshape(-1), y.reshape(-1)),
    "ravel with a copy": lambda k, x, y: k.copy(x.T.ravel(), y.reshape(-1)),
    "item": lambda k, x, y: x.item(0),
}


@pytest.mark.parametrize(("what", "compute"), COMPUTING.items(), ids=COMPUTING.keys())
def test_a_layer_that_computes_is_refused(what, compute):
    net = m.Network([layer(lambda self, k, x, y: compute(k, x, y))], (4,), threads=1)
    for call in (lambda: net.predict(X), lambda: net.predict(X), lambda: net.forward(X)):
        with pytest.raises(m.ContractError, match=message("forward", what)):
            call()


def test_so_is_a_backward_pass_a_loss_a_preparation_and_a_curvature():
    def backward(self, k, x, dy, dx):
        dx[...] = dy * (x > 0)

    net = m.Network([layer(lambda self, k, x, y: k.relu(x, y), backward)], (4,), threads=1)
    net.forward(X)
    with pytest.raises(m.ContractError, match=message("backward", "greater")):
        net.backward(X)

    class Absolute(Loss):
        def forward(self, k, y, value):
            value[0] = np.abs(y).sum()

        backward = forward

    with pytest.raises(m.ContractError, match=r"^Absolute: expected forward to record .*\(absolute\)"):
        m.Network([m.Dense(2)], (4,), threads=1).loss_and_grads(Absolute(), X, np.zeros(5, int))

    class Prepared(m.Dense):
        def prepare(self, k, W):
            W[...] = 0

    with pytest.raises(m.ContractError, match=r"expected prepare to record .*\(assignment\)"):
        m.Network([Prepared(2)], (4,), threads=1)

    class Curved(m.Dense):
        def curvature(self, k, hy, W2, hx=None):
            return W2.T @ hy

    with pytest.raises(m.ContractError, match=r"expected curvature to record .*\(matmul\)"):
        m.Network([Curved(2)], (4,), threads=1).curvature(m.MSE(), X, np.zeros((5, 2)))


def test_a_source_that_computes_is_refused():
    class Source:
        shape = X.shape

        def load(self, k, index, x):
            x[...] = X[index].T

    with pytest.raises(m.ContractError, match=r"^load: expected load to record"):
        m.Network([m.Dense(2)], (4,), threads=1).predict(Source())


def test_a_layer_that_never_writes_its_output_is_refused():
    net = m.Network([layer(lambda self, k, x, y: None)], (4,), threads=1)
    hint = "write y with a kernel such as k.relu(x, y)"
    text = f"layer 0 Mine(): expected forward to record a call that is given y, got none; {hint}"
    with pytest.raises(m.ContractError, match=f"^{re.escape(text)}$"):
        net.predict(X)


def test_views_shapes_and_constants_may_be_looked_at():
    def forward(self, k, x, y):
        assert (x.shape, len(x), x.dtype, x.ndim, x.size % 4) == ((4, x.shape[-1]), 4, np.float32, 2, 0)
        assert isinstance(np.zeros_like(x), np.ndarray)
        assert "float32" in f"{x} {x!r}"
        for half in (slice(0, 2), slice(2, None)):
            k.relu(np.moveaxis(x.T, 0, 1)[half].reshape(2, -1), y[half])

    net = m.Network([layer(forward)], (4,), threads=1)
    assert np.array_equal(net.predict(X), np.maximum(X, 0))


def test_a_function_that_keeps_its_arrays_computes_when_it_is_called():
    """Plain Python may know arrays without being given them, and computes on them as on any."""

    def forward(self, k, x, y):
        rows, twice = x.reshape(-1, x.shape[-1]), y[:, :]
        k.call(lambda: np.maximum(rows, 0, out=twice))
        k.call(lambda: twice.__setitem__(..., twice + np.where(rows > 0, 1, 0) * float(rows.size > 0)))

    net = m.Network([layer(forward)], (4,), threads=1)
    assert np.array_equal(net.predict(X), np.maximum(X, 0) + (X > 0))


def test_what_is_recorded_are_plain_arrays():
    net = m.Network([("C", m.Conv2d(2, 3)), m.Tanh(), m.Flatten(), m.Dense(3)], (1, 6, 6), threads=1)
    assert all(type(array) is np.ndarray for call in net.program().calls for array in call.arrays)


def test_what_is_known_is_given_as_it_is():
    class Method:
        def forward(self, k, x, c):
            assert isinstance(x, Placeholder)
            assert type(c) is np.ndarray

    record("test", Method().forward, None, {"x": X, "c": X}, known=["c"])
