"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from .errors import MinicnnError, OutputError

StrPath = str | os.PathLike[str]


@contextmanager
def outfile(path: StrPath, what: str, kind: type[MinicnnError] = OutputError) -> Iterator[IO[bytes]]:
    """A file to write bytes to: until it is whole and on the disk, an older file of that name stays in place.

    Args:
        path: the file.
        what: what is written, with its article, for the message.
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
    # In the same folder, because os.replace is atomic only within one file system.
    part = Path(path).with_name(f".{secrets.token_hex(8)}.part")
    try:
        try:
            with open(part, "xb") as file:
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


def reason(fault: OSError) -> str:
    """What the operating system said, in words that go after "got".

    >>> reason(FileNotFoundError(2, "No such file or directory"))
    'no such file or directory'
    """
    return "a directory" if isinstance(fault, IsADirectoryError) else (fault.strerror or str(fault)).lower()
