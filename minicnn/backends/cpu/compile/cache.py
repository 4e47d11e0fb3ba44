"""The disk cache of compiled kernels. A stale or foreign kernel is never loaded.

Numba's own disk cache does not notice changes in imported files or in the compile modes, and it can load the wrong kernel if
two processes compile variants of one function at the same time. It also loads what only compiling needs, which takes ten
times as long. So minicnn has its own cache directory, named by a hash of everything that shapes the machine code, with a
separate object file for every specialisation. A read-only directory is used for reading. Without a directory, kernels are
compiled in each process.
"""

from __future__ import annotations

import hashlib
import inspect
import os
import re
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import FunctionType

import llvmlite
import numba
import numpy as np
from llvmlite import binding

from .dependencies import stamp
from .machine import ObjectCode
from .mode import CHECK, CPU_FEATURES, CPU_NAME
from .settings import shaping

KEEP_SECONDS = 30 * 24 * 3600
"""A cache directory of other sources is removed when it has not been used for this long."""

NAME, STAMP = re.compile(r"kernels-[0-9a-f]{16}"), "used"
"""The names of cache directories, and of the file in each of which the time says when it was used last."""

OWN = re.compile(r"\.(machine|nb[ic])(\.tmp\.[0-9a-f]+)?$")
"""How the names of files with machine code end, also while they are written; earlier versions wrote the others."""

DIGEST = hashlib.sha256().digest_size
"""So many bytes at the start of a file are the hash of the others, by which a damaged one is noticed."""


def cache_root() -> Path:
    """The directory that holds minicnn's caches: ``MINICNN_CACHE``, else ``minicnn`` in the user's cache directory."""
    if chosen := os.environ.get("MINICNN_CACHE"):
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "minicnn"


def sources_key() -> str:
    """A hash of the kernel sources, the settings, the compile modes and the versions that machine code depends on."""
    digest = hashlib.sha256()
    folder = Path(__file__).parents[1]
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    host = (binding.get_host_cpu_name(), sorted(binding.get_host_cpu_features().items()))
    versions = (numba.__version__, llvmlite.__version__, np.__version__)
    digest.update(repr((versions, CHECK, CPU_NAME, CPU_FEATURES, host, shaping())).encode())
    return digest.hexdigest()[:16]


def kernel_directory() -> Path | None:
    """The cache directory for these sources and the current settings, or None if there is none."""
    return _directory(shaping())


@cache
def _directory(settings: str) -> Path | None:
    try:
        root = cache_root()
        directory = root / f"kernels-{sources_key()}"
        directory.mkdir(parents=True, exist_ok=True)
        (directory / STAMP).touch()
        _prune(root, keep=directory)
    except RuntimeError:  # no home directory
        return None
    except OSError:  # not ours, but it may be readable
        return directory if os.path.isdir(directory) and os.access(directory, os.R_OK | os.X_OK) else None
    return directory


def kernel_directories(root: Path) -> list[Path]:
    """The cache directories of all sources and versions: real ones with our name and our stamp."""
    return sorted(
        each
        for each in root.glob("kernels-*")
        if NAME.fullmatch(each.name) and not each.is_symlink() and (each / STAMP).is_file()
    )


def cached_files(directory: Path) -> list[Path]:
    """The files in a cache directory that were written here, whole or not, and the stamp as the last one."""
    own = [each for each in sorted(directory.iterdir()) if OWN.search(each.name) and not each.is_dir()]
    return [*own, directory / STAMP]


def _prune(root: Path, keep: Path) -> None:
    for other in kernel_directories(root):
        with suppress(OSError):  # another process may be removing it, or may have locked it
            if other != keep and time.time() - (other / STAMP).stat().st_mtime > KEEP_SECONDS:
                for each in cached_files(other):
                    each.unlink(missing_ok=True)
                other.rmdir()


def kept() -> bool:
    """Whether newly compiled kernels are stored for later runs."""
    directory = kernel_directory()
    return directory is not None and os.access(directory, os.W_OK)


def described() -> tuple[bool, str]:
    """Whether newly compiled kernels are stored for later runs, and where, or why not and what to do."""
    directory, hint = kernel_directory(), "is compiled in every run; set MINICNN_CACHE to a folder that can be written"
    if directory is None:
        return False, f"none: every kernel {hint}"
    return (True, str(directory)) if kept() else (False, f"{directory}, which can only be read: what it lacks {hint}")


def words() -> str:
    """The message for a user who waits for the compiler."""
    if kept():
        return "compiling kernels; later runs load them from the cache, and minicnn warmup compiles them beforehand"
    return "compiling kernels, anew in every run, as no cache can be written; set MINICNN_CACHE to a folder that can"


def cacheable(function: FunctionType) -> bool:
    """Whether a function's machine code can be stored: a function typed at a prompt has no file."""
    return Path(inspect.getfile(function)).is_file()


def find(function: FunctionType) -> ObjectCode | None:
    """The stored machine code of a specialisation; None if there is none, or if its file is damaged."""
    file = _file_of(function)
    try:
        content = b"" if file is None else file.read_bytes()
    except OSError:
        return None
    digest, body = content[:DIGEST], content[DIGEST:]
    if len(digest) < DIGEST or hashlib.sha256(body).digest() != digest:
        return None
    name, _, code = body.partition(b"\0")
    return ObjectCode(name.decode(), code)


def store(function: FunctionType, code: ObjectCode) -> None:
    """Store the machine code of a specialisation. If that fails, the next process compiles it again."""
    file = _file_of(function)
    if file is None:
        return
    body = code.name.encode() + b"\0" + code.content
    unfinished = file.with_name(f"{file.name}.tmp.{os.urandom(8).hex()}")
    with suppress(OSError):  # the disk is full, or the directory can only be read
        try:
            unfinished.write_bytes(hashlib.sha256(body).digest() + body)
            unfinished.replace(file)
        finally:
            unfinished.unlink(missing_ok=True)


def _file_of(function: FunctionType) -> Path | None:
    """The file of one specialisation, named by the function and by a stamp of all that it depends on; None without a cache."""
    directory = kernel_directory()
    if directory is None or not cacheable(function):
        return None
    name = re.sub(r"[^\w.]", "", f"{Path(inspect.getfile(function)).stem}.{function.__qualname__}")
    return directory / f"{name}.{stamp(function)}.machine"
