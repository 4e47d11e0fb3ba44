"""``minicnn cache``: what minicnn keeps on this machine, and how to remove it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from ..data.mnist import cache_folder
from ..data.mnist_files import FILES
from ..data.outfile import PART
from ..errors import BackendError, DataError, OutputError, reason
from .command import Commands, add_command
from .streams import say

EXAMPLE = """  minicnn cache
  minicnn cache --clear   # also what pip uninstall leaves behind"""


class Kept(NamedTuple):
    """A folder, the files in it that minicnn wrote, and what they are."""

    folder: Path
    files: list[Path]
    words: str


def add(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(commands, "cache", "say what is kept between runs: compiled kernels and downloaded digits", EXAMPLE)
    parser.add_argument("--clear", action="store_true", help="remove it; kernels are then compiled anew")
    parser.set_defaults(run=cache)


def cache(options: argparse.Namespace) -> int:
    """List, or remove."""
    total = 0
    for folder, files, words in kept():
        size = sum(file.lstat().st_size for file in files)
        total += size
        say(f"{folder}  {_megabytes(size)}, {len(files):,} files, {words}")
        if options.clear:
            _remove(folder, files)
    print(f"{'removed' if options.clear else 'in all'} {_megabytes(total)}")
    return 0


def _remove(folder: Path, files: list[Path]) -> None:
    """Remove files, and their folder and the one above it where nothing else is in them."""
    try:
        for file in files:
            file.unlink(missing_ok=True)
        for each in (folder, folder.parent):
            if not any(each.iterdir()):
                each.rmdir()
    except OSError as fault:
        what = f"expected a folder that can be removed, got {reason(fault)}"
        raise OutputError(str(folder), what, "check its permissions") from None


def kept() -> Iterator[Kept]:
    """Everything that is kept; links are not followed, and other files in these folders are not minicnn's."""
    with suppress(BackendError, ImportError, RuntimeError):  # nothing can be compiled here, or there is no home directory
        from ..backends.cpu.compile.cache import cache_root, cached_files, kernel_directories, sources_key

        used = f"kernels-{sources_key()}"
        for folder in kernel_directories(cache_root()):
            words = "the kernels in use" if folder.name == used else "kernels of other sources or versions"
            yield Kept(folder, cached_files(folder), words)
    with suppress(DataError):  # there is no home directory
        folder = cache_folder()
        if folder.is_dir() and not folder.is_symlink():
            own = [file for file in sorted(folder.iterdir()) if file.name in FILES or PART.fullmatch(file.name)]
            yield Kept(folder, [file for file in own if not file.is_dir()], "MNIST as it was downloaded")
        from ..serve.demo.kept import KEPT, kept_folder

        folder = kept_folder()
        if folder.is_dir() and not folder.is_symlink():
            own = [file for file in sorted(folder.iterdir()) if KEPT.fullmatch(file.name) or PART.fullmatch(file.name)]
            yield Kept(folder, [file for file in own if not file.is_dir()], "networks that minicnn draw trained")


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
