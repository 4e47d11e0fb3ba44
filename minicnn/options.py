"""Options by name: what is refused where arguments do not fit, so that another library's order is not read as ours."""

from __future__ import annotations

import inspect
from typing import Any, ClassVar, Self

from .errors import OptionError


class Options:
    """Base of classes that hold options: arguments that do not fit are refused in words, and not by a bare TypeError.

    Attributes:
        order: what to say to somebody who gives more by position than there is.
    """

    order: ClassVar[str] = "give the options by name"

    def __new__(cls, *given: Any, **named: Any) -> Self:
        """Check the arguments against those that ``__init__`` takes."""
        if given or named:  # a copy is made without any, and filled afterwards
            _check(cls, given, named)
        return super().__new__(cls)


def _check(cls: type[Options], given: tuple[Any, ...], named: dict[str, Any]) -> None:
    taken = list(inspect.signature(cls.__init__).parameters.values())[1:]
    if any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in taken):
        return
    leading = [p.name for p in taken if p.kind != p.KEYWORD_ONLY]
    if len(given) > len(leading):
        expected = f"{', '.join(leading) or 'nothing'} by position"
        shown = ", ".join(f"{value!r:.40}" for value in given)
        raise OptionError(cls.__name__, f"expected {expected}, got {len(given)} arguments, {shown}", cls.order)
    if unknown := [name for name in named if name not in [p.name for p in taken]]:
        known = ", ".join(p.name for p in taken) or "no options"
        raise OptionError(cls.__name__, f"expected {known}, got {unknown[0]}", "use one of these names")
    if twice := [name for name in leading[: len(given)] if name in named]:
        raise OptionError(cls.__name__, f"expected {twice[0]} once, got it by position and by name", "leave one of them out")
    rest = [p.name for p in taken[len(given) :] if p.default is p.empty and p.name not in named]
    if rest:
        raise OptionError(cls.__name__, f"expected {' and '.join(rest)} too, got none", f"give {rest[0]}")
