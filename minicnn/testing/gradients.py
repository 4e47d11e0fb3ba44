"""Gradients against central differences, and adjoint pairs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..arrays import Array, Shape
from ..network import Network

STEP = 1e-6
TOLERANCE = 1e-6


def check_gradient(net: Network, x: Array, seed: int = 0, zero_gradients: bool = False, train: bool = False) -> None:
    """Compare a float64 network's hand-written gradients with central differences, for x and every parameter.

    With a random dy and a random direction u, (E(p + hu) − E(p − hu)) / 2h must be ⟨dp, u⟩ for E = ⟨dy, y⟩.

    Args:
        net: a network of dtype float64.
        x: images (N, …).
        seed: of dy and u.
        zero_gradients: a gradient may be zero; else a gradient of zeros is an error, since it would pass unseen.
        train: those of a training step, with dropout.

    Raises:
        AssertionError: a gradient is wrong; the message names it and gives both figures.
    """
    assert net.dtype == np.float64, "check_gradient: expected a network of dtype float64, got float32; build it with dtype"
    rng = np.random.default_rng(seed + 1)
    dy = rng.standard_normal((len(x), *net.out_shape))
    net.forward(x, train=train)
    dx = net.backward(dy)
    assert dx is not None
    check_direction("x", dx, rng, lambda u: float(np.vdot(dy, net.forward(x + u, train=train))), zero_gradients)
    gradients = {name: view.copy() for name, view in net.grads.items()}
    for name, gradient in gradients.items():
        value = net.params[name].copy()

        def moved(u: Array, name: str = name, value: Array = value) -> float:
            net.params[name][...] = value + u
            result = float(np.vdot(dy, net.forward(x, train=train)))
            net.params[name][...] = value
            return result

        check_direction(name, gradient, rng, moved, zero_gradients)


def check_direction(
    name: str,
    gradient: Array,
    rng: np.random.Generator,
    energy: Callable[[Array], float],
    zero_gradients: bool,
    step: float = STEP,
    rounding: float = 1e-9,
) -> None:
    """Compare a gradient with the central difference of an energy along one random direction.

    Args:
        name: of what the gradient is by.
        gradient: the gradient.
        rng: gives the direction.
        energy: the energy after a step.
        zero_gradients: the gradient may be zero.
        step: h of the difference.
        rounding: what rounding may do to the difference.

    Raises:
        AssertionError: they differ.
    """
    u: Array = np.asarray(rng.standard_normal(gradient.shape))
    numeric = (energy(step * u) - energy(-step * u)) / (2 * step)
    written = float(np.vdot(gradient, u))
    size = float(np.linalg.norm(gradient))
    scale = max(abs(numeric), abs(written), size)
    got = None
    if not np.isfinite(size):
        got = f"expected finite numbers, got {size}"
    elif not zero_gradients and size == 0:
        got = "expected one that is not zero, got zeros; give another input"
    elif not abs(numeric - written) <= TOLERANCE * scale + rounding:
        got = f"expected {numeric:.12g} by differences along a random direction, got {written:.12g}"
    if got is not None:  # no assert statement, as a program calls this, which may run without those
        raise AssertionError(f"gradient of {name}: {got}")


def check_adjoint(
    forward: Callable[[Array], Array], adjoint: Callable[[Array], Array], x_shape: Shape, y_shape: Shape, seed: int = 0
) -> None:
    """Check that two linear maps are adjoint: ⟨A x, y⟩ = ⟨x, Aᵀ y⟩ for random x and y in float64.

    Args:
        forward: A, from an array of ``x_shape`` to one of ``y_shape``.
        adjoint: Aᵀ, back.
        x_shape: the shape of x.
        y_shape: the shape of y.
        seed: of x and y.

    Raises:
        AssertionError: they are not; the message gives both products.

    >>> A = np.arange(6.0).reshape(2, 3)
    >>> check_adjoint(lambda x: A @ x, lambda y: A.T @ y, (3,), (2,))
    """
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal(x_shape), rng.standard_normal(y_shape)
    image, back = forward(x), adjoint(y)
    left, right = float(np.vdot(image, y)), float(np.vdot(x, back))
    scale = float(np.linalg.norm(image) * np.linalg.norm(y)) + 1.0
    assert abs(left - right) <= 1e-10 * scale, f"adjoint: expected ⟨Ax, y⟩ = {left:.12g}, got ⟨x, Aᵀy⟩ = {right:.12g}"
