"""Answers as bytes: a small head of JSON, then arrays as they lie in memory, which a browser reads without parsing numbers."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

import numpy as np

from ...arrays import Array

ALIGNED = 8
"""Arrays begin at multiples of so many bytes."""


def finite(value: float) -> float | None:
    """A number as JSON has it, which knows no others than finite ones: None stands for those.

    >>> finite(1.5), finite(math.nan)
    (1.5, None)
    """
    return float(value) if math.isfinite(value) else None


def packed(head: Mapping[str, object], arrays: Mapping[str, Array]) -> bytes:
    r"""A head and arrays as one answer.

    Four bytes, least first, say how long the JSON is; the JSON has the head's fields, and under ``arrays`` for each array its
    dtype, shape and first byte, counted from behind the JSON.

    Args:
        head: JSON data.
        arrays: by name, of float32 or uint8.

    >>> packed({"n": 1}, {"a": np.ones(2, np.uint8)})[4:]
    b'{"n":1,"arrays":{"a":["uint8",[2],0]}}      \x01\x01'
    """
    table, pieces, place = {}, [], 0
    for name, array in arrays.items():
        table[name] = [array.dtype.name, list(array.shape), place]
        content = np.ascontiguousarray(array).tobytes()
        pieces += [content, bytes(-len(content) % ALIGNED)]
        place += len(content) + -len(content) % ALIGNED
    if pieces:
        pieces.pop()  # nothing comes behind the last
    text = json.dumps({**head, "arrays": table}, separators=(",", ":"), allow_nan=False).encode()
    text += b" " * (-(len(text) + 4) % ALIGNED)
    return b"".join([len(text).to_bytes(4, "little"), text, *pieces])
