"""The threads that an instruction is executed for."""

from __future__ import annotations

import numpy as np

Array = np.ndarray


class Lanes:
    """Some threads, or all of them, by their numbers in ascending order.

    Attributes:
        total: how many threads there are.
        size: how many are meant.
        everyone: whether these are all.
    """

    __slots__ = ("_mask", "everyone", "index", "size", "total")

    def __init__(self, total: int, index: Array | None = None) -> None:
        self.total, self.index = total, index
        self.size = total if index is None else index.size
        self.everyone = self.size == total
        self._mask: Array | None = None

    def of(self, values: Array) -> Array:
        """What these threads have of values, one a thread."""
        return values if self.everyone else values.take(self.index)

    @property
    def where(self) -> Array | slice:
        """What to index values with, to set these threads' own."""
        return slice(None) if self.everyone else self.index

    @property
    def mask(self) -> Array:
        """For every thread whether it is meant."""
        if self._mask is None:
            self._mask = np.zeros(self.total, np.bool_)
            self._mask[self.where] = True
        return self._mask

    def among(self, chosen: Array) -> Lanes:
        """Those for which ``chosen``, one bool for each of these threads, is true."""
        if np.count_nonzero(chosen) == self.size:
            return self
        places = chosen.nonzero()[0]
        return Lanes(self.total, places if self.everyone else self.index.take(places))

    def without(self, others: Lanes) -> Lanes:
        """Those that are not among some of these."""
        return Lanes(self.total, np.flatnonzero(self.mask & ~others.mask))

    def number(self, place: int) -> int:
        """The thread at a place among these."""
        return place if self.everyone else int(self.index[place])
