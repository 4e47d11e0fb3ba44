"""A lock on a folder, so that one process at a time writes there.

The file ``.lock`` in the folder names its holder. The operating system locks that file too and lets go of it when the process
ends, whatever ends it, so that a dead process's lock is broken by the next one without a race. A file system that cannot lock
leaves the question whether the process that is named still runs.
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

from ..data.outfile import claim, sweep
from ..errors import OptionError

LOCK = ".lock"
PATIENCE = 0.1
"""Seconds in which a holder that has just locked the file has written its name into it."""


@dataclass(frozen=True)
class Holder:
    """A process as a lock names it.

    Attributes:
        pid: its id, which another process may have later.
        host: the name of its machine, as ids repeat on others.
        boot: the start of that machine's kernel, which containers share though each has a host name of its own.
        started: when it started, in clock ticks since that; 0 where the system does not tell.
    """

    pid: int
    host: str
    boot: str
    started: int

    @staticmethod
    def here() -> Holder:
        """The process that asks."""
        boot = ""
        with suppress(OSError):
            boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return Holder(os.getpid(), platform.node(), boot, _started(os.getpid()))

    def may_be_elsewhere(self) -> bool:
        """Whether it may run on another machine."""
        here = Holder.here()
        return self.host != here.host and (not here.boot or self.boot != here.boot)

    def lives(self) -> bool:
        """Whether the process runs, or may run."""
        here = Holder.here()
        if self.host != here.host:
            return True
        if here.started:
            return _started(self.pid) == self.started
        try:
            os.kill(self.pid, 0)
        except OSError as fault:
            return not isinstance(fault, ProcessLookupError)
        return True


def _started(pid: int) -> int:
    """When a process started, by ``/proc``; 0 where there is none, or it has ended and only its parent has not noticed."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return 0 if state in "ZX" else int(fields[18])
    except (OSError, ValueError, IndexError):
        return 0


@dataclass
class _Held:
    """A lock of this process: the thread that has it, how often, and the open file."""

    thread: int
    descriptor: int
    depth: int = 0


@dataclass
class _Own:
    """The locks of this process by the path of their file."""

    held: dict[str, _Held] = field(default_factory=dict)
    guard: threading.Lock = field(default_factory=threading.Lock)


_OWN = _Own()


def prepare(folder: str | os.PathLike[str], who: str) -> Path:
    """Make a folder, and find out whether it can be written to.

    Args:
        folder: the folder.
        who: the option that names it, for messages.

    Raises:
        OptionError: it cannot be made or written to.
    """
    try:
        path = Path(folder)
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path) as probe:  # of a name of its own, as others may be probing
            probe.write(b"\0")
        return path
    except (OSError, ValueError) as fault:
        _unusable(folder, who, fault)


class FolderLock:
    """A folder that this thread alone writes to while the lock is entered; it is made where it is missing.

    The thread may enter it again. Entering removes what a dead process has left half written.

    Args:
        folder: the folder.
        who: the option that names it, for messages.

    Raises:
        OptionError: on entering, the folder cannot be written to, or another process or thread has the lock.

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
            if held is None:  # the child of a fork, which does not have its parent's locks
                return
            held.depth -= 1
            if held.depth == 0:
                del _OWN.held[self._path]
                with suppress(OSError):
                    if _names(self._path, held.descriptor):
                        os.unlink(self._path)
                os.close(held.descriptor)

    def _take(self) -> int:
        """The open lock file, locked and with our name in it."""
        while True:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666)
            try:
                ours = claim(descriptor)
                if ours is False:
                    self._refuse(_named(descriptor), "wait until it ends")
                if _names(self._path, descriptor):  # else its holder has just let go and removed it
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
    """Whether a path still names an open file."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _read(descriptor: int) -> Holder | None:
    """The process that a lock file names, if it does."""
    try:
        os.lseek(descriptor, 0, os.SEEK_SET)
        found = json.loads(os.read(descriptor, 4096))
        kinds = {"pid": int, "host": str, "boot": str, "started": int}
        whole = found.keys() == kinds.keys() and all(type(found[name]) is kind for name, kind in kinds.items())
        return Holder(**found) if whole and 0 < found["pid"] < 2**31 else None
    except (ValueError, AttributeError, RecursionError):
        return None


def _named(descriptor: int) -> Holder | None:
    """The same for one that has been locked a moment ago."""
    until = time.monotonic() + PATIENCE
    while (holder := _read(descriptor)) is None and time.monotonic() < until:
        time.sleep(PATIENCE / 20)
    return holder


def _forget() -> None:
    """In the child of a fork: let go of the parent's open files, else the child would keep the locks of a dead parent."""
    _OWN.guard = threading.Lock()  # another thread of the parent may have had it
    for held in _OWN.held.values():
        os.close(held.descriptor)
    _OWN.held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
