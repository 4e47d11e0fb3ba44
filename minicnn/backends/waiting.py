"""Who has to wait for a lock of ``lock.py``: a call while another runs, an update while calls run."""

from __future__ import annotations

from collections.abc import Sequence
from operator import methodcaller
from typing import TYPE_CHECKING

from ..errors import ContractError
from .fair import Lock, working

if TYPE_CHECKING:
    from .lock import HandleLock

PATIENCE = 5.0
"""Seconds that a call inside another call waits for a handle, and a fork for an update."""

_TRY_LONG = methodcaller("acquire", True, PATIENCE)


class Locks:
    """Locks that are held until the block ends, or whatever else ends it."""

    def __init__(self, handle: HandleLock) -> None:
        self._handle = handle
        self._held: list[Lock] = []

    def __exit__(self, *error: object) -> None:
        self._release()

    def _release(self, kept: int = 0) -> None:
        while len(self._held) > kept:
            self._held.pop().release()

    def __del__(self) -> None:  # an interrupt on the way into __exit__
        self._release()


class WaitingCall(Locks):
    """A call that may have to wait."""

    def __enter__(self) -> None:
        handle, inside = self._handle, working()
        if handle.mine() or handle in inside:
            what = "expected a call after the one that runs, as its memory is in use, got one from inside it"
            raise ContractError("network", what, "call another handle inside a call, from share()")
        if not inside and not handle.shared.in_call():
            handle.enter(self._held)
        elif not handle.take(self._held, _TRY_LONG):
            what = f"expected a call inside a call to find its handle free within {PATIENCE:g} s, got one in use"
            raise ContractError("network", what, "give every thread handles of its own, from share()")


class Hold(Locks):
    """A handle, or all on the same parameters, for several calls of this thread."""

    def __init__(self, handle: HandleLock, everyone: bool) -> None:
        super().__init__(handle)
        self._everyone = everyone
        self._marked: list[HandleLock] = []
        self._opened: list[HandleLock] = []

    def __enter__(self) -> None:
        handle, shared = self._handle, self._handle.shared
        if shared.in_call():
            what = "expected an update after the call that runs, as it reads the parameters, got one from inside it"
            raise ContractError("network", what, "update when the call has returned")
        try:
            shared.writer.enter(self._held)
            if self._everyone:
                self._enter_all(shared.handles())
            else:
                handle.enter(self._held)
                self._mark([handle])
            for each in self._marked:
                if not each.open:
                    each.open = True
                    self._opened.append(each)
        except BaseException:
            self._release()
            raise

    def _mark(self, handles: Sequence[HandleLock]) -> None:
        """Let calls of other threads go to the end of the queue from now on."""
        for handle in handles:
            self._marked.append(handle)
            handle.queue.append(self)

    def _enter_all(self, handles: Sequence[HandleLock]) -> None:
        """Hold all handles: wait for one at a time, and give back the others meanwhile, which its call may ask for."""
        kept, first = len(self._held), None
        for handle in handles:
            if handle.queue and not handle.mine():  # those who wait already come first
                handle.wait(self._held)
                self._release(kept)
        self._mark(handles)
        while True:
            busy = next((h for h in handles if h is not first and not h.take(self._held)), None)
            if busy is None:
                return
            self._release(kept)
            busy.wait(self._held)
            first = busy

    def _release(self, kept: int = 0) -> None:
        if not kept:
            while self._opened:
                handle = self._opened.pop()
                handle.open = handle.running = False
            while self._marked:
                self._marked.pop().leave(self)
        super()._release(kept)
