"""Read arrays from NPZ files without unpickling anything, in memory that is bounded before it is taken."""

from __future__ import annotations

import math
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from typing import IO, BinaryIO, NamedTuple

import numpy as np

from ..arrays import Array
from ..errors import DataError

MAGIC = b"PK\x03\x04"
"""What an NPZ file, a zip archive, begins with."""

_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, struct.error, OSError)
"""What Python raises for zip archives that are damaged, encrypted or packed in another way."""

_MOST_FILE = 1 << 30
_HINT = "write it again with np.savez or np.savez_compressed"
_SIZE = "(?:0|[1-9][0-9]{0,18})"
_SHAPE = rf"(|{_SIZE},|{_SIZE}(?:, {_SIZE})+)"
_FORM = re.compile(rf"\{{'descr': '([<>|][a-zA-Z][0-9]*)', 'fortran_order': (True|False), 'shape': \({_SHAPE}\), \}}[ \n]*")
_MOST_AXES, _MOST_NUMBERS = 64, 1 << 59
"""No array of NumPy has more; axes of no length count as one, as NumPy counts them."""

Shape = tuple[int, ...]


def read_npz(
    file: BinaryIO, who: str, kinds: Mapping[str, str], fits: Callable[[dict[str, Shape]], bool], wanted: str
) -> dict[str, Array]:
    """Read named arrays from an NPZ file; others in it are left alone. All shapes are checked before memory is taken.

    Args:
        file: the file, seekable.
        who: its name in error messages.
        kinds: for each array the dtypes that it may have, as ``np.dtype.str`` without its first character, such as ``"u1"``.
        fits: whether shapes, by name, belong together.
        wanted: in words what the arrays should be.

    Returns:
        The arrays, C-contiguous and in native byte order.

    Raises:
        DataError: the file is no NPZ file, or lacks such arrays.
    """
    try:
        if file.seek(0, 2) > _MOST_FILE:
            raise DataError(who, f"expected an NPZ file of at most {_MOST_FILE:,} bytes, got more", "give a smaller file")
        file.seek(0)
        with zipfile.ZipFile(file) as archive:
            return _arrays(archive, who, kinds, fits, wanted)
    except DataError:
        raise
    except _BROKEN as fault:
        words = ascii(str(fault))[1:-1][:160]  # it may quote the file
        raise DataError(who, f"expected an intact NPZ file, got a broken one ({words})", _HINT) from fault


def read_npy(file: BinaryIO, who: str, kinds: str, fits: Callable[[Shape], bool], wanted: str) -> Array:
    """Read an array as ``np.save`` writes it. Its shape is checked before memory is taken.

    Args:
        file: the file.
        who: its name in error messages.
        kinds: the dtypes that it may have, as ``np.dtype.str`` without its first character, such as ``"u1 f4"``.
        fits: whether a shape is right.
        wanted: in words what the array should be.

    Returns:
        The array, C-contiguous and in native byte order.

    Raises:
        DataError: it is none.
    """
    hint = "write it again with np.save"
    try:
        header = _header(file)
    except (ValueError, UnicodeDecodeError) as fault:
        raise DataError(who, f"expected an intact NPY file, got a broken one ({fault})", hint) from None
    if header.dtype[1:] not in kinds.split() or not fits(header.shape):
        raise DataError(who, f"expected {wanted}, got {header.dtype} of shape {header.shape}", hint)
    return _content(file, header, who, hint)


def _arrays(
    archive: zipfile.ZipFile, who: str, kinds: Mapping[str, str], fits: Callable[[dict[str, Shape]], bool], wanted: str
) -> dict[str, Array]:
    members, headers = {}, {}
    known = {info.filename: info for info in archive.infolist()}
    for name, allowed in kinds.items():
        info = known.get(f"{name}.npy")
        if info is None:
            raise DataError(who, f"expected {wanted}, got no {name}", _HINT)
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise DataError(who, f"expected {wanted}, stored or deflated, got {name} packed in another way", _HINT)
        members[name] = archive.open(info)
        headers[name] = header = _header(members[name])
        if header.dtype[1:] not in allowed.split():
            raise DataError(who, f"expected {wanted}, got {name} of dtype {header.dtype}", _HINT)
    if not fits({name: header.shape for name, header in headers.items()}):
        words = " and ".join(f"{name} {header.shape}" for name, header in headers.items())
        raise DataError(who, f"expected {wanted}, got {words}", _HINT)
    return {name: _content(member, headers[name], f"{who}: {name}") for name, member in members.items()}


class Header(NamedTuple):
    """What an NPY file says of its array: dtype as ``np.dtype.str``, whether in Fortran's order, and shape."""

    dtype: str
    fortran: bool
    shape: Shape


def _header(member: IO[bytes]) -> Header:
    """Read the header of version 1.0 of an NPY file, in the one form that NumPy writes: nothing in it is evaluated."""
    start = member.read(10)
    if start[:8] != b"\x93NUMPY\x01\x00":
        raise ValueError("no array of NPY version 1.0")
    size = int.from_bytes(start[8:], "little")
    text = member.read(size)
    found = _FORM.fullmatch(text.decode("latin-1"))
    if len(start) < 10 or len(text) < size:
        raise ValueError("an end within its NPY header")
    if found is None:
        raise ValueError("an NPY header in another form than NumPy's")
    shape = tuple(int(size) for size in found[3].split(",") if size)
    if len(shape) > _MOST_AXES or math.prod(n or 1 for n in shape) > _MOST_NUMBERS:
        raise ValueError("a shape that no array has")
    return Header(found[1], found[2] == "True", shape)


def _content(member: IO[bytes], header: Header, who: str, hint: str = _HINT) -> Array:
    """The numbers behind the header: exactly so many."""
    (_, fortran, shape), dtype = header, np.dtype(header.dtype)
    content, got = np.empty(math.prod(shape) * dtype.itemsize, np.uint8), 0
    while piece := member.read(1 << 20):
        if got + len(piece) <= len(content):
            content[got : got + len(piece)] = np.frombuffer(piece, np.uint8)
        got += len(piece)
        if got > len(content):
            break
    if got != len(content):
        words = f"{got:,}" if got < len(content) else "more"
        raise DataError(who, f"expected {len(content):,} bytes for its shape {shape} of {dtype.name}, got {words}", hint)
    array = content.view(dtype).reshape(shape[::-1] if fortran else shape)
    return (array.T if fortran else array).astype(dtype.newbyteorder("="), order="C", copy=False)
