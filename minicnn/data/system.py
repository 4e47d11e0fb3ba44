"""What each operating system does in its own way with files and processes: locks, space on the disk, who still runs."""

from __future__ import annotations

import os
import sys
from typing import BinaryIO

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

NONBLOCK = getattr(os, "O_NONBLOCK", 0)
"""Opens a pipe without waiting for a writer; Windows has no pipes among its files."""

BEYOND = 1 << 30
"""The byte that stands for a locked file on Windows: a lock there keeps off readers too, and no locked file is so long."""


def claim(descriptor: int) -> bool | None:
    """Lock an open file. The lock ends when the file is closed or the process ends.

    Args:
        descriptor: of the file, open for writing.

    Returns:
        Whether the lock was obtained; None if the file system has no locks.
    """
    if sys.platform == "win32":
        place = os.lseek(descriptor, 0, os.SEEK_CUR)
        try:
            os.lseek(descriptor, BEYOND, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        except OSError:
            return None
        finally:
            os.lseek(descriptor, place, os.SEEK_SET)
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def allocate(file: BinaryIO) -> None:
    """Take the disk space that a file's length says, where the system can: a mapped file without it would end the program.

    Args:
        file: open for writing.

    Raises:
        OSError: there is not so much.
    """
    if hasattr(os, "posix_fallocate"):  # not on macOS and Windows
        os.posix_fallocate(file.fileno(), 0, os.fstat(file.fileno()).st_size)


def may_run(pid: int) -> bool:
    """Whether a process of this machine still runs, or may: Windows has no way of asking that does not disturb it.

    Args:
        pid: its number.
    """
    if sys.platform == "win32":
        return True
    try:
        os.kill(pid, 0)
    except OSError as fault:
        return not isinstance(fault, ProcessLookupError)
    return True
