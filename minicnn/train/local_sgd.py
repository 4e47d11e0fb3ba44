"""Local SGD: every rank makes steps of its own on its part of each batch, and at times all take the mean of their parameters.

Batch normalisation goes by the statistics of a rank's own part then, as in PyTorch without ``SyncBatchNorm``, and its running
statistics are averaged with the parameters; so are the optimiser's moments, so that all ranks go on from one state.

Source: S. Stich, *Local SGD Converges Fast and Communicates Little*, ICLR 2019.
"""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from ..engine.world import Exchange, World, cut, to_all
from ..network import Network
from ..optim import Optimizer
from .history import Tally


class LocalSteps:
    """The steps of a rank between two averages.

    Args:
        world: the ranks.
        every: so many steps are made between two averages.
    """

    def __init__(self, world: World, every: int) -> None:
        self._world, self.every = world, every
        self._vectors: list[Array] = []
        self._means: list[Mean] = []
        self._agreed = Tally()
        self._sums = np.zeros(4)
        self._add = world.total(self._sums)

    def mine(self, batch: Array) -> Array:
        """The part of a batch that this rank trains on; one image at least, also where there are more ranks than images."""
        part = batch[self._world.rank :: self._world.size]
        return part if len(part) else batch[self._world.rank % len(batch)][None]

    def due(self, step: int, last: bool) -> bool:
        """Whether parameters are averaged after a step, counted from 1; ``last`` for the last step of an epoch."""
        return last or step % self.every == 0

    def begin(self, tally: Tally) -> None:
        """Take sums that all ranks have."""
        self._agreed = Tally(**vars(tally))

    def average(self, net: Network, optimizer: Optimizer) -> None:
        """Take the mean of all ranks as parameters, running statistics and moments."""
        floats = [each for each in net.state.values() if each.dtype.kind == "f"]
        vectors = [net.params.flat, *floats, *optimizer.moments.values()]
        if len(vectors) != len(self._vectors) or any(a is not b for a, b in zip(vectors, self._vectors, strict=True)):
            self._vectors, self._means = vectors, [Mean(self._world, vector) for vector in vectors]
        with net.update():
            for mean in self._means:
                mean()

    def sum(self, tally: Tally) -> None:
        """Let the sums of an epoch be those of all ranks."""
        names = ("loss", "correct", "counted", "images")
        self._sums[:] = [getattr(tally, name) - getattr(self._agreed, name) for name in names]
        self._add()
        for name, more in zip(names, self._sums.tolist(), strict=True):
            before = getattr(self._agreed, name)
            setattr(tally, name, before + type(before)(more))
        self.begin(tally)


class Mean:
    """Replaces a vector by its mean over all ranks, added in their order; each rank computes a part.

    Args:
        world: the ranks.
        vector: the vector, of any shape; it stays where it is.
    """

    def __init__(self, world: World, vector: Array) -> None:
        flat = vector.reshape(-1)
        parts = cut(len(flat), world)
        self._own, self._rank = flat[parts[world.rank]], world.rank
        self._rows = np.zeros((world.size, len(self._own)), vector.dtype)
        others = [rank for rank in range(world.size) if rank != world.rank]
        self._gather: Exchange = world.link(
            [(rank, flat[parts[rank]]) for rank in others], [(rank, self._rows[rank]) for rank in others]
        )
        self._share = to_all(world, [self._own], [[flat[part]] for part in parts])

    def __call__(self) -> None:
        """Take the mean."""
        self._gather()
        self._rows[self._rank] = self._own
        self._own[...] = self._rows.sum(axis=0) / len(self._rows)
        self._share()
