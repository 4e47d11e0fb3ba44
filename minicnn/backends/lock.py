"""Who may use a network when: a call is alone on its handle, an update is alone on the parameters.

A handle is one ``Network``; ``share`` makes more of them on the same parameters. Every handle has a lock, which each public
call takes, and where nobody else is about that is all a call costs. An update takes the locks of all handles: it waits for
the calls that run, and later calls wait for it. Whoever has to wait joins a queue, and whoever finds one goes to its end,
so a loop of calls cannot keep an update out, nor a loop of updates a call. A thread never waits for itself. One that holds a
handle for several calls (``atomic``, ``update``) passes. A call from inside a running call on the same handle would overwrite
memory that is in use, and an update there would change what the call reads, so both are refused. A call from inside a call on
another handle waits for a bounded time only, because two such calls could wait for each other. Handles are known by weak
references. A fork waits for updates, but not for calls: a child's handle whose call was cut off begins with new memory.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache

from .fair import FairLock, working
from .fork import watch
from .held import Held
from .promises import Promises
from .waiting import WaitingCall

Renew = weakref.WeakMethod[Callable[[], None]]


class SharedLock:
    """What the handles on the same parameters have in common.

    Attributes:
        writer: held by the one thread that may update.
        alone: whether there is one handle; only who holds ``writer`` can rely on it.
    """

    def __init__(self) -> None:
        self.writer, self.alone = FairLock(), False
        self._handles: tuple[weakref.ref[HandleLock], ...] = ()
        watch(self)

    def add(self, handle: HandleLock) -> None:
        """Know one more handle."""
        with self.writer.own:
            self._handles = (*(known for known in self._handles if known() is not None), weakref.ref(handle))
            self.alone = len(self._handles) == 1

    def handles(self) -> list[HandleLock]:
        """The handles that there are, in the order in which they were made."""
        return [handle for known in self._handles if (handle := known()) is not None]

    def in_call(self) -> bool:
        """Whether this thread is inside a call on one of the handles."""
        inside = working()
        return any((h.mine() and (h.running or not h.open)) or h in inside for h in self.handles())

    def after_fork(self) -> None:
        """In a child: make locks anew that threads of the parent hold."""
        self.writer.after_fork()
        for handle in self.handles():
            handle.promises.after_fork()
            if FairLock.after_fork(handle):
                handle.open = handle.running = False
                if handle.renew is not None and (renew := handle.renew()) is not None:
                    renew()


def shared_lock(on_device: bool) -> SharedLock:
    """A lock for new parameters; on a device, whose memory is kept in step with the host's by one book, the same for all."""
    return _of_the_device() if on_device else SharedLock()


@cache
def _of_the_device() -> SharedLock:
    return SharedLock()


class HandleLock(FairLock):
    """The lock of one handle.

    Args:
        shared: what it has in common with the other handles on the same parameters.
        renew: takes new memory for the handle, in a forked child, where a call was cut off; None where it has none.
        promises: those about the parameters.

    Attributes:
        open: whether the thread that holds it does so for several calls.
        running: whether one of these calls runs.
    """

    def __init__(self, shared: SharedLock, renew: Renew | None = None, promises: Promises | None = None) -> None:
        super().__init__()
        self.shared, self.renew = shared, renew
        self.promises = Promises() if promises is None else promises
        self.open = self.running = False
        shared.add(self)

    def call(self, update: bool = False) -> AbstractContextManager[object]:
        """Enter it for the time of one call, which may change what all handles share."""
        if update:
            return self.update()
        if not self.queue and not self.mine():
            lock: AbstractContextManager[object] = self.own
            return lock
        if self.open and not self.running and self.mine():
            return self  # there is nothing to wait for
        return WaitingCall(self)

    def __enter__(self) -> None:
        self.running = True

    def __exit__(self, *error: object) -> None:
        self.running = False

    def atomic(self) -> AbstractContextManager[object]:
        """Enter it for several calls: no other thread uses the handle meanwhile, none updates the parameters."""
        return Held(self, everyone=False)

    def update(self) -> AbstractContextManager[object]:
        """Enter it to change the parameters: no other thread uses any handle meanwhile.

        Raises:
            ContractError: on the way in, somebody has the promise that there is no update.
        """
        return Held(self, everyone=True, changes=True)

    def promise(self) -> AbstractContextManager[None]:
        """Enter it where nobody may change the parameters meanwhile; an update that runs is waited for."""
        return self.promises.held(Held(self, everyone=True))

    def updated(self, change: Callable[..., None], *given: object) -> None:
        """Make a change of the parameters as one call inside an update.

        If there is one handle and nobody else is about, two plain locks do: an interrupt finds each of them held or free.
        """
        shared = self.shared
        if shared.alone and not (self.queue or shared.writer.queue or self.mine()):
            with shared.writer.own, self.own:
                if shared.alone:  # no other handle came in between
                    if self.promises.threads:
                        self.promises.refuse()
                    change(*given)
                    return
        with self.update(), self:
            change(*given)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Enter it where code of a layer or a source may run: what that calls must not wait for the handle."""
        mark, handles = object(), working()
        self.queue.append(mark)
        handles.append(self)
        try:
            yield
        finally:
            handles.pop()
            self.leave(mark)
