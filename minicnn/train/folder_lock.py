"""A lock on a folder: only one process at a time writes there.

The file ``.lock`` in the folder names its holder. The operating system also locks that file, and releases it when the process
ends for any reason. So the next process can take over the lock of a dead one without a race. If the file system has no
locks, the named process is checked instead: does it still run?
"""

from __future__ import annotations

import json
import os
import platform
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import NoReturn

from ..backends.fork import at_fork
from ..data.outfile import sweep
from ..data.system import claim, may_run
from ..errors import OptionError

LOCK = ".lock"
PATIENCE = 0.1
"""Seconds within which a new holder has written its name into the locked file."""


@dataclass(frozen=True)
class Holder:
    """A process, as the lock file names it.

    Attributes:
        pid: its process id, which may be given to another process later.
        host: the name of its machine, since ids are unique on one machine only.
        boot: when that machine's kernel started; containers share it, although each has its own host name.
        started: when the process started, in clock ticks since boot; 0 if unknown.
    """

    pid: int
    host: str
    boot: str
    started: int

    @staticmethod
    def here() -> Holder:
        """The current process."""
        boot = ""
        with suppress(OSError):
            boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return Holder(os.getpid(), platform.node(), boot, _started(os.getpid()))

    def may_be_elsewhere(self) -> bool:
        """Whether the process may run on another machine."""
        here = Holder.here()
        return self.host != here.host and (not here.boot or self.boot != here.boot)

    def lives(self) -> bool:
        """Whether the process is still running, or might be."""
        here = Holder.here()
        if self.host != here.host:
            return True
        if here.started:
            return _started(self.pid) == self.started
        return may_run(self.pid)


def _started(pid: int) -> int:
    """The start time of a process from ``/proc``; 0 if there is no such process, or only a zombie."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return 0 if state in "ZX" else int(fields[18])
    except (OSError, ValueError, IndexError):
        return 0


@dataclass
class _Held:
    """A lock held by this process: its thread, how often it was entered, and the open file."""

    thread: int
    descriptor: int
    depth: int = 0


@dataclass
class _Own:
    """The locks held by this process, by the path of the lock file."""

    held: dict[str, _Held] = field(default_factory=dict)
    guard: threading.Lock = field(default_factory=threading.Lock)


_OWN = _Own()


def prepare(folder: str | os.PathLike[str], who: str) -> Path:
    """Create a folder if needed, and check that it is writable.

    Args:
        folder: the folder.
        who: the option that names the folder, for messages.

    Raises:
        OptionError: the folder cannot be created or written to.
    """
    try:
        path = Path(folder)
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path) as probe:  # a unique name, because other processes may be probing too
            probe.write(b"\0")
        return path
    except (OSError, ValueError) as fault:
        _unusable(folder, who, fault)


class FolderLock:
    """A context in which only this thread writes to a folder, which is created if it is missing.

    The lock is reentrant. Entering it removes incomplete files of dead processes.

    Args:
        folder: the folder.
        who: the option that names the folder, for messages.

    Raises:
        OptionError: on entering, the folder is not writable, or another process or thread holds the lock.

    >>> with tempfile.TemporaryDirectory() as place, FolderLock(place):
    ...     os.listdir(place)
    ['.lock']
    """

    def __init__(self, folder: str | os.PathLike[str], who: str = "folder") -> None:
        self.folder, self.who = folder, who
        self._path = ""

    def __enter__(self) -> FolderLock:
        self._path = os.path.join(os.path.realpath(prepare(self.folder, self.who)), LOCK)
        with _OWN.guard:
            held = _OWN.held.get(self._path)
            if held is None or held.thread != threading.get_ident():
                try:
                    descriptor = self._take()
                    sweep(Path(self._path).parent)
                except OSError as fault:
                    _unusable(self.folder, self.who, fault)
                held = _OWN.held[self._path] = _Held(threading.get_ident(), descriptor)
            held.depth += 1
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with _OWN.guard:
            held = _OWN.held.get(self._path)
            if held is None:  # in a forked child, which does not hold its parent's locks
                return
            held.depth -= 1
            if held.depth == 0:
                del _OWN.held[self._path]
                with suppress(OSError):
                    if _names(self._path, held.descriptor):
                        os.unlink(self._path)
                os.close(held.descriptor)

    def _take(self) -> int:
        """Open and lock the lock file, and write this process's name into it."""
        while True:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666)
            try:
                ours = claim(descriptor)
                if ours is False:
                    self._refuse(_named(descriptor), "wait until it ends")
                if _names(self._path, descriptor):  # otherwise its holder has just released and removed it
                    holder = _read(descriptor)
                    if holder and (holder.may_be_elsewhere() if ours else holder.lives()):
                        self._refuse(holder, f"wait until it ends, delete {LOCK} there if it has")
                    os.lseek(descriptor, 0, os.SEEK_SET)
                    os.ftruncate(descriptor, 0)
                    os.write(descriptor, json.dumps(asdict(Holder.here())).encode())
                    return descriptor
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)

    def _refuse(self, holder: Holder | None, hint: str) -> NoReturn:
        by = f"process {holder.pid} on {holder.host!r}" if holder else "another process"
        what = f"expected a folder that no other run writes to, got {self.folder}, where {by} does"
        raise OptionError(self.who, what, f"{hint}, or give another folder")


def _unusable(folder: str | os.PathLike[str], who: str, fault: Exception) -> NoReturn:
    reason = getattr(fault, "strerror", None) or str(fault)
    raise OptionError(who, f"expected a folder to write to, got {folder}: {reason}", "give another folder") from None


def _names(path: str, descriptor: int) -> bool:
    """Whether a path still refers to an open file."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _read(descriptor: int) -> Holder | None:
    """The process that a lock file names, or None."""
    try:
        os.lseek(descriptor, 0, os.SEEK_SET)
        found = json.loads(os.read(descriptor, 4096))
        kinds = {"pid": int, "host": str, "boot": str, "started": int}
        whole = found.keys() == kinds.keys() and all(type(found[name]) is kind for name, kind in kinds.items())
        return Holder(**found) if whole and 0 < found["pid"] < 2**31 else None
    except (ValueError, AttributeError, RecursionError):
        return None


def _named(descriptor: int) -> Holder | None:
    """Like ``_read``, but waits for the name if the file was locked a moment ago."""
    until = time.monotonic() + PATIENCE
    while (holder := _read(descriptor)) is None and time.monotonic() < until:
        time.sleep(PATIENCE / 20)
    return holder


def _forget() -> None:
    """Close the parent's lock files in a forked child; otherwise the child would keep the locks of a dead parent."""
    _OWN.guard = threading.Lock()  # another thread of the parent may have held it
    for held in _OWN.held.values():
        os.close(held.descriptor)
    _OWN.held.clear()


at_fork(after_in_child=_forget)
