"""Images of a file are fetched a window ahead of training, in a thread, where they are shuffled in blocks."""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from ..arrays import Array
from ..data.pixels import WINDOW
from .run import Dataset


class ReadAhead:
    """Lets the system fetch the images of the next blocks while the network learns from those before.

    Without it an image that is not in memory is waited for when it is read.

    Args:
        data: the images; those that no file is mapped for need nothing.
        block: the images of a block; None where all images are mixed with all, which nothing can be read ahead of.
    """

    def __init__(self, data: Dataset, block: int | None) -> None:
        given = data.images.values() if isinstance(data.images, Mapping) else [data.images]
        self._window, self._files = 0, []
        if block is not None:
            self._window = WINDOW * block
            self._files = [found for images in given if (found := mapped(images)) is not None]
        self._until, self._thread = 0, None if not self._files else ThreadPoolExecutor(1, "read ahead")

    def before(self, order: Array, first: int) -> None:
        """Fetch the window behind that of the batch that begins at this place of an epoch's order, if it begins one."""
        if self._thread is None:
            return
        window = first - first % self._window
        self._until = max(self._until if first else 0, window)
        while self._until < min(len(order), window + 2 * self._window):
            last = self._until + self._window >= len(order)
            self._thread.submit(fetch, self._files, order[self._until : self._until + self._window], last)
            self._until += self._window


def fetch(files: Sequence[Mapped], numbers: Array, last: bool) -> None:
    """Read some images of files.

    Args:
        files: the files.
        numbers: of the images.
        last: whether they are the last that are read in this order; the system does not guess what is read next until then,
            as it would fetch megabytes beside an image.
    """
    numbers = np.sort(numbers)
    for file in files:
        file.memory.madvise(mmap.MADV_NORMAL if last else mmap.MADV_RANDOM)
        pieces = [*runs(numbers, file.start, file.size)]
        for begin, end in pieces:  # all are asked for before any is waited for
            file.memory.madvise(mmap.MADV_WILLNEED, begin, end - begin)
        for begin, end in pieces:
            np.frombuffer(file.memory, np.uint8, end - begin, begin).max()  # waits without Python's lock


class Mapped(NamedTuple):
    """Images in a file.

    Attributes:
        memory: the file, mapped.
        start: where the first one begins.
        size: bytes of each.
    """

    memory: mmap.mmap
    start: int
    size: int


def mapped(images: object) -> Mapped | None:
    """The file that images lie in; None if there is none."""
    rows: object = getattr(images, "images", images)
    whole = rows
    while isinstance(whole, np.ndarray) and isinstance(whole.base, np.ndarray):
        whole = whole.base
    if not isinstance(whole, np.memmap) or not isinstance(rows, np.ndarray) or not hasattr(mmap, "MADV_WILLNEED"):
        return None
    file = whole.base
    if not isinstance(file, mmap.mmap) or not rows.flags.c_contiguous:
        return None
    start = rows.ctypes.data - whole.ctypes.data + whole.offset % mmap.ALLOCATIONGRANULARITY
    return Mapped(file, start, rows[:1].nbytes)


def runs(numbers: Array, start: int, size: int) -> Iterator[tuple[int, int]]:
    """The pages that some images lie in, neighbours together: where each piece of the file begins and ends.

    >>> [*runs(np.array([0, 1, 20, 21, 22]), 0, 4096)]
    [(0, 8192), (81920, 94208)]
    """
    pages = mmap.PAGESIZE
    begins, ends = (start + numbers * size) // pages * pages, start + (numbers + 1) * size
    breaks = np.flatnonzero(begins[1:] > ends[:-1] + pages) + 1
    for piece in np.split(np.arange(len(numbers)), breaks):
        yield int(begins[piece[0]]), int(ends[piece[-1]])
