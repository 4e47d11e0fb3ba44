"""The training loops of a model, minicnn's and those of its peers, and their comparison."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

import harness
from harness import BenchmarkError, Looped, Work
from harness.cases import order
from harness.zoo import Model, without_dropout
from minicnn import SGD, Network

AGREE, BATCHES = 3, 4
"""Steps whose losses are compared, and batches of images that are there."""

APART = 0.1
"""By how much of the way that parameters went in these steps they may end apart. Where rounding decides which pixel is the
largest, or which side of 0 a number is on, a gradient goes another way. From where float64 leads, MobileNets in float32 end
up to 2 % of the way in minicnn, 3 % in TensorFlow and 5 % in PyTorch; other models less. Without momentum they would end 46 %
short."""


class Own:
    """minicnn's training loop: each call of ``step`` is one step."""

    def __init__(self, model: Model, net: Network, x: Any, target: Any, batch: int) -> None:
        self.net, self._x, self._target, self._loss = net, x, target, model.loss
        self._optimizer, self._next = SGD(model.rate, momentum=0.9), order(len(x), batch)

    def step(self) -> float:
        """One step; returns its loss."""
        loss = self.net.loss_and_grads(self._loss, self._x, self._target, self._next())
        self._optimizer.step(self.net)
        return loss


def layouts(net: Network) -> tuple[str, ...]:
    """PyTorch's memory formats for the network's images: rows have one only."""
    return ("contiguous", "last") if len(net.in_shape) == 3 else ("contiguous",)


def trainers(model: Model, net: Network, x: Any, target: Any, batch: int, compiled: bool, in_graph: bool) -> dict[str, Any]:
    """The training loops of PyTorch and, with ``in_graph``, of TensorFlow, by name."""
    found = torch_trainers(model, net, x, target, batch, compiled)
    if in_graph and harness.peer("tensorflow") is not None:
        from peers import train_tensorflow

        found["tensorflow"] = train_tensorflow.training(model, net, x, target, batch)
    return found


def torch_trainers(model: Model, net: Network, x: Any, target: Any, batch: int, compiled: bool) -> dict[str, Any]:
    """PyTorch's training loops, by name."""
    if harness.peer("torch") is None:
        return {}
    from peers.torch_zoo import training
    from peers.train_torch import forget_compiled

    forget_compiled()
    forms = {"eager": False} | ({"compiled": True} if compiled else {})
    return {
        f"{form} {layout}": training(model, net, x, target, batch, layout == "last", way)
        for form, way in forms.items()
        for layout in layouts(net)
    }


def compare_training(
    name: str, model: Model, x: Any, target: Any, batch: int, threads: int, compiled: bool, in_graph: bool
) -> None:
    """Train all contenders for some steps without dropout.

    Raises:
        BenchmarkError: their losses differ, or what TensorFlow's steps made of parameters and running statistics.
    """
    net = without_dropout(model.make(threads=1, seed=1), threads=threads, seed=1)
    theirs = trainers(model, net, x, target, batch, compiled, in_graph)
    own, start = Own(model, net, x, target, batch), net.params.flat.copy()
    expected = np.array([own.step() for _ in range(AGREE)])
    for peer, contender in theirs.items():
        got = np.array([float(contender.step()) for _ in range(AGREE)])
        refuse_difference(f"{name}: losses of {peer}", got, expected, 1e-3)
    if "tensorflow" in theirs:
        compare_arrays(f"{name}: tensorflow", theirs["tensorflow"].arrays(), net, start)


def compare_arrays(who: str, got: Mapping[str, Any], net: Network, start: Any) -> None:
    """Compare parameters and running statistics after some steps.

    Raises:
        BenchmarkError: they differ.
    """
    end = np.concatenate([got[name].ravel() for name in net.params])
    apart = float(np.linalg.norm(end - net.params.flat) / np.linalg.norm(net.params.flat - start))
    if not apart <= APART:
        raise BenchmarkError(f"{who}'s parameters end {apart:.1e} of the way apart; nothing was timed", code=1)
    for name in net.state:
        if name in got:
            refuse_difference(f"{who}'s values of {name}", got[name], net.state[name], 1e-3)


def refuse_difference(who: str, got: Any, expected: Any, most: float) -> None:
    """Refuse numbers that differ by more than a share of the largest.

    Raises:
        BenchmarkError: they do.
    """
    worst = float(np.max(np.abs(np.asarray(got) - expected)) / np.max(np.abs(expected)))
    if not worst <= most:
        raise BenchmarkError(f"{who} differ by {worst:.1e}; nothing was timed", code=1)


def step_of(contender: Any) -> Work:
    """A contender's step; several are one call where it has a loop for them."""
    return Looped(contender.steps) if hasattr(contender, "steps") else contender.step
