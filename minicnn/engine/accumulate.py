"""Where the groups of a batch add gradients and losses: a fixed number of slots that are summed in a fixed order."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

import numpy as np

from ..arrays import Array
from ..backends.alignment import aligned
from ..backends.executor import shares
from ..backends.interface import Backend
from ..backends.program import Program, Task
from .memory import ParameterVector
from .record import Recorder

CHUNK = 1 << 13
"""So many numbers stay in the first cache while all slots are added to them."""

SLOTS, MOST_SLOTS = 8, 64
"""How many slots a network has unless it asks for others, and at most: group i adds into slot i mod 8, whatever the threads."""


class Slot:
    """Gradients, and for every output of the network its loss and how many images were recognised.

    Args:
        grads: the vector that gradients are added to.
        tally: int64, two numbers for each output.
        backend: whose kernels clear the gradients.

    Attributes:
        values: for each output float64[1], the loss.
        hits: for each output int64[1], how many images were recognised.
        reset: the program that sets the gradients to zero; whoever adds gradients runs it first.
    """

    def __init__(self, grads: ParameterVector, tally: Array, backend: Backend) -> None:
        self.grads = grads
        self.values, self.hits = [own[:1].view(np.float64) for own in tally], [own[1:] for own in tally]
        self.reset = Program()
        Recorder(backend, self.reset).zero(grads.memory)


class GradientSlots:
    """The slots; the first adds into the network's own gradients, the others are made when they are needed.

    Args:
        grads: the network's gradients.
        backend: whose kernels clear and add.
        outputs: how many the network has.
        count: the most slots that a batch has; as many threads can work on it.

    Attributes:
        tallies: int64 (slots, outputs, 2), the loss of each, of which these are the bits, and its hits.
    """

    def __init__(self, grads: ParameterVector, backend: Backend, outputs: int = 1, count: int = SLOTS) -> None:
        self._backend, self._memory, self.count = backend, backend.memory, count
        self.tallies = aligned(16 * count * outputs).view(np.int64).reshape(count, outputs, 2)
        losses, hits = self.tallies[:, :, 0].view(np.float64).T, self.tallies[:, :, 1].T
        self._totals = list(zip(losses, hits, strict=True))
        self._all = [Slot(grads, self.tallies[0], backend)]
        self._sums: dict[Hashable, list[Task]] = {}

    def take(self, groups: int) -> list[Slot]:
        """The slots for a batch of so many groups, without loss and hits."""
        grads = self._all[0].grads
        while len(self._all) < min(self.count, groups):
            own = ParameterVector({n: v.shape for n, v in grads.items()}, grads.memory.dtype)
            self._all.append(Slot(own, self.tallies[len(self._all)], self._backend))
        self.tallies.fill(0)
        if self._memory is not None:
            self._memory.to_device(self.tallies[:groups])
        return self._all[:groups]

    def tally(self, slots: int) -> list[tuple[float, int]]:
        """The loss and the hits of each output in so many slots, in order."""
        if self._memory is not None:
            self._memory.to_host(self.tallies[:slots])
        return [(sum(losses.tolist()), sum(hits.tolist())) for losses, hits in self._totals]  # unused slots hold zeros

    def sums(self, groups: int, threads: int, within: Sequence[slice] | None = None) -> list[Task]:
        """Jobs that add the gradients of the slots, in order, into the network's or parts of it: each has its own pieces."""
        total, slots = self._all[0].grads.memory, min(self.count, groups)
        within = [slice(0, len(total))] if within is None else within
        if (key := (slots, threads, str(within))) not in self._sums:
            tasks = []
            for share in shares(sum(part.stop - part.start for part in within), threads):
                program = Program()
                for piece in _pieces(within, share):
                    for slot in self._all[1:slots]:
                        Recorder(self._backend, program).add(slot.grads.memory[piece], total[piece])
                tasks.append(Task([([program], (0, 1, 1))], np.zeros(1, np.int64)))
            self._sums[key] = tasks
        return self._sums[key]


def _pieces(parts: Sequence[slice], share: slice) -> Iterator[slice]:
    """A share of the numbers in parts of a vector, a chunk at a time."""
    before = 0
    for part in parts:
        first = max(part.start, part.start + share.start - before)
        end = min(part.stop, part.start + share.stop - before)
        yield from (slice(start, min(start + CHUNK, end)) for start in range(first, end, CHUNK))
        before += part.stop - part.start
