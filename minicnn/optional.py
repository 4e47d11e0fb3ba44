"""Packages that minicnn can do without, until something is asked for that needs them."""

from __future__ import annotations

import textwrap
from importlib.util import find_spec

from .errors import MinicnnError, OutputError


def lacking(who: str, package: str, fault: ImportError, kind: type[MinicnnError] = OutputError) -> MinicnnError:
    """The error for a package that cannot be imported.

    Args:
        who: what needs it.
        package: its name, as pip knows it.
        fault: what the import came to.
        kind: the error's class.

    >>> print(lacking("pictures", "matplotlib", ModuleNotFoundError()))
    pictures: expected the package matplotlib, got none installed; run pip install matplotlib
    """
    if isinstance(fault, ModuleNotFoundError):
        return kind(who, f"expected the package {package}, got none installed", f"run pip install {package}")
    what = f"expected the package {package}, got one that does not load ({textwrap.shorten(str(fault), 160)})"
    return kind(who, what, f"free some memory, or run pip install --force-reinstall {package}")


def need(*packages: str) -> None:
    """Refuse to begin without packages that are needed before the end.

    Raises:
        OutputError: one is not installed.
    """
    for package in packages:
        if find_spec(package) is None:
            raise lacking("program", package, ModuleNotFoundError())
