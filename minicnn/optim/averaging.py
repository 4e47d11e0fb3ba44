"""Averages of the parameters over training steps, which often test better than the parameters of a single step."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import TYPE_CHECKING, Self

import numpy as np

from ..arrays import Array
from ..engine.by_name import ImagesByInput, sources
from ..engine.inputs import index as numbers
from ..engine.source import Index
from ..errors import ContractError, number
from ..nn.norm import BatchNorm1d, BatchNorm2d
from ..nn.window import count
from .groups import spans
from .optimizers import Optimizer

if TYPE_CHECKING:
    from ..engine.bind import PlacedLayer
    from ..network import Network

BATCH_NORMS = (BatchNorm1d, BatchNorm2d)


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

    @property
    def missed(self) -> dict[str, int]:
        """In how many steps a layer was frozen, as the wrapped optimiser counts."""
        return self.inner.missed

    def load(self, steps: int, moments: dict[str, Array], missed: Mapping[str, int] | None = None) -> None:
        """Restore the state from a checkpoint; arguments as for any optimiser.

        Raises:
            CheckpointError: the vectors do not belong to this optimiser.
        """
        super().load(steps, moments)
        self.inner.load(steps, {name: self.moments[name] for name in self.inner.names if self.moments}, missed)

    def __copy__(self) -> Self:
        other = super().__copy__()
        other.inner = copy(self.inner)
        return other

    def options(self) -> dict[str, object]:
        """The options by name, including those of the wrapped optimiser."""
        return self.inner.options() | {"average": self.decay}

    def copy_to(self, net: Network, x: ImagesByInput | None = None, index: Index = None, batch_size: int = 64) -> None:
        """Replace the network's parameters by the average, at the end of training; those of frozen layers stay as they are.

        Running statistics are those of the parameters before, so they are measured anew on training images.

        Args:
            net: the network.
            x: training images, or a Source of them, for ``update_bn``; only where there is a batch normalisation to measure.
            index: which of them; all for None.
            batch_size: how many at a time.

        Raises:
            ContractError: there was no step yet, the average belongs to another network, or images are missing.
            ShapeError, DataError, OptionError: as ``update_bn``.
        """
        if not self.moments:
            raise ContractError("ParameterAverage", "expected at least one step before, got none", "train the network first")
        self.check(net)
        if x is None and (measured := _measured(net)):
            what = f"expected training images for the running statistics of {measured[0].name}, got none"
            raise ContractError("ParameterAverage", what, "give copy_to(net, images)")
        average = self.moments["average"]
        with net.update():
            before = net.params.flat.copy()
            for span in spans("ParameterAverage", net, (), {}):
                net.params.flat[span.part] = average[span.part]
            try:
                if x is not None:
                    update_bn(net, x, index, batch_size)
            except BaseException:
                net.params.flat[...] = before
                raise


def update_bn(net: Network, x: ImagesByInput, index: Index = None, batch_size: int = 64) -> None:
    """Measure the running statistics of batch normalisation anew: ``torch.optim.swa_utils.update_bn``.

    They become the means over all batches of the mean and of the unbiased variance in each, whatever the layer's momentum;
    forward passes are those of training, with dropout. Frozen layers keep theirs. Every activation of a batch is kept
    meanwhile, as ``Network.forward`` does.

    Args:
        net: the network; after an error its statistics are what they were.
        x: training images, or a Source of them.
        index: which of them, in their order; all for None.
        batch_size: how many at a time; the last batch may be smaller.

    Raises:
        OptionError: batch_size is not a whole number of at least 1.
        ShapeError, DataError: x or index is not what it should be, or a batch is too small to measure.

    >>> import numpy as np
    >>> from minicnn import BatchNorm1d, Network
    >>> net = Network([("N", BatchNorm1d())], in_shape=(1,), threads=1)
    >>> update_bn(net, np.array([[1.0], [3.0], [4.0], [6.0]]), batch_size=2)
    >>> net.state["N.running_mean"], net.state["N.running_var"], int(net.state["N.num_batches_tracked"])
    (array([3.5], dtype=float32), array([2.], dtype=float32), 2)
    """
    count("update_bn", "batch_size", batch_size)
    measured = _measured(net)
    if not measured:
        return
    chosen = numbers("index", index, sources("x", x, net.dtype, net.in_shapes)[0].shape[0])
    momenta = [placed.shared["momentum"] for placed in measured]
    with net.update():
        before = [(own, own.copy()) for placed in measured for own in (placed.shared[name] for name in placed.plan.state)]
        kept = [momentum.copy() for momentum in momenta]
        try:
            for placed in measured:
                for name, buffer in placed.plan.state.items():
                    placed.shared[name][...] = buffer.start
            _write(net, momenta, [np.full_like(momentum, -1) for momentum in momenta])  # as for None: the mean over batches
            for first in range(0, len(chosen), batch_size):
                net.forward(x, chosen[first : first + batch_size], train=True)
        except BaseException:
            for own, values in before:
                own[...] = values
            raise
        finally:
            _write(net, momenta, kept)


def _measured(net: Network) -> list[PlacedLayer]:
    """The layers whose running statistics follow the batches of training."""
    return [
        placed for placed in net.layers if isinstance(placed.layer, BATCH_NORMS) and placed.plan.state and not placed.frozen
    ]


def _write(net: Network, arrays: list[Array], values: list[Array]) -> None:
    for array, value in zip(arrays, values, strict=True):
        array[...] = value
        if net.backend.memory is not None:
            net.backend.memory.to_device(array)
