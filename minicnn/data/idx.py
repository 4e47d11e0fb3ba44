"""IDX files, the format of MNIST: arrays of one number type, read and written, raw or gzip."""

from __future__ import annotations

import gzip
import io
import math
import os
import secrets
import struct
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minicnn.errors import DataError

_DTYPES = {code: np.dtype(name) for code, name in ((8, ">u1"), (9, ">i1"), (11, ">i2"), (12, ">i4"), (13, ">f4"), (14, ">f8"))}
_GZIP = b"\x1f\x8b"
_PIECE = 1 << 20


def read_idx(path: str | os.PathLike[str]) -> NDArray[Any]:
    """Read one IDX file.

    The file is ``0, 0, type code, rank`` (one byte each), then ``rank`` big-endian 32-bit sizes, then the elements,
    big-endian, last axis fastest. Type codes: 8 uint8, 9 int8, 11 int16, 12 int32, 13 float32, 14 float64. A gzip file is
    known by its first two bytes, not by its name, and is never unpacked further than its header declares.

    Args:
        path: the file.

    Returns:
        The array in native byte order, C-contiguous and writeable.

    Raises:
        DataError: the file cannot be read, or is not exactly one IDX array.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_idx(Path(folder, "labels.gz"), np.array([7, 2, 1], np.uint8))
    ...     read_idx(Path(folder, "labels.gz"))
    array([7, 2, 1], dtype=uint8)

    Source: the format's description on the MNIST page of Y. LeCun, C. Cortes and C. Burges.
    """
    who = os.fspath(path)
    try:
        with open(path, "rb") as file:
            return decode_idx(file, who)
    except OSError as fault:
        what = f"expected a readable IDX file, got {reason(fault)}"
        raise DataError(who, what, "check the path and its permissions") from fault


def decode_idx(file: io.BufferedIOBase, who: str) -> NDArray[Any]:
    """Decode one IDX array, raw or gzip, from a seekable binary stream.

    Args:
        file: the stream, at its beginning.
        who: the name that errors give it.

    Returns:
        The array, as `read_idx` returns it.

    Raises:
        DataError: the stream is not exactly one IDX array.
        OSError: the stream cannot be read.

    >>> decode_idx(io.BytesIO(bytes([0, 0, 11, 1, 0, 0, 0, 2, 1, 0, 255, 255])), "example")
    array([256,  -1], dtype=int16)
    """
    packed = file.read(2) == _GZIP
    file.seek(0)
    stream: io.BufferedIOBase = gzip.GzipFile(fileobj=file) if packed else file
    try:
        dtype, shape = _read_header(stream, who)
        expected = math.prod(shape) * dtype.itemsize
        body = _read_up_to(stream, expected + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as fault:
        raise DataError(who, f"expected an intact gzip file, got a broken one ({fault})", "fetch the file again") from fault
    if len(body) != expected:
        got = f"{len(body):,}" if len(body) < expected else "more"
        what = f"expected {expected:,} bytes of data for its shape {shape} of {dtype.name}, got {got}"
        raise DataError(who, what, "fetch the file again")
    try:
        array = np.frombuffer(body, dtype).reshape(shape)
    except ValueError as fault:
        raise DataError(
            who, f"expected a shape that NumPy can hold, got {shape}", "write the array in another shape"
        ) from fault
    return array.astype(dtype.newbyteorder("="), copy=False)


def write_idx(path: str | os.PathLike[str], array: NDArray[Any]) -> None:
    """Write an array as one IDX file, all or nothing: until it is whole, an older file of that name stays in place.

    Args:
        path: the file; a name that ends in ``.gz`` makes it a gzip file, without a time stamp so that it repeats exactly.
        array: of rank 1 to 64, uint8, int8, int16, int32, float32 or float64, in any layout and byte order.

    Raises:
        DataError: IDX cannot hold the array, or the file cannot be written.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_idx(Path(folder, "pair"), np.array([256, -1], np.int16))
    ...     Path(folder, "pair").read_bytes().hex(" ")
    '00 00 0b 01 00 00 00 02 01 00 ff ff'

    Source: as for `read_idx`.
    """
    who = os.fspath(path)
    content = _encode(array, who)
    if who.endswith(".gz"):
        content = _gzipped(content)
    try:
        _replace(Path(path), content)
    except OSError as fault:
        what = f"expected to write an IDX file, got {reason(fault)}"
        raise DataError(who, what, "check the folder, its permissions and its free space") from fault


def reason(fault: OSError) -> str:
    """Say what the operating system said, in words that go after "got".

    Args:
        fault: the error.

    >>> reason(FileNotFoundError(2, "No such file or directory"))
    'no such file or directory'
    """
    return "a directory" if isinstance(fault, IsADirectoryError) else (fault.strerror or str(fault)).lower()


def _read_header(stream: io.BufferedIOBase, who: str) -> tuple[np.dtype[Any], tuple[int, ...]]:
    start = bytes(_read_up_to(stream, 4))
    if len(start) < 4:
        raise DataError(who, f"expected an IDX header of at least 4 bytes, got {len(start)}", "fetch the file again")
    if start[:2] != b"\0\0":
        what = f"expected an IDX file, which begins with two zero bytes, got {start[:2].hex(' ')}"
        raise DataError(who, what, "give an IDX file, raw or gzip")
    code, rank = start[2], start[3]
    if code not in _DTYPES:
        known = ", ".join(f"0x{known:02x}" for known in _DTYPES)
        raise DataError(who, f"expected an IDX type code of {known}, got 0x{code:02x}", "give an IDX file of a known type")
    if rank == 0:
        raise DataError(who, "expected an IDX rank of at least 1, got 0", "give a file that holds an array")
    sizes = bytes(_read_up_to(stream, 4 * rank))
    if len(sizes) < 4 * rank:
        what = f"expected an IDX header of {4 + 4 * rank} bytes for rank {rank}, got {4 + len(sizes)}"
        raise DataError(who, what, "fetch the file again")
    return _DTYPES[code], struct.unpack(f">{rank}I", sizes)


def _read_up_to(stream: io.BufferedIOBase, limit: int) -> bytearray:
    # In pieces: a header may declare any size, and memory is to follow what the file really holds.
    content = bytearray()
    while len(content) < limit and (piece := stream.read(min(limit - len(content), _PIECE))):
        content += piece
    return content


def _encode(array: NDArray[Any], who: str) -> bytes:
    code = next((code for code, dtype in _DTYPES.items() if dtype == array.dtype.newbyteorder(">")), None)
    if code is None:
        names = ", ".join(dtype.name for dtype in _DTYPES.values())
        raise DataError(who, f"expected an array of {names}, got {array.dtype.name}", "convert it with astype")
    if array.ndim == 0:
        raise DataError(who, "expected an array of rank 1 or more, got rank 0", "give it an axis with reshape(1)")
    if max(array.shape) >= 1 << 32:
        raise DataError(who, f"expected axes shorter than 2**32, got shape {array.shape}", "split the array")
    header = struct.pack(f">4B{array.ndim}I", 0, 0, code, array.ndim, *array.shape)
    return header + array.astype(_DTYPES[code], copy=False).tobytes()


def _gzipped(content: bytes) -> bytes:
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=packed, mtime=0) as file:
        file.write(content)
    return packed.getvalue()


def _replace(path: Path, content: bytes) -> None:
    # In the same folder, because os.replace is atomic only within one file system.
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        part.write_bytes(content)
        os.replace(part, path)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise
