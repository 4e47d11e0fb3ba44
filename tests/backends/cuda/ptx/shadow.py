"""Shadows: for every word of a memory, which thread touched it last, and when.

Two accesses to a word race, if one of them writes, and they are of different threads with nothing to order them: of one block
in one epoch, or of two blocks. A write in the same instant by two threads is a race too, also of equal values.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .access import Access
from .errors import PtxError
from .lanes import Array, Lanes
from .syntax import Instruction
from .team import BLOCK, EPOCH, SEVERAL, Team, describe


def words(index: Array, stamps: Array, pieces: int, shift: int = 0) -> tuple[Array, Array]:
    """The words of accesses that are several words long, and the stamps to go with them."""
    if stamps.size != index.size:
        index = np.broadcast_to(index, stamps.shape)
    if pieces > 1:
        index, stamps = (index[:, None] * pieces + np.arange(pieces)).ravel(), stamps.repeat(pieces)
    return index + shift if shift else index, stamps


class Shadow:
    """What is watched of one memory, in words of ``granule`` bytes."""

    def __init__(self, granule: int, team: Team) -> None:
        self.granule, self.team = granule, team

    def watch(self, access: Access, name: str, index: Array, lanes: Lanes) -> None:
        """Look at an access to the memory of that name, and remember it."""
        raise NotImplementedError

    def _claim(self, writer: Array, word: Array, stamps: Array, racing: Callable[[Array, Array], Array]) -> tuple[Array, Array]:
        """Write the stamps into the words: which accesses race with an earlier write or with each other, and whose it was."""
        old = writer[word]
        writer[word] = stamps
        now = writer[word]
        bad = racing(old, stamps) | (now != stamps)
        return bad, np.where(now != stamps, now, old)

    def _race(self, access: Access, name: str, lanes: Lanes, bad: Array, whose: Array, each: int, deed: str) -> PtxError:
        first = np.flatnonzero(bad)
        problem = (
            f"expected a barrier between this access to {name} and the {deed} of {describe(int(whose[first[0]]))}, got none"
        )
        return self.team.fault("race", problem, access.instruction, lanes, first // each)


def in_one_epoch(old: Array, new: Array) -> Array:
    """Whether two stamps are of different threads of one block in one epoch."""
    apart = old ^ new
    return (apart > 0) & (apart < EPOCH)


def in_no_order(old: Array, new: Array) -> Array:
    """Whether two stamps are of different threads that no barrier orders, of one block or two; −1 is nobody."""
    apart = old ^ new
    return (old >= 0) & ((apart >= BLOCK) | ((apart > 0) & (apart < EPOCH)))


class PrivateShadow(Shadow):
    """The shadow of local memory, which only its thread can reach: what was written."""

    def __init__(self, size: int, granule: int, team: Team) -> None:
        super().__init__(granule, team)
        self.written = np.zeros(size // granule, np.bool_)

    def watch(self, access: Access, name: str, index: Array, lanes: Lanes) -> None:
        pieces = access.width // self.granule
        for k in range(access.count):
            word, _ = words(index + k, index, pieces)
            self._written(access, name, word, lanes, pieces)

    def _written(self, access: Access, name: str, word: Array, lanes: Lanes, each: int) -> None:
        if access.store:
            self.written[word] = True
            return
        known = self.written.take(word)
        if np.count_nonzero(known) < known.size:
            problem = f"expected a word of {name} that was written before, got one that was not"
            raise self.team.fault("unwritten", problem, access.instruction, lanes, np.flatnonzero(~known) // each)


class SharedShadow(PrivateShadow):
    """The shadow of shared memory: what was written, by whom, and where ``exposed`` accesses may race, who read it."""

    def __init__(self, size: int, granule: int, team: Team, exposed: set[Instruction]) -> None:
        super().__init__(size, granule, team)
        self.exposed = exposed
        self.writer = np.full(size // granule, -1, np.int64)
        self.reader = np.full(size // granule, -1, np.int64)

    def watch(self, access: Access, name: str, index: Array, lanes: Lanes) -> None:
        pieces = access.width // self.granule
        stamps = self.team.stamps(lanes)
        for k in range(access.count):
            word, stamp = words(index + k, stamps, pieces)
            if access.store:
                self._stored(access, name, word, stamp, lanes, pieces)
            elif access.instruction in self.exposed:
                self._loaded(access, name, word, stamp, lanes, pieces)
            self._written(access, name, word, lanes, pieces)

    def _stored(self, access: Access, name: str, word: Array, stamp: Array, lanes: Lanes, each: int) -> None:
        bad, whose = self._claim(self.writer, word, stamp, in_one_epoch)
        if np.count_nonzero(bad):
            raise self._race(access, name, lanes, bad, whose, each, "write")
        if self.exposed:
            whose = self.reader[word]
            bad = in_one_epoch(whose, stamp)
            if np.count_nonzero(bad):
                raise self._race(access, name, lanes, bad, whose, each, "read")

    def _loaded(self, access: Access, name: str, word: Array, stamp: Array, lanes: Lanes, each: int) -> None:
        whose = self.writer[word]
        bad = in_one_epoch(whose, stamp)
        if np.count_nonzero(bad):
            raise self._race(access, name, lanes, bad, whose, each, "write")
        old = self.reader[word]
        self.reader[word] = stamp
        several = in_one_epoch(old, stamp) | (self.reader[word] != stamp)
        self.reader[word[several]] = stamp[several] | SEVERAL


class GlobalShadow(Shadow):
    """The shadow of an array that a launch writes: who wrote, and every read, for ``finish``.

    Arrays that overlap have shadows with one ``writer``, in which each begins at its ``shift``.
    """

    def __init__(self, writer: Array, shift: int, granule: int, team: Team) -> None:
        super().__init__(granule, team)
        self.writer, self.shift = writer, shift
        self.reads: list[tuple[Instruction, str, Array, Array]] = []

    def watch(self, access: Access, name: str, index: Array, lanes: Lanes) -> None:
        pieces = access.width // self.granule
        stamps = self.team.stamps(lanes)
        for k in range(access.count):
            word, stamp = words(index + k, stamps, pieces, self.shift)
            if not access.store:
                self.reads.append((access.instruction, name, word, stamp))
                continue
            bad, whose = self._claim(self.writer, word, stamp, in_no_order)
            if np.count_nonzero(bad):
                raise self._race(access, name, lanes, bad, whose, pieces, "write")

    def finish(self) -> None:
        """At the end of the launch: whether a word was read by one thread and written by another, in whatever order."""
        for instruction, name, word, stamp in self.reads:
            whose = self.writer[word]
            bad = np.flatnonzero(in_no_order(whose, stamp))
            if bad.size:
                at = bad[0]
                problem = f"expected no other thread to write what this one reads of {name}, got {describe(int(whose[at]))}"
                raise PtxError("race", problem, instruction, describe(int(stamp[at])))
