"""Helper threads that wait for work in machine code, so that handing it over costs a cache line and not a lock.

Each helper has a mailbox of 64-bit words. The caller writes a native call into it and raises ``POSTED``; the helper makes
the call and raises ``DONE``. A helper that has waited in vain for a while says so in ``ASLEEP`` and blocks on an event.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np

from ....arrays import Array
from ....errors import no_thread
from ..compile.jit import kernel
from .atomics import load_shared, relax, store_shared
from .driver import MOST, Native, call_native, native, relay

LINE = 16  # words between what different threads write: two cache lines
POSTED, DONE, ASLEEP, STOP, ADDRESS, COUNT, WORDS = 0, LINE, 2 * LINE, 3 * LINE, 4 * LINE, 4 * LINE + 1, 5 * LINE

PATIENT = 20_000
"""Rounds that a helper waits before it goes to sleep: some tenths of a millisecond, more than lies between two steps."""

IMPATIENT = 100
"""The same where there are more threads than processors."""

PENDING = -1
"""The status of what has not begun to run."""


@kernel
def serve(mailbox: Array, patience: Array) -> None:
    """Make the calls that are posted, until none came for a while."""
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
    """Let the helper see the call in its mailbox."""
    store_shared(mailbox, POSTED, mailbox[POSTED] + 1)


@kernel
def fall_asleep(mailbox: Array) -> None:
    """Say that from now on only the event wakes this helper."""
    store_shared(mailbox, ASLEEP, 1)


@kernel
def await_done(mailbox: Array) -> None:
    """Wait until the posted call was made."""
    while load_shared(mailbox, DONE) != mailbox[POSTED]:
        relax()


class _Helper:
    """One helper thread and its mailbox."""

    def __init__(self, patience: int) -> None:
        self.mailbox = np.zeros(WORDS + MOST + LINE, np.int64)
        self.awake = threading.Event()
        self._post, self._own = post.bind((self.mailbox,))
        self._await, _ = await_done.bind((self.mailbox,))
        arguments = (self.mailbox, self.awake, np.array([patience]))
        try:
            threading.Thread(target=_work, args=arguments, daemon=True, name="minicnn").start()
        except RuntimeError as error:
            raise no_thread(error) from error

    def give(self, address: int, words: Array) -> None:
        """Let the helper make a native call."""
        box = self.mailbox
        box[ADDRESS], box[COUNT] = address, len(words)
        box[WORDS : WORDS + len(words)] = words
        self._post(*self._own)
        if box[ASLEEP]:
            self.awake.set()

    @property
    def posted(self) -> int:
        """How many calls it was given."""
        return int(self.mailbox[POSTED])

    def wait(self) -> None:
        """Return when the call was made."""
        self._await(*self._own)

    def stop(self) -> None:
        self.mailbox[STOP] = 1
        self.awake.set()


def _work(mailbox: Array, awake: threading.Event, patience: Array) -> None:
    serving, arguments = serve.bind((mailbox, patience))
    sleeping, own = fall_asleep.bind((mailbox,))
    while not mailbox[STOP]:
        serving(*arguments)
        sleeping(*own)
        if mailbox[POSTED] == mailbox[DONE]:
            awake.wait()
        awake.clear()
        mailbox[ASLEEP] = 0


def usable_threads(threads: int) -> int:
    """As many threads as there are to use."""
    return threads


class NativeThreads:
    """The calling thread and its helpers.

    Helpers are made when they are first needed, and again in a forked child, where those of the parent do not live.

    Args:
        patience: rounds that a helper waits before it sleeps.
    """

    def __init__(self, patience: int) -> None:
        self._patience = patience
        self._helpers: list[_Helper] = []
        self._owner = 0

    def run(self, tasks: Sequence[Any]) -> None:
        """Run jobs (``minicnn.backends.program.Job``) whose programs are machine code throughout, all at the same time."""
        self._together([native(task) for task in tasks])

    def run_schedule(self, work: Any) -> None:
        """Run the jobs of ``minicnn.backends.program.Stages``, machine code throughout, with one hand-over."""
        if work.code is None:
            work.code = relay(work.phases)
        self._together(work.code)

    def _together(self, codes: Sequence[Native]) -> None:
        """Give all but the first to helpers and run that one; an interrupt leaves no helper waiting for another."""
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
