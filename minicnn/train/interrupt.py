"""Signals that ask a program to end: they take effect between two steps while something trains, at once elsewhere."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType, TracebackType

FINAL = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))
"""What a system, a supervisor or a terminal that closes sends."""


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP, as an exception: what cleans up after Ctrl-C cleans up after these.

    Args:
        number: the signal's.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextmanager
def handled(numbers: Iterable[int], handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """While it is entered, these signals call ``handler``; afterwards whoever had them before has them again.

    An ignored signal stays ignored: it belongs to a background job, or to nohup. Outside the main thread nothing is handled,
    because only the main thread may.
    """
    before = {}
    try:
        if threading.current_thread() is threading.main_thread():
            for number in numbers:
                old = signal.getsignal(number)
                if old not in (signal.SIG_IGN, None):  # None: a handler that is not Python's, and could not be given back
                    before[number] = old
                    signal.signal(number, handler)
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def end(number: int, frame: FrameType | None) -> None:
    """A handler that ends what runs, with ``Terminated``."""
    raise Terminated(number)


AGAIN = 0.02
"""Seconds after which a signal that got lost comes again: by then the destructor or the callback has returned."""


@contextmanager
def none_lost() -> Iterator[None]:
    """While it is entered, a signal whose exception Python cannot raise comes again a little later.

    In a destructor, and in a function that C code calls, an exception is only reported: Ctrl-C there would
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
    """While it is entered, Ctrl-C, SIGTERM and SIGHUP only set ``asked``; a second Ctrl-C raises KeyboardInterrupt as usual.

    SIGTERM and SIGHUP come again at its end, to whoever had them before: what was in hand is saved by then, and a program
    that is told to end does end. Both are often sent twice, by a terminal that closes or by ``timeout``, so a second one
    changes nothing.

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
