"""IDX files, the format of MNIST: read and write arrays of one number type, raw or compressed with gzip."""

from __future__ import annotations

import gzip
import io
import math
import os
import struct
from typing import BinaryIO

import numpy as np

from minicnn.data.infile import Stream, opened, pieces, unpacked
from minicnn.data.outfile import outfile
from minicnn.errors import DataError

from ..arrays import Array, DType

_DTYPES = {code: np.dtype(name) for code, name in ((8, ">u1"), (9, ">i1"), (11, ">i2"), (12, ">i4"), (13, ">f4"), (14, ">f8"))}
_FREE, _RATIO = 16 << 20, 20
Header = tuple[DType, tuple[int, ...]]
"""The dtype (big-endian) and shape that a file declares."""


def read_idx(path: str | os.PathLike[str], memory_map: bool = False) -> Array:
    """Read one IDX file.

    The file is ``0, 0, type code, rank`` (one byte each), then ``rank`` big-endian 32-bit sizes, then the elements,
    big-endian, last axis fastest. Type codes: 8 uint8, 9 int8, 11 int16, 12 int32, 13 float32, 14 float64. A gzip file is
    recognised by its first two bytes, not by its name, and is never unpacked further than its header declares. An array larger
    than 16 MiB and 20 times its gzip file is unpacked twice: first to count its bytes, then into memory. So a small file that
    declares a huge array does not claim memory.

    Args:
        path: the file.
        memory_map: read the elements as they are needed, for more data than memory. The array is read-only then and in the
            file's byte order; networks take it as it is. The file must be raw, and nothing may write to it meanwhile.

    Returns:
        The array in native byte order, C-contiguous and writeable.

    Raises:
        DataError: the file cannot be read, or is not exactly one IDX array; or it is a gzip file that is to be mapped.

    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_idx(Path(folder, "labels.gz"), np.array([7, 2, 1], np.uint8))
    ...     read_idx(Path(folder, "labels.gz"))
    array([7, 2, 1], dtype=uint8)

    Source: the format's description on the MNIST page of Y. LeCun, C. Cortes and C. Burges.
    """
    with opened(path, "IDX file") as file:
        return _mapped(file, os.fspath(path)) if memory_map else decode_idx(file, os.fspath(path))


def read_header(path: str | os.PathLike[str]) -> Header:
    """Read only the header of an IDX file: dtype and shape.

    Args:
        path: the file, raw or gzip.

    Raises:
        DataError: the file cannot be read, or has no IDX header.
    """
    with opened(path, "IDX file") as file:
        return _header(unpacked(file), os.fspath(path))


def decode_idx(file: Stream, who: str) -> Array:
    """Decode one IDX array, raw or gzip, from a seekable binary stream.

    Args:
        file: the stream, at its beginning.
        who: the name of the stream in error messages.

    Returns:
        The array, as `read_idx` returns it.

    Raises:
        DataError: the stream is not exactly one IDX array.
        OSError: the stream cannot be read.

    >>> decode_idx(io.BytesIO(bytes([0, 0, 11, 1, 0, 0, 0, 2, 1, 0, 255, 255])), "example")
    array([256,  -1], dtype=int16)
    """
    size = file.seek(0, io.SEEK_END)
    stream = unpacked(file)
    dtype, shape = _header(stream, who)
    expected = math.prod(shape) * dtype.itemsize
    if stream is file:
        _check_length(size - 4 - 4 * len(shape), expected, dtype, shape, who)
    elif expected > max(_FREE, _RATIO * size):
        _check_length(_count(stream, expected, who), expected, dtype, shape, who)
        _header(stream := unpacked(file), who)
    try:
        array = np.empty(shape, dtype)
    except ValueError as fault:
        _check_length(_count(stream, expected, who), expected, dtype, shape, who)
        what = f"expected a shape that NumPy can hold, got {_shown(shape)}"
        raise DataError(who, what, "write the array in another shape") from fault
    except MemoryError as fault:
        what = f"expected {_counted(expected)} bytes of memory for its shape {_shown(shape)}, got none"
        raise DataError(who, what, "free memory, or read a smaller file") from fault
    content, got = array.reshape(-1).view(np.uint8), 0
    for piece in pieces(stream, expected + 1, who):
        if got + len(piece) <= expected:
            content[got : got + len(piece)] = np.frombuffer(piece, np.uint8)
        got += len(piece)
    _check_length(got, expected, dtype, shape, who)
    return array if dtype.isnative else array.byteswap(inplace=True).view(dtype.newbyteorder("="))


def write_idx(path: str | os.PathLike[str], array: Array) -> None:
    """Write an array as one IDX file. An older file of that name is replaced only once the new one is complete.

    Args:
        path: the file; the suffix ``.gz`` selects gzip, without a time stamp so that equal arrays give equal files.
        array: of rank 1 to 64, uint8, int8, int16, int32, float32 or float64, in any layout and byte order.

    Raises:
        DataError: IDX cannot hold the array, or the file cannot be written.

    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_idx(Path(folder, "pair"), np.array([256, -1], np.int16))
    ...     Path(folder, "pair").read_bytes().hex(" ")
    '00 00 0b 01 00 00 00 02 01 00 ff ff'

    Source: see `read_idx`.
    """
    who = os.fspath(path)
    content = _encode(array, who)
    if who.endswith(".gz"):
        content = _gzipped(content)
    with outfile(path, "an IDX file", DataError) as file:
        file.write(content)


def _shown(shape: tuple[int, ...]) -> str:
    """A shape for a message, with at most eight axes of up to 255."""
    return str(shape) if len(shape) <= 8 else f"({', '.join(map(str, shape[:8]))}, … {len(shape)} axes)"


def _counted(count: int) -> str:
    """A number for a message; that of 255 axes may have 2,456 digits."""
    return f"{count:,}" if count < 10**40 else "10^40 or more"


def _mapped(file: BinaryIO, who: str) -> Array:
    if unpacked(file) is not file:
        raise DataError(who, "expected a raw IDX file to map into memory, got a gzip file", "unpack it beforehand")
    dtype, shape = _header(file, who)
    start, expected = file.tell(), math.prod(shape) * dtype.itemsize
    _check_length(file.seek(0, io.SEEK_END) - start, expected, dtype, shape, who)
    if not expected:  # nothing cannot be mapped
        return np.empty(shape, dtype)
    return np.memmap(file, dtype, "r", start, shape)


def _count(stream: Stream, expected: int, who: str) -> int:
    """The number of bytes in the stream, counted to at most one more than expected."""
    return sum(len(piece) for piece in pieces(stream, expected + 1, who))


def _check_length(got: int, expected: int, dtype: DType, shape: tuple[int, ...], who: str) -> None:
    if got != expected:
        words = f"{got:,}" if got < expected else "more"
        what = f"expected {_counted(expected)} bytes of data for its shape {_shown(shape)} of {dtype.name}, got {words}"
        raise DataError(who, what, "fetch the file again")


def _header(stream: Stream, who: str) -> Header:
    start = b"".join(pieces(stream, 4, who))
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
    sizes = b"".join(pieces(stream, 4 * rank, who))
    if len(sizes) < 4 * rank:
        what = f"expected an IDX header of {4 + 4 * rank} bytes for rank {rank}, got {4 + len(sizes)}"
        raise DataError(who, what, "fetch the file again")
    return _DTYPES[code], struct.unpack(f">{rank}I", sizes)


def _encode(array: Array, who: str) -> bytes:
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
