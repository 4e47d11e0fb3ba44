"""The one sentence that the help of every layer has about its lane axis."""

from __future__ import annotations

import re

SENTENCE = "L is the lane axis, which you never give or get: see ``help(Conv2d)``."


def explained(text: str | None) -> str | None:
    r"""A layer's docstring with the sentence before its arguments, where it speaks of L and does not explain it.

    >>> print(explained("y = x.   x (D, L).\n\n    Args:\n        a: a number."))
    y = x.   x (D, L).
    <BLANKLINE>
        L is the lane axis, which you never give or get: see ``help(Conv2d)``.
    <BLANKLINE>
        Args:
            a: a number.
    """
    if text is None or not re.search(r"\bL\b", text) or "lane axis" in text:  # None under python -OO
        return text
    about, arguments, rest = re.split(r"(\n\n {4}(?:Args:|Raises:|>>> )|\s*$)", text, maxsplit=1)
    return f"{about}\n\n    {SENTENCE}{arguments}{rest}"
