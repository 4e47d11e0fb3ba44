"""``minicnn cache``: what minicnn keeps on this machine, and how to remove it."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ..data.mnist import cache_folder
from ..errors import BackendError, DataError, OutputError, reason
from .command import Commands, add_command

EXAMPLE = """  minicnn cache
  minicnn cache --clear   # also what pip uninstall leaves behind"""


def add(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(commands, "cache", "say what is kept between runs: compiled kernels and downloaded digits", EXAMPLE)
    parser.add_argument("--clear", action="store_true", help="remove it; kernels are then compiled anew")
    parser.set_defaults(run=cache)


def cache(options: argparse.Namespace) -> int:
    """List, or remove."""
    total = 0
    for folder, words in kept():
        files = [file for file in folder.rglob("*") if file.is_file()]
        size = sum(file.stat().st_size for file in files)
        total += size
        print(f"{folder}  {_megabytes(size)}, {len(files):,} files, {words}")
        if options.clear:
            try:
                shutil.rmtree(folder)
                if not any(folder.parent.iterdir()):
                    folder.parent.rmdir()
            except OSError as fault:
                what = f"expected a folder that can be removed, got {reason(fault)}"
                raise OutputError(str(folder), what, "check its permissions") from None
    print(f"{'removed' if options.clear else 'in all'} {_megabytes(total)}")
    return 0


def kept() -> Iterator[tuple[Path, str]]:
    """Folders with what each of them is; nothing else in their parents is minicnn's."""
    with suppress(BackendError, ImportError, RuntimeError):  # nothing can be compiled here, or there is no home directory
        from ..backends.cpu.compile.cache import cache_root, sources_key

        used = f"kernels-{sources_key()}"
        for folder in sorted(cache_root().glob("kernels-*")):
            if folder.is_dir() and not folder.is_symlink():
                yield folder, "the kernels in use" if folder.name == used else "kernels of other sources or versions"
    from ..serve.demo.kept import kept_folder

    with suppress(DataError):  # there is no home directory
        if (folder := cache_folder()).is_dir():
            yield folder, "MNIST as it was downloaded"
        if (folder := kept_folder()).is_dir():
            yield folder, "networks that minicnn draw trained"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
