"""The layer contract as named checks."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import cast

import numpy as np

from ..arrays import Array, Shape
from ..backends.derived import Derived
from ..backends.executor import Executor
from ..backends.meeting import as_one_group
from ..engine.accumulate import GradientSlots, Slot
from ..engine.context import Context
from ..engine.inputs import Arrays
from ..engine.memory import ParameterVector
from ..engine.prepare import Preparation
from ..engine.record import signature_of
from ..engine.shared import preparation
from ..engine.trace import Trace
from ..engine.values import values_of
from ..network import Network
from ..nn.base import Layer
from ..nn.losses import MSE
from .check import Check
from .gradients import check_gradient
from .joins import items_of

GROUPS = (16, 1)
"""Lanes of the groups that a layer is checked in: the usual ones, and those of one image, with kernels of their own."""


def images_in(lanes: int) -> int:
    """How many images are checked: two full groups and one over."""
    return 2 * lanes + 1


@dataclass
class Subject:
    """A layer with everything that its checks need, and lanes to check it in.

    Checks share a network and groups, because building them takes most of the time. Each check leaves the parameters as they
    were, and fills memory with junk only in groups of its own.
    """

    layer: Layer
    in_shape: Shape | Sequence[Shape]
    seed: int
    zero_gradients: bool
    backend: str
    lanes: int

    @cached_property
    def doubles(self) -> Network:
        """The shared network in float64."""
        return self.network("float64")

    @cached_property
    def traced(self) -> Traced:
        """The shared groups of the whole batch."""
        return Traced(self, self.images())

    def network(self, dtype: str, threads: int = 1) -> Network:
        """A new network of the layer alone."""
        shapes = cast("Sequence[Shape]", self.in_shape if self.layer.joins else (self.in_shape,))
        items, in_shape = items_of(self.layer, shapes)
        return Network(items, in_shape, dtype, self.backend, threads, self.seed, self.lanes)

    def images(self) -> Array:
        """The images of the batch."""
        return np.random.default_rng(self.seed).standard_normal((images_in(self.lanes), *self.doubles.in_shape))


class Traced:
    """New groups of the shared network in float64; all their buffers can be looked at after a training pass.

    Args:
        subject: what is checked.
        x: the images.
    """

    def __init__(self, subject: Subject, x: Array) -> None:
        self.net, self.x = subject.doubles, x
        net = self.net
        values, derived = values_of(net.layers, net.in_shapes, net.outputs), Derived(net.params.memory)
        context = Context(net.layers, values, net.dtype, net.lanes, net.backend, net.seed, derived)
        self.slots = GradientSlots(net.grads, net.backend)
        prepare = Preparation(net.layers, preparation(net.layers, net.backend), context.derived)
        self._trace = Trace(context, Executor(1, net.backend), prepare, self.slots)
        self.groups = self._trace.groups

    def forward(self) -> Array:
        """The outputs for the images."""
        y = self._trace.forward([Arrays(self.x, self.net.dtype)], np.arange(len(self.x)), 0, train=True)
        self.groups = self._trace.groups
        return y

    def backward(self, dy: Array) -> Array:
        """The gradient of the images."""
        return self._trace.backward([Arrays(dy, self.net.dtype)], input_grad=True)[0]


def check_layer(
    layer: Layer,
    in_shape: Shape | tuple[Shape, ...],
    seed: int = 0,
    zero_gradients: bool = False,
    backend: str = "cpu",
    lanes: Sequence[int] = GROUPS,
) -> list[Check]:
    """The layer contract as named checks of a layer; nothing is checked until they are called.

    Planned shapes are the real ones; gradients are right in float64, also after an update; every buffer is written before it
    is read; inputs stay untouched; images do not depend on each other, any batch size gives the same, or where the layer
    measures the batch their order does not matter; padding lanes are exactly zero in dx; parameter gradients are added, not
    written; float32 agrees with float64; running allocates nothing; two threads give the bits of one. All of it holds for
    groups of any lanes.

    Args:
        layer: the layer.
        in_shape: shape of one image, without lanes; for a layer that joins several inputs the shapes of all.
        seed: of the data and the directions.
        zero_gradients: the gradients may be zero.
        backend: of the networks that the layer is put into.
        lanes: of the groups that it is checked in.

    Returns:
        The checks, to be called one by one, in any order: each raises AssertionError where the contract is broken; the
        message says where.

    >>> from minicnn import Dense
    >>> for check in check_layer(Dense(3), (4,)):
    ...     check()
    """
    checks: list[Check] = []
    for own in lanes:
        subject = Subject(layer, in_shape, seed, zero_gradients, backend, own)
        parts: dict[str, Callable[[Subject], None]] = {"gradients": partial(_check_gradients, train=True)}
        if _asks_for_training(layer):
            parts["gradients in inference"] = partial(_check_gradients, train=False)
        parts["shapes and inputs"] = _check_shape_and_input
        if not layer.measures(train=True):
            parts["independent images"] = partial(_check_independence, train=True)
        else:
            parts["order of images"] = _check_order
            if not layer.measures(train=False):
                parts["independent images in inference"] = partial(_check_independence, train=False)
        parts["written before read"] = _check_buffers
        if own > 1:
            parts["padding lanes"] = _check_padding
        parts |= {"added gradients": _check_added, "float32": _check_float32, "no allocation": _check_allocation}
        parts |= {"threads": _check_threads, "gradients after an update": _check_update}
        number = f"{own} lanes" if own > 1 else "1 lane"
        checks += [Check(f"{name}, {number}", partial(check, subject)) for name, check in parts.items()]
    return checks


def _asks_for_training(layer: Layer) -> bool:
    """Whether a pass of a layer may differ in training."""
    asks = any("train" in signature_of(method) for method in (layer.forward, layer.backward))
    return asks or layer.measures(train=True) != layer.measures(train=False)


def _check_gradients(s: Subject, train: bool) -> None:
    check_gradient(s.doubles, s.images(), s.seed, s.zero_gradients, train)


def _check_update(s: Subject) -> None:
    """A layer that froze weights when it was bound is wrong from now on."""
    net, x = s.doubles, s.images()
    net.backward(np.ones_like(net.forward(x, train=True)))
    before = net.params.flat.copy()
    try:
        net.params.flat[...] *= 1.25
        check_gradient(net, x, s.seed, s.zero_gradients, train=True)
    finally:
        net.params.flat[...] = before


def _check_shape_and_input(s: Subject) -> None:
    traced = s.traced
    net, x = traced.net, traced.x
    kept = x.copy()
    y = traced.forward()
    assert y.shape == (len(x), *net.out_shape), f"forward: expected shape {(len(x), *net.out_shape)}, got {y.shape}"
    assert np.isfinite(y).all(), "forward: expected finite outputs for finite inputs, got others"
    assert np.array_equal(x, kept), "forward: expected x untouched, got it changed"
    traced.backward(np.ones_like(y))
    for i, group in enumerate(traced.groups):
        for name, own, given in (("x", group["in"], x), ("y", group.y, y)):
            images = given[i * net.lanes : (i + 1) * net.lanes]
            same = np.array_equal(np.moveaxis(own, -1, 0)[: len(images)], images)
            assert same, f"passes: expected {name} in lanes untouched after forward and backward, got it changed"


def _check_independence(s: Subject, train: bool) -> None:
    net, x = s.doubles, s.images()
    y = net.forward(x, train=train)
    for n in sorted({1, max(1, s.lanes - 1), s.lanes, s.lanes + 1, 2 * s.lanes}):
        same = np.array_equal(net.forward(x[:n], train=train), y[:n])
        assert same, f"batch size: expected the first {n} images to give the same alone as among {len(x)}, got a difference"
    rng = np.random.default_rng(7)
    for kept, changed in ((slice(0, 1), slice(1, None)), (slice(1, None), slice(0, 1))):
        mates = x.copy()
        mates[changed] = rng.standard_normal(mates[changed].shape)
        same = np.array_equal(net.forward(mates, train=train)[kept], y[kept])
        assert same, "group: expected an image to be independent of the others, it is not"


def _check_order(s: Subject) -> None:
    """What a layer measures is that of the whole batch, whichever groups its images come in."""
    net, x = s.doubles, s.images()
    order = np.random.default_rng(s.seed).permutation(len(x))
    y = net.forward(x, train=True)
    worst = np.abs(net.forward(x[order], train=True) - y[order]).max()
    assert worst <= 1e-9 * (1 + np.abs(y).max()), f"batch: expected the same in any order of the images, got {worst:.3g} apart"
    mates = x.copy()
    mates[-1] += 1
    assert not np.array_equal(net.forward(mates, train=True)[0], y[0]), "batch: expected the first image to feel the last one"


def _gradient_of(s: Subject, y: Array, seed: int) -> Array:
    """A random dy."""
    return np.asarray(np.random.default_rng(s.seed + seed).standard_normal(y.shape))


def _check_buffers(s: Subject) -> None:
    """Buffers full of NaN must come back finite."""
    traced = Traced(s, s.images())
    y = traced.forward()
    dy = _gradient_of(s, y, 2)
    dx = traced.backward(dy)
    for junk in (np.nan, 1e30):
        for group in traced.groups:
            group.fill(junk)
        same = np.array_equal(traced.forward(), y)
        assert same, f"forward: expected to read only what was written, got other outputs over {junk}"
        for group in traced.groups:
            group["dy"][...] = junk
        same = np.array_equal(traced.backward(dy), dx)
        assert same, f"backward: expected to read only what was written, got another dx over {junk}"


def _check_padding(s: Subject) -> None:
    """Padding lanes of dx must be zero whatever stood there."""
    images = s.doubles.layers[-1].plan.images
    traced = Traced(s, s.images()[-images:])
    dy = _gradient_of(s, traced.forward(), 2)
    traced.backward(dy)
    for junk in (np.nan, 1e30):
        for group in traced.groups:
            group.fill(junk)
        traced.forward()
        for group in traced.groups:
            group["dy"][...] = junk
        traced.backward(dy)
        assert not traced.groups[-1].dxs[0][..., images:].any(), (
            "backward: expected dx of exactly zero in padding lanes, got other numbers"
        )


def _check_added(s: Subject) -> None:
    """A slot that starts at 1 must end 1 above one that starts at 0."""
    s.traced.forward()
    net, group = s.traced.net, s.traced.groups[0]
    dy = _gradient_of(s, group["dy"], 3)
    results = []
    for start in (0.0, 1.0):
        own = ParameterVector({n: v.shape for n, v in net.grads.items()}, net.dtype)
        slot = Slot(own, np.zeros((1, 2), np.int64), net.backend)
        slot.grads.flat[...] = start
        group["dy"][...] = dy
        group.run(as_one_group(group.backward(slot, input_grad=True)))
        results.append(slot.grads.flat - start)
    close = np.allclose(results[0], results[1], rtol=1e-9, atol=1e-9 * max(1.0, float(np.abs(results[0]).max(initial=0))))
    assert close, "backward: expected parameter gradients to be added to what is there, got them written"


def _check_float32(s: Subject) -> None:
    doubles, singles = s.network("float64"), s.network("float32")
    doubles.params.flat[...] = singles.params.flat
    wide = s.images().astype(np.float32)
    expected, got = doubles.forward(wide, train=True), singles.forward(wide, train=True)
    tolerance = 2e-5 * (1 + np.abs(expected).max())
    worst = np.abs(expected - got).max()
    assert worst <= tolerance, f"float32: expected outputs within {tolerance:.3g} of float64's, got {worst:.3g}"
    dy = np.asarray(_gradient_of(s, got, 4), np.float32)
    pairs = {"dx": (doubles.backward(dy), singles.backward(dy)), "gradients": (doubles.grads.flat, singles.grads.flat)}
    for name, (exact, rounded) in pairs.items():
        assert exact is not None
        assert rounded is not None
        tolerance = 1e-4 * (1 + np.abs(exact).max(initial=0))
        worst = np.abs(exact - rounded).max(initial=0)
        assert worst <= tolerance, f"float32: expected {name} within {tolerance:.3g} of float64's, got {worst:.3g}"


def _check_allocation(s: Subject) -> None:
    if s.lanes < s.doubles.layers[-1].plan.images:
        return  # one group alone is no training batch of this layer
    s.traced.forward()
    group = s.traced.groups[0]
    programs = [as_one_group(p) for p in (group.forward, group.backward(s.traced.slots.take(1)[0], True))]
    task = group.task(programs, 0, 1, 1)
    task.run(group.context.backend.memory)
    tracemalloc.start()
    task.run(group.context.backend.memory)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    backend = group.context.backend
    limit = 1 << 14 if backend.checked or backend.interpreted else 1 << 11
    assert backend.interpreted or peak < limit, f"run: expected no allocation, got {peak} bytes at the peak"


def _check_threads(s: Subject) -> None:
    bits, x = [], s.images()
    for threads in (1, 2):
        net = s.network("float32", threads)
        loss = net.loss_and_grads(MSE(), x, np.zeros((len(x), *net.out_shape)))
        bits.append((loss, net.grads.flat.tobytes()))
    assert bits[0] == bits[1], "threads: expected two threads to give the bits of one, got a difference"
