"""What commands share: how they are added, and the options that several of them take."""

from __future__ import annotations

import argparse
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from ..engine.accumulate import SLOTS
from ..engine.balance import LANES
from ..errors import OptionError, reason
from .console import path

if TYPE_CHECKING:
    from pathlib import Path

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]
else:
    Commands = object


def add_command(commands: Commands, name: str, words: str, example: str) -> argparse.ArgumentParser:
    """A command with its help.

    Args:
        commands: the others.
        name: its name.
        words: what it does.
        example: lines that can be typed.
    """
    form = argparse.RawDescriptionHelpFormatter
    return commands.add_parser(
        name, help=words, description=f"{words[0].upper()}{words[1:]}.", epilog=f"example:\n{example}", formatter_class=form
    )


def add_threads(parser: argparse.ArgumentParser) -> None:
    """How many threads work."""
    parser.add_argument("--threads", type=int, metavar="N", help="threads; all usable processors unless given")


def add_split(parser: argparse.ArgumentParser) -> None:
    """How a batch is split."""
    words = "pictures that go through the network together: 4, 8 or a multiple of 16 (default 16); fewer let more threads work"
    parser.add_argument("--lanes", type=int, default=LANES, metavar="N", help=words)
    words = "so many threads at most work on a batch, from 1 to 64 (default 8); minicnn doctor says what suits this machine"
    parser.add_argument("--slots", type=int, default=SLOTS, metavar="N", help=words)


def add_model(parser: argparse.ArgumentParser) -> None:
    """Which model file."""
    parser.add_argument("model", type=path, metavar="MODEL", help="a model file, as train writes it")


def add_network(parser: argparse.ArgumentParser) -> None:
    """Which network: that of a file, or a new one."""
    parser.add_argument("model", metavar="MODEL", help="a model file, or a name such as resnet8 for a new network")


def check_out(out: Path) -> None:
    """Refuse a place where no file can be written, before work is done for it.

    Raises:
        OptionError: it is a folder, or is in none that can be written to.
    """
    if out.is_dir():
        raise OptionError("--out", f"expected a file, got the folder {out}", "name a file in it")
    try:
        with TemporaryFile(dir=out.parent):  # permissions do not tell all: a file system may be read-only, or full
            pass
    except OSError as fault:
        what = f"expected a file in a folder that can be written to, got {reason(fault)} for {out.parent}"
        raise OptionError("--out", what, "make the folder, or name another one") from None


def count(text: str) -> int:
    """A whole number of at least 1.

    Raises:
        argparse.ArgumentTypeError: it is none.
    """
    if not text.isdecimal() or not 0 < int(text) < 1 << 31:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text!r}")
    return int(text)


def size(text: str) -> tuple[int, int]:
    """Rows and columns, as ``48`` or ``48x64``.

    Raises:
        argparse.ArgumentTypeError: they are none.

    >>> size("48"), size("48x64")
    ((48, 48), (48, 64))
    """
    parts = text.lower().split("x")
    if len(parts) > 2 or not all(part.isdecimal() and 0 < int(part) <= 1 << 13 for part in parts):
        raise argparse.ArgumentTypeError(f"expected rows and columns as 48 or 48x64, got {text!r}")
    return int(parts[0]), int(parts[-1])
