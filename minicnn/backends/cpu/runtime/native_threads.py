"""Helper threads that wait for work in machine code. Handing work over costs a cache-line transfer instead of a lock.

Each helper has a mailbox of 64-bit words. The caller writes a native call into it and increments ``POSTED``; the helper makes
the call and increments ``DONE``. A helper without work for a while sets ``ASLEEP`` and blocks on an event.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Sequence

import numpy as np

from ....arrays import Array
from ....errors import no_thread
from ...program import Call, NativeCode, Schedule, Task
from ..compile.jit import kernel
from .atomics import load_shared, relax, store_shared
from .driver import MOST, call_native, native, relay, run_parts

LINE = 16  # words between data of different threads: two cache lines
POSTED, DONE, ASLEEP, STOP, ADDRESS, COUNT, WORDS = 0, LINE, 2 * LINE, 3 * LINE, 4 * LINE, 4 * LINE + 1, 5 * LINE

PATIENT = 20_000
"""Rounds of waiting before a helper sleeps: some tenths of a millisecond, longer than the time between two steps."""

IMPATIENT = 100
"""The same if there are more threads than processors."""

PENDING = -1
"""The status of a call that has not started."""


@kernel
def serve(mailbox: Array, patience: Array) -> None:
    """Make the posted calls until there was none for a while."""
    waited = 0
    while waited < patience[0]:
        posted = load_shared(mailbox, POSTED)
        if posted == mailbox[DONE]:
            waited += 1
            relax()
        else:
            call_native(mailbox[ADDRESS], mailbox, WORDS, mailbox[COUNT])
            store_shared(mailbox, DONE, posted)
            waited = 0


@kernel
def post(mailbox: Array) -> None:
    """Publish the call in the mailbox."""
    store_shared(mailbox, POSTED, mailbox[POSTED] + 1)


@kernel
def fall_asleep(mailbox: Array) -> None:
    """Announce that this helper now waits for its event."""
    store_shared(mailbox, ASLEEP, 1)


@kernel
def await_done(mailbox: Array) -> None:
    """Wait until the posted call is done."""
    while load_shared(mailbox, DONE) != mailbox[POSTED]:
        relax()


class _Helper:
    """One helper thread and its mailbox; ``wait`` returns when all posted calls are done."""

    def __init__(self, patience: int) -> None:
        self.mailbox = np.zeros(WORDS + MOST + LINE, np.int64)
        self.awake = threading.Event()
        self._post, self.wait = post.bind((self.mailbox,)).run, await_done.bind((self.mailbox,)).run
        arguments = (self.mailbox, self.awake, np.array([patience]))
        try:
            threading.Thread(target=_work, args=arguments, daemon=True, name="minicnn").start()
        except RuntimeError as error:
            raise no_thread(error) from error

    def give(self, address: int, words: Array) -> None:
        """Post a native call to the helper."""
        box = self.mailbox
        box[ADDRESS], box[COUNT] = address, len(words)
        box[WORDS : WORDS + len(words)] = words
        self._post()
        if box[ASLEEP]:
            self.awake.set()

    @property
    def posted(self) -> int:
        """The number of posted calls."""
        return int(self.mailbox[POSTED])

    def stop(self) -> None:
        self.mailbox[STOP] = 1
        self.awake.set()


def driving(threads: int) -> list[Call]:
    """Calls of the kernels that run programs on so many threads, with arrays of the right kinds; they are not made."""
    mailbox, number = np.zeros(WORDS, np.int64), np.zeros(1, np.int64)
    run = Call("", "run_parts", run_parts, (np.zeros((1, 3), np.int64), mailbox, np.zeros((1, 7), np.int64), number, number))
    alone = [Call("", each.__name__, each, (mailbox,)) for each in (post, fall_asleep, await_done)]
    return [run, *([Call("", "serve", serve, (mailbox, number)), *alone] if threads > 1 else [])]


def _work(mailbox: Array, awake: threading.Event, patience: Array) -> None:
    serving, sleeping = serve.bind((mailbox, patience)).run, fall_asleep.bind((mailbox,)).run
    while not mailbox[STOP]:
        serving()
        sleeping()
        if mailbox[POSTED] == mailbox[DONE]:
            awake.wait()
        awake.clear()
        mailbox[ASLEEP] = 0


class NativeThreads:
    """The calling thread and its helpers.

    Helpers are started on first use, and again in a forked child, where the parent's helpers do not exist.

    Args:
        busy: whether there are more threads than processors.
    """

    def __init__(self, busy: bool) -> None:
        self._patience = IMPATIENT if busy else PATIENT
        self._helpers: list[_Helper] = []
        self._owner = 0

    def run(self, tasks: Sequence[Task]) -> None:
        """Run tasks of native programs only, all at the same time."""
        self._together([native(task) for task in tasks])

    def run_schedule(self, work: Schedule) -> None:
        """Run phases of native programs, with one native call for each thread."""
        if work.code is None:
            work.code = relay(work.phases)
        if len(work.code) > 1:
            self._together(work.code)
        else:
            work.code[0].run()
            work.code[0].check()

    def _together(self, codes: Sequence[NativeCode]) -> None:
        """Give all but the first to helpers and run the first here; an interrupt leaves no helper waiting at a barrier."""
        mine, *others = codes
        helpers = self._native(len(others)) if others else []
        posted = [helper.posted for helper in helpers]
        mine.status[0] = PENDING
        try:
            for helper, other in zip(helpers, others, strict=True):
                helper.give(other.address, other.words)
            mine.run()
        finally:
            if mine.status[0] == PENDING:
                for helper, other, before in zip(helpers, others, posted, strict=True):
                    if helper.posted == before:
                        helper.give(other.address, other.words)
                mine.run()
            for helper in helpers:
                helper.wait()
        for code in codes:
            code.check()

    def _native(self, count: int) -> list[_Helper]:
        if self._owner != os.getpid():
            self._helpers, self._owner = [], os.getpid()
        while len(self._helpers) < count:
            helper = _Helper(self._patience)
            weakref.finalize(self, helper.stop)
            self._helpers.append(helper)
        return self._helpers[:count]
