"""What a backend says about its compiling."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from threading import Timer
from types import TracebackType

PATIENCE = 2.0
"""So many seconds of compiling pass before a process says a word about it."""


class CompileLog:
    """What was compiled in this process: for the start-up budget, and for telling the user why it takes a while.

    After ``PATIENCE`` seconds of compiling one line goes to stderr, once in a process. There is no switch for it: ``python -m
    minicnn warmup`` leaves nothing to say.

    Args:
        words: what to tell.

    Attributes:
        compiled: names of the kernels that no cache held.
        bound: how many specialisations were compiled or loaded.
        seconds: how long that took.
        on_compile: called once, before the next compilation, in place of the line; None where nobody wants to know.
        reported: whether the user has been told.
    """

    def __init__(self, words: Callable[[], str]) -> None:
        self.words = words
        self.compiled: list[str] = []
        self.bound = 0
        self.seconds = 0.0
        self.on_compile: Callable[[], None] | None = None
        self.reported = False
        self._waited = 0.0

    def binding(self, name: str) -> Binding:
        """To be entered while the kernel ``name`` is compiled or loaded."""
        return Binding(self, name)

    def report(self) -> None:
        """Say the words, where there is a stderr that takes them."""
        if self.reported:
            return
        self.reported = True
        try:
            line = f"minicnn: {self.words()}\n".encode("ascii", "backslashreplace").decode()
            sys.stderr.write(line)
            sys.stderr.flush()
        except (AttributeError, OSError, ValueError):  # there is none, its reader is gone, or it is closed
            return


class Binding:
    """One kernel on its way: compiled or loaded, and how long the user waits for it.

    Args:
        log: where to note it.
        name: the kernel's name.
    """

    def __init__(self, log: CompileLog, name: str) -> None:
        self._log, self._name = log, name
        self._started = time.perf_counter()
        self._compiling: float | None = None
        self._timer: Timer | None = None
        self._given_up = False

    def missed(self) -> None:
        """No cache holds it: it is compiled from here on."""
        log = self._log
        on_compile, log.on_compile = log.on_compile, None
        if on_compile is not None:
            on_compile()
            log.reported = True
        log.compiled.append(self._name)
        self._compiling = time.perf_counter()
        if not log.reported:
            self._timer = Timer(max(0.0, PATIENCE - log._waited), log.report)
            self._timer.daemon = True
            try:
                self._timer.start()
            except RuntimeError:  # no thread can be had: then nothing is said
                self._timer = None

    def given_up(self) -> None:
        """No cache holds it, and it is not to be compiled now."""
        self._given_up = True

    def __enter__(self) -> Binding:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        now, log = time.perf_counter(), self._log
        if self._timer is not None:
            self._timer.cancel()
        if self._compiling is not None:
            log._waited += now - self._compiling
        if error is None and not self._given_up:
            log.bound += 1
            log.seconds += now - self._started
