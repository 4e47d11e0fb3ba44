"""Ranks as threads of one process, so that what several processes do together can be tested without MPI."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from ..arrays import Array
from ..engine.world import Exchange, Parcel

Found = TypeVar("Found")

PATIENCE = 120.0
"""Seconds for which a rank waits for the others."""


def run_ranks(size: int, work: Callable[[ThreadRank], Found], exact: bool = True) -> list[Found]:
    """Let each of so many threads do some work as a rank, and give what each found.

    Args:
        size: how many.
        work: what a rank does, with a network of its own.
        exact: as of a ``World``.

    Raises:
        BaseException: the first error of any rank; the others end at their next exchange.

    >>> def greatest(rank):
    ...     numbers = np.zeros(rank.size)
    ...     numbers[rank.rank] = rank.rank
    ...     rank.total(numbers)()
    ...     return int(numbers.max())
    >>> run_ranks(3, greatest)
    [2, 2, 2]
    """
    meeting = _Meeting(size)
    found: list[Found | None] = [None] * size

    def run(rank: int) -> None:
        try:
            found[rank] = work(ThreadRank(meeting, rank, exact))
        except threading.BrokenBarrierError as error:
            meeting.errors.append(error)
        except BaseException as error:
            meeting.errors.insert(0, error)
            meeting.barrier.abort()

    threads = [threading.Thread(target=run, args=(rank,), name=f"rank {rank}") for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if meeting.errors:
        raise meeting.errors[0]
    return found  # type: ignore[return-value]  # every rank wrote its own


class _Meeting:
    """Where ranks leave what others fetch."""

    def __init__(self, size: int) -> None:
        self.size, self.barrier = size, threading.Barrier(size, timeout=PATIENCE)
        self.sent: list[Sequence[Parcel]] = [()] * size
        self.errors: list[BaseException] = []


class ThreadRank:
    """A ``World`` of threads.

    Args:
        meeting: that of all ranks.
        rank: which one this is.
        exact: as of a ``World``.
    """

    def __init__(self, meeting: _Meeting, rank: int, exact: bool) -> None:
        self._meeting, self.rank, self.size, self.exact = meeting, rank, meeting.size, exact

    def link(self, sent: Sequence[Parcel], received: Sequence[Parcel]) -> Exchange:
        """See ``World``."""

        def exchange() -> None:
            meeting = self._meeting
            meeting.sent[self.rank] = sent
            meeting.barrier.wait()
            waiting = [iter([array for to, array in own if to == self.rank]) for own in meeting.sent]
            copies = [next(waiting[rank]).copy() for rank, _ in received]
            if any(next(rest, None) is not None for rest in waiting):
                raise AssertionError(f"expected rank {self.rank} to receive all that is sent to it, got more")
            meeting.barrier.wait()  # whoever goes on may write into what it sent
            for (_, into), copy in zip(received, copies, strict=True):
                if into.shape != copy.shape or into.dtype != copy.dtype:
                    what = f"expected {into.dtype} {into.shape}, got {copy.dtype} {copy.shape}"
                    raise AssertionError(f"rank {self.rank}: {what}")
                into[...] = copy

        return exchange

    def total(self, vector: Array) -> Exchange:
        """See ``World``."""
        parts = np.zeros((self.size, *vector.shape), vector.dtype)
        others = [rank for rank in range(self.size) if rank != self.rank]
        gather = self.link([(rank, parts[self.rank]) for rank in others], [(rank, parts[rank]) for rank in others])

        def add() -> None:
            parts[self.rank] = vector
            gather()
            vector[...] = parts.sum(axis=0)

        return add
