"""The shapes of all launches, from the shapes of the arrays: how many threads work, and on what.

A warp is 32 neighbouring lanes, so that its loads are one piece of memory. Blocks of lanes are 32 lanes × 4 things (pixels,
tiles, links); things lie along x, where a grid may be long.
"""

from __future__ import annotations

from dataclasses import dataclass

LANES = 32
"""A warp."""

ROWS = 4
"""Warps of a block that works on lanes."""

THREADS = LANES * ROWS
"""Threads of such a block."""

EACH = 256
"""Threads of a block that works element by element."""

BLOCKS = 512
"""About as many blocks as a sum over a batch is cut into: some for each of a large card's processors, whatever the card, so
that the bits of a sum depend on shapes alone."""

GEMM = (32, 64, 8)
"""A block's tile of a matrix product: rows, columns, and how deep it goes between two barriers."""

GEMM_THREADS = (16, 8)
"""Threads of such a block, along columns and rows; each holds 4 × 4 of its 32 × 64 numbers."""

PIXELS = (8, 7, 6, 5, 4, 3, 2, 1)
"""Neighbouring pixels of a row that a thread of a convolution may hold."""


@dataclass(frozen=True)
class Shape:
    """The blocks of a launch and the threads of a block, x first."""

    grid: tuple[int, ...]
    block: tuple[int, ...]


def parts(whole: int, size: int) -> int:
    """How many parts of a size make up a whole, the last one smaller."""
    return -(-whole // size)


def each(count: int) -> Shape:
    """A thread for every element."""
    return Shape((max(1, parts(count, EACH)),), (EACH,))


def lanes(L: int, things: int) -> Shape:
    """A thread for every lane of every thing."""
    return Shape((parts(things, ROWS), parts(L, LANES)), (LANES, ROWS))


def images(L: int) -> Shape:
    """A thread for every lane."""
    return Shape((parts(L, THREADS),), (THREADS,))


def tiles(rows: int, columns: int, slices: int = 1) -> Shape:
    """A block for every tile of a matrix product, for every slice of its sum."""
    return Shape((parts(columns, GEMM[1]), parts(rows, GEMM[0]), slices), GEMM_THREADS)


def slices(sums: int, length: int, least: int) -> int:
    """Into how many slices to cut sums of that length, so that there are enough blocks and each adds at least so much."""
    return max(1, min(parts(BLOCKS, sums), length // least))


def pixels(width: int) -> int:
    """How many neighbouring pixels of a row of that width a thread holds: few idle, then many.

    >>> [pixels(width) for width in (28, 14, 10, 5, 1)]
    [7, 7, 5, 5, 1]
    """
    fitting = [n for n in PIXELS if n <= width and (n > 3 or width < 4)]
    return min(fitting, key=lambda n: (parts(width, n) * n, -n))


def share_rows(sums: int, rows: int, L: int) -> tuple[int, int]:
    """How many output rows of 32 images make a slice of so many sums over a batch, and how many slices there are."""
    warps = parts(L, LANES)
    height = parts(rows, max(1, min(parts(BLOCKS, sums * warps), parts(rows, ROWS))))
    return height, parts(rows, height) * warps
