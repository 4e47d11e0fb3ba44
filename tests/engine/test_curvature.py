"""The third pass: every layer against its squared Jacobian, networks against the Gauss–Newton matrix, and what is refused."""

import re
from dataclasses import dataclass

import naive
import numpy as np
import pytest
from curvature_oracle import brute, check_curvature, close, ours
from hypothesis import given
from strategies import STRATEGIES, examples

import minicnn as m
from minicnn import MSE, ContractError, CrossEntropy, Dense, Network, Plan
from minicnn.backends import convolution
from minicnn.nn.losses import Loss

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("kind", [kind for kind in STRATEGIES if kind.curvature is not None], ids=lambda kind: kind.__name__)
def test_a_layer_carries_back_its_squared_jacobian_whatever_its_options(kind):
    @examples({m.Conv2d: 30, m.SparseConv2d: 20, m.ConvTranspose2d: 20}.get(kind, 10))
    @given(STRATEGIES[kind])
    def carries_back(case):
        check_curvature(*case)

    carries_back()


def test_columns_of_a_few_rows_at_a_time(monkeypatch):
    monkeypatch.setattr(convolution, "COLUMNS", 1)
    check_curvature(m.Conv2d(3, 3, padding="same", algorithm="im2col"), (2, 5, 6))


@pytest.mark.parametrize("algorithm", ["auto", "direct", "im2col"])
@pytest.mark.parametrize(("groups", "padding", "channels"), [(1, 1, 2), (2, 1, 4), (2, (0, 2), 4), (3, 1, 6), (2, 0, 10)])
def test_grouped_and_padded_convolutions_carry_back_their_squared_jacobian(algorithm, groups, padding, channels):
    """With few channels the squares of the map are padded apart, with more than four they are not."""
    layer = m.Conv2d(2 * groups, (3, 2), stride=(1, 2), padding=padding, groups=groups, algorithm=algorithm)
    check_curvature(layer, (channels, 4, 5))


@pytest.mark.parametrize("images", [1, 16, 33])
def test_images_add_up_over_groups_and_dead_lanes_count_for_nothing(images):
    layers = [("C", m.Conv2d(2, 2)), m.Tanh(), m.Flatten(), ("F", Dense(3))]
    net = Network(layers, (1, 3, 3), dtype="float64", threads=1)
    x, hy = RNG.standard_normal((images, 1, 3, 3)), RNG.random((images, 3))
    hx, totals = ours(net, x, hy)
    each = [ours(net, x[i : i + 1], hy[i : i + 1]) for i in range(images)]
    close(hx, np.concatenate([one for one, _ in each]))
    for name, total in totals.items():
        close(total, sum(one[name] for _, one in each))


def gauss_newton(net, loss_hessian, x):
    """The exact diagonal Σ_n diag(Jᵀ H_n J) by each parameter, for Hessians H_n (D, D) of the loss by the output."""
    y = net.forward(x)
    totals = {name: np.zeros_like(view) for name, view in net.params.items()}
    for n in range(len(x)):
        jacobian = []
        for d in range(y.shape[1]):
            dy = np.zeros_like(y)
            dy[n, d] = 1
            net.backward(dy)
            jacobian.append(net.grads.flat.copy())
        diagonal = np.einsum("ip,ij,jp->p", jacobian, loss_hessian(y[n]), jacobian)
        for name, part in zip(totals, np.split(diagonal, ends(net)), strict=True):
            totals[name] += part.reshape(totals[name].shape)
    return totals


def ends(net):
    return np.cumsum([view.size for view in net.params.values()])[:-1]


def test_with_one_hidden_layer_and_squared_errors_it_is_the_gauss_newton_diagonal():
    """A hidden unit's weights reach the output through that unit alone, and squared errors do not couple outputs."""
    net = Network([("F1", Dense(5)), m.ScaledTanh(), ("F2", Dense(3))], (4,), dtype="float64", threads=1)
    x = RNG.standard_normal((7, 4))
    expected = gauss_newton(net, lambda y: np.eye(3) * 2 / (7 * 3), x)
    for name, total in net.curvature(MSE(), x, RNG.standard_normal((7, 3))).items():
        close(total, expected[name])


def test_with_cross_entropy_the_last_layer_has_the_gauss_newton_diagonal():
    net = Network([("F", Dense(4))], (3,), dtype="float64", threads=1)
    x, labels = RNG.standard_normal((6, 3)), RNG.integers(0, 4, 6)

    def hessian(y):
        p = np.exp(y) / np.exp(y).sum()
        return (np.diag(p) - np.outer(p, p)) / 6

    expected = gauss_newton(net, hessian, x)
    for name, total in net.curvature(CrossEntropy(0.1), x, labels).items():
        close(total, expected[name])


def test_a_network_is_its_layers_in_turn():
    """Each layer alone, by brute force, from the second derivatives that the next one made."""
    layers = [("C", m.Conv2d(2, 3)), ("f", m.ScaledTanh()), ("S", m.Subsample(2)), ("g", m.Sigmoid())]
    layers += [("D", m.SparseConv2d(((0, 1), (1, 0)), 2, group_sizes=(2,))), ("flat", m.Flatten()), ("F", Dense(3))]
    net = Network(layers, (1, 8, 8), dtype="float64", threads=1)
    x, hy = RNG.standard_normal((2, 1, 8, 8)), RNG.random((2, 3))
    got_hx, got = ours(net, x, hy)
    net.forward(x)
    inputs = [x, *(net.activation(name) for name, _ in layers[:-1])]
    for (name, layer), given_x in zip(reversed(layers), reversed(inputs), strict=True):
        alone = Network([(name, layer)], given_x.shape[1:], dtype="float64", threads=1)
        alone.load_params({key: net.params[key] for key in alone.params})
        hy, totals = brute(alone, given_x, hy.reshape(2, *alone.out_shape))
        for key, total in totals.items():
            close(got[key], total)
    close(got_hx, hy)


def test_gradients_and_steps_stay_as_they_are():
    net = Network([Dense(3)], (4,), threads=1)
    x, labels = RNG.standard_normal((5, 4)), RNG.integers(0, 3, 5)
    net.loss_and_grads(CrossEntropy(), x, labels)
    before, steps = net.grads.flat.copy(), net.steps
    curvature = net.curvature(CrossEntropy(), x, labels, index=[0, 3])
    assert np.array_equal(net.grads.flat, before)
    assert net.steps == steps
    assert list(curvature) == list(net.params)
    assert curvature.flat.shape == net.params.flat.shape
    np.testing.assert_array_equal(curvature.flat, net.curvature(CrossEntropy(), x[[0, 3]], labels[[0, 3]]).flat)


def test_ordinary_training_has_no_memory_for_it():
    net = Network([("S", m.Subsample(2)), ("C", m.Conv2d(2, 2, padding=1)), m.Flatten(), Dense(3)], (1, 8, 8), threads=1)
    group = net._runner.group(0, True, 16)
    kept = {"S.y", "C.y", "3.y", "in", "target", "index", "labels", "lanes", "number", "place", "rng", "dy"}
    kept |= {"S.dx", "C.dx", "3.dx"}
    assert set(group.arena.arrays) == kept


@dataclass(frozen=True)
class Plain(m.Layer):
    """y = x, without a curvature."""

    def plan(self, in_shape):
        return Plan(in_shape)

    def forward(self, k, x, y):
        k.copy(x, y)

    def backward(self, k, dy, dx):
        if dx is not None:
            k.copy(dy, dx)


@dataclass(frozen=True)
class Slope(Plain):
    """y = x, whose second derivative is said to be its first."""

    def curvature(self, k, dy, hx):
        k.copy(dy, hx)


def test_a_layer_may_name_its_first_derivative_however_many_layers_come_after_it():
    net = Network([Dense(3), Dense(3), ("F", Dense(3)), Slope(), *[Dense(3)] * 4], (3,), "float64", threads=1)
    x, t = np.random.default_rng(0).standard_normal((2, 20, 3))
    curvature = net.curvature(MSE(), x, t)
    net.loss_and_grads(MSE(), x, t)
    np.testing.assert_allclose(curvature["F.b"], net.grads["F.b"], rtol=1e-9)


@dataclass(frozen=True)
class Flat(Loss):
    """E = 0, without a curvature."""

    def forward(self, k):
        """Add nothing."""

    def backward(self, k, dy):
        k.zero(dy)


def test_a_layer_without_a_curvature_says_so():
    net = Network([Dense(3), ("mine", Plain())], (4,), threads=1)
    message = (
        'layer 1 "mine" Plain(): expected a method curvature, got none; '
        "give it one as minicnn.Layer says, or take an optimiser that needs none, such as SGD"
    )
    with pytest.raises(ContractError, match=f"^{re.escape(message)}$"):
        net.curvature(MSE(), np.zeros((2, 4)), [0, 1])


def test_a_loss_without_a_curvature_says_so():
    message = (
        "Flat: expected a method curvature, got none; "
        "give it one as minicnn.nn.losses.Loss says, or train with MSE or CrossEntropy"
    )
    with pytest.raises(ContractError, match=f"^{re.escape(message)}$"):
        Network([Dense(3)], (4,), threads=1).curvature(Flat(), np.zeros((2, 4)), [0, 1])


def test_names_of_the_third_pass_are_taken():
    @dataclass(frozen=True)
    class Taken(Plain):
        def plan(self, in_shape):
            return Plan(in_shape, {"b": m.Param((1,), m.Constant(0.0))}, consts={"hb": np.zeros(1)})

    with pytest.raises(ContractError, match=r"expected names that are used once, got 'hb' again"):
        Network([Taken()], (4,), threads=1)


def test_the_oracles_of_second_derivatives_are_slopes_of_first_ones():
    y, labels = RNG.standard_normal((3, 4)), RNG.integers(0, 4, 3)
    for d in range(4):
        step = 1e-6 * np.eye(4)[d]
        ce = naive.cross_entropy_dy(y + step, labels, 0.1) - naive.cross_entropy_dy(y - step, labels, 0.1)
        np.testing.assert_allclose(naive.cross_entropy_hy(y)[:, d], ce[:, d] / 2e-6, rtol=1e-6)
        mse = naive.mse_dy(y + step, y) - naive.mse_dy(y - step, y)
        np.testing.assert_allclose(naive.mse_hy(y)[:, d], mse[:, d] / 2e-6, rtol=1e-6)
