"""The errors of minicnn. All messages have one form: who, what was expected and what came, what to do."""

from __future__ import annotations

import inspect
import sys
import textwrap
from importlib.util import find_spec
from typing import ClassVar, Self


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
    """A hyper-parameter or option is outside its allowed range."""


def number(who: str, name: str, value: object, low: float, high: float, ends: str = "[)") -> float:
    """Check that an option is a finite number in an interval; ``ends`` says which ends are closed, for example ``"[)"``.

    >>> number("SGD", "momentum", 0.9, 0, 1)
    0.9
    """
    real = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
    above = real and (low <= value if ends[0] == "[" else low < value)  # type: ignore[operator]
    below = real and (value <= high if ends[1] == "]" else value < high)  # type: ignore[operator]
    if not (above and below):
        interval = f"{ends[0]}{low:g}, {high:g}{ends[1]}"
        raise OptionError(who, f"expected {name} in {interval}, got {value!r}", f"choose {name} in that range")
    return float(value)  # type: ignore[arg-type]


def finite(who: str, name: str, value: object, example: float) -> None:
    """Check that an option is a finite number; the hint gives an example.

    >>> finite("LeakyReLU", "negative_slope", -0.5, 0.01)
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= sys.float_info.max:
        raise OptionError(who, f"expected {name} as a finite number, got {value!r}", f"give {name}={example}")


def flag(who: str, name: str, value: object) -> None:
    """Check an option that is True or False.

    >>> flag("Dense", "bias", False)
    """
    if not isinstance(value, bool):
        raise OptionError(who, f"expected {name} as True or False, got {value!r}", f"give {name}=True or {name}=False")


class ShapeError(MinicnnError, ValueError):
    """Shapes do not fit: those of a layer and its input, or of an array given to the network.

    Args:
        who: the layer or array concerned.
        what: what was expected and what came.
        hint: what the reader can do, as an imperative.
        chain: the shapes from the network's input to the layer that did not fit, if the layer is part of a network.
    """

    def __init__(self, who: str, what: str, hint: str, chain: str = "") -> None:
        super().__init__(who, what, hint)
        self.chain = chain

    def __str__(self) -> str:
        if not self.chain:
            return super().__str__()
        return f"{self.who}: {self.what}\n  chain: {self.chain}\n  hint: {self.hint}"


class ContractError(MinicnnError, TypeError):
    """A layer breaks the layer contract, for example by naming an array that does not exist."""


class BackendError(MinicnnError, RuntimeError):
    """A backend is unknown or cannot be used on this machine."""


def no_thread(error: RuntimeError) -> BackendError:
    """The error for a thread that the operating system refuses to start."""
    hint = "give threads=1, or raise the limit on threads (ulimit -u, or that of the container)"
    return BackendError("threads", f"expected to start a helper thread, got: {error}", hint)


class DataError(MinicnnError, ValueError):
    """A data file or an array of data is invalid."""


class CheckpointError(MinicnnError, ValueError):
    """A checkpoint cannot be read, or does not belong to the network it is loaded into."""


class OutputError(MinicnnError):
    """A result file cannot be written."""


def reason(fault: OSError) -> str:
    """The operating system's message for an error, in words that fit after "got".

    >>> reason(FileNotFoundError(2, "No such file or directory"))
    'no such file or directory'
    """
    return "a directory" if isinstance(fault, IsADirectoryError) else (fault.strerror or str(fault)).lower()


def lacking(who: str, package: str, fault: ImportError, kind: type[MinicnnError] = OutputError) -> MinicnnError:
    """The error for a package that cannot be imported.

    Args:
        who: the function or program that needs it.
        package: its name, the one that is imported.
        fault: the error of the import.
        kind: the error's class.

    >>> print(lacking("pictures", "matplotlib", ModuleNotFoundError()))
    pictures: expected the package matplotlib, got none installed; run pip install matplotlib
    """
    # pip knows some packages by another name.
    package = {"PIL": "Pillow", "sklearn": "scikit-learn", "prometheus_client": "prometheus-client"}.get(package, package)
    if isinstance(fault, ModuleNotFoundError):
        return kind(who, f"expected the package {package}, got none installed", f"run pip install {package}")
    what = f"expected the package {package}, got one that does not load ({textwrap.shorten(str(fault), 160)})"
    return kind(who, what, f"free some memory, or run pip install --force-reinstall {package}")


def need(*packages: str) -> None:
    """Raise an error now if packages are missing that are needed later.

    Raises:
        OutputError: a package is not installed.
    """
    for package in packages:
        if find_spec(package) is None:
            raise lacking("program", package, ModuleNotFoundError())


class Options:
    """Base of classes that hold options. Wrong arguments raise an OptionError with a hint instead of a bare TypeError.

    Attributes:
        order: the hint for a caller who gives too many arguments by position.
    """

    order: ClassVar[str] = "give the options by name"

    def __new__(cls, *given: object, **named: object) -> Self:
        """Check the arguments against the signature of ``__init__``."""
        if given or named:  # copies are made without arguments and filled afterwards
            _check(cls, given, named)
        return super().__new__(cls)


def _check(cls: type[Options], given: tuple[object, ...], named: dict[str, object]) -> None:
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
