"""Averages of the parameters over training steps: often better than the parameters of any one step."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any, Self

from ..arrays import Array
from ..errors import ContractError, number
from .optimizers import Optimizer

if TYPE_CHECKING:
    from ..network import Network


class ParameterAverage(Optimizer):
    """Another optimiser, which keeps the average a of the parameters p beside its steps: a += (1 − d)(p − a).

    d = min(decay, 1 − 1/t) in step t = 1, 2, …: the mean of all steps at first, then an exponential average over about
    1/(1 − decay) of them. The average lies with the moments, so a checkpoint holds it and a run resumes exactly.

    Args:
        optimizer: what makes the steps.
        decay: of the average, in [0, 1).

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

    def _update(self, net: Network, *moments: Array) -> None:
        rate = self.inner.lr
        self.inner.lr, self.inner.steps = self.lr, self.steps
        self.inner._update(net, *moments[:-1])
        self.inner.lr = rate
        average = moments[-1]
        average += (1 - min(self.decay, 1 - 1 / self.steps)) * (net.params.flat - average)

    def load(self, steps: int, moments: dict[str, Array]) -> None:
        """Go on from a checkpoint.

        Raises:
            CheckpointError: the vectors are not this optimiser's.
        """
        super().load(steps, moments)
        self.inner.load(steps, {name: self.moments[name] for name in self.inner.names if self.moments})

    def __copy__(self) -> Self:
        twin = super().__copy__()
        twin.inner = copy(self.inner)
        return twin

    def options(self) -> dict[str, Any]:
        """The options by name, those of the other optimiser with them."""
        return self.inner.options() | {"average": self.decay}

    def copy_to(self, net: Network) -> None:
        """Set the parameters of the network to the average; this ends its training.

        Raises:
            ContractError: there was no step yet, or the average is that of another network.
        """
        if not self.moments:
            raise ContractError("ParameterAverage", "expected at least one step before, got none", "train the network first")
        self.check(net)
        with net.update():
            net.params.flat[...] = self.moments["average"]
