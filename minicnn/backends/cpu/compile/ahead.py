"""Compiles the kernels of a schedule on several processors before it runs.

Numba compiles one kernel after another under one lock. So forked copies of the process compile a part of the kernels each and
store them in the disk cache, from which this process loads them. Without ``fork``, a second processor or a cache that can be
written, or beside other threads, kernels are compiled here, one by one, when they are first used.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Iterable, Sequence
from contextlib import suppress

from numba.core.registry import cpu_target

from ....arrays import Array
from ...processors import usable_cpus
from ...program import Call
from ...signals import ASKING
from .cache import cacheable, kept
from .dependencies import size
from .jit import COMPILING, LOG, Kernel, Selection

LEAST = 2
"""A further process is worth starting for so many kernels."""

PATIENCE = 60.0
"""Seconds after which a process that is not done is ended; this one compiles what it left."""

Specialisation = tuple[Kernel, tuple[Array, ...]]


def compile_ahead(calls: Iterable[Call]) -> None:
    """Load the kernels of calls, and compile those that no cache holds, on all usable processors."""
    with COMPILING:
        missing = _missing(calls)
        processes = min(usable_cpus(), len(missing) // LEAST)
        if processes > 1 and kept() and _may_fork():
            _compile_together(missing, processes)


def _may_fork() -> bool:
    """Whether a copy of this process can go on: one of another thread's locks would stay closed in it for ever.

    Beside the system libraries of macOS it never can.
    """
    return sys.platform == "linux" and threading.active_count() == 1


def _missing(calls: Iterable[Call]) -> list[Specialisation]:
    """The specialisations that are neither compiled nor cached, each once, the largest first; the others are loaded.

    A large one at the end would leave other processes without work.
    """
    found: dict[object, Specialisation] = {}
    for call in calls:
        kernel, arrays = call.kernel, call.arrays
        while isinstance(kernel, Selection):
            kernel = kernel.choose(*arrays)
        if not isinstance(kernel, Kernel) or (kernel, key := kernel.key(arrays)) in found:
            continue
        if cacheable(kernel.function) and not kernel.load(arrays):
            found[kernel, key] = kernel, arrays
    return sorted(found.values(), key=lambda each: -size(each[0].function))


def _compile_together(missing: Sequence[Specialisation], processes: int) -> None:
    """Compile in this process and in copies of it, which have the same number of each kernel."""
    cpu_target.typing_context.refresh()  # fills the compiler's registries once for all of them
    cpu_target.target_context.refresh()
    reading, writing = os.pipe()
    try:
        os.write(writing, b"".join(number.to_bytes(2, "little") for number in range(len(missing))))
    finally:
        os.close(writing)
    children: list[int] = []
    try:
        children += [child for _ in range(processes - 1) if (child := _fork(reading, missing)) is not None]
        _take(reading, missing)
    finally:
        while os.read(reading, 512):  # after an interrupt the copies find nothing more to do
            pass
        os.close(reading)
        _wait(children)
    for kernel, arrays in missing:
        if not kernel.ready(arrays) and kernel.load(arrays):
            LOG.compiled.append(kernel.__name__)


def _take(reading: int, missing: Sequence[Specialisation]) -> None:
    """Compile one kernel after another until all are taken: every process reads its next number from the same pipe."""
    while number := os.read(reading, 2):
        kernel, arrays = missing[int.from_bytes(number, "little")]
        kernel.bind(arrays)


def _fork(reading: int, missing: Sequence[Specialisation]) -> int | None:
    """The number of a copy of this process that compiles kernels and ends; None where the system gives no more."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python warns of other threads; the copy uses none of their locks
        try:
            child = os.fork()
        except OSError:
            return None
    if child:
        return child
    code = 1
    try:
        LOG.reported, LOG.on_compile = True, None  # the parent speaks
        for number in ASKING:  # handlers are the parent's, and Ctrl-C goes to both
            signal.signal(number, signal.SIG_IGN if number == signal.SIGINT else signal.SIG_DFL)
        _take(reading, missing)
        code = 0
    finally:
        os._exit(code)  # without the parent's exit handlers and open files


def _wait(children: Iterable[int]) -> None:
    """Wait until the copies have ended, and end those that take too long."""
    last = time.monotonic() + PATIENCE
    for child in children:
        with suppress(ChildProcessError):  # somebody else has waited for it
            while os.waitpid(child, os.WNOHANG) == (0, 0):
                if time.monotonic() > last:
                    os.kill(child, signal.SIGKILL)
                    os.waitpid(child, 0)
                    break
                time.sleep(0.002)
