"""Promises that parameters stay as they are: whoever has one need not look whether they have changed."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from ..errors import ContractError


class Promises:
    """Who has the promise that parameters stay as they are.

    Args:
        let_write: called with whether anything may write into them, when that changes; None where nothing is to be called.

    Attributes:
        threads: who has one.
    """

    def __init__(self, let_write: weakref.WeakMethod[Callable[[bool], None]] | None = None) -> None:
        self._change, self.threads, self._own = let_write, list[int](), threading.Lock()

    @contextmanager
    def held(self, alone: AbstractContextManager[object]) -> Iterator[None]:
        """Have one in this thread meanwhile.

        Args:
            alone: entered while it is given, so that no update runs then.
        """
        thread: int | None = None
        try:
            with alone:
                thread = self._give()
            yield
        finally:
            if thread is not None:
                self._take_back(thread)

    def _give(self) -> int:
        with self._own:
            self.threads.append(thread := threading.get_ident())
            self._let_write(False)
        return thread

    def _take_back(self, thread: int) -> None:
        """End one, whoever else is about: nothing is waited for that could be interrupted."""
        with self._own:
            if thread in self.threads:
                self.threads.remove(thread)
            if not self.threads:
                self._let_write(True)

    def _let_write(self, may_write: bool) -> None:
        if self._change is not None and (change := self._change()) is not None:
            change(may_write)

    def after_fork(self) -> None:
        """In a child: end those of threads that it does not have."""
        self._own = threading.Lock()
        for thread in [each for each in self.threads if each != threading.get_ident()]:
            self._take_back(thread)

    def refuse(self) -> None:
        """Refuse an update that is about to begin.

        Raises:
            ContractError: always.
        """
        what = "expected no update of the parameters inside inference_mode(), got one"
        raise ContractError("network", what, "leave inference_mode() first")
