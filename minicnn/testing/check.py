"""A check with a name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """One check, which depends on no other; ``str`` gives its name.

    Args:
        name: what is checked.
        run: does it.

    >>> check = Check("one is above zero", lambda: None)
    >>> check()
    >>> str(check)
    'one is above zero'
    """

    name: str
    run: Callable[[], None]

    def __call__(self) -> None:
        """Do it.

        Raises:
            AssertionError: it fails; the message says where.
        """
        self.run()

    def __str__(self) -> str:
        return self.name
