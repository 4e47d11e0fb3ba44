"""Checks of options that are ranges: the least and the greatest of an amount that is drawn."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import OptionError, number

MOST = 1e6
"""The greatest amount, in pixels or as a factor, and one over the least factor: float32 holds all that follows from them."""


def whole(who: str, name: str, given: object, most: int, words: str = "") -> int:
    """Check an option that is a whole number from 0 on.

    Args:
        who: whose option it is.
        name: its name.
        given: it.
        most: the greatest one.
        words: how the greatest one is written.

    Raises:
        OptionError: it is another.

    >>> whole("RandomCrop", "padding", 4, 100)
    4
    """
    if isinstance(given, bool) or not isinstance(given, int) or not 0 <= given <= most:
        what = f"expected {name} as a whole number from 0 to {words or f'{most:,}'}, got {given!r:.80}"
        raise OptionError(who, what, f"give {name}=0 or another one of these")
    return given


def seed(who: str, given: object) -> int:
    """Check the seed of draws.

    Raises:
        OptionError: it is none.
    """
    return whole(who, "seed", given, 2**64 - 1, "2^64 − 1")


def several(who: str, name: str, given: object, count: int, low: float, high: float, ends: str = "[]") -> tuple[float, ...]:
    """Check an option of so many numbers.

    Raises:
        OptionError: it is another.
    """
    if not isinstance(given, tuple | list) or len(given) != count:
        what = f"expected {name} as {count} numbers, got {given!r}"
        raise OptionError(who, what, f"give {name}=({', '.join(['0.5'] * count)})")
    return tuple(number(who, name, each, low, high, ends) for each in given)


def ordered(who: str, name: str, pair: Sequence[float]) -> tuple[float, float]:
    """Check that the least comes first.

    Raises:
        OptionError: it does not.
    """
    if pair[0] > pair[1]:
        raise OptionError(who, f"expected {name} as the least and the greatest, got {tuple(pair)}", "change their order")
    return pair[0], pair[1]


def spread(who: str, name: str, given: object, low: float, high: float) -> tuple[float, float]:
    """An interval: as it is given, or ± a number.

    Raises:
        OptionError: it is outside its range.
    """
    if isinstance(given, tuple | list):
        return ordered(who, name, several(who, name, given, 2, low, high))
    amount = number(who, name, given, 0, high, "[]")
    return -amount, amount
