"""The threads that share the groups of a batch."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from itertools import pairwise

from ..errors import no_thread
from .interface import Backend
from .lock import HandleLock, SharedLock
from .processors import usable_cpus
from .program import Schedule, Task

SHARE = 1 << 14
"""A thread is worth waking for so many numbers."""


def shares(length: int, threads: int, passes: int = 1) -> list[slice]:
    """The parts of a vector that threads work on side by side, of which each has enough to do.

    >>> shares(40_000, threads=8)
    [slice(0, 20000, None), slice(20000, 40000, None)]
    """
    count = min(threads, max(1, length * passes // SHARE))
    ends = [length * part // count for part in range(count + 1)]
    return [slice(first, end) for first, end in pairwise(ends)]


WHOLE = 64
"""A vector is cut behind a multiple of so many numbers: kernels take those behind the last whole vector register one by one,
and a compiler may round these otherwise."""


def within(span: slice, share: slice) -> slice:
    """A thread's share of a part of a vector, with the same rounding for any number of threads.

    >>> within(slice(10, 300), slice(0, 100)), within(slice(10, 300), slice(100, 400))
    (slice(10, 74, None), slice(74, 300, None))
    """
    first: int = span.start
    last: int = span.stop

    def cut(at: int) -> int:
        return first + (at - first) // WHOLE * WHOLE if first < at < last else min(max(at, first), last)

    return slice(cut(share.start), cut(share.stop))


class Executor:
    """A fixed number of threads that run one task each, the caller being the first of them.

    Tasks that are machine code throughout go to the backend's native threads, where it has them; others run call by call.

    Args:
        threads: how many there are.
        backend: the backend whose kernels the tasks call.
        lock: that of the network handle they are for; None where there is none.
    """

    def __init__(self, threads: int, backend: Backend, lock: HandleLock | None = None) -> None:
        self.threads = threads
        self._lock = lock or HandleLock(SharedLock())
        self._memory, self._compile_ahead = backend.memory, backend.compile_ahead
        self._busy = threads > usable_cpus()  # waiting in a loop would take the processor from a thread that works
        self._native = None if backend.native is None else backend.native(self._busy)
        self._pool: ThreadPoolExecutor | None = None
        self._owner = 0

    def compile_ahead(self, work: Iterable[Schedule]) -> None:
        """Let the backend compile what schedules need before they first run."""
        if self._compile_ahead is not None:
            parts = [part for one in work for tasks in one.phases for task in tasks for part in task.parts]
            self._compile_ahead([call for programs, _ in parts for each in programs for call in each.calls], self.threads)

    def run(self, tasks: Sequence[Task]) -> None:
        """Run up to ``threads`` tasks at the same time, and return when all are done."""
        if len(tasks) == 1 and tasks[0].code is not None:
            self.run_single(tasks[0])
            return
        if self._native is not None and all(task.native for task in tasks):
            self._native.run(tasks)
            return
        helpers: list[Future[None]] = []
        with self._lock.at_work():
            try:
                self._submit(tasks[1:], helpers)
                tasks[0].run(self._memory)
            finally:
                wait(helpers)  # none may still write into its arena when the caller goes on
        for helper in helpers:
            helper.result()

    def _submit(self, tasks: Sequence[Task], helpers: list[Future[None]]) -> None:
        """Give tasks to helpers, and note their futures.

        Raises:
            BackendError: there is no thread left to make one of them.
        """
        pool = self._helpers() if tasks else None
        try:
            for task in tasks:
                assert pool is not None
                helpers.append(pool.submit(self._work, task))
        except RuntimeError as error:  # the task waits in the pool all the same
            assert pool is not None
            pool.shutdown(cancel_futures=True)
            self._pool = None
            raise no_thread(error) from error

    def _work(self, task: Task) -> None:
        """Run a task in a helper."""
        with self._lock.at_work():
            task.run(self._memory)

    def run_schedule(self, work: Schedule) -> None:
        """Run phases one after another: in one native call where all is machine code and every thread has a processor."""
        native = self._native
        if native is not None and (work.code is not None or self._is_native(work.phases)):
            native.run_schedule(work)
            return
        for tasks in work.phases:
            self.run(tasks)

    def _is_native(self, phases: Sequence[Sequence[Task]]) -> bool:
        """Whether threads may wait for each other between phases."""
        return not self._busy and all(task.native for tasks in phases for task in tasks)

    def run_single(self, task: Task) -> None:
        """Run a single task: at once if its machine code is known."""
        if task.code is None:
            self.run([task])
        else:
            task.code.run()
            task.code.check()

    def _helpers(self) -> ThreadPoolExecutor:
        """The interpreter's threads, made anew in a forked child, where those of the parent do not live."""
        if self._pool is None or self._owner != os.getpid():
            self._pool, self._owner = ThreadPoolExecutor(self.threads - 1, "minicnn"), os.getpid()
        return self._pool
