"""What a fork waits for, and what a child forgets: the child has one thread, and the parent's others may hold anything."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from functools import cache
from operator import methodcaller
from typing import Protocol

from .fair import FairLock, Lock

_TRY_LONG = methodcaller("acquire", True, 5.0)
_forking = threading.RLock()
_waited: list[Lock] = []


def _nothing() -> None:
    """A hook that does nothing."""


def at_fork(
    before: Callable[[], object] = _nothing,
    after_in_parent: Callable[[], object] = _nothing,
    after_in_child: Callable[[], object] = _nothing,
) -> None:
    """Call functions around every fork, on systems that have forks: Windows has none.

    Args:
        before: called first, before whatever was registered earlier.
        after_in_parent: called in the parent.
        after_in_child: called in the child.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=before, after_in_parent=after_in_parent, after_in_child=after_in_child)


class Watched(Protocol):
    """What handles on the same parameters have in common: ``lock.SharedLock``."""

    writer: FairLock

    def in_call(self) -> bool:
        """Whether this thread is inside a call on one of them."""
        ...

    def after_fork(self) -> None:
        """In a child: make anew what threads of the parent hold."""
        ...


_watched: weakref.WeakSet[Watched] = weakref.WeakSet()


def watch(shared: Watched) -> None:
    """Let forks wait for updates of these parameters."""
    _register()
    _watched.add(shared)


@cache
def _register() -> None:
    """Once there is a backend: the hook that is registered last waits first, and an update may compile."""
    at_fork(_before, _after, _after_in_child)


def _before() -> None:
    _forking.acquire()
    for shared in list(_watched):
        if not shared.in_call():  # else the update may wait for that call
            shared.writer.take(_waited, _TRY_LONG)


def _after() -> None:
    while _waited:
        _waited.pop().release()
    _forking.release()


def _after_in_child() -> None:
    _after()
    for shared in list(_watched):
        shared.after_fork()
