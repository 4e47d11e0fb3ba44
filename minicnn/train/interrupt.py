"""Signals that ask a program to end. During training they take effect between two steps, elsewhere at once."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType, TracebackType

from ..backends.signals import FINAL


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP as an exception. It is a KeyboardInterrupt, so code that cleans up after Ctrl-C handles it too.

    Args:
        number: the number of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextmanager
def handled(numbers: Iterable[int], handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """A context in which these signals call ``handler``; on exit the earlier handlers are restored.

    Ignored signals stay ignored, as in a background job or under nohup. Outside the main thread nothing changes, because only
    the main thread can set handlers.
    """
    before = {}
    try:
        if threading.current_thread() is threading.main_thread():
            for number in numbers:
                old = signal.getsignal(number)
                if old not in (signal.SIG_IGN, None):  # None: not a Python handler, so it could not be restored
                    before[number] = old
                    signal.signal(number, handler)
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def end(number: int, frame: FrameType | None) -> None:
    """A signal handler that raises ``Terminated``."""
    raise Terminated(number)


AGAIN = 0.02
"""Seconds until a lost signal is sent again; by then the destructor or callback has returned."""


@contextmanager
def none_lost() -> Iterator[None]:
    """A context in which a signal is sent again if Python could not raise its exception.

    In destructors and in callbacks from C, Python only prints an exception. Without this, Ctrl-C while kernels are loaded could
    print a traceback and stop nothing.
    """
    before, waiting = sys.unraisablehook, list[threading.Timer]()

    def again(lost: sys.UnraisableHookArgs) -> None:
        if not issubclass(lost.exc_type, KeyboardInterrupt):
            before(lost)
            return
        number = getattr(lost.exc_value, "number", signal.SIGINT)
        waiting.append(threading.Timer(AGAIN, os.kill, (os.getpid(), number)))
        waiting[-1].daemon = True
        waiting[-1].start()

    sys.unraisablehook = again
    try:
        yield
    finally:
        sys.unraisablehook = before
        for timer in waiting:
            timer.cancel()


class Interrupt:
    """A context in which Ctrl-C, SIGTERM and SIGHUP only set ``asked``; a second Ctrl-C raises KeyboardInterrupt as usual.

    On exit SIGTERM and SIGHUP are sent again to the earlier handler: by then the results are saved, and the program ends as
    asked. A second SIGTERM or SIGHUP has no further effect, because a closing terminal and ``timeout`` often send two.

    >>> with Interrupt() as interrupt:
    ...     interrupt.asked
    False
    """

    def __init__(self) -> None:
        self.asked = False
        self._again: int | None = None
        self._first = ExitStack()
        self._entered = ExitStack()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        if number == signal.SIGINT:
            self._first.close()
        else:
            self._again = number

    def __enter__(self) -> Interrupt:
        self._entered.enter_context(self._first)
        self._first.enter_context(handled([signal.SIGINT], self._note))
        self._entered.enter_context(handled(FINAL, self._note))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._entered.close()
        if self._again is not None:
            signal.raise_signal(self._again)
