"""Where compiled kernels are kept between processes, and why a stale or foreign one is never loaded.

Numba's own disk cache ignores changes in imported files and in the compile modes, and two processes that compile variants
of one function at the same time can later load the wrong one. So minicnn keeps a directory of its own, named by a hash of
everything that shapes the machine code, and gives every specialisation a file of its own. A directory that can only be
read is read. Where there is none and none can be made, kernels are compiled anew in each process.
"""

from __future__ import annotations

import hashlib
import inspect
import os
import shutil
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
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
"""A cache directory of other sources is removed when it has not been used for so long."""


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
    """The cache directory of this version under the settings as they are now, or None where there is none."""
    return _directory(shaping())


@cache
def _directory(settings: str) -> Path | None:
    try:
        root = cache_root()
        directory = root / f"kernels-{sources_key()}"
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "used").touch()
        _prune(root, keep=directory)
    except RuntimeError:  # there is no home directory
        return None
    except OSError:  # somebody else's: it may be read all the same
        return directory if os.path.isdir(directory) and os.access(directory, os.R_OK | os.X_OK) else None
    return directory


def _prune(root: Path, keep: Path) -> None:
    for other in root.glob("kernels-*"):
        stamp = other / "used"
        with suppress(OSError):  # another process may be removing it, or may not let this one
            age = time.time() - (stamp if stamp.exists() else other).stat().st_mtime
            if other != keep and age > KEEP_SECONDS:
                shutil.rmtree(other, ignore_errors=True)


def kept() -> bool:
    """Whether kernels that are compiled now are kept for later runs."""
    directory = kernel_directory()
    return directory is not None and os.access(directory, os.W_OK)


def words() -> str:
    """What to tell a user who waits for the compiler."""
    if kept():
        return "compiling kernels; later runs load them from the cache"
    return "compiling kernels, anew in every run, as no cache can be written; set MINICNN_CACHE to a folder that can"


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
        if directory is None or not Path(py_file).is_file():  # a function typed at a prompt has no file
            return None
        return cls(directory, py_file, py_func)


class _Implementation(CompileResultCacheImpl):
    """Not set up by Numba, which would let ``NUMBA_CACHE_LOCATOR_CLASSES`` put the files elsewhere, under a key of its own."""

    def __init__(self, py_func: Any) -> None:
        source = inspect.getfile(py_func)
        locator = _Locator.from_function(py_func, source)
        if locator is None:
            raise RuntimeError(f"no source file for {py_func.__qualname__}")
        self._lineno, self._locator = py_func.__code__.co_firstlineno, locator
        self._filename_base = self.get_filename_base(f"{Path(source).stem}.{py_func.__qualname__}", sys.abiflags)


class KernelCache(Cache):
    """Numba's function cache, in minicnn's directory, which never lets a damaged file or a full disk stop a run."""

    _impl_class = _Implementation  # type: ignore[assignment]

    def __init__(self, py_func: Any, on_miss: Callable[[], None]) -> None:
        super().__init__(py_func)
        self._on_miss = on_miss

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The cached kernel, or None when there is none or its file is damaged.

        Numba would fill its registries of functions first, which takes longer than loading thirty kernels (it imports SciPy
        where that is installed), and which only compiling needs.
        """
        try:
            rtsys.initialize(target_context)  # the symbols that machine code may refer to
            found = self._load_overload(sig, target_context)
        except Exception:  # whatever a damaged pickle raises: compile again
            found = None
        if found is None:
            self._on_miss()
        return found

    def save_overload(self, sig: Any, data: Any) -> None:
        """Write the compiled kernel; a disk that refuses costs a compilation in the next process, no more."""
        try:
            super().save_overload(sig, data)
        except OSError:
            return
        except Exception:  # a damaged index: begin a new one
            self._begin_anew(sig, data)

    def _begin_anew(self, sig: Any, data: Any) -> None:
        try:
            self.flush()
            super().save_overload(sig, data)
        except OSError:
            return


def cache_for(function: Any, on_miss: Callable[[], None]) -> KernelCache | None:
    """A cache for one specialisation, or None where nothing can be cached; ``on_miss`` runs before a compilation."""
    if kernel_directory() is None:
        return None
    try:
        return KernelCache(function, on_miss)
    except (RuntimeError, OSError):  # no locator fits: the function has no source file
        return None
