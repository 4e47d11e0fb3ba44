"""What a rank does to be watched: it tells that it lives and which exchange it has come to, over a socket beside MPI.

A process that is blocked in MPI cannot look around. So a thread of every rank sends a line each second to rank 0, and rank 0
answers; whoever is killed, stopped or cut off is missed. Time is counted in turns of the watching thread and not by a clock:
where all processes are stopped together, such as by a batch system, nobody is missed when they go on.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

TURN = 0.25
"""Seconds of a turn of the watching thread."""

BEAT = 4
"""Turns between two signs of life."""

LOST = 40
"""Turns without a sign of life after which a rank is lost: ten seconds."""

GRACE = 1.0
"""Seconds that others get to hear why the job ends, before this process ends too."""

Note = dict[str, object]
"""A line between two ranks."""


class Place(NamedTuple):
    """Where a rank runs."""

    host: str
    pid: int


class Member(ABC):
    """A rank, with a thread that watches.

    Args:
        places: where each rank runs.
        rank: which one this is.
    """

    def __init__(self, places: list[Place], rank: int) -> None:
        self.places, self.rank = places, rank
        self.come, self.waiting, self.gone = 0, False, False
        self._parent, self._ending = os.getppid(), threading.Lock()
        self._told, self._daemon = _errors_of_launcher(self._parent), _end_of(self._parent)
        self._all_gone = threading.Event()

    def start(self) -> None:
        """Begin to watch."""
        threading.Thread(target=self._watch, daemon=True, name="minicnn ranks").start()

    def enter(self) -> None:
        """Note that this rank came to its next exchange."""
        self.come += 1
        self.waiting = True

    def left(self) -> None:
        """Note that the exchange is done."""
        self.waiting = False

    def leave(self) -> None:
        """Note that the program ends, and wait until all others have come to their ends too."""
        self.gone = True
        self._all_gone.wait()

    def name(self, rank: int) -> str:
        """A rank in messages."""
        return f"rank {rank} of {len(self.places)} (process {self.places[rank].pid} on {self.places[rank].host})"

    @abstractmethod
    def end(self, words: str) -> None:
        """End all ranks, because of an error in this one."""

    @abstractmethod
    def _watch(self) -> None:
        """What the watching thread does."""

    def _orphaned(self) -> bool:
        """Whether the daemon that started this process is gone."""
        return os.getppid() != self._parent

    def _state(self) -> Note:
        return {"come": self.come, "waiting": self.waiting, "gone": self.gone}

    def _die(self, words: str | None) -> None:
        """End this process at once, whatever its main thread does."""
        if not self._ending.acquire(blocking=False):
            return  # another thread does it
        if words is not None:
            hint = "the job ends; a run with a folder goes on from its last checkpoint with resume"
            with suppress(OSError):
                os.write(self._told, f"minicnn: {words}; {hint}\n".encode())
            with suppress(OSError, ValueError, AttributeError):
                sys.stdout.flush()
        os._exit(1)


LAUNCHERS = ("mpiexec", "mpirun", "prterun", "orterun")


def _errors_of_launcher(parent: int) -> int:
    """Where words about the end of a job go: a launcher that ends too may no longer pass on what its ranks write."""
    with suppress(OSError):
        if Path(f"/proc/{parent}/comm").read_text().strip() in LAUNCHERS:
            return os.open(f"/proc/{parent}/fd/2", os.O_WRONLY | os.O_APPEND)
    return 2


def _end_of(process: int) -> list[int]:
    """What is readable once a process has ended, where the system has that: MPI ends ranks without a daemon in milliseconds."""
    with suppress(AttributeError, OSError):  # only Linux has it, since 5.3
        return [os.pidfd_open(process)]
    return []


def send(connection: socket.socket, note: Note) -> None:
    """Send a line; where the other side has gone, which is found out by reading, nothing happens."""
    with suppress(OSError):
        connection.sendall(json.dumps(note).encode() + b"\n")


class Lines:
    """Lines as they come in over a connection.

    Args:
        connection: it; reading waits for at most a turn.

    Attributes:
        closed: whether the other side has closed it.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection, self._rest, self.closed = connection, b"", False

    def read(self) -> list[Note]:
        """What has come, perhaps nothing."""
        try:
            data = self._connection.recv(1 << 16)
            self.closed = not data
        except (TimeoutError, BlockingIOError):
            return []
        except OSError:
            data, self.closed = b"", True
        *lines, self._rest = (self._rest + data).split(b"\n")
        notes = []
        for line in lines:
            with suppress(ValueError):
                found = json.loads(line)
                notes += [found] if isinstance(found, dict) else []
        return notes
