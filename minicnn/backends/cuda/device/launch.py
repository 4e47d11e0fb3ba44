"""The grid and block of every launch, from the shapes of the arrays.

A warp is 32 neighbouring lanes, so that its loads are contiguous. A block over lanes is 32 lanes × 4 items (pixels, tiles,
links); items lie along x, where a grid may be long.
"""

from __future__ import annotations

from dataclasses import dataclass

LANES = 32
"""Lanes of a warp."""

ROWS = 4
"""Warps of a block over lanes."""

THREADS = LANES * ROWS
"""Threads of a block over lanes."""

EACH = 256
"""Threads of a block over elements."""

BLOCKS = 512
"""About how many blocks a sum over a batch is divided into: several for each multiprocessor of a large card. The number does
not depend on the card, so the bits of a sum depend on shapes alone."""

GEMM = (32, 64, 8)
"""A block's tile of a matrix product: rows, columns, and the depth between two barriers."""

GEMM_THREADS = (16, 8)
"""Threads of a matrix-product block, along columns and rows; each computes 4 × 4 of its 32 × 64 results."""

PIXELS = (8, 7, 6, 5, 4, 3, 2, 1)
"""Possible numbers of neighbouring pixels of a row in one thread of a convolution."""


@dataclass(frozen=True)
class Shape:
    """The grid and the block of a launch, x first."""

    grid: tuple[int, ...]
    block: tuple[int, ...]


def parts(whole: int, size: int) -> int:
    """``whole`` divided by ``size``, rounded up."""
    return -(-whole // size)


def each(count: int) -> Shape:
    """One thread for each element."""
    return Shape((max(1, parts(count, EACH)),), (EACH,))


def lanes(L: int, things: int) -> Shape:
    """One thread for each lane of each item."""
    return Shape((parts(things, ROWS), parts(L, LANES)), (LANES, ROWS))


def images(L: int) -> Shape:
    """One thread for each lane."""
    return Shape((parts(L, THREADS),), (THREADS,))


def tiles(rows: int, columns: int, slices: int = 1) -> Shape:
    """One block for each tile of a matrix product and each slice of its sum."""
    return Shape((parts(columns, GEMM[1]), parts(rows, GEMM[0]), slices), GEMM_THREADS)


def slices(sums: int, length: int, least: int) -> int:
    """Number of slices of a sum of this length: enough blocks, and each slice adds at least ``least`` terms."""
    return max(1, min(parts(BLOCKS, sums), length // least))


def pixels(width: int) -> int:
    """Number of neighbouring pixels in a thread, for rows of this width: few idle pixels, then as many as possible.

    >>> [pixels(width) for width in (28, 14, 10, 5, 1)]
    [7, 7, 5, 5, 1]
    """
    fitting = [n for n in PIXELS if n <= width and (n > 3 or width < 4)]
    return min(fitting, key=lambda n: (parts(width, n) * n, -n))


def share_rows(sums: int, rows: int, L: int) -> tuple[int, int]:
    """Number of output rows of 32 images in a slice of a sum over a batch, and the number of slices."""
    warps = parts(L, LANES)
    height = parts(rows, max(1, min(parts(BLOCKS, sums * warps), parts(rows, ROWS))))
    return height, parts(rows, height) * warps
