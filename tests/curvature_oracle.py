"""The Gauss–Newton diagonal by brute force: squared Jacobians, built from backward passes over unit vectors."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from minicnn import Network
from minicnn.engine import inputs
from minicnn.engine.curvature import curvature
from minicnn.engine.inputs import targets
from minicnn.nn.losses import Loss
from minicnn.testing.joins import items_of


@dataclass(frozen=True)
class Given(Loss):
    """No loss, but a given diagonal of second derivatives: hy = 2/(N·D) · target, zero in padding lanes."""

    vectors: ClassVar[bool] = True

    def forward(self, k):
        """Add nothing."""

    def backward(self, k, dy):
        k.zero(dy)

    def curvature(self, k, dy, target, lanes, scale, hy):
        k.mse_dy(target, dy, lanes, scale, hy)


def ours(net, x, hy):
    """hx (N, …), and the curvatures of the parameters by name, for second derivatives hy (N, …) of the output."""
    target, chosen = hy * hy.size / 2, np.arange(len(x))
    given = targets(Given(), target, len(x), chosen, net.dtype, net.out_shape, lambda kind: Given())
    source = inputs.source("x", x, net.dtype, net.in_shape)
    total, (hx,) = curvature(net._context, net._executor, net._preparation, [source], [given], chosen, net.steps, of_input=True)
    return hx, {name: view.copy() for name, view in total.items()}


def brute(net, x, hy):
    """The same by Σ_k (∂y_k/∂·)² hy_k."""
    y = net.forward(x, train=True)  # as curvature, in training
    hx, totals = np.zeros_like(x), {name: np.zeros_like(view) for name, view in net.params.items()}
    for place in np.ndindex(y.shape):
        dy = np.zeros_like(y)
        dy[place] = 1
        hx += net.backward(dy) ** 2 * hy[place]
        for name, view in net.grads.items():
            totals[name] += view**2 * hy[place]
    return hx, totals


def close(got, expected):
    """Equal but for rounding."""
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-10 * max(1.0, np.abs(expected).max(initial=0)))


def check_curvature(layer, in_shape, seed=0):
    """A layer's curvature is its squared Jacobian times a random hy, for groups of 16 lanes, with padding, and of one image."""
    for lanes in (16, 1):
        items, shape = items_of(layer, in_shape if layer.joins else (in_shape,))
        net = Network(items, shape, dtype="float64", threads=1, seed=seed, lanes=lanes)
        rng = np.random.default_rng(seed)
        x, hy = rng.standard_normal((2, *shape)), rng.standard_normal((2, *net.out_shape))
        (hx, totals), (expected_hx, expected) = ours(net, x, hy), brute(net, x, hy)
        close(hx, expected_hx)
        for name, total in expected.items():
            close(totals[name], total)
