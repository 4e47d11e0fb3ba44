"""Checks for layers, minicnn's own and yours: gradients, the layer contract, and adjoint pairs.

All raise AssertionError with the figures that differ. Gradients are compared in float64 along random directions with a
random upstream gradient: all-ones upstream gradients hide transposed indices, and float32 hides small terms.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np

from .arrays import Array, Shape
from .engine.accumulate import Slot
from .engine.memory import ParameterVector
from .engine.record import signature_of
from .network import Network
from .nn.base import Layer
from .nn.losses import MSE

STEP = 1e-6
TOLERANCE = 1e-6
RAGGED = {16: 33, 1: 3}
"""Images in a batch, by lanes: two full groups of 16 and one image over; groups of one image, with kernels of their own."""


def check_layer(layer: Layer, in_shape: Shape, seed: int = 0, zero_gradients: bool = False, backend: str = "cpu") -> None:
    """Put a layer through the whole layer contract.

    Planned shapes are the real ones; gradients are right in float64; every buffer is written before it is read; inputs stay
    untouched; images do not depend on each other; any batch size gives the same; padding lanes are exactly zero in dx;
    parameter gradients are added, not written; float32 agrees with float64; running allocates nothing; two threads give the
    bits of one. All of it holds for groups of 16 lanes and for those of one image.

    Args:
        layer: the layer.
        in_shape: shape of one image, without lanes.
        seed: of the data and the directions.
        zero_gradients: the gradients may be zero.
        backend: of the networks that the layer is put into.

    Raises:
        AssertionError: the contract is broken; the message says where.

    >>> from minicnn import Dense
    >>> check_layer(Dense(3), (4,))
    """
    for lanes, images in RAGGED.items():
        options: dict[str, Any] = {"seed": seed, "lanes": lanes, "backend": backend}
        net = Network([("layer", layer)], in_shape, dtype="float64", threads=1, **options)
        x = np.random.default_rng(seed).standard_normal((images, *in_shape))
        for train in (True, False) if _asks_for_training(layer) else (True,):
            check_gradient(net, x, seed, zero_gradients, train)
        _check_shape_and_input(net, x)
        _check_independence(net, x)
        _check_buffers(net, x, seed)
        _check_added(net, seed)
        _check_float32(layer, in_shape, x, options)
        _check_allocation(net, x)
        _check_threads(layer, in_shape, x, options)
        net.params.flat[...] *= 1.25  # a layer that froze weights when it was bound is wrong from now on
        check_gradient(net, x, seed, zero_gradients, train=True)


def _asks_for_training(layer: Layer) -> bool:
    """Whether a pass of a layer may differ in training."""
    return any("train" in signature_of(method) for method in (layer.forward, layer.backward))


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
    _check_direction("x", dx, rng, lambda u: float(np.vdot(dy, net.forward(x + u, train=train))), zero_gradients)
    gradients = {name: view.copy() for name, view in net.grads.items()}
    for name, gradient in gradients.items():
        value = net.params[name].copy()

        def moved(u: Array, name: str = name, value: Array = value) -> float:
            net.params[name][...] = value + u
            result = float(np.vdot(dy, net.forward(x, train=train)))
            net.params[name][...] = value
            return result

        _check_direction(name, gradient, rng, moved, zero_gradients)


def _check_direction(
    name: str, gradient: Array, rng: np.random.Generator, energy: Callable[[Array], float], zero_gradients: bool
) -> None:
    u: Array = np.asarray(rng.standard_normal(gradient.shape))
    numeric = (energy(STEP * u) - energy(-STEP * u)) / (2 * STEP)
    written = float(np.vdot(gradient, u))
    size = float(np.linalg.norm(gradient))
    assert np.isfinite(size), f"gradient of {name}: expected finite numbers, got {size}"
    assert zero_gradients or size > 0, f"gradient of {name}: expected one that is not zero, got zeros; give another input"
    scale = max(abs(numeric), abs(written), size)
    message = f"gradient of {name}: expected {numeric:.12g} by differences along a random direction, got {written:.12g}"
    assert abs(numeric - written) <= TOLERANCE * scale + 1e-9, message


def check_adjoint(
    forward: Callable[[Array], Array], adjoint: Callable[[Array], Array], x_shape: Shape, y_shape: Shape, seed: int = 0
) -> None:
    """Check that two linear maps are adjoint: ⟨A x, y⟩ = ⟨x, Aᵀ y⟩ for random x and y in float64.

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


def _check_shape_and_input(net: Network, x: Array) -> None:
    kept = x.copy()
    y = net.forward(x, train=True)
    assert y.shape == (len(x), *net.out_shape), f"forward: expected shape {(len(x), *net.out_shape)}, got {y.shape}"
    assert np.isfinite(y).all(), "forward: expected finite outputs for finite inputs, got others"
    assert np.array_equal(x, kept), "forward: expected x untouched, got it changed"
    net.backward(np.ones_like(y))
    for i, group in enumerate(net._trace.groups):
        for name, own, given in (("x", group["in"], x), ("y", group.y, y)):
            images = given[i * net.lanes : (i + 1) * net.lanes]
            same = np.array_equal(np.moveaxis(own, -1, 0)[: len(images)], images)
            assert same, f"passes: expected {name} in lanes untouched after forward and backward, got it changed"


def _check_independence(net: Network, x: Array) -> None:
    y = net.forward(x, train=True)
    for n in (1, 15, 16, 17, 32):
        same = np.array_equal(net.forward(x[:n], train=True), y[:n])
        assert same, f"batch size: expected the first {n} images to give the same alone as among {len(x)}, got a difference"
    rng = np.random.default_rng(7)
    for kept, changed in ((slice(0, 1), slice(1, None)), (slice(1, None), slice(0, 1))):
        mates = x.copy()
        mates[changed] = rng.standard_normal(mates[changed].shape)
        same = np.array_equal(net.forward(mates, train=True)[kept], y[kept])
        assert same, "group: expected an image to be independent of the others, it is not"


def _check_buffers(net: Network, x: Array, seed: int) -> None:
    """Buffers full of NaN must come back finite, and padding lanes of dx must be zero whatever stood there."""
    dy = np.random.default_rng(seed + 2).standard_normal((len(x), *net.out_shape))
    y = net.forward(x, train=True)
    dx = net.backward(dy)
    for junk in (np.nan, 1e30):
        for group in net._trace.groups:
            group.fill(junk)
        assert np.array_equal(net.forward(x, train=True), y), (
            f"forward: expected to read only what was written, got other outputs over {junk}"
        )
        for group in net._trace.groups:
            group["dy"][...] = junk
        again = net.backward(dy)
        assert dx is not None
        assert again is not None
        assert np.array_equal(again, dx), f"backward: expected to read only what was written, got another dx over {junk}"
        dead = net._trace.groups[-1].dx[..., len(x) - (len(net._trace.groups) - 1) * net.lanes :]
        assert not dead.any(), "backward: expected dx of exactly zero in padding lanes, got other numbers"


def _check_added(net: Network, seed: int) -> None:
    """A slot that starts at 1 must end 1 above one that starts at 0."""
    group = net._trace.groups[0]
    group["dy"][...] = np.random.default_rng(seed + 3).standard_normal(group["dy"].shape)
    dy = group["dy"].copy()
    results = []
    for start in (0.0, 1.0):
        own = ParameterVector({n: v.shape for n, v in net.grads.items()}, net.dtype)
        slot = Slot(own, np.zeros(2, np.int64), net.backend)
        slot.grads.flat[...] = start
        group["dy"][...] = dy
        group.run(group.backward(slot, input_grad=True))
        results.append(slot.grads.flat - start)
    close = np.allclose(results[0], results[1], rtol=1e-9, atol=1e-9 * max(1.0, float(np.abs(results[0]).max(initial=0))))
    assert close, "backward: expected parameter gradients to be added to what is there, got them written"


def _check_float32(layer: Layer, in_shape: Shape, x: Array, options: dict[str, Any]) -> None:
    doubles, singles = (Network([layer], in_shape, dtype=dtype, threads=1, **options) for dtype in ("float64", "float32"))
    doubles.params.flat[...] = singles.params.flat
    wide = x.astype(np.float32)
    expected, got = doubles.forward(wide, train=True), singles.forward(wide, train=True)
    tolerance = 2e-5 * (1 + np.abs(expected).max())
    worst = np.abs(expected - got).max()
    assert worst <= tolerance, f"float32: expected outputs within {tolerance:.3g} of float64's, got {worst:.3g}"
    dy = np.asarray(np.random.default_rng(options["seed"] + 4).standard_normal(got.shape), np.float32)
    pairs = {"dx": (doubles.backward(dy), singles.backward(dy)), "gradients": (doubles.grads.flat, singles.grads.flat)}
    for name, (exact, rounded) in pairs.items():
        assert exact is not None
        assert rounded is not None
        tolerance = 1e-4 * (1 + np.abs(exact).max(initial=0))
        worst = np.abs(exact - rounded).max(initial=0)
        assert worst <= tolerance, f"float32: expected {name} within {tolerance:.3g} of float64's, got {worst:.3g}"


def _check_allocation(net: Network, x: Array) -> None:
    net.forward(x, train=True)
    group = net._trace.groups[0]
    programs = [group.forward, group.backward(net._slots.take(1)[0], True)]
    group.run(*programs)
    tracemalloc.start()
    group.run(*programs)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    limit = 1 << 14 if net.backend.checked or net.backend.interpreted else 1 << 11
    assert net.backend.interpreted or peak < limit, f"run: expected no allocation, got {peak} bytes at the peak"


def _check_threads(layer: Layer, in_shape: Shape, x: Array, options: dict[str, Any]) -> None:
    bits = []
    for threads in (1, 2):
        net = Network([layer], in_shape, threads=threads, **options)
        loss = net.loss_and_grads(MSE(), x, np.zeros((len(x), *net.out_shape)))
        bits.append((loss, net.grads.flat.tobytes()))
    assert bits[0] == bits[1], "threads: expected two threads to give the bits of one, got a difference"


__all__: list[str] = ["check_adjoint", "check_gradient", "check_layer"]
