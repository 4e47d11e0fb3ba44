"""A re-entrant lock that lets everyone in."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from operator import methodcaller
from typing import Protocol

_here = threading.local()
_TAKE, _TRY = methodcaller("acquire"), methodcaller("acquire", False)


class Lock(Protocol):
    """A lock of ``threading``."""

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Take it, and say whether it was taken."""
        ...

    def release(self) -> None:
        """Give it back."""
        ...


class _ReentrantLock(Lock, Protocol):
    """``threading.RLock`` with the methods that ``threading.Condition`` and ``threading`` itself call after a fork."""

    def _is_owned(self) -> bool: ...

    def _at_fork_reinit(self) -> None: ...

    def __enter__(self) -> bool: ...

    def __exit__(self, *error: object) -> None: ...


class FairLock:
    """A re-entrant lock with a queue: a thread that takes it again and again does not keep the others out.

    Attributes:
        mine: whether this thread holds it.
        queue: who waits, or wants others to wait.
    """

    def __init__(self) -> None:
        lock: _ReentrantLock = threading.RLock()  # type: ignore[assignment]
        self.own = lock
        self.mine: Callable[[], bool] = lock._is_owned  # which threading.Condition asks too
        self.queue: deque[object] = deque()
        self._next = threading.Lock()

    def take(self, held: list[Lock], how: Callable[[Lock], bool] = _TRY) -> bool:
        """Try to take it; what was taken is in ``held`` at once, so an interrupt cannot come between."""
        before = len(held)
        held.extend(filter(how, (self.own,)))
        return len(held) > before

    def wait(self, held: list[Lock]) -> None:
        """Take it after those who wait already."""
        ticket = object()
        self.queue.append(ticket)
        try:
            with self._next:  # one at a time waits for the lock, the others for their turn to do so
                self.take(held, _TAKE)
        finally:
            self.leave(ticket)

    def leave(self, mark: object) -> None:
        """Take a mark out of the queue."""
        try:  # not suppress, which takes longer than all of this
            self.queue.remove(mark)
        except ValueError:  # a fork has emptied it
            return

    def enter(self, held: list[Lock]) -> None:
        """Take it, at once where it is free and nobody waits."""
        if (self.queue and not self.mine()) or not self.take(held):
            self.wait(held)

    def after_fork(self) -> bool:
        """In a child: forget the threads that are not there; whether one of them held it."""
        if self.mine():
            return False
        self.queue.clear()
        self._next = threading.Lock()
        torn = not self.own.acquire(blocking=False)
        self.own._at_fork_reinit()
        return torn


def working() -> list[FairLock]:
    """The locks of the handles for which this thread runs code of a layer or a source."""
    handles: list[FairLock] = _here.__dict__.setdefault("handles", [])
    return handles
