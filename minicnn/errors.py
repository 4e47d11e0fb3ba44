"""The errors of minicnn and their one message form: who, what was expected and what came, what to do."""

from __future__ import annotations

import sys


class MinicnnError(Exception):
    """Base of every error that minicnn raises on purpose.

    The message reads ``who: what; hint``: who noticed it, what was expected and what came, and what to do about it.

    Args:
        who: the layer, file or option concerned.
        what: what was expected and what came.
        hint: what the reader can do, as an imperative.

    >>> print(MinicnnError("Dense", "expected units of at least 1, got 0", "give a positive number"))
    Dense: expected units of at least 1, got 0; give a positive number
    """

    def __init__(self, who: str, what: str, hint: str) -> None:
        super().__init__(who, what, hint)
        self.who, self.what, self.hint = who, what, hint

    def __str__(self) -> str:
        return f"{self.who}: {self.what}; {self.hint}"


class OptionError(MinicnnError, ValueError):
    """A hyper-parameter or option lies outside what it may be."""


def number(who: str, name: str, value: object, low: float, high: float, ends: str = "[)") -> float:
    """An option as a finite float in an interval, whose ends ``ends`` says to be open or closed.

    >>> number("SGD", "momentum", 0.9, 0, 1)
    0.9
    """
    real = isinstance(value, int | float) and not isinstance(value, bool)
    real = real and abs(value) <= sys.float_info.max  # type: ignore[arg-type]
    above = real and (low <= value if ends[0] == "[" else low < value)  # type: ignore[operator]
    below = real and (value <= high if ends[1] == "]" else value < high)  # type: ignore[operator]
    if not (above and below):
        interval = f"{ends[0]}{low:g}, {high:g}{ends[1]}"
        raise OptionError(who, f"expected {name} in {interval}, got {value!r}", f"choose {name} in that range")
    return float(value)  # type: ignore[arg-type]


def flag(who: str, name: str, value: object) -> None:
    """Check an option that is True or False.

    >>> flag("Dense", "bias", False)
    """
    if not isinstance(value, bool):
        raise OptionError(who, f"expected {name} as True or False, got {value!r}", f"give {name}=True or {name}=False")


class ShapeError(MinicnnError, ValueError):
    """Shapes do not fit: a layer to its input, or an array to the network's door.

    Args:
        who: the layer or array concerned.
        what: what was expected and what came.
        hint: what the reader can do, as an imperative.
        chain: the shapes from the network's input to the layer that did not fit, where there is a network.
    """

    def __init__(self, who: str, what: str, hint: str, chain: str = "") -> None:
        super().__init__(who, what, hint)
        self.chain = chain

    def __str__(self) -> str:
        if not self.chain:
            return super().__str__()
        return f"{self.who}: {self.what}\n  chain: {self.chain}\n  hint: {self.hint}"


class ContractError(MinicnnError, TypeError):
    """A layer does not keep the layer contract, for example it names an array that nobody provides."""


class BackendError(MinicnnError, RuntimeError):
    """A backend is unknown or cannot be used on this machine."""


class DataError(MinicnnError, ValueError):
    """A data file or an array of data is not what it should be."""


class CheckpointError(MinicnnError, ValueError):
    """A checkpoint cannot be read, or does not belong to the network it is loaded into."""
