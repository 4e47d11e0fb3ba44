"""The codes of the ten digits that LeNet-5's output units compare with: LeCun et al. 1998, figure 3.

Each is a picture of its digit of 12 rows and 7 columns, so that digits that look alike have codes that are alike.
"""

from __future__ import annotations

Code = tuple[float, ...]

ROWS = (
    "3e 00 1c 36 63 63 63 63 36 1c 00 00",
    "0c 1c 3c 0c 0c 0c 0c 0c 0c 3f 00 00",
    "3e 00 3e 63 43 06 1c 30 60 7f 00 00",
    "7f 03 06 0c 1e 03 03 03 63 3e 00 00",
    "3e 00 00 33 33 73 63 63 67 3f 03 03",
    "3e 00 7f 60 60 3c 1e 03 63 3e 00 00",
    "1e 30 60 60 7e 73 63 63 73 3e 00 00",
    "7f 03 03 06 0c 0c 18 18 18 18 00 00",
    "3e 63 63 63 3e 63 63 63 63 3e 00 00",
    "3e 67 63 63 67 3f 03 03 06 3c 00 00",
)
"""A digit's rows from the top, each a number of seven bits, the left pixel the highest; 1 is ink."""

COLUMNS = 7


def code(rows: str) -> Code:
    """+1 where a picture has ink and −1 elsewhere, row by row.

    >>> code("41")
    (1.0, -1.0, -1.0, -1.0, -1.0, -1.0, 1.0)
    """
    bits = (int(row, 16) >> place & 1 for row in rows.split() for place in reversed(range(COLUMNS)))
    return tuple(1.0 if bit else -1.0 for bit in bits)


DIGITS: tuple[Code, ...] = tuple(map(code, ROWS))
"""The ten codes, 84 numbers each."""
