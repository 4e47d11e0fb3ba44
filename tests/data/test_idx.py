"""IDX files: what is written is read back, and every fault says what is wrong."""

import gzip
import io
import os
import re
import struct
import tempfile
from pathlib import Path

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minicnn.data import read_idx, write_idx
from minicnn.data.idx import decode_idx
from minicnn.errors import DataError

DTYPES = ["uint8", "int8", "int16", "int32", "float32", "float64"]
SMALL = bytes([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6])


def fails(path, message):
    """Reading this file raises a DataError that begins with its name and goes on as the pattern says."""
    with pytest.raises(DataError, match=rf"^{re.escape(str(path))}: {message}") as caught:
        read_idx(path)
    assert caught.value.hint


@pytest.fixture
def file(tmp_path):
    """Write bytes to a file and return its path."""

    def write(content):
        path = tmp_path / "file"
        path.write_bytes(content)
        return path

    return write


@settings(max_examples=60, deadline=None)
@given(
    array=st.sampled_from(DTYPES).flatmap(
        lambda dtype: arrays.arrays(dtype, arrays.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=4))
    ),
    name=st.sampled_from(["array", "array.gz"]),
)
def test_what_is_written_is_read_back(array, name):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        write_idx(path, array)
        assert (path.read_bytes()[:2] == b"\x1f\x8b") == name.endswith(".gz")
        back = read_idx(path)
    assert back.dtype == array.dtype
    assert back.dtype.isnative
    assert back.flags.c_contiguous
    assert back.flags.writeable
    np.testing.assert_array_equal(back, array)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rank", [1, 2, 3, 4])
@pytest.mark.parametrize("name", ["array", "array.gz"])
def test_every_type_and_rank_is_read_back(tmp_path, dtype, rank, name):
    array = np.arange(2**rank, dtype=dtype).reshape((2,) * rank)
    write_idx(tmp_path / name, array)
    back = read_idx(str(tmp_path / name))
    assert back.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(back, array)


@pytest.mark.parametrize(
    ("code", "fmt", "values"),
    [
        (0x08, "3B", (0, 7, 255)),
        (0x09, "3b", (-128, 0, 127)),
        (0x0B, "3h", (-32768, 258, 1)),
        (0x0C, "3i", (-(2**31), 66051, 1)),
        (0x0D, "3f", (-1.5, 0.0, 3.25)),
        (0x0E, "3d", (-1.5, 0.1, 1e300)),
    ],
)
def test_every_type_is_big_endian_on_disk(file, tmp_path, code, fmt, values):
    content = struct.pack(f">4BI{fmt}", 0, 0, code, 1, 3, *values)
    array = read_idx(file(content))
    assert array.tolist() == list(values)
    write_idx(tmp_path / "again", array)
    assert (tmp_path / "again").read_bytes() == content


def test_layout_and_byte_order_do_not_matter_to_writing(tmp_path):
    array = np.arange(24, dtype=">i4").reshape(2, 3, 4).transpose(2, 0, 1)[::-1]
    write_idx(tmp_path / "array", array)
    np.testing.assert_array_equal(read_idx(tmp_path / "array"), array)


def test_gzip_is_known_by_content_not_by_name(file):
    np.testing.assert_array_equal(read_idx(file(gzip.compress(SMALL))), [[1, 2, 3], [4, 5, 6]])


def test_gzip_in_several_members_is_read(file):
    assert read_idx(file(gzip.compress(SMALL[:9]) + gzip.compress(SMALL[9:]))).shape == (2, 3)


def test_gzip_repeats_exactly(tmp_path):
    for name in ("a.gz", "b.gz"):
        write_idx(tmp_path / name, np.arange(100, dtype=np.uint8))
    content = (tmp_path / "a.gz").read_bytes()
    assert content == (tmp_path / "b.gz").read_bytes()
    assert content[3:8] == bytes(5), "no name and no time stamp"


@pytest.mark.parametrize("length", range(len(SMALL)))
def test_truncation_anywhere_is_a_fault(file, length):
    fails(file(SMALL[:length]), "expected ")


@pytest.mark.parametrize("length", range(len(gzip.compress(SMALL))))
def test_truncation_of_gzip_anywhere_is_a_fault(file, length):
    fails(file(gzip.compress(SMALL)[:length]), "expected ")


@given(content=st.binary(max_size=40))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_an_array_or_a_fault(content):
    for start in (b"", b"\0\0\x08", b"\x1f\x8b"):
        try:
            array = decode_idx(io.BytesIO(start + content), "bytes")
        except DataError:
            continue
        assert array.ndim >= 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected an IDX header of at least 4 bytes, got 0; fetch"),
        (b"\0\0\x08", "expected an IDX header of at least 4 bytes, got 3; fetch"),
        (b"PK\x03\x04 and more", "expected an IDX file, which begins with two zero bytes, got 50 4b; give"),
        (b"\0\0\x0a\x01" + SMALL[4:], "expected an IDX type code of 0x08, 0x09, 0x0b, 0x0c, 0x0d, 0x0e, got 0x0a; give"),
        (b"\0\0\x08\0\x07", "expected an IDX rank of at least 1, got 0; give"),
        (SMALL[:10], "expected an IDX header of 12 bytes for rank 2, got 10; fetch"),
        (SMALL[:-2], r"expected 6 bytes of data for its shape \(2, 3\) of uint8, got 4; fetch"),
        (SMALL + b"x", r"expected 6 bytes of data for its shape \(2, 3\) of uint8, got more; fetch"),
        (b"\0\0\x0e\x02" + b"\xff" * 8 + bytes(5), r"expected 147,573,952,520,956,936,200 bytes .* of float64, got 5; fetch"),
        (b"\0\0\x08\x04" + bytes(4) + b"\xff" * 12, r"expected a shape that NumPy can hold, got \(0, 4294967295, "),
        (b"\0\0\x08\x41" + b"\0\0\0\1" * 65 + b"x", r"expected a shape that NumPy can hold, got \(1, 1, "),
    ],
    ids=["empty", "short", "magic", "type", "rank", "header", "truncated", "trailing", "absurd", "overflow", "rank 65"],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["raw", "gzip"])
def test_faults_of_content(file, content, message, pack):
    fails(file(pack(content)), message)


def test_broken_gzip(file):
    packed = gzip.compress(SMALL)
    flipped = packed[:-8] + bytes([packed[-8] ^ 1]) + packed[-7:]
    for content in (packed[:-3], packed + b"garbage", flipped, packed[:10] + b"\xff" * 20):
        fails(file(content), r"expected an intact gzip file, got a broken one \(.+\); fetch")


def test_a_gzip_bomb_is_not_unpacked(file, monkeypatch):
    unpacked = 0
    read = gzip.GzipFile.read

    def counted(self, size=-1):
        nonlocal unpacked
        content = read(self, size)
        unpacked += len(content)
        return content

    monkeypatch.setattr(gzip.GzipFile, "read", counted)
    fails(file(gzip.compress(SMALL + bytes(1 << 24))), "expected 6 bytes .* got more")
    assert unpacked == len(SMALL) + 1


def test_paths_that_cannot_be_read(tmp_path, file):
    fails(tmp_path / "nothing", "expected a readable IDX file, got no such file or directory; check")
    fails(tmp_path, "expected a readable IDX file, got a directory; check")
    fails(file(SMALL) / "below", "expected a readable IDX file, got not a directory; check")


def test_a_pipe_is_refused(tmp_path):
    reader, writer = os.pipe()
    os.write(writer, SMALL)
    fails(f"/dev/fd/{reader}", "expected a readable IDX file, got ")
    os.close(reader)
    os.close(writer)


def test_permission_denied(file, monkeypatch):
    path = file(SMALL)
    path.chmod(0)
    if os.access(path, os.R_OK):  # root may read everything

        def denied(*args, **kwargs):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr("builtins.open", denied)
    fails(path, "expected a readable IDX file, got permission denied; check the path and its permissions")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros(2, np.int64), "expected an array of uint8, .*, float64, got int64; convert"),
        (np.zeros(2, bool), "expected an array of .*, got bool; convert"),
        (np.zeros((), np.uint8), "expected an array of rank 1 or more, got rank 0; give"),
        (np.zeros((0, 2**32), np.uint8), r"expected axes shorter than 2\*\*32, got shape \(0, 4294967296\); split"),
    ],
)
def test_arrays_that_idx_cannot_hold(tmp_path, array, message):
    with pytest.raises(DataError, match=message):
        write_idx(tmp_path / "array", array)
    assert list(tmp_path.iterdir()) == []


def test_writing_into_a_missing_folder(tmp_path):
    path = tmp_path / "missing" / "array"
    with pytest.raises(DataError, match=rf"^{re.escape(str(path))}: expected to write an IDX file, got no such file"):
        write_idx(path, np.zeros(2, np.uint8))


@pytest.mark.parametrize("name", ["array", "array.gz"])
def test_writing_is_all_or_nothing(tmp_path, monkeypatch, name):
    path = tmp_path / name
    write_idx(path, np.zeros(3, np.uint8))
    before = path.read_bytes()

    def full(descriptor):
        os.ftruncate(descriptor, 5)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match="got no space left on device; check the folder"):
        write_idx(path, np.ones(1000, np.uint8))
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == before


# --- by memory map ---


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_mapped_file_has_the_elements_of_one_that_is_read(tmp_path, dtype):
    array = np.arange(60, dtype=dtype).reshape(5, 3, 4)
    write_idx(tmp_path / "array", array)
    mapped = read_idx(tmp_path / "array", memory_map=True)
    assert isinstance(mapped, np.memmap)
    assert not mapped.flags.writeable
    np.testing.assert_array_equal(mapped, array)


def test_a_mapped_file_without_elements(tmp_path):
    write_idx(tmp_path / "array", np.zeros((3, 0, 2), np.uint8))
    assert read_idx(tmp_path / "array", memory_map=True).shape == (3, 0, 2)


def test_what_cannot_be_mapped_is_refused(tmp_path, file):
    write_idx(tmp_path / "array.gz", np.arange(3, dtype=np.uint8))
    with pytest.raises(DataError) as caught:
        read_idx(tmp_path / "array.gz", memory_map=True)
    what = "expected a raw IDX file to map into memory, got a gzip file; unpack it beforehand"
    assert str(caught.value) == f"{tmp_path / 'array.gz'}: {what}"
    cut, short = "expected 6 bytes of data", "expected an IDX header of at least 4 bytes, got 3"
    for content, words in ((SMALL[:-1], cut), (SMALL + b"x", cut), (SMALL[:3], short)):
        with pytest.raises(DataError, match=words):
            read_idx(file(content), memory_map=True)


def test_a_network_reads_a_mapped_file_as_one_in_memory(tmp_path):
    from minicnn import Dense, Network

    for dtype in ("uint8", "float32", "float64"):
        array = np.random.default_rng(0).integers(0, 2, (50, 6)).astype(dtype)
        write_idx(tmp_path / "array", array)
        net = Network([Dense(3)], (6,), threads=1)
        mapped = read_idx(tmp_path / "array", memory_map=True)
        np.testing.assert_array_equal(net.predict(mapped, [7, 3, 40]), net.predict(array, [7, 3, 40]))
