"""The threads of some blocks: where each of them is, who is still there, and what orders them.

A *stamp* says who did something and when: 31 bits of block, 21 of epoch (how many barriers the block has passed) and 11 of
thread.
"""

from __future__ import annotations

import numpy as np

from .errors import PtxError
from .lanes import Array, Lanes
from .syntax import Instruction

Shape = tuple[int, int, int]

EPOCH = 1 << 11
BLOCK = 1 << 32
SEVERAL = EPOCH - 1
"""The thread of a stamp that stands for several: it is none of them."""


def describe(stamp: int) -> str:
    """The thread of a stamp in words."""
    thread = stamp % EPOCH
    return "other threads" if thread == SEVERAL else f"thread {thread} of block {stamp // BLOCK}"


class Team:
    """Blocks of threads that are executed in step, block after block, x first.

    Attributes:
        place: for every thread, which of the team's blocks it is in.
        thread: its number in its block.
        block: the number of its block in the grid.
        stamp: replaced when it changes, so that it may be kept.
        alive: whether it has not ended.
        everyone: all of the team.
    """

    def __init__(self, grid: Shape, shape: Shape, blocks: int) -> None:
        self.grid, self.shape, self.blocks = grid, shape, blocks
        self.size = shape[0] * shape[1] * shape[2]
        self.place, self.thread = np.divmod(np.arange(self.size * blocks, dtype=np.int64), self.size)
        self.everyone = Lanes(self.thread.size)
        self.start(0)

    def start(self, first: int) -> None:
        """Be the blocks from that number on, before their first barrier."""
        self.block = self.place + first
        self.stamp = self.block * BLOCK + self.thread
        self.alive = np.ones(self.thread.size, np.bool_)
        self.ended = False

    def stamps(self, lanes: Lanes) -> Array:
        return lanes.of(self.stamp)

    def end(self, lanes: Lanes) -> None:
        """These threads are at their end."""
        self.alive[lanes.where] = False
        self.ended = self.ended or lanes.size > 0

    def still_alive(self, lanes: Lanes) -> Lanes:
        """Those of some threads that have not ended."""
        return lanes.among(lanes.of(self.alive)) if self.ended else lanes

    def barrier(self, instruction: Instruction, lanes: Lanes) -> None:
        """A new epoch for the blocks of these threads, all of which must be here.

        Raises:
            PtxError: some threads of a block are elsewhere, or have ended.
        """
        if not lanes.everyone:
            here = np.bincount(self.place[lanes.index], minlength=self.blocks)
            torn = np.flatnonzero((here > 0) & (here < self.size))
            if torn.size:
                absent = np.flatnonzero((self.place == torn[0]) & ~lanes.mask)
                problem = f"expected all {self.size} threads of the block, got {here[torn[0]]}"
                raise self.fault("barrier", problem, instruction, self.everyone, absent)
        self.stamp = self.stamp + EPOCH * lanes.mask

    def fault(self, kind: str, problem: str, instruction: Instruction, lanes: Lanes, which: Array) -> PtxError:
        """An error of the first of the threads that ``which`` counts among ``lanes``."""
        return PtxError(kind, problem, instruction, self.name_of(lanes.number(int(which[0]))))

    def name_of(self, lane: int) -> str:
        """Block and thread of a lane, on three axes."""
        axes = []
        for number, shape in ((int(self.block[lane]), self.grid), (int(self.thread[lane]), self.shape)):
            axes.append((number % shape[0], number // shape[0] % shape[1], number // (shape[0] * shape[1])))
        return f"block {axes[0]}, thread {axes[1]}"
