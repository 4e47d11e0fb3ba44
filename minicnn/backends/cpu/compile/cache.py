"""The disk cache of compiled kernels. A stale or foreign kernel is never loaded.

Numba's own disk cache does not notice changes in imported files or in the compile modes, and it can load the wrong kernel if
two processes compile variants of one function at the same time. So minicnn has its own cache directory, named by a hash of
everything that shapes the machine code, with a separate file for every specialisation. A read-only directory is used for
reading. Without a directory, kernels are compiled in each process.
"""

from __future__ import annotations

import hashlib
import inspect
import os
import re
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import FunctionType
from typing import Any

import llvmlite
import numba
import numpy as np
from llvmlite import binding
from numba.core.caching import Cache, CompileResultCacheImpl, _CacheLocator
from numba.core.runtime.nrt import rtsys

from .dependencies import stamp
from .mode import CHECK, CPU_FEATURES, CPU_NAME
from .settings import shaping

KEEP_SECONDS = 30 * 24 * 3600
"""A cache directory of other sources is removed when it has not been used for this long."""

NAME, STAMP = re.compile(r"kernels-[0-9a-f]{16}"), "used"
"""The names of cache directories, and of the file in each of which the time says when it was used last."""

OWN = re.compile(r"\.nb[ic](\.tmp\.[0-9a-f]+)?$")
"""How the names of Numba's files end: indices and machine code, also while they are written."""


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
    """The files in a cache directory that were written here: what Numba writes, whole or not, and the stamp as the last one."""
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


class _Locator(_CacheLocator):
    """Puts the files of one specialisation into ``kernel_directory()``."""

    def __init__(self, directory: Path, source: str, function: Any) -> None:
        self._directory = directory
        self._py_file = source
        self._stamp = stamp(function)

    def get_cache_path(self) -> str:
        return str(self._directory)

    def get_source_stamp(self) -> str:
        return self._stamp

    def get_disambiguator(self) -> str:
        return self._stamp

    @classmethod
    def from_function(cls, py_func: Any, py_file: str) -> _Locator | None:
        directory = kernel_directory()
        if directory is None or not cacheable(py_func):
            return None
        return cls(directory, py_file, py_func)


class _Implementation(CompileResultCacheImpl):
    """Constructed without Numba, whose ``NUMBA_CACHE_LOCATOR_CLASSES`` could put the files elsewhere, under another key."""

    def __init__(self, py_func: Any) -> None:
        source = inspect.getfile(py_func)
        locator = _Locator.from_function(py_func, source)
        if locator is None:
            raise RuntimeError(f"no source file for {py_func.__qualname__}")
        self._lineno, self._locator = py_func.__code__.co_firstlineno, locator
        self._filename_base = self.get_filename_base(f"{Path(source).stem}.{py_func.__qualname__}", sys.abiflags)


class KernelCache(Cache):
    """Numba's function cache in minicnn's directory. A damaged file or a full disk never stops a run."""

    _impl_class = _Implementation  # type: ignore[assignment]

    def __init__(self, py_func: Any, on_miss: Callable[[], None]) -> None:
        super().__init__(py_func)
        self._on_miss = on_miss

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The cached kernel, or None if there is none or its file is damaged.

        Numba would fill its function registries first. This takes longer than loading thirty kernels (it imports SciPy if
        that is installed), and only compiling needs the registries.
        """
        try:
            rtsys.initialize(target_context)  # symbols that machine code may refer to
            found = self._load_overload(sig, target_context)
        except Exception:  # any error of a damaged pickle: compile again
            found = None
        if found is None:
            self._on_miss()
        return found

    def save_overload(self, sig: Any, data: Any) -> None:
        """Store the compiled kernel. If that fails, the next process compiles it again."""
        try:
            super().save_overload(sig, data)
        except OSError:
            return
        except Exception:  # the index is damaged: start a new one
            self._begin_anew(sig, data)

    def _begin_anew(self, sig: Any, data: Any) -> None:
        try:
            self.flush()
            super().save_overload(sig, data)
        except OSError:
            return


def cache_for(function: Any, on_miss: Callable[[], None]) -> KernelCache | None:
    """A cache for one specialisation, or None if it cannot be cached; ``on_miss`` runs before a compilation."""
    if kernel_directory() is None:
        return None
    try:
        return KernelCache(function, on_miss)
    except (RuntimeError, OSError):  # no locator fits: the function has no source file
        return None
