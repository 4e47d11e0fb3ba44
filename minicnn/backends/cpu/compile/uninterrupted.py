"""Signals wait while a kernel is compiled or loaded: neither Numba nor LLVM survives an exception in the middle of it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""What asks a program to end."""


@contextmanager
def uninterrupted() -> Iterator[None]:
    """While it is entered, signals that Python handles wait; at its end they reach their handlers.

    Without it, Ctrl-C in a destructor of LLVM's would be reported and forgotten, and elsewhere could leave half an object
    that ends the process later.
    """
    before, came = {}, list[int]()
    if threading.current_thread() is threading.main_thread():  # handlers run in no other one
        for number in SIGNALS:
            handler = signal.getsignal(number)
            if callable(handler):
                before[number] = handler
                signal.signal(number, lambda number, frame: came.append(number))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in came:
            signal.raise_signal(number)
