"""The watching side of ranks other than 0: they tell rank 0 that they live, and look whether it does."""

from __future__ import annotations

import select
import socket
import time

from .member import BEAT, GRACE, LOST, TURN, Lines, Member, Place, send


class Spoke(Member):
    """A rank that tells rank 0.

    Args:
        places: where each rank runs.
        rank: which one this is.
        address: where rank 0 listens.
        port: its port.
        key: what it knows the ranks of this job by.
    """

    def __init__(self, places: list[Place], rank: int, address: str, port: int, key: str) -> None:
        super().__init__(places, rank)
        self._connection = socket.create_connection((address, port), timeout=LOST * TURN)
        self._connection.settimeout(TURN)
        send(self._connection, {"key": key, "rank": rank})

    def end(self, words: str) -> None:
        """See ``Member``."""
        send(self._connection, {"failed": words})
        time.sleep(GRACE)
        self._die(None)

    def _watch(self) -> None:
        lines, turn, silent = Lines(self._connection), 0, 0
        while True:
            started = time.monotonic()
            if turn % BEAT == 0 or self.gone:
                send(self._connection, self._state())
            turn, silent = turn + 1, silent + 1
            ready, _, _ = select.select([self._connection.fileno(), *self._daemon], [], [], TURN)
            for note in lines.read() if self._connection.fileno() in ready else ():
                silent = 0
                if "end" in note:
                    time.sleep(GRACE)  # rank 0 has told why
                    self._die(None)
                if "all gone" in note:
                    self._all_gone.set()
                    return
            if self._orphaned():
                words = "its daemon has ended, or the connection of its machine is lost"
                send(self._connection, {"failed": words, "orphaned": True})
                self._die(None if self._answered(lines) else f"{self.name(self.rank)}: its daemon has ended")
            if lines.closed or silent > LOST:
                time.sleep(self.rank * TURN)  # the first of those that are left tells it
                why = "has ended without a word" if lines.closed else f"has not been heard of for {LOST * TURN:g} s"
                self._die(f"{self.name(0)} {why}")
            select.select(self._daemon, [], [], max(0.0, TURN - (time.monotonic() - started)))

    def _answered(self, lines: Lines) -> bool:
        """Whether rank 0 tells why the job ends. Until then this process stays, as MPI would end rank 0 without a word."""
        end = time.monotonic() + 2 * GRACE
        while time.monotonic() < end and not lines.closed:
            if any("end" in note for note in lines.read()):
                return True
        return False
