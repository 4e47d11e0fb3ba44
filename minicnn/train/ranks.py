"""What the trainers of several ranks agree on: who writes, when to stop, and that all of them do the same."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ..arrays import Array
from ..engine.world import Exchange, World, to_all
from ..errors import ContractError
from ..network import Network


class Ranks:
    """The ranks that train a network together.

    Args:
        world: them; a world of one exchanges nothing.

    Attributes:
        world: None for one process.
        leads: whether this one, rank 0, writes files and reports.
    """

    def __init__(self, world: World) -> None:
        self.world = world if world.size > 1 else None
        self.leads = world.rank == 0
        self._flags = np.zeros(world.size, np.uint8)
        self._tell_flags: Exchange | None = None

    def agreed(self, asked: bool) -> bool:
        """Whether any rank asks."""
        if self.world is None:
            return asked
        if self._tell_flags is None:
            rank, flags = self.world.rank, [self._flags[n : n + 1] for n in range(self.world.size)]
            self._tell_flags = to_all(self.world, [flags[rank]], [[flag] for flag in flags])
        self._flags[self.world.rank] = asked
        self._tell_flags()
        return bool(self._flags.any())

    def check_same(self, what: str, data: bytes, hint: str) -> None:
        """Refuse ranks that differ in something.

        Args:
            what: it, in words.
            data: its bytes here.
            hint: what to do.

        Raises:
            ContractError: they differ.
        """
        if self.world is None:
            return
        rank = self.world.rank
        digests = np.zeros((self.world.size, 32), np.uint8)
        digests[rank] = np.frombuffer(hashlib.sha256(data).digest(), np.uint8)
        to_all(self.world, [digests[rank]], [[digest] for digest in digests])()
        others = [n for n in range(self.world.size) if digests[n].tobytes() != digests[0].tobytes()]
        if others:
            raise ContractError(f"rank {others[0]}", f"expected {what} of rank 0, got others", hint)

    @contextmanager
    def copy_of(self, file: Path) -> Iterator[Path]:
        """A context with the path of a file that rank 0 reads, or of a copy: other machines may not see its folder.

        Args:
            file: it, as rank 0 sees it.
        """
        if self.world is None:
            yield file
        elif self.leads:
            yield file  # handed out when it is found to be good
            self._hand_out(self.world, np.frombuffer(file.read_bytes(), np.uint8))
        else:
            data = self._take(self.world)
            with tempfile.TemporaryDirectory() as folder:
                copy = Path(folder, file.name)
                copy.write_bytes(data.tobytes())
                yield copy

    @staticmethod
    def _hand_out(world: World, data: Array) -> None:
        """Give bytes to all other ranks."""
        for part in (np.array([len(data)], np.int64), data):
            world.link([(rank, part) for rank in range(1, world.size)], [])()

    @staticmethod
    def _take(world: World) -> Array:
        """The bytes that rank 0 hands out."""
        length = np.zeros(1, np.int64)
        world.link([], [(0, length)])()
        data = np.empty(length[0], np.uint8)
        world.link([], [(0, data)])()
        return data


def digest(net: Network) -> str:
    """SHA-256 of the parameters of a network and of what training keeps beside them, by which runs are compared.

    >>> from minicnn import Dense
    >>> len(digest(Network([("F", Dense(1))], (1,), threads=1, seed=1)))
    64
    """
    with net.atomic():
        parts = [net.params.flat, *(net.state[name] for name in sorted(net.state))]
        return hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()
