"""A folder of pictures as a data set: each subfolder is a class."""

from __future__ import annotations

import errno
import os
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from ..arrays import Array
from ..errors import DataError, OptionError, reason
from .outfile import StrPath, part_beside, sweep
from .picture import SUFFIXES, check_form, look, read_picture
from .system import allocate, claim

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CORRUPT = ("refuse", "skip")


class ImageFolder:
    """A folder in which every subfolder holds the pictures of a class, PNG, JPEG, BMP or GIF, also in folders below it.

    Hidden files and folders, and files with other endings, are passed over, but a subfolder of nothing else is treated as a
    picture that cannot be read. What ``read_picture`` says of one picture holds
    for all.

    Args:
        path: the folder.
        size: rows and columns wanted. For None those that all pictures have, or, where they differ, those that most have, or,
            where no two agree, the medians.
        channels: 1 for grey, 3 for colours; for None 3 if any picture has colours.
        fit: how pictures of another size get it: ``"crop"``, ``"pad"`` or ``"stretch"``.
        corrupt: ``"refuse"`` a picture that cannot be read, or ``"skip"`` it, and say so in ``skipped``.
        memory_map: an NPY file that holds the pixels and is read as they are needed, for more pictures than memory; it is
            written anew.

    Attributes:
        images: uint8, (N, C, H, W), or (N, H, W) if all are grey.
        labels: int64 (N,), the number of each picture's class.
        classes: the names of the classes, which are those of the subfolders, sorted.
        files: the files (N,), sorted within each class.
        skipped: a sentence about each picture that could not be read.

    Raises:
        DataError: no folder of classes with pictures, or a picture that cannot be read.
        OptionError: an option that is none.

    >>> from tempfile import TemporaryDirectory
    >>> from PIL import Image
    >>> with TemporaryDirectory() as folder:
    ...     for name in ("red", "blue"):
    ...         os.mkdir(f"{folder}/{name}")
    ...         Image.new("RGB", (8, 8), name).save(f"{folder}/{name}/0.png")
    ...     found = ImageFolder(folder)
    >>> found.classes, found.images.shape, found.labels.tolist()
    (('blue', 'red'), (2, 3, 8, 8), [0, 1])
    """

    def __init__(
        self,
        path: StrPath,
        size: tuple[int, int] | None = None,
        channels: int | None = None,
        fit: str = "crop",
        corrupt: str = "refuse",
        memory_map: StrPath | None = None,
    ) -> None:
        check_form(size, channels, fit)
        if corrupt not in CORRUPT:
            raise OptionError(
                "pictures", f"expected corrupt as one of {', '.join(CORRUPT)}, got {corrupt!r}", 'give corrupt="skip"'
            )
        folder, skipped = Path(path), list[str]()
        found = _classes(folder, corrupt, skipped)
        files = [(file, number) for number, own in enumerate(found.values()) for file in own]
        if size is None or channels is None:
            files, forms = _looked(files, corrupt, skipped)
            size = size or _size([rows_columns for rows_columns, _ in forms])
            channels = channels or (3 if any(colours for _, colours in forms) else 1)
        read = _Pixels(len(files), (channels, *size), memory_map)
        good = list[tuple[Path, int]]()
        try:
            for file, number in files:
                try:
                    read.add(read_picture(file, size, channels, fit))
                except DataError as error:
                    _pass_over(error, corrupt, skipped)
                    continue
                good.append((file, number))
            images = read.images()
        finally:
            read.drop()
        labels = np.array([number for _, number in good], np.int64)
        classes = tuple(found)
        if empty := [name for number, name in enumerate(classes) if not (labels == number).any()]:
            what = f"expected pictures that can be read in every class, got none in {empty[0]}"
            raise DataError(str(folder), what, "look at its files, or remove the subfolder")
        self.images, self.labels, self.classes = images[:, 0] if channels == 1 else images, labels, classes
        self.files, self.skipped = tuple(file for file, _ in good), tuple(skipped)

    @property
    def names(self) -> Array:
        """The name (N,) of each picture's class."""
        return np.array(self.classes)[self.labels]

    def __repr__(self) -> str:
        return f"<ImageFolder {self.images.shape}, classes {', '.join(self.classes)}, {len(self.skipped)} skipped>"


def _classes(folder: Path, corrupt: str, skipped: list[str]) -> dict[str, list[Path]]:
    """The pictures of each class."""
    hint = "give a folder with a subfolder of pictures for each class"
    try:
        entries = sorted(folder.iterdir())
    except OSError as fault:
        raise DataError(str(folder), f"expected a folder, got {reason(fault)}", hint) from None
    names = [entry for entry in entries if entry.is_dir() and not entry.name.startswith(".")]
    found = {entry.name: sorted(file for file in _files(entry) if file.suffix.lower() in SUFFIXES) for entry in names}
    for entry in names:
        if not found[entry.name] and (other := next(_files(entry), None)):
            endings = ", ".join(SUFFIXES)
            what = f"expected pictures, which end in {endings}, in every subfolder, got other files such as {other.name}"
            _pass_over(DataError(str(entry), what, ""), corrupt, skipped)
    found = {name: files for name, files in found.items() if files}
    if len(found) < 2:
        loose = sum(entry.suffix.lower() in SUFFIXES and not entry.name.startswith(".") for entry in entries)
        got = f"{len(found)} of them" + (f", and {loose} in none" if loose else "")
        raise DataError(str(folder), f"expected two subfolders of pictures or more, one for each class, got {got}", hint)
    return found


def _files(folder: Path) -> Iterator[Path]:
    """Files that are not hidden, also in folders below."""
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(place, name) for name in files if not name.startswith("."))


def _looked(
    files: Sequence[tuple[Path, int]], corrupt: str, skipped: list[str]
) -> tuple[list[tuple[Path, int]], list[tuple[tuple[int, int], bool]]]:
    """The pictures whose size and colours can be seen, and these."""
    good, forms = list[tuple[Path, int]](), list[tuple[tuple[int, int], bool]]()
    for file, number in files:
        try:
            forms.append(look(file))
        except DataError as error:
            _pass_over(error, corrupt, skipped)
            continue
        good.append((file, number))
    if not good:
        raise DataError("pictures", "expected one at least that can be read, got none", "look at the files")
    return good, forms


def _pass_over(error: DataError, corrupt: str, skipped: list[str]) -> None:
    """Note a picture that cannot be read, or refuse it."""
    if corrupt == "refuse":
        raise DataError(error.who, error.what, 'leave it out, or pass over such with corrupt="skip"') from None
    skipped.append(f"{error.who}: {error.what}")


def _size(sizes: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """The size that most have; the medians where no two have the same."""
    size, count = Counter(sizes).most_common(1)[0]
    if count > 1 or len(sizes) == 1:
        return size
    rows, columns = np.median(np.array(sizes), axis=0)
    return int(rows), int(columns)


class _Pixels:
    """Pixels in memory, or in a file that is mapped.

    Args:
        count: how many pictures there may be.
        shape: of each.
        memory_map: the file; memory for None.
    """

    def __init__(self, count: int, shape: tuple[int, ...], memory_map: StrPath | None) -> None:
        self._count, self._path = 0, memory_map
        self._open: BinaryIO | None = None
        if memory_map is None:
            self._all: Array = np.empty((count, *shape), np.uint8)
            return
        if not Path(memory_map).name:
            raise self._unwritable(OSError(errno.EINVAL, "no name of a file"))
        try:
            # Another process may read an older file of that name: it stays in place until the new one is complete.
            sweep(Path(memory_map).parent)
            self._new = part_beside(memory_map)
            self._all = np.lib.format.open_memmap(self._new, "w+", np.uint8, (count, *shape))
            self._open = open(self._new, "r+b")  # noqa: SIM115 – closed in ``drop``
            claim(self._open.fileno())  # protects the file from ``sweep``
            allocate(self._open)
        except OSError as fault:
            self.drop()
            raise self._unwritable(fault) from None

    def add(self, image: Array) -> None:
        """Put one more picture behind the others."""
        self._all[self._count] = image
        self._count += 1

    def images(self) -> Array:
        """Those that were added."""
        if self._path is not None:
            self._all.flush()  # type: ignore[attr-defined]  # it is mapped
            self._all = np.empty(0, np.uint8)  # Windows gives no other name to a file that is mapped
            try:
                os.replace(self._new, self._path)
            except OSError as fault:
                raise self._unwritable(fault) from None
            self._all = np.load(self._path, mmap_mode="r")
        return self._all[: self._count]

    def drop(self) -> None:
        """Remove a file that did not become complete."""
        if self._open is not None:
            self._open.close()
        if self._path is not None:
            self._all = np.empty(0, np.uint8)
            with suppress(OSError):
                os.remove(self._new)

    def _unwritable(self, fault: OSError) -> DataError:
        hint = "name a file in a folder with room for the pixels"
        return DataError(os.fspath(self._path or ""), f"expected a file that can be written, got {reason(fault)}", hint)
