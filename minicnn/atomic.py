"""Files that are written all or nothing, and what is left of those whose writer died."""

from __future__ import annotations

import os
import re
import secrets
import sys
from contextlib import suppress
from pathlib import Path

if sys.platform != "win32":
    import fcntl

PART = re.compile(r"\.[0-9a-f]{16}\.part")
"""The name of a file that is not whole yet."""


def write(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file: until it is whole and on the disk, an older file of that name stays in place.

    Args:
        path: the file.
        content: its bytes.

    Raises:
        OSError: the file cannot be written.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write(f"{folder}/greeting", b"hello")
    ...     os.listdir(folder)
    ['greeting']
    """
    # In the same folder, because os.replace is atomic only within one file system.
    part = Path(path).with_name(f".{secrets.token_hex(8)}.part")
    try:
        with open(part, "xb") as file:
            claim(file.fileno())  # so that ``sweep`` leaves it alone
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise


def sweep(folder: Path) -> None:
    """Remove the parts in a folder that nobody is writing any more."""
    with suppress(OSError):
        for part in [path for path in folder.iterdir() if PART.fullmatch(path.name)]:
            with suppress(OSError), open(part, "r+b") as file:
                if claim(file.fileno()) is not False:
                    part.unlink()


def claim(descriptor: int) -> bool | None:
    """Lock an open file until it is closed, at the latest when the process ends.

    Returns:
        Whether it is ours now; None where the file system cannot lock.
    """
    if sys.platform == "win32":
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True
