"""The watching side of rank 0: it hears of all others, and tells who is missing when the job must end."""

from __future__ import annotations

import select
import socket
import time
from contextlib import suppress
from dataclasses import dataclass

from .member import BEAT, GRACE, LOST, TURN, Lines, Member, Note, Place, send


@dataclass
class _Known:
    """What is known of another rank."""

    connection: socket.socket
    lines: Lines
    silent: int = 0
    come: int = 0
    waiting: bool = False
    gone: bool = False


class Hub(Member):
    """Rank 0, which listens.

    Args:
        places: where each rank runs.
        patience: seconds for which ranks wait for one that lives.
        key: what ranks of this job know.
        local: whether all of them run on this machine.

    Attributes:
        address: where it listens.
        port: its port.
    """

    def __init__(self, places: list[Place], patience: float, key: str, local: bool) -> None:
        super().__init__(places, 0)
        self.key, self._patience = key, max(1, round(patience / TURN))
        self.address = "127.0.0.1" if local else socket.gethostbyname(socket.getfqdn())
        self._listener = socket.create_server((self.address, 0))
        self._listener.settimeout(TURN)
        self.port: int = self._listener.getsockname()[1]
        self._known: dict[int, _Known] = {}
        self._awaited, self._turns = 0, 0

    def end(self, words: str) -> None:
        """See ``Member``."""
        self._tell(f"{self.name(0)}: {words}")

    def _tell(self, words: str) -> None:
        for known in self._known.values():
            send(known.connection, {"end": words})
        self._die(words)

    def _watch(self) -> None:
        self._welcome()
        turn, due = 0, 0.0
        while True:
            started = time.monotonic()
            if started >= due:  # and not because somebody was heard
                if turn % BEAT == 0:
                    for known in self._known.values():
                        send(known.connection, {"alive": True})
                for known in self._known.values():
                    known.silent += 1
                turn, due = turn + 1, started + TURN
                self._turns += 1
            self._hear()
            if self._orphaned():
                self._tell(f"{self.name(0)}: its daemon has ended{self._elsewhere()}")
            self._look()
            if self.gone and all(known.gone for known in self._known.values()):
                for known in self._known.values():
                    send(known.connection, {"all gone": True})
                self._all_gone.set()
                return
            rest = max(0.0, due - time.monotonic())
            heard = [known.connection.fileno() for known in self._known.values() if not known.lines.closed]
            select.select([*heard, *self._daemon], [], [], rest)

    def _welcome(self) -> None:
        """Take the connections of all other ranks, and of nobody else."""
        turns = 0
        while len(self._known) < len(self.places) - 1:
            turns += 1
            if turns > 6 * LOST:
                missing = [self.name(rank) for rank in range(1, len(self.places)) if rank not in self._known]
                self._die(f"expected a connection of {', '.join(missing)} to {self.address}, got none")
            with suppress(OSError):
                connection, _ = self._listener.accept()
                connection.settimeout(LOST * TURN)
                lines = Lines(connection)
                first = next(iter(lines.read()), Note())
                rank = first.get("rank")
                if first.get("key") == self.key and isinstance(rank, int):
                    connection.settimeout(0)
                    self._known[rank] = _Known(connection, lines)
                else:
                    connection.close()
        self._listener.close()

    def _elsewhere(self) -> str:
        """The ranks of other machines that are lost too, in words: a launcher that loses one of its daemons ends itself."""
        lost: list[str] = []
        far = {rank: known for rank, known in self._known.items() if self.places[rank].host != self.places[0].host}
        end = time.monotonic() + GRACE
        while far and not lost and time.monotonic() < end:
            select.select([known.connection for known in far.values()], [], [], TURN / 10)
            for rank, known in far.items():
                notes = known.lines.read()
                lost += [self.name(rank)] if known.lines.closed or any("failed" in note for note in notes) else []
        return f", and {', '.join(lost)} is lost" if lost else ""

    def _hear(self) -> None:
        """Read what has come."""
        ready, _, _ = select.select([known.connection for known in self._known.values()], [], [], 0)
        for rank, known in self._known.items():
            for note in known.lines.read() if known.connection in ready else ():
                known.silent = 0
                if "failed" in note:
                    launched_here = "orphaned" in note and self.places[rank].host == self.places[0].host
                    self._tell(f"{self.name(rank)}: {note['failed']}{self._elsewhere() if launched_here else ''}")
                known.come, known.waiting, known.gone = int(str(note["come"])), bool(note["waiting"]), bool(note["gone"])

    def _look(self) -> None:
        """End the job if somebody is missing."""
        for rank, known in self._known.items():
            if known.lines.closed and not known.gone:
                self._tell(f"{self.name(rank)} has ended without a word: killed, out of memory, or its daemon is lost")
            if known.silent > LOST and not known.gone:
                self._tell(f"{self.name(rank)} has not been heard of for {LOST * TURN:g} s: stopped, or cut off")
        states = {0: (self.come, self.waiting, self.gone)}
        states |= {rank: (known.come, known.waiting, known.gone) for rank, known in self._known.items()}
        most = max((come for come, waiting, _ in states.values() if waiting), default=0)
        late = [rank for rank, (come, _, _) in states.items() if come < most]
        for rank in late:
            if states[rank][2]:
                self._tell(f"{self.name(rank)} has ended its program, and others wait for it in exchange {most}")
        if not late or most != self._awaited:
            self._turns = 0
        self._awaited = most
        if self._turns > self._patience:
            words = f"lives, and has not come to exchange {most} for {self._patience * TURN:g} s"
            self._tell(f"{self.name(late[0])} {words}")
