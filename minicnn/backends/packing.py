"""Weights in blocks, as register tiles read them."""

from __future__ import annotations

BLOCKS = (8, 7, 6, 5, 4, 3)
"""How many filters a block may hold: the rows of a register tile."""


def filter_block(filters: int) -> int:
    """The size of the blocks that waste least on so many filters; the largest of equals.

    >>> [filter_block(n) for n in (1, 6, 10, 16)]
    [1, 6, 5, 8]
    """
    return filters if filters < min(BLOCKS) else min(BLOCKS, key=lambda size: (blocks(filters, size) * size, -size))


def blocks(filters: int, size: int) -> int:
    """How many blocks of that size there are, the last one filled up with zeros."""
    return -(-filters // size)
