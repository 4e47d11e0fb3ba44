"""Arrays over a file: whether the file still has the bytes that they stand for."""

from __future__ import annotations

import numpy as np

from ..errors import DataError


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
