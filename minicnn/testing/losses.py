"""What a loss has to keep, as named checks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

from ..arrays import Array
from ..backends.derived import Derived
from ..engine.accumulate import Slot
from ..engine.batch import Batch, group_lanes
from ..engine.context import Context
from ..engine.curvature import Curved
from ..engine.inputs import Arrays, Targets, total_weight
from ..engine.memory import ParameterVector
from ..engine.record import signature_of
from ..engine.values import values_of
from ..network import Network
from ..nn.dense import Dense
from ..nn.flatten import Flatten
from ..nn.losses import Loss
from .check import Check
from .gradients import STEP, TOLERANCE, check_direction
from .layers import GROUPS, images_in

JUNK = (np.nan, 1e3)
"""What stands in memory that nobody may read."""


class Passes(NamedTuple):
    """What a loss makes of a batch.

    Attributes:
        value: the loss.
        dy: its gradient (N, D).
        hy: its second derivatives (N, D); zeros where it has no curvature.
        padding: dy and hy in the padding lanes of the last group.
        untouched: whether outputs and targets stayed as they were.
    """

    value: float
    dy: Array
    hy: Array
    padding: tuple[Array, Array]
    untouched: bool


@dataclass(frozen=True)
class Subject:
    """A loss with everything that its checks need."""

    loss: Loss
    outputs: int
    seed: int
    backend: str
    lanes: int
    labelled: bool

    def batch(self) -> tuple[Array, Array]:
        """Outputs (N, D), and targets: labels (N,) or vectors (N, D)."""
        rng, images = np.random.default_rng(self.seed), images_in(self.lanes)
        y = rng.standard_normal((images, self.outputs))
        return y, rng.integers(0, self.outputs, images) if self.labelled else rng.standard_normal(y.shape)

    def total(self, target: Array) -> float | None:
        """What the sum over a batch is divided by; None for the number of images."""
        return total_weight(self.loss.for_targets("labels", self.outputs), target) if self.labelled else None

    def passes(self, y: Array, target: Array, dtype: str = "float64", junk: float = np.nan, padding: float = 1e3) -> Passes:
        """Run all passes of the loss on outputs (N, D), over memory full of junk; padding lanes may hold any finite number.

        A layer that is only a view hands the outputs on as they are.
        """
        net = Network([Flatten()], (self.outputs,), dtype, self.backend, threads=1, lanes=self.lanes)
        memory = net.backend.memory
        lanes = group_lanes(memory, len(y), net.lanes)
        values, derived = values_of(net.layers, net.in_shapes, net.outputs), Derived(net.params.memory)
        group = Curved(Context(net.layers, values, net.dtype, lanes, net.backend, net.seed, derived))
        slot, none = Slot(net.grads, np.zeros((1, 2), np.int64), net.backend), ParameterVector({}, net.dtype)
        loss, batch = (
            self.loss.for_targets("labels" if self.labelled else "vectors", self.outputs),
            Batch(len(y), net.dtype, memory),
        )
        labels, chosen = target if self.labelled else None, np.arange(len(y))
        batch.fill(chosen, 0, [Targets(loss, labels, total=self.total(target))])
        loads = [group.choose(batch), group.load_input(0, Arrays(y.astype(dtype)))]
        loads += [] if self.labelled else [group.load(Arrays(target.astype(dtype)), group.end("target"))]
        run = [group.loss(loss, slot, batch.scales[0], "labels" if self.labelled else "")]
        if loss.curvature is not None:
            run.append(group.curvature([loss], slot, batch.scales, none, of_input=False))
        dy, hy, untouched = [], [], True
        for number in range(-(-len(y) // lanes)):
            group.fill(junk)
            group["hy"][...] = junk if loss.curvature is not None else 0
            group.task(loads, number, number + 1, 1).run()
            live = int(group["lanes"][0])
            group.y[..., live:] = padding
            before = group.y.copy()
            group.task(run, number, number + 1, 1).run()
            untouched = untouched and np.array_equal(group.y, before)
            dy.append(group["dy"].copy())
            hy.append(group["hy"].copy())
        dead = dy[-1][..., live:], hy[-1][..., live:]
        gradient, second = (np.concatenate(parts, axis=1)[:, : len(y)].T for parts in (dy, hy))
        return Passes(float(slot.values[0][0]), gradient, second, dead, untouched)


def check_loss(loss: Loss, outputs: int = 5, seed: int = 0, backend: str = "cpu", lanes: Sequence[int] = GROUPS) -> list[Check]:
    """What a loss has to keep, as named checks; nothing is checked until they are called.

    The gradient is right in float64; passes read only what was written and leave the outputs untouched; padding lanes count
    nothing, and are exactly zero in dy and hy; the loss is the mean over the images; float32 agrees with float64; two threads
    give the bits of one; and the curvature, where there is one, is the diagonal of the second derivatives. All of it holds for
    class numbers as targets, and for vectors where the loss takes them.

    Args:
        loss: the loss.
        outputs: how many outputs an image has.
        seed: of the outputs and targets.
        backend: of the kernels.
        lanes: of the groups that it is checked in.

    Returns:
        The checks, to be called one by one: each raises AssertionError where the loss is wrong; the message says where.

    >>> from minicnn import CrossEntropy
    >>> for check in check_loss(CrossEntropy(label_smoothing=0.1)):
    ...     check()
    """
    parts: dict[str, Callable[[Subject], None]] = {"gradient": _check_gradient, "written before read": _check_written}
    parts |= {"padding lanes": _check_padding, "mean over images": _check_mean, "float32": _check_float32}
    parts["threads"] = _check_threads
    if loss.curvature is not None:
        parts["curvature"] = _check_curvature
    checks: list[Check] = []
    for several in lanes:
        number = f"{several} lanes" if several > 1 else "1 lane"
        for labelled in _kinds(loss):
            subject, kind = Subject(loss, outputs, seed, backend, several, labelled), "labels" if labelled else "vectors"
            own = [name for name in parts if several > 1 or name != "padding lanes"]
            checks += [Check(f"{name}, {kind}, {number}", partial(parts[name], subject)) for name in own]
    return checks


def _kinds(loss: Loss) -> list[bool]:
    """Whether targets may be class numbers (True), vectors (False), or either."""
    named = {name for one in (loss.forward, loss.backward) for name in signature_of(one)}
    only_vectors = not loss.classes or ("target" in named and "on_off" not in loss.consts() and loss.prepare_target is None)
    return [*([] if only_vectors else [True]), *([False] if loss.vectors or loss.dense else [])]


def _check_gradient(s: Subject) -> None:
    y, target = s.batch()
    rng = np.random.default_rng(s.seed + 1)
    check_direction("y", s.passes(y, target).dy, rng, lambda u: s.passes(y + u, target).value, zero_gradients=False)


def _check_written(s: Subject) -> None:
    y, target = s.batch()
    first = s.passes(y, target, junk=JUNK[0])
    assert np.isfinite(first.value), f"forward: expected a finite loss over outputs that are, got {first.value}"
    assert first.untouched, "passes: expected y untouched, got it changed"
    again = s.passes(y, target, junk=JUNK[1])
    for name in ("value", "dy", "hy"):
        same = np.array_equal(getattr(again, name), getattr(first, name))
        assert same, f"passes: expected to read only what was written, got another {name} over {JUNK[1]}"


def _check_padding(s: Subject) -> None:
    y, target = s.batch()
    first, again = (s.passes(y, target, junk=junk, padding=padding) for junk, padding in zip(JUNK, (1e3, -2.0), strict=True))
    for passes in (first, again):
        for name, padding in zip(("dy", "hy"), passes.padding, strict=True):
            assert not padding.any(), f"{name}: expected exactly zero in padding lanes, got other numbers"
    for name in ("value", "dy", "hy"):
        same = np.array_equal(getattr(again, name), getattr(first, name))
        assert same, f"padding lanes: expected them to count nothing, got another {name} where they hold other numbers"


def _check_mean(s: Subject) -> None:
    """A batch is the mean of its parts, weighted by their images, or by what the loss divides by."""
    y, target = s.batch()
    whole, images = s.passes(y, target), len(y)
    cut = images // 2 + 1
    cuts = (slice(0, cut), slice(cut, images))
    shares = [(s.total(target[part]) or len(y[part])) / (s.total(target) or images) for part in cuts]
    for part, share in zip(cuts, shares, strict=True):
        got = s.passes(y[part], target[part])
        for name in ("dy", "hy"):
            expected, own = getattr(whole, name)[part], share * getattr(got, name)
            close = np.allclose(own, expected, rtol=1e-12, atol=1e-14)
            assert close, f"mean: expected {name} of a part of a batch times its share to be that of the batch, got another"
    parts = (s.passes(y[part], target[part]).value for part in cuts)
    value = sum(share * one for share, one in zip(shares, parts, strict=True))
    close = abs(value - whole.value) <= 1e-12 * max(1.0, abs(value))
    assert close, f"mean: expected the weighted mean of two parts, {value:.12g}, got {whole.value:.12g}"


def _check_float32(s: Subject) -> None:
    y, target = (values if values.dtype.kind == "i" else values.astype(np.float32).astype(float) for values in s.batch())
    exact, rounded = s.passes(y, target), s.passes(y, target, "float32")
    for name in ("value", "dy", "hy"):
        expected, got = np.asarray(getattr(exact, name)), np.asarray(getattr(rounded, name))
        tolerance = 2e-5 * np.abs(expected).max()
        worst = np.abs(expected - got).max()
        assert worst <= tolerance, f"float32: expected {name} within {tolerance:.3g} of float64's, got {worst:.3g}"


def _check_threads(s: Subject) -> None:
    (x, target), bits = s.batch(), []
    for threads in (1, 2):
        net = Network([Dense(s.outputs)], (s.outputs,), "float32", s.backend, threads, s.seed, s.lanes)
        bits.append((net.loss_and_grads(s.loss, x, target), net.grads.flat.tobytes()))
    assert bits[0] == bits[1], "threads: expected two threads to give the bits of one, got a difference"


def _check_curvature(s: Subject) -> None:
    """The derivative of dy by each output in turn: images do not depend on each other, so all are moved at once."""
    y, target = s.batch()
    written, numeric = s.passes(y, target).hy, np.empty_like(y)
    for output in range(s.outputs):
        step = np.zeros_like(y)
        step[:, output] = STEP
        ahead, behind = s.passes(y + step, target).dy, s.passes(y - step, target).dy
        numeric[:, output] = (ahead - behind)[:, output] / (2 * STEP)
    size = max(float(np.abs(numeric).max()), float(np.abs(written).max()))
    worst = float(np.abs(written - numeric).max())
    message = f"curvature: expected hy within {TOLERANCE * size + 1e-9:.3g} of the second differences, got {worst:.3g}"
    assert worst <= TOLERANCE * size + 1e-9, message
