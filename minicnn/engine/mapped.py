"""Arrays over a file: whether the file still has the bytes that they stand for, and reading some of them ahead of time."""

from __future__ import annotations

import mmap

import numpy as np

from ..arrays import Array
from ..errors import DataError
from .rows import address


def check_mapped(who: str, array: object) -> None:
    """Refuse an array, or a view of one, over a file that has become shorter.

    The system ends a program that reads what is not there any more. A file that is cut short while a batch is read goes
    unnoticed.

    Args:
        who: whose array it is, for messages.
        array: it.

    Raises:
        DataError: the file is shorter than the array.
    """
    while isinstance(array, np.ndarray) and not isinstance(array, np.memmap):
        array = array.base
    mapped = getattr(array, "_mmap", None)
    if mapped is None or mapped.closed:
        return
    try:
        size = mapped.size()
    except (OSError, ValueError):  # a mapping of no file
        return
    if size < len(mapped):
        name = str(getattr(array, "filename", None) or "the mapped file")
        what = f"expected {len(mapped):,} bytes in {name}, got {size:,}, as it was cut short"
        raise DataError(who, what, "map it anew, and let nothing write to it meanwhile")


def read_ahead(rows: Array, chosen: Array) -> None:
    """Let the system fetch some rows of an array over a file, if it is one, while something else is done.

    Without it a row that is not in memory is waited for when it is read, and its neighbours in the file are fetched along.

    Args:
        rows: the array.
        chosen: the numbers of the rows.
    """
    whole: object = rows
    while isinstance(whole, np.ndarray) and isinstance(whole.base, np.ndarray):
        whole = whole.base
    if not isinstance(whole, np.memmap) or not hasattr(mmap, "MADV_WILLNEED") or not rows.flags.c_contiguous:
        return
    file: mmap.mmap = whole.base  # type: ignore[assignment]  # the mapping that NumPy made
    start, each = address(rows) - address(whole) + whole.offset % mmap.ALLOCATIONGRANULARITY, rows[:1].nbytes
    for first in (start + chosen * each).tolist():
        page = first - first % mmap.PAGESIZE
        file.madvise(mmap.MADV_WILLNEED, page, first + each - page)
