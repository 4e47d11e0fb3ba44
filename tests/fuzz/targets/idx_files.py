"""IDX files, raw and gzip: accepted if, and only if, another reading of the format finds exactly one array."""

import gzip
import io
import math
import struct
import zlib

import numpy as np

from fuzz.judged import refused
from minicnn.data.idx import decode_idx
from minicnn.errors import DataError

INPUTS, QUICK = 1_000_000, 8_000
LONGEST, MOST_BYTES, SECONDS = 4096, 64 << 20, 2
READS = ("minicnn.data",)

RAW, PACKED, TWICE = range(3)
"""An input's first byte, modulo 3: its other bytes are the file, what it packs, or what it packs in two parts."""

DTYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


def seeds():
    found = [bytes([0, 0, code, 1, 0, 0, 0, 3]) + bytes(range(3 * np.dtype(kind).itemsize)) for code, kind in DTYPES.items()]
    found += [bytes([0, 0, 8, 3, *(0, 0, 0, 2) * 3]) + bytes(8), bytes([0, 0, 8, 2, *(0, 0, 0, 0), *(255,) * 4])]
    found += [bytes([0, 0, 8, 65]) + 65 * bytes([0, 0, 0, 1]) + b"x", bytes([0, 0, 14, 2]) + 8 * b"\xff"]
    files = [bytes([RAW]) + gzip.compress(found[0], mtime=0)]
    return [bytes([way]) + each for each in found for way in (RAW, PACKED, TWICE)] + files


def file_of(data):
    """The file that an input is."""
    way, content = data[0] % 3 if data else RAW, data[1:]
    if way == RAW:
        return content
    parts = [content] if way == PACKED else [content[: len(content) // 2], content[len(content) // 2 :]]
    return b"".join(gzip.compress(part, 1, mtime=0) for part in parts)


def reading(content):
    """The dtype, shape and big-endian bytes of a file by the format's description; None if it is not exactly one array."""
    if content[:2] == b"\x1f\x8b":
        try:
            content = gzip.decompress(content)
        except (EOFError, OSError, zlib.error):
            return None
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in DTYPES or not 0 < content[3] <= 64:
        return None
    start = 4 + 4 * content[3]
    if len(content) < start:
        return None
    dtype, shape = np.dtype(DTYPES[content[2]]), struct.unpack(f">{content[3]}I", content[4:start])
    whole = math.prod(shape) * dtype.itemsize == len(content) - start
    possible = math.prod(n or 1 for n in shape) * dtype.itemsize < 1 << 63  # what NumPy can hold
    return (dtype, shape, content[start:]) if whole and possible else None


def check(data):
    content = file_of(data)
    try:
        found = decode_idx(io.BytesIO(content), "file")
    except DataError as error:
        wanted = reading(content)
        assert wanted is None, f"expected {wanted[:2]} to be read, got {error}"
        return refused(error)
    wanted = reading(content)
    assert wanted is not None, f"expected a refusal, got {found.dtype} of shape {found.shape}"
    dtype, shape, numbers = wanted
    assert found.dtype == dtype.newbyteorder("=")
    assert found.shape == shape
    assert found.astype(dtype).tobytes() == numbers
    assert found.flags.c_contiguous
    assert found.flags.writeable
    return True
