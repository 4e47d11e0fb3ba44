"""A handle held for several calls of one thread, alone or with all others on the same parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import ContractError
from .waiting import Hold

if TYPE_CHECKING:
    from .lock import HandleLock


class Held:
    """``waiting.Hold``, or less where no other handle is there and nobody waits: so it costs a small network nothing.

    Args:
        handle: the handle.
        everyone: whether all handles on the same parameters are held.
        changes: whether parameters are changed meanwhile, which nobody may have promised not to do.
    """

    __slots__ = ("_changes", "_everyone", "_handle", "_hold", "_stage")

    def __init__(self, handle: HandleLock, everyone: bool, changes: bool = False) -> None:
        self._handle, self._everyone, self._changes, self._stage = handle, everyone, changes, 0
        self._hold: Hold | None = None

    def __enter__(self) -> None:
        self._take()
        if self._changes and self._handle.promises.threads:
            self.__exit__()
            self._handle.promises.refuse()

    def _take(self) -> None:
        handle, shared = self._handle, self._handle.shared
        if shared.alone and not (handle.queue or shared.writer.queue or handle.mine()):
            self._stage = 1
            shared.writer.own.acquire()
            handle.own.acquire()
            if shared.alone:
                handle.queue.append(self)
                handle.open, self._stage = True, 2
                return
            self._undo()  # another handle came in between
        elif self._stage or self._hold is not None:
            what = "expected what atomic() or update() gave to be entered once, got it entered again inside itself"
            raise ContractError("network", what, "call it anew for each with")
        elif shared.alone and handle.open and not handle.running and handle.mine():
            return  # all that there is to hold is held
        self._hold = Hold(handle, self._everyone)
        self._hold.__enter__()

    def __exit__(self, *error: object) -> None:
        if self._stage == 2:
            handle, self._stage = self._handle, 1
            handle.open = handle.running = False
            handle.leave(self)
            handle.own.release()
            handle.shared.writer.own.release()
            self._stage = 0
        elif self._hold is not None:
            self._hold.__exit__()
            self._hold = None

    def _undo(self) -> None:
        """Give back what there is, after an interrupt on the way in or out."""
        handle = self._handle
        handle.leave(self)
        if handle.mine():
            handle.open = handle.running = False
            handle.own.release()
        if handle.shared.writer.mine():
            handle.shared.writer.own.release()
        self._stage = 0

    def __del__(self) -> None:
        if self._stage:
            self._undo()
