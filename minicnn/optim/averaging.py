"""Averages of the parameters over training steps, which often test better than the parameters of a single step."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Self

from ..arrays import Array
from ..errors import ContractError, number
from .optimizers import Optimizer

if TYPE_CHECKING:
    from ..network import Network


class ParameterAverage(Optimizer):
    """Wraps an optimiser and keeps a running average a of the parameters p: a += (1 − d)(p − a) after each step.

    d = min(decay, 1 − 1/t) in step t = 1, 2, …: first the mean of all steps, then an exponential average over about
    1/(1 − decay) of them. The average is stored with the moments, so a checkpoint contains it and a run resumes exactly.

    Args:
        optimizer: the optimiser that makes the steps.
        decay: decay of the average, in [0, 1).

    Raises:
        OptionError: decay outside [0, 1).

    Source: B. Polyak and A. Juditsky, *Acceleration of Stochastic Approximation by Averaging*, 1992.

    >>> import numpy as np
    >>> from minicnn import SGD, Dense, Network
    >>> net, optimizer = Network([Dense(1)], in_shape=(1,), threads=1), ParameterAverage(SGD(0.5), decay=0.75)
    >>> net.params.flat[:] = 0
    >>> for _ in range(2):
    ...     net.grads.flat[:] = -1
    ...     optimizer.step(net)
    >>> net.params.flat, optimizer.moments["average"]
    (array([1., 1.], dtype=float32), array([0.75, 0.75], dtype=float32))
    """

    def __init__(self, optimizer: Optimizer, decay: float) -> None:
        super().__init__(optimizer.lr)
        self.inner, self.decay = optimizer, number("ParameterAverage", "decay", decay, 0, 1)
        self.names = (*optimizer.names, "average")

    def _start(self, name: str, params: Array) -> Array:
        return super()._start(name, params) if name == "average" else self.inner._start(name, params)

    def _update(self, net: Network, *moments: Array) -> None:
        rate = self.inner.lr
        self.inner.lr, self.inner.steps = self.lr, self.steps
        self.inner._update(net, *moments[:-1])
        self.inner.lr = rate
        average = moments[-1]
        average += (1 - min(self.decay, 1 - 1 / self.steps)) * (net.params.flat - average)

    def load(self, steps: int, moments: dict[str, Array]) -> None:
        """Restore the state from a checkpoint.

        Raises:
            CheckpointError: the vectors do not belong to this optimiser.
        """
        super().load(steps, moments)
        self.inner.load(steps, {name: self.moments[name] for name in self.inner.names if self.moments})

    def __copy__(self) -> Self:
        other = super().__copy__()
        other.inner = copy(self.inner)
        return other

    def options(self) -> dict[str, object]:
        """The options by name, including those of the wrapped optimiser."""
        return self.inner.options() | {"average": self.decay}

    def copy_to(self, net: Network) -> None:
        """Replace the network's parameters by the average, at the end of training.

        Raises:
            ContractError: there was no step yet, or the average belongs to another network.
        """
        if not self.moments:
            raise ContractError("ParameterAverage", "expected at least one step before, got none", "train the network first")
        self.check(net)
        with net.update():
            net.params.flat[...] = self.moments["average"]
