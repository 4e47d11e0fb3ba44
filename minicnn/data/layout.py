"""Find the four MNIST files in a folder. Known layouts: plain files, Kaggle, EMNIST and torchvision."""

from __future__ import annotations

import os
import re
from pathlib import Path

from ..errors import DataError, reason
from .mnist_files import FILES

PLACES = (".", "raw", "MNIST/raw")
"""Subfolders that are searched first; the last two are torchvision's."""

_NAME = re.compile(r"(?:(.+)-)?(train|t10k|test)-(images[-.]idx3|labels[-.]idx1)-ubyte(\.gz)?", re.IGNORECASE)
_Sets = dict[str, dict[str, list[Path]]]


def locate(folder: Path, hint: str) -> dict[str, Path]:
    """The paths of the four files, by name.

    Args:
        folder: the folder of the files, or one above it.
        hint: advice for the error message if they are missing.

    Raises:
        DataError: the folder cannot be read, or does not hold the files of one data set.
    """
    try:
        os.listdir(folder)
    except (OSError, ValueError) as fault:
        words = reason(fault) if isinstance(fault, OSError) else "a name with a null character"
        raise DataError(str(folder), f"expected a folder of data files, got {words}", hint) from fault
    seen = [_sets(folder / place) for place in PLACES] + [_torchvisions(folder)]
    for sets in seen:
        whole = sorted(prefix for prefix, paths in sets.items() if len(paths) == len(FILES))
        if "" in whole or len(whole) == 1:
            return {name: min(sets[whole[0]][name], key=_preference) for name in FILES}
        if whole:
            what = f"expected the files of one data set, got those of {', '.join(whole)}"
            raise DataError(str(folder), what, "name a folder that holds one of them")
    most = max((paths for sets in seen for paths in sets.values()), key=len, default={})
    missing = next(name for name in FILES if name not in most)
    raise DataError(str(folder), f"expected the four files of MNIST, raw or .gz, got no {missing}", hint)


def is_layout(folder: Path) -> bool:
    """Whether a folder has training images in a known layout."""
    return any(_sets(folder / place) for place in PLACES) or bool(_torchvisions(folder))


def _torchvisions(folder: Path) -> _Sets:
    """The files of torchvision's other data sets, such as ``FashionMNIST/raw``, by the name of their folder."""
    found: _Sets = {}
    for place in _inside(folder):
        if place.name != "MNIST" and (own := _sets(place / "raw").get("")):
            found[place.name] = own
    return found


def _sets(folder: Path) -> _Sets:
    """The files in a folder, by the prefix of their names, such as ``emnist-letters``, and by their names."""
    found: _Sets = {}
    for path in _inside(folder):
        if match := _NAME.fullmatch(path.name):
            part = "train" if match[2].lower() == "train" else "t10k"
            name = f"{part}-{match[3].lower().replace('.', '-')}-ubyte"
            # Kaggle puts each file into a folder of the same name
            files = [inner for inner in _inside(path) if _NAME.fullmatch(inner.name)] if path.is_dir() else [path]
            if files:
                found.setdefault((match[1] or "").lower(), {}).setdefault(name, []).extend(files)
    return found


def _inside(folder: Path) -> list[Path]:
    """The sorted content of a folder; empty if it cannot be read."""
    try:
        return [folder / name for name in sorted(os.listdir(folder))]
    except OSError:
        return []


def _preference(path: Path) -> tuple[bool, bool, str]:
    """Sort key among copies of one file: a file that is not empty comes first, then one that is not compressed."""
    return not os.path.isfile(path) or path.stat().st_size == 0, path.suffix.lower() == ".gz", path.name
