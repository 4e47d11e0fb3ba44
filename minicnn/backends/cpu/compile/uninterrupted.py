"""Delays signals while a kernel is compiled or loaded. An exception inside Numba or LLVM would damage their state."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ...signals import ASKING


@contextmanager
def uninterrupted() -> Iterator[None]:
    """A context in which signals with a Python handler are delayed; on exit they are delivered.

    Otherwise Ctrl-C could be lost in a destructor of LLVM's, or leave an incomplete object that crashes the process later.
    """
    before, came = {}, list[int]()
    if threading.current_thread() is threading.main_thread():  # handlers run only in the main thread
        for number in ASKING:
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
