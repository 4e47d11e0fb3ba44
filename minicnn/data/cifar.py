"""CIFAR-10: batches of 32 × 32 colour pictures, in the binary form and in NPZ files, from a folder or from the archive."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..arrays import Array
from ..errors import DataError, reason
from .infile import Readable, Stream, opened, pieces, shown, unpacked
from .mnist import ImageDataset
from .npz import MAGIC, read_npz

if TYPE_CHECKING:
    from tarfile import TarInfo

SHAPE, CLASSES = (3, 32, 32), 10
NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
"""The classes, by number."""

TRAINING, TEST = tuple(f"data_batch_{number}" for number in range(1, 6)), "test_batch"
ARCHIVE, INNER = "cifar-10-binary.tar.gz", "cifar-10-batches-bin"
MOST = 100_000
"""So many pictures a batch may hold; a published one holds 10,000."""

_RECORD = 1 + 3 * 32 * 32
_BLOCK = 512
_MOST_UNPACKED = 1 << 28
"""Bytes of an archive that are looked at; the published one unpacks to 184 million."""

_HINT = "fetch it again"
Batch = tuple[NDArray[np.uint8], NDArray[np.uint8]]
"""Pictures (N, 3, 32, 32), red, green, blue, and their class numbers (N,)."""


def read_batch(path: str | os.PathLike[str]) -> Batch:
    """Read one batch of CIFAR-10.

    A binary batch is N records of 3,073 bytes: the class number, then 1,024 bytes of red, of green and of blue, row by row. An
    NPZ batch, which is known by its content, holds the two arrays of the Python version: ``data`` (N, 3072) or (N, 3, 32, 32)
    of uint8, and ``labels`` (N,) of whole numbers. It is what
    ``np.savez("data_batch_1.npz", data=batch[b"data"], labels=batch[b"labels"])`` makes of a pickled batch. Nothing is ever
    unpickled: pickled files can run programs.

    Args:
        path: the file.

    Returns:
        Pictures (N, 3, 32, 32) of uint8, and class numbers (N,) of uint8.

    Raises:
        DataError: the file cannot be read, or is not exactly one batch of 1 to 100,000 pictures.

    Source: A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009, and the data set's page.
    """
    who = shown(path)
    with opened(path, "file of CIFAR-10") as file:
        return decode_batch(file, who)


def decode_batch(file: BinaryIO, who: str) -> Batch:
    """Decode one batch from a seekable binary stream, as ``read_batch`` does.

    Args:
        file: the stream, at its beginning.
        who: the name of the stream in error messages.

    Raises:
        DataError: the stream is not exactly one batch.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    start = file.read(len(MAGIC))
    file.seek(0)
    return _of_npz(file, who) if start == MAGIC else _of_records(file, size, who)


def load_cifar10(data: str | os.PathLike[str]) -> ImageDataset:
    """Load CIFAR-10 from the disk.

    Args:
        data: a folder with ``data_batch_1`` … ``data_batch_5`` and ``test_batch``, each as ``.bin`` or ``.npz`` (see
            ``read_batch``), or the one above, of ``cifar-10-batches-bin``; a folder with ``cifar-10-binary.tar.gz``; or that
            archive itself, which is read as it is and not unpacked on the disk.

    Returns:
        Pictures (N, 3, 32, 32) and labels. Beside them there is memory for the training pictures once more while they are read.

    Raises:
        DataError: there is no such folder or file, or it does not hold the data set.

    Source: see ``read_batch``; https://www.cs.toronto.edu/~kriz/cifar.html has the archive.
    """
    path, who = Path(data), shown(data)
    try:
        names = set(os.listdir(path)) if not os.path.isfile(path) else None
    except (OSError, ValueError) as fault:
        words = reason(fault) if isinstance(fault, OSError) else "a name with a null character"
        raise DataError(who, f"expected the folder of CIFAR-10, got {words}", "check the path and its permissions") from fault
    if names is None:
        return _joined(_of_archive(path), f"the archive {who}", who)
    places = {path: names} | ({path / INNER: set(os.listdir(path / INNER))} if os.path.isdir(path / INNER) else {})
    for folder, inside in places.items():
        found = {
            name: folder / f"{name}{kind}" for name in (*TRAINING, TEST) for kind in (".npz", ".bin") if name + kind in inside
        }
        if found:
            return _joined({name: read_batch(file) for name, file in sorted(found.items())}, f"the folder {who}", who)
    if ARCHIVE in names:
        return load_cifar10(path / ARCHIVE)
    what = f"expected {TRAINING[0]}.bin and the others of CIFAR-10, or {ARCHIVE}, got none of them"
    if TRAINING[0] in names:
        raise DataError(who, f"{what} but a pickled batch, which could run a program", f"fetch {ARCHIVE}")
    raise DataError(who, what, "name the folder that holds them")


def _joined(batches: dict[str, Batch], words: str, who: str) -> ImageDataset:
    """The batches as a data set, which lacks none."""
    missing = [name for name in (*TRAINING, TEST) if name not in batches]
    if missing:
        raise DataError(who, f"expected all six batches of CIFAR-10, got no {missing[0]}", "add it, as .bin or .npz")
    images, labels = (np.concatenate([batches[name][part] for name in TRAINING]) for part in (0, 1))
    return ImageDataset(images, labels, *batches[TEST], words, complete=True)


def _of_records(stream: Readable, size: int, who: str) -> Batch:
    """A binary batch of so many bytes."""
    count, rest = divmod(size, _RECORD)
    if rest or not 1 <= count <= MOST:
        what = f"expected 1 to {MOST:,} records of {_RECORD:,} bytes, as a binary batch of CIFAR-10 has, got {size:,} bytes"
        raise DataError(who, what, "give such a batch, or fetch it again")
    content, got = np.empty(size, np.uint8), 0
    for piece in pieces(stream, size, who):
        content[got : got + len(piece)] = np.frombuffer(piece, np.uint8)
        got += len(piece)
    if got < size:
        raise DataError(who, f"expected {size:,} bytes, got {got:,}", _HINT)
    records = content.reshape(count, _RECORD)
    return np.ascontiguousarray(records[:, 1:]).reshape(count, *SHAPE), _classes(records[:, 0], who)


def _of_npz(file: BinaryIO, who: str) -> Batch:
    """A batch in an NPZ file."""

    def fits(shapes: dict[str, tuple[int, ...]]) -> bool:
        count = shapes["labels"][:1]
        return len(count) == 1 and 1 <= count[0] <= MOST and shapes["labels"] == count and shapes["data"] in forms(*count)

    def forms(count: int) -> list[tuple[int, ...]]:
        return [(count, _RECORD - 1), (count, *SHAPE)]

    wanted = f"data (N, {_RECORD - 1}) or (N, 3, 32, 32) of uint8 and labels (N,) of whole numbers, N from 1 to {MOST:,}"
    arrays = read_npz(file, who, {"data": "u1", "labels": "u1 u2 u4 u8 i1 i2 i4 i8"}, fits, wanted)
    labels = _classes(arrays["labels"], who)
    return arrays["data"].reshape(len(labels), *SHAPE), labels


def _classes(labels: Array, who: str) -> NDArray[np.uint8]:
    """Class numbers as uint8, checked."""
    wrong = np.flatnonzero((labels < 0) | (labels >= CLASSES))
    if len(wrong):
        what = f"expected class numbers from 0 to {CLASSES - 1}, got {labels[wrong[0]]} for picture {wrong[0]:,}"
        raise DataError(who, what, "give a batch of CIFAR-10, or fetch it again")
    taken: NDArray[np.uint8] = labels.astype(np.uint8)
    return taken


def _of_archive(path: Path) -> dict[str, Batch]:
    """The batches in a tar archive, raw or gzip, by name."""
    from tarfile import AREGTYPE, CONTTYPE, REGTYPE

    batches = {}
    with opened(path, "file of CIFAR-10") as file:
        for member, stream in _members(unpacked(file), shown(path)):
            name = member.name.rpartition("/")[2].removesuffix(".bin")
            if member.type in (REGTYPE, AREGTYPE, CONTTYPE) and member.name.endswith(".bin") and name in (*TRAINING, TEST):
                if name in batches:
                    what = f"expected one {name}.bin in the archive, got another, {member.name!r}"
                    raise DataError(shown(path), what, "give the archive of CIFAR-10")
                batches[name] = _of_records(stream, member.size, f"{shown(path)}: {member.name}")
    return batches


class _Part:
    """The content of a file in a tar archive, as a stream that ends where it ends."""

    def __init__(self, read: Callable[[int], bytes], size: int) -> None:
        self._read, self.left = read, size

    def read(self, size: int = -1, /) -> bytes:
        """Up to so many bytes; none at the end."""
        piece = self._read(min(size, self.left))
        self.left -= len(piece)
        return piece


def _members(stream: Stream, who: str) -> Iterator[tuple[TarInfo, _Part]]:
    """The files of a tar archive, in order; what nobody reads is skipped, names of more than 100 characters too."""
    from tarfile import BLKTYPE, CHRTYPE, DIRTYPE, FIFOTYPE, LNKTYPE, SYMTYPE, TarError, TarInfo  # takes long to import

    left = _MOST_UNPACKED

    def read(size: int) -> bytes:
        nonlocal left
        piece = b"".join(pieces(stream, min(size, left), who))
        left -= len(piece)
        return piece

    while (header := read(_BLOCK)).strip(b"\0"):
        try:
            member = TarInfo.frombuf(header, "utf-8", "replace")
        except (TarError, ValueError) as fault:
            what = f"expected {ARCHIVE} or one like it, got no tar archive ({fault})"
            raise DataError(who, what, "give the archive, or a folder of batches") from fault
        if not 0 <= member.size <= left:
            what = f"expected an archive of at most {_MOST_UNPACKED:,} bytes, got one that claims more"
            raise DataError(who, what, "give the archive of CIFAR-10")
        if member.type in (BLKTYPE, CHRTYPE, DIRTYPE, FIFOTYPE, LNKTYPE, SYMTYPE):
            member.size = 0  # whatever it says, no content follows
        part, padding = _Part(read, member.size), -member.size % _BLOCK
        yield member, part
        while part.read(1 << 20):
            pass
        if part.left:
            what = f"expected {member.size:,} bytes of {member.name!r}, got {member.size - part.left:,}"
            raise DataError(who, what, "fetch the archive again, as it was cut short")
        read(padding)
    while read(1 << 20):  # to the end, where gzip has a checksum
        pass
