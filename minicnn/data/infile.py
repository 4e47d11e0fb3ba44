"""Open files for reading. Only regular files are accepted: reading a pipe or a device might never end."""

from __future__ import annotations

import errno
import gzip
import io
import os
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, Protocol

from ..errors import DataError, reason
from .system import NONBLOCK

GZIP, PIECE = b"\x1f\x8b", 1 << 20
Stream = io.BufferedIOBase | BinaryIO


class Readable(Protocol):
    """What can be read from its beginning to its end."""

    def read(self, size: int = -1, /) -> bytes:
        """Up to so many bytes; none at the end."""
        ...


MOST_TEXT = 64 << 20
"""Bytes; no text file that minicnn reads is longer."""


def open_file(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a regular file for reading bytes.

    Args:
        path: the file.

    Raises:
        OSError: the file cannot be read; ``reason`` turns the error into words.
    """
    try:
        return open(path, "rb", opener=_regular)
    except ValueError:  # Python's error for a null character in a path
        raise OSError(errno.EINVAL, "a name with a null character") from None


@contextmanager
def opened(path: str | os.PathLike[str], kind: str) -> Iterator[BinaryIO]:
    """A file of a kind for the time of a block, whose faults of the system are put into words.

    Args:
        path: the file.
        kind: what it is, for messages.

    Raises:
        DataError: the file cannot be read.
    """
    try:
        with open_file(path) as file:
            yield file
    except OSError as fault:
        what = f"expected a readable {kind}, got {reason(fault)}"
        raise DataError(shown(path), what, "check the path and its permissions") from fault


def read_text(path: str | os.PathLike[str]) -> str:
    """The text of a file in UTF-8.

    Args:
        path: the file.

    Raises:
        DataError: the file cannot be read, or is not text.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     _ = file.write("π".encode()), file.flush()
    ...     read_text(file.name)
    'π'
    """
    who = shown(path)
    try:
        with open_file(path) as file:
            content = b"".join(pieces(file, MOST_TEXT + 1, who))
    except OSError as fault:
        raise DataError(who, f"expected a readable file, got {reason(fault)}", "check the path and its permissions") from fault
    if len(content) > MOST_TEXT:
        raise DataError(who, f"expected at most {MOST_TEXT:,} bytes of text, got more", "give a file that minicnn wrote")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise DataError(who, "expected text in UTF-8, got other bytes", "give a file that minicnn wrote") from None


def shown(path: str | os.PathLike[str]) -> str:
    r"""A path for a message, quoted if it contains a null character, which a terminal does not show.

    Args:
        path: the path.

    >>> shown("net"), shown("a\0b")
    ('net', "'a\\x00b'")
    """
    text = os.fspath(path)
    return repr(text) if "\0" in text else text


def unpacked(file: Stream) -> Stream:
    """A seekable stream from its beginning, unpacked if it is gzip, which its first two bytes tell.

    Args:
        file: the stream.
    """
    file.seek(0)
    packed = file.read(2) == GZIP
    file.seek(0)
    return gzip.GzipFile(fileobj=file) if packed else file


def pieces(stream: Readable, limit: int, who: str) -> Iterator[bytes]:
    """Up to ``limit`` bytes in pieces; fewer if the stream ends.

    Args:
        stream: where they are read.
        limit: so many bytes at most.
        who: the name of the stream in error messages.

    Raises:
        DataError: the stream is a broken gzip file.
    """
    try:
        while limit > 0 and (piece := stream.read(min(limit, PIECE))):
            limit -= len(piece)
            yield piece
    except (EOFError, zlib.error, gzip.BadGzipFile) as fault:
        raise DataError(who, f"expected an intact gzip file, got a broken one ({fault})", "fetch the file again") from fault


def _regular(path: str, flags: int) -> int:
    """Like ``os.open``, but only for regular files: opening a pipe blocks, and opening a device may have an effect."""
    _check(os.stat(path).st_mode)
    descriptor = os.open(path, flags | NONBLOCK)
    try:
        _check(os.fstat(descriptor).st_mode)  # the file may have been replaced since it was checked
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _check(mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "Is a directory")
    if not stat.S_ISREG(mode):
        kinds = {stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}
        raise OSError(errno.EINVAL, kinds.get(stat.S_IFMT(mode), "no regular file"))
