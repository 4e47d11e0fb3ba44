"""Write files completely or not at all, and remove the temporary files of processes that died."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from ..errors import MinicnnError, OutputError, reason
from .system import claim

PART = re.compile(r"\.[0-9a-f]{16}\.part")
"""The name of a temporary file that is still being written."""

StrPath = str | os.PathLike[str]


@contextmanager
def outfile(path: StrPath, what: str, kind: type[MinicnnError] = OutputError) -> Iterator[IO[bytes]]:
    """Open a file for writing bytes. An older file of that name stays in place until the new one is complete and on the disk.

    Args:
        path: the file.
        what: the content, with its article, for the error message.
        kind: the error's class.

    Raises:
        kind: the file cannot be written.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with outfile(Path(folder, "greeting"), "a greeting") as file:
    ...         count = file.write(b"hello")
    ...     Path(folder, "greeting").read_text()
    'hello'
    """
    expected = f"expected to write {what}"
    name, given = Path(path).name, os.fspath(path)
    if not name or "\0" in given:
        raise kind(repr(given), f"{expected}, got no name of a file", "give the path of a file")
    part = part_beside(path)
    try:
        try:
            with open(part, "xb") as file:
                claim(file.fileno())  # protects the file from ``sweep``
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, path)
        except BaseException:
            with suppress(OSError):
                part.unlink()
            raise
    except OSError as fault:
        hint = "check the folder, its permissions and its free space"
        raise kind(given, f"{expected}, got {reason(fault)}", hint) from fault


def part_beside(path: StrPath) -> Path:
    """A new name for a temporary file, which will replace this one: in its folder, as that is atomic in one file system only.

    Args:
        path: the file.
    """
    return Path(path).with_name(f".{secrets.token_hex(8)}.part")


def discard(path: StrPath, what: str) -> None:
    """Remove a file, if it exists, that will be written anew later.

    Args:
        path: the file.
        what: the content that will be written, with its article, for the error message.

    Raises:
        OutputError: the file cannot be removed.
    """
    try:
        Path(path).unlink(missing_ok=True)
    except OSError as fault:
        hint = "check the folder and its permissions"
        raise OutputError(os.fspath(path), f"expected to replace {what}, got {reason(fault)}", hint) from fault


def sweep(folder: Path) -> None:
    """Remove temporary files in a folder that no process is writing any more."""
    with suppress(OSError):
        for part in [path for path in folder.iterdir() if PART.fullmatch(path.name)]:
            with suppress(OSError):
                with open(part, "r+b") as file:
                    dead = claim(file.fileno()) is not False
                if dead:  # nobody else will write it, and Windows removes no file that is open
                    part.unlink()
