"""Where the groups of a batch add what it is after: a fixed number of slots that are summed in a fixed order."""

from __future__ import annotations

from types import ModuleType

import numpy as np

from .arrays import Array, aligned
from .memory import FlatVector
from .parallel import shares
from .program import Job, Program, Recorder

CHUNK = 1 << 13
"""So many numbers stay in the first cache while all slots are added to them."""

SLOTS = 8
"""Group i adds into slot i mod 8, so sums do not depend on the number of threads."""


class Slot:
    """Gradients, the loss, and how many images were recognised.

    Args:
        grads: the vector that gradients are added to.
        backend: whose kernels clear it.

    Attributes:
        tally: bytes of the loss and the hits, one after the other.
        reset: the program that sets the gradients to zero; whoever adds gradients runs it first.
    """

    def __init__(self, grads: FlatVector, backend: ModuleType) -> None:
        self.grads = grads
        self.tally = aligned(16)
        self.value, self.hits = self.tally[:8].view(np.float64), self.tally[8:].view(np.int64)
        self.reset = Program()
        Recorder(backend, self.reset).zero(grads.memory)

    def clear(self) -> Array:
        """Start a batch: no loss, no hits; returns what was written."""
        self.value[0] = 0
        self.hits[0] = 0
        return self.tally


class Slots:
    """The slots; the first adds into the network's own gradients, the others are made when they are needed.

    Args:
        grads: the network's gradients.
        backend: whose kernels clear and add.
    """

    def __init__(self, grads: FlatVector, backend: ModuleType) -> None:
        self._backend = backend
        self._all = [Slot(grads, backend)]
        self._sums: dict[tuple[int, int], list[Job]] = {}

    def take(self, groups: int) -> list[Slot]:
        """The slots for a batch of so many groups, without loss and hits."""
        grads = self._all[0].grads
        while len(self._all) < min(SLOTS, groups):
            self._all.append(Slot(FlatVector({n: v.shape for n, v in grads.items()}, grads.memory.dtype), self._backend))
        taken = self._all[:groups]
        for slot in taken:
            self._backend.to_device(slot.clear())
        return taken

    def sums(self, groups: int, threads: int) -> list[Job]:
        """Jobs that add the gradients of the slots, in order, into the network's: each has its own part of the vector."""
        slots = min(SLOTS, groups)
        if (slots, threads) not in self._sums:
            total, jobs = self._all[0].grads.memory, []
            for part in shares(len(total), threads):
                program = Program()
                for start in range(part.start, part.stop, CHUNK):
                    piece = slice(start, min(start + CHUNK, part.stop))
                    for slot in self._all[1:slots]:
                        Recorder(self._backend, program).add(slot.grads.memory[piece], total[piece])
                jobs.append(Job([([program], (0, 1, 1))], np.zeros(1, np.int64)))
            self._sums[slots, threads] = jobs
        return self._sums[slots, threads]
