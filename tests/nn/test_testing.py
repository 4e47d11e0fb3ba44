"""The checker is itself checked: layers with one deliberate fault must fail, with the message that names it."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from failing import failures, first_failure

import minicnn as m
from minicnn import Buffer, Dense, Layer, Network, Param, Plan, Tanh, kernel
from minicnn.backends.cpu import CHECK, INTERPRET
from minicnn.testing import check_adjoint, check_gradient, check_layer

D = 6
"""Inputs and outputs: W is square, so that a transposed W fits everywhere."""


@dataclass(frozen=True)
class Right(Layer):
    """y = W x + b with nothing wrong; the faulty layers differ from it in one method."""

    def plan(self, in_shape):
        params = {"W": Param((D, D), m.LeCunNormal(), fan_in=D), "b": Param((D,), m.Constant(0.1))}
        return Plan((D,), params, consts={"none": np.zeros(D)}, work={"unwritten": Buffer((D,))})

    def forward(self, k, x, y, W, b):
        k.gemm_bias(W, x, b, y)

    def backward(self, k, x, dy, W, dx, dW, db):
        self.weights(k, dy, x, dW)
        self.biases(k, dy, db)
        if dx is not None:
            self.inputs(k, W, dy, dx)

    def weights(self, k, dy, x, dW):
        k.gemm_nt_add(dy, x, dW)

    def biases(self, k, dy, db):
        k.row_sum_add(dy, db)

    def inputs(self, k, W, dy, dx):
        k.gemm_tn(W, dy, dx)


@kernel(flat=True)
def negate(x):
    """x = −x."""
    for i in range(x.size):
        x[i] = -x[i]


@kernel
def write_row_sums(dy, db):
    """db[m] = Σ_p dy[m, p]: written where it should be added."""
    for i in range(db.size):
        db[i] = dy[i].sum()


@kernel
def mix_last_lane(x, y):
    """y = x, and the first image has the last one added."""
    for i in range(x.shape[0]):
        for lane in range(x.shape[1]):
            y[i, lane] = x[i, lane]
        y[i, 0] += x[i, x.shape[1] - 1]


@kernel
def mix_last_lane_dx(dy, dx):
    """The adjoint of ``mix_last_lane``."""
    for i in range(dy.shape[0]):
        for lane in range(dy.shape[1]):
            dx[i, lane] = dy[i, lane]
        dx[i, dy.shape[1] - 1] += dy[i, 0]


@kernel
def fill_dead_lanes(lanes, dx):
    """dx = 1 in the lanes that hold no image."""
    for i in range(dx.shape[0]):
        for lane in range(lanes[0], dx.shape[1]):
            dx[i, lane] = 1


@kernel
def as_far(x, y):
    """y = x as far as x reaches."""
    for i in range(x.shape[0]):
        for lane in range(x.shape[1]):
            y[i, lane] = x[i, lane]


@kernel
def shift_far(x, by):
    """x += by."""
    for i in range(x.shape[0]):
        for lane in range(x.shape[1]):
            x[i, lane] += by[0]


class WrongSign(Right):
    def inputs(self, k, W, dy, dx):
        k.gemm_tn(W, dy, dx)
        k.call(negate, dx)


class WrongSignOfWeights(Right):
    def weights(self, k, dy, x, dW):
        k.gemm_nt_add(dy, x, dW)
        k.call(negate, dW)


class TransposedWeights(Right):
    def weights(self, k, dy, x, dW):
        k.gemm_nt_add(x, dy, dW)


class TransposedInDx(Right):
    def backward(self, k, x, dy, W, none, dx, dW, db):
        self.weights(k, dy, x, dW)
        self.biases(k, dy, db)
        if dx is not None:
            k.gemm_bias(W, dy, none, dx)


class HalfOfTheBiasGradient(Right):
    def biases(self, k, dy, db):
        k.row_sum_add(dy[: D // 2], db[: D // 2])


class ZeroGradient(Right):
    def inputs(self, k, W, dy, dx):
        k.zero(dx)


class NoBiasGradient(Right):
    def biases(self, k, dy, db):
        pass


class WrittenGradient(Right):
    def biases(self, k, dy, db):
        k.call(write_row_sums, dy, db)


class FilledDeadLanes(Right):
    def backward(self, k, x, dy, W, lanes, dx, dW, db):
        super().backward(k, x, dy, W, dx, dW, db)
        if dx is not None:
            k.call(fill_dead_lanes, lanes, dx)


class ReadsUnwritten(Right):
    def forward(self, k, x, y, W, b, unwritten):
        k.gemm_bias(W, x, b, y)
        k.add(unwritten, y)


class ReadsUnwrittenInBackward(Right):
    def backward(self, k, x, dy, W, unwritten, dx, dW, db):
        super().backward(k, x, dy, W, dx, dW, db)
        if dx is not None:
            k.add(unwritten, dx)


class AddsIntoDx(Right):
    def inputs(self, k, W, dy, dx):
        k.call(lambda W, dy, dx: np.add(dx, W.T @ dy, dx), W, dy, dx)


class LosesDigits(Right):
    def plan(self, in_shape):
        base = super().plan(in_shape)
        return Plan(base.out_shape, base.params, consts={"far": np.array([5e3]), "back": np.array([-5e3])})

    def forward(self, k, x, y, W, b, far, back):
        k.gemm_bias(W, x, b, y)
        k.call(shift_far, y, far)
        k.call(shift_far, y, back)


class Allocates(Right):
    def forward(self, k, x, y, W, b):
        k.call(lambda x, y: np.copyto(y, W @ np.tile(x, 40)[:, : x.shape[1]] + b[:, None]), x, y)


class PlansTooMuch(Layer):
    """y = x, said to be one element longer than it is."""

    def plan(self, in_shape):
        return Plan((in_shape[0] + 1,))

    def forward(self, k, x, y):
        k.call(as_far, x, y)

    def backward(self, k, dy, dx):
        k.copy(dy[: len(dx)], dx)


def elementwise(forward, backward):
    """A layer of two kernels."""

    class Made(Layer):
        def plan(self, in_shape):
            return Plan(in_shape)

        def forward(self, k, x, y):
            k.call(forward, x, y)

        def backward(self, k, dy, dx):
            if dx is not None:
                k.call(backward, dy, dx)

    return Made()


def unwritten(what):
    """How the checker says that a pass read what nobody wrote; in check mode memory starts as NaN, and gradients show it."""
    return "gradient of x: expected" if CHECK else f"{what}: expected to read only what was written, got .+ over nan"


FAULTS = {
    "wrong sign of dx": (WrongSign(), r"gradient of x: expected .+ by differences along a random direction, got "),
    "wrong sign of dW": (WrongSignOfWeights(), r"gradient of layer\.W: expected .+ by differences"),
    "transposed dW": (TransposedWeights(), r"gradient of layer\.W: expected .+ by differences"),
    "transposed W in dx": (TransposedInDx(), r"gradient of x: expected .+ by differences"),
    "half of db missing": (HalfOfTheBiasGradient(), r"gradient of layer\.b: expected .+ by differences"),
    "no db": (NoBiasGradient(), r"gradient of layer\.b: expected one that is not zero, got zeros; give another input"),
    "zero dx": (ZeroGradient(), r"gradient of x: expected one that is not zero, got zeros"),
    "db written": (WrittenGradient(), r"backward: expected parameter gradients to be added to what is there, got them written"),
    "unwritten buffer read": (ReadsUnwritten(), unwritten("forward")),
    "unwritten buffer read in backward": (ReadsUnwrittenInBackward(), unwritten("backward")),
    "dx added to": (AddsIntoDx(), unwritten("backward")),
    "images mixed": (
        elementwise(mix_last_lane, mix_last_lane_dx),
        r"batch size: expected the first 1 images to give the same alone|group: expected an image to be independent",
    ),
    "padding lanes filled": (FilledDeadLanes(), r"backward: expected dx of exactly zero in padding lanes, got other numbers"),
    "planned too large": (PlansTooMuch(), unwritten("forward")),
    "digits lost": (LosesDigits(), r"float32: expected outputs within .+ of float64's, got "),
    "memory allocated": (Allocates(), r"run: expected no allocation, got \d+ bytes at the peak"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_and_named(fault):
    if INTERPRET and fault == "memory allocated":
        pytest.skip("plain Python allocates")
    layer, message = FAULTS[fault]
    assert re.search(message, first_failure(check_layer(layer, (D,))))


def test_a_failing_check_hides_no_other_and_none_depends_on_what_ran_before():
    checks = check_layer(type("TwoFaults", (FilledDeadLanes, WrittenGradient), {})(), (D,))
    failed = ["padding lanes, 16 lanes", "added gradients, 16 lanes", "added gradients, 1 lane"]
    assert [name for name, _ in failures(checks)] == failed
    assert [name for name, _ in failures(checks[::-1])] == failed[::-1]


def test_a_list_of_checks_makes_no_network(monkeypatch):
    monkeypatch.setattr(Network, "__init__", None)
    names = [str(check) for check in check_layer(Right(), (D,))]
    assert len(set(names)) == len(names) == 19
    assert {"gradients, 16 lanes", "padding lanes, 16 lanes", "gradients, 1 lane"} <= set(names)
    assert "padding lanes, 1 lane" not in names, "a group of one image has no padding lanes"
    assert [str(check) for check in check_layer(m.Dropout(0.5), (D,))].count("gradients in inference, 1 lane") == 1


def test_nobody_makes_a_list_of_checks_and_calls_none():
    """As a statement, ``check_layer(…)`` checks nothing."""
    root = Path(m.__file__).parents[1]
    files = [path for folder in ("minicnn", "tests", "examples", "docs") for path in (root / folder).rglob("*.*")]
    files = [path for path in (*files, root / "README.md") if path.suffix in (".py", ".md")]
    statement = re.compile(r"^[ >]*(testing\.)?check_(layer|loss|backend)\(", re.MULTILINE)
    assert len(files) > 200
    assert [path.name for path in files if statement.search(path.read_text())] == []


def test_checks_pass_in_any_order_and_as_often_as_they_are_called():
    checks = check_layer(m.Dropout(0.5), (D,)) + check_layer(Right(), (D,))
    assert list(failures([*checks[::-1], *checks])) == []


@pytest.mark.parametrize("check", check_layer(Right(), (D,)), ids=str)
def test_the_layer_that_the_faults_are_made_from_passes(check):
    check()


def test_check_gradient_looks_at_x_and_every_parameter_of_a_chain():
    x = np.random.default_rng(0).standard_normal((33, D))
    check_gradient(Network([Dense(D), Tanh(), Right()], (D,), dtype="float64", threads=1), x)
    for faulty, name in ((NoBiasGradient(), r"2\.b"), (WrongSignOfWeights(), r"2\.W"), (TransposedInDx(), "x")):
        net = Network([Dense(D), Tanh(), faulty], (D,), dtype="float64", threads=1)
        with pytest.raises(AssertionError, match=f"gradient of {name}: expected"):
            check_gradient(net, x)


def test_check_gradient_leaves_the_parameters_as_they_were():
    net = Network([Dense(D)], (D,), dtype="float64", threads=1)
    before = net.params.flat.copy()
    check_gradient(net, np.ones((3, D)))
    np.testing.assert_array_equal(net.params.flat, before)


def test_check_gradient_wants_float64():
    with pytest.raises(AssertionError, match=r"check_gradient: expected a network of dtype float64, got float32"):
        check_gradient(Network([Dense(2)], (D,), threads=1), np.ones((1, D)))


def test_zero_gradients_are_an_error_unless_they_are_allowed():
    net = Network([m.ReLU()], (D,), dtype="float64", threads=1)
    x = -np.ones((3, D))
    with pytest.raises(AssertionError, match=r"gradient of x: expected one that is not zero, got zeros; give another input"):
        check_gradient(net, x)
    check_gradient(net, x, zero_gradients=True)


A = np.random.default_rng(1).standard_normal((3, 4))


@pytest.mark.parametrize(
    "adjoint", [lambda y: -A.T @ y, lambda y: A.T @ y + 1, lambda y: A.T @ y * (1 + 1e-6), lambda y: 0 * A.T @ y]
)
def test_check_adjoint_refuses_a_map_that_is_not_the_adjoint(adjoint):
    with pytest.raises(AssertionError, match=r"adjoint: expected ⟨Ax, y⟩ = \S+, got ⟨x, Aᵀy⟩ = \S+$"):
        check_adjoint(lambda x: A @ x, adjoint, (4,), (3,))


@pytest.mark.parametrize("seed", range(3))
def test_check_adjoint_passes_the_adjoint(seed):
    check_adjoint(lambda x: A @ x, lambda y: A.T @ y, (4,), (3,), seed)
