"""Whatever a path names is read in bounded memory and time, or refused at once in words: pipes, devices, bombs, lies."""

import gzip
import json
import os
import re
import socket
import struct
import time
import tracemalloc

import numpy as np
import pytest

from minicnn import CheckpointError, DataError, Dense, Network
from minicnn.data import load_mnist, read_idx
from minicnn.data.infile import MOST_TEXT, open_file, read_text
from minicnn.train.checkpoint import load_weights, read_metadata, save_weights
from minicnn.train.safetensors_file import read

MB = 1 << 20


def pipe(path):
    os.mkfifo(path)


def local_socket(path):
    with socket.socket(socket.AF_UNIX) as place:
        here = os.open(path.parent, os.O_RDONLY)  # a socket's name must be short
        place.bind(f"/proc/self/fd/{here}/{path.name}")
        os.close(here)


KINDS = {
    "a pipe": pipe,
    "a socket": local_socket,
    "a directory": lambda path: path.mkdir(),
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "no such file or directory": lambda path: path.symlink_to(path.parent / "nothing"),
}

READERS = {
    "IDX": (read_idx, DataError, "expected a readable IDX file, got {}; check the path and its permissions"),
    "safetensors": (read, CheckpointError, "expected a readable file, got {}; check the path and its permissions"),
    "checkpoint": (read_metadata, CheckpointError, "expected a readable file, got {}; check the path and its permissions"),
    "text": (read_text, DataError, "expected a readable file, got {}; check the path and its permissions"),
}


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="the kinds of files are those of Linux")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reader", READERS)
def test_what_is_no_regular_file_is_refused_at_once(tmp_path, kind, reader):
    read_, error, message = READERS[reader]
    path = tmp_path / "file"
    KINDS[kind](path)
    with pytest.raises(error) as caught:
        read_(path)
    assert str(caught.value) == f"{path}: {message.format(kind)}"


@pytest.mark.parametrize("reader", READERS)
def test_a_name_that_no_file_can_have_is_refused(reader):
    read_, error, message = READERS[reader]
    with pytest.raises(error) as caught:
        read_("a\0b")
    assert str(caught.value) == f"'a\\x00b': {message.format('a name with a null character')}"


def test_a_file_that_changes_into_a_pipe_is_refused(tmp_path, monkeypatch):
    path, regular = tmp_path / "file", tmp_path / "regular"
    os.mkfifo(path)
    regular.touch()
    known = os.stat(regular)
    monkeypatch.setattr("minicnn.data.infile.os.stat", lambda name: known)
    with pytest.raises(OSError, match="a pipe"):
        open_file(path)


def test_text_is_read_or_refused(tmp_path):
    path = tmp_path / "text"
    path.write_text("é")
    assert read_text(path) == "é"
    path.write_bytes(b"\xff")
    with pytest.raises(DataError, match=r"text: expected text in UTF-8, got other bytes; give a file that minicnn wrote$"):
        read_text(path)
    with open(path, "wb") as file:
        file.truncate(MOST_TEXT + 1)
    with pytest.raises(DataError, match=r"text: expected at most 67,108,864 bytes of text, got more; give a file that"):
        read_text(path)


# --- IDX ---


def header(*sizes, code=8):
    return struct.pack(f">4B{len(sizes)}I", 0, 0, code, len(sizes), *sizes)


def refused(path, error, reader):
    """The message of a file that is refused, and the memory that it took."""
    tracemalloc.start()
    with pytest.raises(error) as caught:
        reader(path)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return str(caught.value), most


@pytest.fixture(scope="module")
def zeros():
    """Many zeros, packed: a hundredth of a per cent of their number."""
    return gzip.compress(bytes(100 * MB), 1)


BOMBS = {
    "too few": (header(2**31 - 1), "expected 2,147,483,647 bytes of data .*, got 104,857,600"),
    "too many": (header(100 * MB - 1), "expected 104,857,599 bytes of data .*, got more"),
    "absurd": (header(*[2**32 - 1] * 3, code=14), f"expected {8 * (2**32 - 1) ** 3:,} bytes .*, got 104,857,600"),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_takes_no_memory(tmp_path, zeros, bomb):
    start, words = BOMBS[bomb]
    path = tmp_path / "bomb"
    path.write_bytes(gzip.compress(start) + zeros)
    message, most = refused(path, DataError, read_idx)
    assert re.search(words, message), message
    assert most < 6 * MB


def test_what_a_small_file_claims_takes_sixteen_megabytes_at_most(tmp_path):
    path = tmp_path / "claim"
    path.write_bytes(gzip.compress(header(16 * MB) + np.random.default_rng(0).bytes(MB)))
    message, most = refused(path, DataError, read_idx)
    assert "expected 16,777,216 bytes of data for its shape (16777216,) of uint8, got 1,048,576; fetch" in message
    assert most < 20 * MB


def test_a_raw_file_is_measured_before_it_is_read(tmp_path):
    path = tmp_path / "raw"
    for size, got in ((200 * MB, "more"), (50 * MB, "52,428,800")):
        with open(path, "wb") as file:
            file.write(header(100 * MB))
            file.truncate(size + 8)
        message, most = refused(path, DataError, read_idx)
        assert f"expected 104,857,600 bytes of data for its shape (104857600,) of uint8, got {got};" in message
        assert most < MB


@pytest.mark.parametrize("code", [8, 12])
def test_an_array_that_is_there_takes_its_own_size(tmp_path, zeros, code):
    path, usable_threads = tmp_path / "array", gzip.compress(header(100 * MB // (4 if code == 12 else 1), code=code)) + zeros
    path.write_bytes(usable_threads)
    tracemalloc.start()
    array = read_idx(path)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert array.nbytes == 100 * MB
    assert not array.any()
    assert most < 108 * MB


def test_memory_that_is_not_there_is_said(tmp_path, monkeypatch):
    path = tmp_path / "array"
    path.write_bytes(header(3) + b"abc")

    def none(*arguments):
        raise MemoryError

    monkeypatch.setattr("minicnn.data.idx.np.empty", none)
    with pytest.raises(DataError, match=r"expected 3 bytes of memory for its shape \(3,\), got none; free memory, or read a"):
        read_idx(path)


def test_a_bomb_among_the_files_of_a_data_set_is_not_unpacked(tmp_path, zeros):
    for name, sizes in (("train-images-idx3-ubyte", (1, 2, 2)), ("t10k-images-idx3-ubyte", (1, 2, 2))):
        (tmp_path / name).write_bytes(header(*sizes) + bytes(4))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(header(1) + b"\1")
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(gzip.compress(header(100 * MB)) + zeros)
    started = time.process_time()
    message, most = refused(tmp_path, DataError, load_mnist)
    assert "expected 1 labels, as many as t10k-images-idx3-ubyte has images, got 104,857,600" in message
    assert most < MB
    assert time.process_time() - started < 1


# --- safetensors ---


def file_of(head, data=b""):
    text = head if isinstance(head, bytes) else json.dumps(head).encode()
    return struct.pack("<Q", len(text)) + text + data


def many(count):
    return {f"layer{i}.weight": {"dtype": "F32", "shape": [1], "data_offsets": [4 * i, 4 * i + 4]} for i in range(count)}


def test_many_names_take_time_in_proportion(tmp_path):
    path = tmp_path / "many"
    path.write_bytes(file_of(many(50_000), bytes(200_000)))
    started = time.process_time()
    assert len(read(path)[1]) == 50_000
    with pytest.raises(CheckpointError, match=r"expected a tensor 'F\.weight', got none"):
        load_weights(path, Network([("F", Dense(1))], (1,), threads=1))
    assert time.process_time() - started < 10, "expected seconds; where every name is compared with every other it is a minute"


@pytest.mark.parametrize(
    ("change", "data"),
    [
        ({"layer7.weight": {"dtype": "F32", "shape": [1], "data_offsets": [24, 28]}}, 40_000),  # overlaps
        ({"layer9999.weight": {"dtype": "F32", "shape": [1], "data_offsets": [40_000, 40_004]}}, 40_000),  # out of range
        ({"layer9999.weight": {"dtype": "F32", "shape": [1], "data_offsets": [40_000, 40_004]}}, 40_004),  # leaves a hole
        ({}, 39_999),
        ({}, 40_001),
    ],
    ids=["overlap", "range", "hole", "short", "long"],
)
def test_offsets_that_do_not_tile_the_file_are_refused_among_many(tmp_path, change, data):
    path = tmp_path / "many"
    path.write_bytes(file_of(many(10_000) | change, bytes(data)))
    with pytest.raises(CheckpointError, match="expected a whole safetensors file, got something else"):
        read(path)


@pytest.mark.parametrize("length", [2**63, 100_000_001, 99_999_999])
def test_a_header_that_is_not_there_is_not_waited_for(tmp_path, length):
    path = tmp_path / "large"
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", length))
        file.truncate(90 * MB)
    message, most = refused(path, CheckpointError, read)
    assert "expected a whole safetensors file, got something else" in message
    assert most < MB


def test_tensors_of_another_size_than_the_header_says_are_not_read(tmp_path):
    path = tmp_path / "large"
    for head in (many(3), {}, {"__metadata__": {"a": "b"}}):
        with open(path, "wb") as file:
            file.write(file_of(head))
            file.truncate(200 * MB)
        message, most = refused(path, CheckpointError, read)
        assert "expected a whole safetensors file, got something else" in message
        assert most < MB


def test_a_file_without_tensors_is_whole(tmp_path):
    path = tmp_path / "none"
    path.write_bytes(file_of({"__metadata__": {"a": "b"}}))
    assert read(path) == ({"a": "b"}, {})
    path.write_bytes(file_of({}))
    assert read(path) == ({}, {})


def test_a_fault_that_quotes_much_is_reported_in_short(tmp_path):
    path, name = tmp_path / "long", "n" * MB
    entry = json.dumps({"dtype": "F32", "shape": [0], "data_offsets": [0, 0]})
    path.write_bytes(file_of(f'{{"{name}": {entry}, "{name}": {entry}}}'.encode()))
    with pytest.raises(CheckpointError) as caught:
        read(path)
    assert len(str(caught.value)) < 400 + len(str(path))


def test_what_is_saved_is_still_read(tmp_path):
    net = Network([("F", Dense(3))], (4,), threads=1)
    save_weights(tmp_path / "weights", net, {"a": [1.5, None]})
    assert load_weights(tmp_path / "weights", Network([("F", Dense(3))], (4,), threads=1, seed=1)) == {"a": [1.5, None]}
